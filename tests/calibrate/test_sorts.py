"""Layers of several sorts in one table: each is fitted by itself, and keeps its own interval."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.held_out import evaluate, predict_each_unseen
from jaxcost.device import Device
from jaxcost.workload import conv2d, dense, from_table, rows

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

A_GPU = Device("of this test", platform="gpu")
_OPS = {"ln": "normalisation", "softmax": "softmax", "add": "addition", "relu": "elementwise"}
_ONES = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "valid"}


def _table(shared, device: str) -> pd.DataFrame:
    """NeuSight's measurements of a GPU: dense layers, batched products, and four operations."""
    folder = shared / "datasets" / "gpu"
    others = pd.read_csv(folder / "neusight_other_ops_fp32.csv")
    others = others[others["device"] == device]
    products = others[others["op"] == "bmm"]
    many, m, k, n = (products[name].astype(int) for name in ("b", "m", "k", "n"))
    batched = pd.DataFrame({"batch": m, "c_in": many * k, "c_out": many * n, "groups": many})
    batched = batched.assign(op="dense", time_s=products["time_s"])
    bound = others[others["op"].isin(_OPS)]
    sizes = {name: bound[of].astype(int) for name, of in (("batch", "rows"), ("c_in", "cols"))}
    bound = pd.DataFrame(sizes | {"c_out": sizes["c_in"], "op": bound["op"].map(_OPS)}).assign(
        groups=1, time_s=bound["time_s"]
    )
    found = pd.concat([batched, bound]).assign(**_ONES, dtype="float32")
    single = pd.read_csv(folder / "neusight_dense_fp32.csv", low_memory=False)
    single = single[single["device"] == device][[*found.columns]]
    return pd.concat([single, found], ignore_index=True)


def _sorts(table: pd.DataFrame) -> pd.Series:
    batched = (table["op"] == "dense") & (table["groups"] > 1)
    return table["op"].mask(batched, "batched")


