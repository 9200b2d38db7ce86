"""Profiles recorded here: each layer's sizes are known, and the wall's clock is another."""

import time

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.measure import LayerSpec
from jaxcost.trace.profile.hlo import Instruction, Product
from jaxcost.trace.profile.matching import NO_PRODUCT, SEVERAL, Matching
from jaxcost.workload.layer_table import validate_layers

WIDTHS = (256, 384, 512, 320)
WEIGHTS = [jnp.full(shape, 0.01) for shape in zip(WIDTHS, WIDTHS[1:], strict=False)]  # noqa: RUF007
X, SQUARE = jnp.ones((64, WIDTHS[0])), jnp.full((6, 256, 256), 0.01)
CALLS = 4


def network(x, weights):
    for number, w in enumerate(weights):
        with jax.named_scope(f"layer{number}"):
            x = jnp.tanh(x @ w)
    return x


def looped(x, ws):
    return jax.lax.scan(lambda carried, w: (jnp.tanh(carried @ w), None), x, ws)[0]


def recorded(folder, fn, *args, before=()):
    """The wall's time for all calls, in s."""
    for other in (fn, *before):
        jax.block_until_ready(jax.jit(other)(*args))
    with jax.profiler.trace(str(folder)):
        for other in before:
            jax.block_until_ready(jax.jit(other)(*args))
        begun = time.perf_counter()
        for _ in range(CALLS):
            jax.block_until_ready(jax.jit(fn)(*args))
        return time.perf_counter() - begun


def sizes(table):
    return sorted(zip(table["batch"], table["c_in"], table["c_out"], strict=True))


def test_every_layer_is_found_by_name_and_size(tmp_path):
    wall = recorded(tmp_path, network, X, WEIGHTS)
    found = jc.import_trace(tmp_path, network, X, WEIGHTS)
    table = found.table()
    assert sizes(table) == [(64, 256, 384), (64, 384, 512), (64, 512, 320)]
    assert sorted(table["name"]) == ["layer0", "layer1", "layer2"]
    assert found.module.startswith("jit_network")
    assert found.calls == CALLS
    assert 0 < found.total_s < wall
    assert found.matched + sum(found.reasons().values()) == pytest.approx(1.0)
    assert found.matched > 0.3
    assert (table["time_s"] * CALLS).sum() < wall
    assert validate_layers(table, target="time_s")["time_s"].gt(0).all()


def test_a_loops_kernels_count_once_and_the_loop_itself_never(tmp_path):
    wall = recorded(tmp_path, looped, X, SQUARE)
    found = jc.import_trace(tmp_path, looped, X, SQUARE)
    (row,) = found.table().to_dict("records")
    assert (row["batch"], row["c_in"], row["c_out"]) == (64, 256, 256)
    assert row["runs"] <= 6 * CALLS
    assert found.total_s < wall
    assert not any(kernel.op.startswith("while") for kernel, _ in found.kernels)


def test_programs_of_one_name_are_told_apart_and_others_said(tmp_path):
    def other(x, weights):
        return network(x, weights[:1]) @ jnp.full((384, 999), 0.01)

    other.__name__ = network.__name__
    recorded(tmp_path, network, X, WEIGHTS, before=[other])
    found = jc.import_trace(tmp_path, network, X, WEIGHTS)
    assert sizes(found.table()) == [(64, 256, 384), (64, 384, 512), (64, 512, 320)]
    assert len(found.others) >= 1
    assert any("other programs in the profile are left out" in line for line in found.warnings)


def product(*operands, result, name="jit(f)/a/dot_general"):
    return Product(name, tuple(sorted(operands)), result)


def matching(fn, *shapes):
    return Matching(jc.count(fn, *(jax.ShapeDtypeStruct(s, "float32") for s in shapes)))


def test_kernels_of_several_products_or_of_none_are_no_layer():
    of = matching(lambda x, w, v: x @ w @ v, (8, 16), (16, 32), (32, 4))
    first, second = product(128, 512, result=256), product(256, 128, result=32)
    several = of.of(Instruction("fusion", (first, second)))
    assert (several.layer, several.reason, several.name) == (None, SEVERAL, "f/a")
    assert of.of(Instruction("fusion")).reason == NO_PRODUCT
    alone = of.of(Instruction("fusion", (first,)))
    assert alone.layer == LayerSpec(op="dense", batch=8, c_in=16, c_out=32, sweep="program")
    unlike = of.of(Instruction("dot", (product(7, 7, result=7),)))
    assert unlike.reason == "no product of the program has its sizes"


def test_layers_of_the_same_sizes_are_told_apart_by_name_or_not_at_all():
    def both(x, w, y, v):
        with jax.named_scope("up"):
            a = x @ w
        with jax.named_scope("down"):
            return a, y @ v

    of = matching(both, (8, 16), (16, 32), (32, 16), (16, 8))
    named = product(128, 512, result=256, name="jit(both)/down/dot_general")
    assert of.of(Instruction("dot", (named,))).layer.batch == 32
    nameless = product(128, 512, result=256, name="")
    assert of.of(Instruction("dot", (nameless,))).reason.startswith("several layers of the program")


def test_a_layer_that_no_row_is_like_says_so():
    of = matching(lambda w, x: jax.lax.conv(x, w, (1, 1), [(3, 0), (0, 3)]), (8, 4, 3, 3),
                  (1, 4, 16, 16))  # fmt: skip
    (operation,) = of._by_sizes
    found = of.of(Instruction("convolution", (Product("", *operation),)))
    assert (found.layer, found.reason) == (None, "no row of a table is like it")


def test_a_profile_without_kernels_or_programs_is_refused(tmp_path):
    with jax.profiler.trace(str(tmp_path / "idle")):
        pass
    with pytest.raises(ValueError, match="no kernel with an hlo_op"):
        jc.import_trace(tmp_path / "idle", network, X, WEIGHTS)
    options = jax.profiler.ProfileOptions()
    options.enable_hlo_proto = False
    with jax.profiler.trace(str(tmp_path / "bare"), profiler_options=options):
        jax.block_until_ready(jax.jit(network)(X, WEIGHTS))
    with pytest.raises(ValueError, match="enable_hlo_proto"):
        jc.import_trace(tmp_path / "bare", network, X, WEIGHTS)
    with pytest.raises(ValueError, match="calls = 0 is not allowed"):
        jc.import_trace(tmp_path, network, X, WEIGHTS, calls=0)


def test_a_run_in_another_precision_is_refused(tmp_path):
    """XLA's CPU backend multiplies bfloat16 as float32: what the program takes tells them apart."""
    half = [w.astype(jnp.bfloat16) for w in (X, *WEIGHTS)]
    recorded(tmp_path, network, X, WEIGHTS)
    words = r"jit_network.* ran on float32, but the inputs given are bfloat16: .*; give the types"
    with pytest.raises(ValueError, match=words):
        jc.import_trace(tmp_path, network, half[0], half[1:])
    recorded(tmp_path / "half", network, half[0], half[1:])
    with pytest.raises(ValueError, match="ran on bfloat16, but the inputs given are float32"):
        jc.import_trace(tmp_path / "half", network, X, WEIGHTS)
    table = jc.import_trace(tmp_path / "half", network, half[0], half[1:]).table()
    assert set(table["dtype"]) == {"bfloat16"}
