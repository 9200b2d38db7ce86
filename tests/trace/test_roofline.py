"""Layers under a roofline, by hand: what each does with a byte and in a second."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc

X = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)
W = jax.ShapeDtypeStruct((1024, 2048), jnp.bfloat16)
FLOPS, BYTES = 2 * 1024 * 1024 * 2048, 2 * (1024 * 1024 + 2 * 1024 * 2048)


def network(x, w):
    with jax.named_scope("product"):
        y = x @ w
    with jax.named_scope("sum"):
        return y.sum(1)


def points(found):
    return {point.name: point for point in found.points}


def test_intensity_and_rate_are_of_a_layer_s_own_flops_bytes_and_time():
    found = jc.roofline(network, X, W, calibration="h100-sxm")
    rows = {r["name"]: r for r in jc.estimate(network, X, W, calibration="h100-sxm").layers()}
    one = points(found)["product"]
    assert (one.flops, one.bytes, one.op) == (FLOPS, BYTES, "dense")
    assert one.intensity == pytest.approx(FLOPS / BYTES)
    assert one.time_s == pytest.approx(rows["product"]["latency_s"])
    assert one.flops_per_s == pytest.approx(FLOPS / rows["product"]["latency_s"])
    assert sum(point.share for point in found.points) == pytest.approx(1)
    assert found.kind == "predicted"
    assert [p.time_s for p in found.points] == sorted(
        (p.time_s for p in found.points), reverse=True
    )


def test_of_a_data_sheet_every_layer_lies_on_the_roof():
    found = jc.roofline(network, X, W, device="h100-sxm")
    for point in found.points:
        roof = min(989.5e12, point.intensity * 3350e9)
        assert point.flops_per_s <= roof * (1 + 1e-9)
    one = points(found)["product"]
    assert one.flops_per_s == pytest.approx(989.5e12)
    assert found.kind == "attainable"
    assert found.ceilings.basis == "dense peak of the data sheet, h100-sxm, bf16"


def test_the_ridge_tells_what_bounds_a_layer():
    found = jc.roofline(network, X, W, device="h100-sxm")
    ridge = 989.5e12 / 3350e9
    for point in found.points:
        assert found.bound_by(point) == ("memory" if point.intensity < ridge else "arithmetic")
    assert found.bound_by(points(found)["product"]) == "arithmetic"
    assert found.bound_by(points(found)["sum"]) == "memory"
    without = dataclasses.replace(found.ceilings, bandwidths={})
    assert dataclasses.replace(found, ceilings=without).bound_by(found.points[0]) == "unknown"


def test_all_runs_of_a_layer_are_one_point():
    def looped(x, w):
        def body(c, _):
            with jax.named_scope("inner"):
                return c @ w, None

        return jax.lax.scan(body, x, None, length=24)[0]

    square = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)
    one = points(jc.roofline(looped, X, square, device="h100-sxm"))["inner"]
    assert one.flops == 24 * 2 * 1024 * 1024 * 1024
    assert one.intensity == pytest.approx(one.flops / (24 * 2 * 3 * 1024 * 1024))


def test_what_computes_nothing_has_no_place_and_is_said():
    def moving(x):
        with jax.named_scope("moved"):
            return jnp.concatenate([x, x]), x @ x.T

    def only(x):
        return jnp.concatenate([x, x])

    found = jc.roofline(only, X, device="h100-sxm", precision="bf16")
    assert "100% of the time is of layers that move bytes and compute nothing" in found.warnings[-1]
    with pytest.raises(ValueError, match="no layer has FLOPs and bytes"):
        found.figure()
    assert not jc.roofline(moving, X, device="h100-sxm").warnings


def test_layers_at_one_place_are_drawn_as_one():
    def deep(x, *weights):
        for index, w in enumerate(weights):
            with jax.named_scope(f"layer{index}"):
                x = x @ w
        return x

    square = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)
    found = jc.roofline(deep, X, *[square] * 3, calibration="h100-sxm")
    assert len(found.points) == 3
    ax = found.figure("deep").axes[0]
    assert sum(len(drawn.get_offsets()) for drawn in ax.collections) == 1
    (key,) = [legend for legend in ax.figure.legends if "alike" in legend.get_texts()[0].get_text()]
    assert [text.get_text() for text in key.get_texts()] == ["layer0 and 2 alike, 100 %"]
    assert ax.get_ylabel() == "predicted rate (FLOP/s)"
    assert ax.get_title(loc="left") == "deep"


def test_its_table_has_a_row_a_layer():
    frame = jc.roofline(network, X, W, device="h100-sxm").to_frame()
    assert list(frame["name"]) == ["product", "sum"]
    assert list(frame["bound_by"]) == ["arithmetic", "memory"]
    assert frame["flops_per_s"][0] == pytest.approx(989.5e12)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give one of calibration and device"),
        ({"device": "h100-sxm", "calibration": "h100-sxm"}, "give one of calibration and device"),
        ({"calibration": "quadro-t2000"}, "knows no peak rate"),
        ({"device": "h100"}, "did you mean"),
    ],
)
def test_bad_input_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        jc.roofline(network, X, W, **given)
