"""What changed between programs whose counts are known by hand."""

import json
from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.difference import Change

X = jax.ShapeDtypeStruct((8, 64), jnp.float32)


def network(widths):
    """Layers of these widths by name, each a product and a tanh."""

    def call(x, *weights):
        for name, w in zip(widths, weights):
            with jax.named_scope(name):
                x = jnp.tanh(x @ w)
        return x

    sizes = [64, *widths.values()]
    return call, X, *(jax.ShapeDtypeStruct(pair, jnp.float32) for pair in pairwise(sizes))


def counted(**widths):
    return jc.count(*network(widths))


BEFORE = counted(a=32, b=32, c=16)
AFTER = counted(a=32, b=48, d=16)


def test_layers_that_grew_appeared_and_vanished_are_told_by_how_much():
    found = jc.diff(BEFORE, AFTER)
    assert found.by == "flops"
    told = {layer.name: (layer.what, layer.quantities["flops"]) for layer in found.layers}
    assert told == {
        "d": ("appeared", Change(0.0, 2.0 * 8 * 48 * 16)),
        "b": ("grew", Change(2.0 * 8 * 32 * 32, 2.0 * 8 * 32 * 48)),
        "c": ("vanished", Change(2.0 * 8 * 32 * 16, 0.0)),
    }
    assert [abs(layer.quantities["flops"].by) for layer in found.layers] == [12288, 8192, 8192]
    assert found.totals["macs"] == Change(BEFORE.macs, AFTER.macs)
    assert found.totals["peak_bytes"] == Change(BEFORE.peak_bytes, AFTER.peak_bytes)
    assert found.totals["latency_s"] == Change(None, None)


def test_the_other_way_round_it_shrank():
    found = {layer.name: layer.what for layer in jc.diff(AFTER, BEFORE).layers}
    assert found == {"d": "vanished", "b": "shrank", "c": "appeared"}


def test_what_is_the_same_is_no_difference():
    found = jc.diff(BEFORE, BEFORE)
    assert found.layers == ()
    assert not any(change.is_one for change in found.totals.values())


def test_rounding_is_no_difference():
    assert not Change(1.0, 1.0 + 1e-12).is_one
    assert Change(1.0, 1.0 + 1e-6).is_one
    assert Change(None, 1.0).is_one
    assert not Change(None, None).is_one
    assert not Change(0.0, 0.0).is_one


def test_what_is_compared_by_something_else_and_changed_is_told():
    def wide(x, w):
        with jax.named_scope("a"):
            return jnp.concatenate([x @ w, x @ w])

    def narrow(x, w):
        with jax.named_scope("a"):
            return jnp.concatenate([x @ w, x @ w])[:8]

    w = jax.ShapeDtypeStruct((64, 32), jnp.float32)
    (layer,) = jc.diff(jc.count(wide, X, w), jc.count(narrow, X, w)).layers
    assert layer.what == "changed"
    assert layer.quantities["bytes_moved"].by > 0


def test_one_model_on_two_devices_differs_in_time_alone():
    before, after = (jc.estimate(*network({"a": 32}), calibration=c) for c in ("amd-epyc", "b200"))
    found = jc.diff(before, after)
    assert found.by == "latency_s"
    assert found.totals["latency_s"] == Change(before.latency_s, after.latency_s)
    assert found.totals["energy_j"] == Change(None, after.energy_j)
    assert found.layers[0].quantities["energy_j"].before is None
    assert found.layers[0].quantities["energy_j"].by is None
    assert not found.totals["flops"].is_one


def test_files_records_and_objects_are_alike(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(AFTER.record()))
    whole = jc.diff(BEFORE, AFTER)
    assert jc.diff(BEFORE.record(), tmp_path / "a.json") == whole
    assert jc.diff(BEFORE, str(tmp_path / "a.json")) == whole


def test_unknown_operations_are_counted_on_both_sides():
    def looped(x):
        return jax.lax.while_loop(lambda c: c[0, 0] < 1, jnp.sin, x)

    assert jc.diff(BEFORE, jc.count(looped, X)).unknown == Change(0, 1)


def test_its_record_is_plain_json():
    record = json.loads(json.dumps(jc.diff(BEFORE, AFTER).record(), allow_nan=False))
    assert record["by"] == "flops"
    assert record["totals"]["latency_s"] == {"before": None, "after": None, "change": None}
    first = record["layers"][0]
    assert (first["name"], first["what"], first["flops"]["change"]) == ("d", "appeared", 12288)
    assert set(first) == {
        "name",
        "what",
        "flops",
        "parameters",
        "bytes_moved",
        "latency_s",
        "energy_j",
    }


def test_a_record_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the record: flops: Field required"):
        jc.diff({"layers": []}, BEFORE)