@pytest.fixture(scope="module")
def split(shared) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is fitted, 100 rows of each kind and 200 dense ones, and what is judged."""
    table = _table(shared, "NVIDIA A100-PCIE-40GB").sample(frac=1, random_state=0)
    place = table.groupby(_sorts(table)).cumcount()
    fitted = place < np.where(_sorts(table) == "dense", 200, 100)
    judged = ~fitted & (place < 500)
    return table[fitted].reset_index(drop=True), table[judged].reset_index(drop=True)


@pytest.fixture(scope="module")
def calibration(split) -> jc.Calibration:
    return jc.fit(split[0], A_GPU)


@pytest.fixture(scope="module")
def alone(split) -> Fitted:
    """What the dense layers without the others are fitted by."""
    return fit_layers(split[0][_sorts(split[0]) == "dense"].reset_index(drop=True), A_GPU)


def test_each_kind_is_predicted_and_held_by_its_own_interval(split, calibration):
    judged = calibration.predict(split[1])
    error = np.abs(judged["predicted_time_s"] / judged["time_s"] - 1)
    held = judged["time_s"].between(judged["predicted_time_s_lo"], judged["predicted_time_s_hi"])
    kinds = _sorts(judged)
    median, inside = error.groupby(kinds).median(), held.groupby(kinds).mean()
    assert set(_OPS.values()) < set(median.index)
    assert median[list(_OPS.values())].max() < 0.08
    assert median["batched"] < 0.15
    assert inside.min() > 0.75
    assert held[kinds.isin(_OPS.values())].mean() > 0.85


def test_what_is_measured_beside_products_does_not_change_them(alone, calibration):
    beside = calibration.models["time_s"]
    assert set(beside.apart) == {"batched-products", "memory-bound"}
    assert dataclasses.replace(beside, apart={}).errors == alone.errors
    layers = dense(batch=128.0, c_in=[300.0, 3000.0], c_out=700.0)
    np.testing.assert_array_equal(
        beside.layer_costs(layers, A_GPU), alone.layer_costs(layers, A_GPU)
    )


def test_a_saved_calibration_predicts_every_sort_as_before(split, calibration, tmp_path):
    calibration.save(tmp_path / "c.json")
    again = jc.load_calibration(tmp_path / "c.json").predict(split[1])
    first = calibration.predict(split[1])
    for end in ("", "_lo", "_hi"):
        name = f"predicted_time_s{end}"
        np.testing.assert_allclose(again[name], first[name], rtol=1e-5)


def test_a_kind_that_was_not_measured_is_wide(split, alone):
    """Convolutions, grouped or not, softmax, products side by side: of dense layers alone."""
    layers = [
        conv2d(in_h=56, in_w=56, c_in=64, c_out=64, k_h=3, k_w=3),
        dense(batch=512, c_in=768, c_out=768, groups=12),
        from_table(split[1][split[1]["op"] == "softmax"].head(1)),
        rows(c_in=0, c_out=0, other_flops=1e6, other_bytes=1e7, within=1),
    ]
    for layer in layers:
        assert alone.trust(layer, A_GPU)[1][0] > np.log(3), layer
    assert alone.trust(dense(batch=512, c_in=768, c_out=768), A_GPU)[1][0] < np.log(2)


def test_errors_of_layers_held_out_are_each_sorts_own(split):
    seen = split[0].groupby(_sorts(split[0])).head(60).reset_index(drop=True)
    unseen = split[1].groupby(_sorts(split[1])).head(30).reset_index(drop=True)
    fitted = evaluate(fit_layers(seen, A_GPU), seen, unseen, A_GPU, seed=0)
    predicted = np.asarray(fitted.layer_costs(from_table(unseen), A_GPU), float)
    error = np.abs(predicted / unseen["time_s"] - 1)
    parts = {"products": fitted, **fitted.apart}
    kinds = _sorts(unseen).replace({"dense": "products", "batched": "batched-products"})
    kinds = kinds.mask(~kinds.isin(parts), "memory-bound")
    for sort, part in parts.items():
        assert part.errors["held_out"].rows == (kinds == sort).sum()
        assert part.errors["held_out"].mean_absolute == pytest.approx(
            error[kinds == sort].mean(), rel=1e-3
        )
    out_of_fold = predict_each_unseen(fitted, seen, A_GPU, "time_s", seed=0)
    weighted = [
        np.abs(out_of_fold / seen["time_s"] - 1)[_sorts(seen).isin(names)].mean()
        for names in (["dense"], ["batched"])
    ]
    for mean, part in zip(weighted, (fitted, fitted.apart["batched-products"]), strict=True):
        assert mean == pytest.approx(part.errors["rows"].mean_absolute, rel=1e-3)


def test_too_few_of_a_sort_are_fitted_with_the_products(split):
    kinds = _sorts(split[0])
    few = pd.concat([split[0][kinds == "dense"], split[0][kinds == "softmax"].head(9)])
    assert not fit_layers(few.reset_index(drop=True), A_GPU, starts=2).apart


def test_operations_by_themselves_leave_products_without_a_price(split):
    kinds = _sorts(split[0])
    bound = split[0][kinds.isin(_OPS.values())].reset_index(drop=True)
    calibration = jc.fit(bound, A_GPU)
    assert calibration.models["time_s"].name == "memory-bound"
    assert jc.fit(bound, A_GPU, model="memory-bound").models["time_s"].correction is None
    with pytest.raises(ValueError, match="row 1: memory-bound gives it a cost of nan s, having no"):
        calibration.predict(split[1][split[1]["op"] == "dense"].head(1))
    mixed = pd.concat([bound.head(100), split[0][kinds == "dense"]], ignore_index=True)
    with pytest.raises(ValueError, match="row 101 is another sort of layer, and model memory-b"):
        jc.fit(mixed, A_GPU, model="memory-bound")


def test_warnings_name_the_rows_of_the_whole_table(split):
    table = split[0].copy()
    row = int(np.flatnonzero(table["op"] == "softmax")[40])
    table.loc[row, "time_s"] *= 40
    warnings = fit_layers(table, A_GPU).apart["memory-bound"].warnings
    assert any(f"row {row + 1} (" in line for line in warnings)


def test_attention_is_inside_a_calibration_that_measured_products_side_by_side(calibration):
    def scores(q, k):
        return q @ k.transpose(0, 2, 1)

    def estimated(heads: int, length: int) -> jc.ProgramEstimate:
        arrays = [jax.ShapeDtypeStruct((heads, length, 64), jnp.float32)] * 2
        return jc.estimate(scores, *arrays, calibration=calibration)

    assert not [line for line in estimated(96, 384).warnings if "outside" in line]
    (line,) = [line for line in estimated(10**6, 384).warnings if "outside" in line]
    assert "1000000 products side by side (measured: " in line
    assert "groups" not in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m["apart"].update(x=m["apart"]["memory-bound"]),
            "apart 'x' is not known; choose",
        ),
        (lambda m: m["apart"]["memory-bound"].update(intervals={}), "apart.memory-bound.intervals"),
        (lambda m: m["correction_kernel"]["lengths"].pop(), "lengths must have 9 numbers"),
        (lambda m: m["correction_columns"].reverse(), "correction_columns must be ln_positions, "),
    ],
)
def test_a_damaged_part_is_refused_in_one_line(calibration, tmp_path, change, message):
    path = tmp_path / "c.json"
    calibration.save(path)
    content = json.loads(path.read_text())
    change(content["models"]["time_s"])
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError) as caught:
        jc.load_calibration(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
