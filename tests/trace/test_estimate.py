"""Programs on a planted calibration: layers of known cost, their sum, and what lies outside."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.app.report import program
from jaxcost.calibrate.build import fit_layers
from jaxcost.models.baselines import Roofline
from jaxcost.trace.estimate import estimate_counts
from jaxcost.trace.whole_program import program_costs
from jaxcost.workload.left_once_fused import FUSION, Fusion

pytestmark = pytest.mark.usefixtures("model_alone")

X = jax.ShapeDtypeStruct((8, 512), jnp.float32)
W, V = jax.ShapeDtypeStruct((512, 256), jnp.float32), jax.ShapeDtypeStruct((256, 100), jnp.float32)
PACE = 1e-11  # s a FLOP


def network(x, w, v):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ w)
    with jax.named_scope("second"):
        return y @ v


@pytest.fixture(scope="module")
def calibration():
    import pandas as pd

    rng = np.random.default_rng(0)
    sizes = rng.integers(50, 2000, (24, 2))
    fixed = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "same", "groups": 1}
    times = 2.0 * sizes.prod(axis=1) * 8 * PACE * rng.uniform(0.97, 1.03, 24)
    frame = pd.DataFrame(
        {"op": "dense", "batch": 8, "c_in": sizes[:, 0], "c_out": sizes[:, 1], **fixed}
        | {"dtype": "float32", "time_s": times}
    )
    device = jc.detect_device()
    return jc.Calibration(device, {"time_s": fit_layers(frame, device, model="flops-only")})


def test_the_sum_of_products_is_the_cost_where_all_else_is_fused(calibration):
    found = jc.estimate(network, X, W, V, calibration=calibration)
    expected = PACE * 2 * 8 * (512 * 256 + 256 * 100)
    assert found.latency == pytest.approx(expected, rel=0.1)
    costs = found.costs["latency_s"]
    assert costs.total_lower < found.latency < costs.total_upper
    assert found.energy is None
    assert "has none" in found.energy_reason


def test_layers_sum_to_the_whole(calibration):
    found = jc.estimate(network, X, W, V, calibration=calibration)
    rows = [row for row in found.layers() if row["latency_s"] is not None]
    assert [row["name"] for row in rows] == ["first", "second"]
    total = sum(row["repeat"] * row["latency_s"] for row in rows)
    assert total == pytest.approx(found.latency, rel=1e-9)
    assert all(row["latency_s_lo"] <= row["latency_s"] <= row["latency_s_hi"] for row in rows)
    assert all(row["energy_j"] is None for row in rows)


def test_a_loop_costs_as_often_as_it_runs(calibration):
    def looped(x, w):
        return jax.lax.scan(lambda c, _: (c @ w @ w.T, None), x, None, length=24)[0]

    once = jc.estimate(lambda x, w: x @ w @ w.T, X, W, calibration=calibration).latency
    assert jc.estimate(looped, X, W, calibration=calibration).latency == pytest.approx(24 * once)


def test_what_is_not_fused_moves_at_the_calibrated_bandwidth(calibration):
    known = Roofline(rate=1e12, bandwidth=1e9)
    found = jc.count(lambda x: jnp.concatenate([x, x]), X)
    fitted = dataclasses.replace(calibration.models["time_s"], model=known, correction=None)
    shares = Fusion(elementwise=0, reduction=0, pooling=0, movement=0.5, spread=0)
    costs = program_costs(found, fitted, calibration.device, shares)
    assert costs.total == pytest.approx(0.5 * found.bytes_moved / 1e9)


@pytest.mark.filterwarnings("ignore:.* layers are left out")
@pytest.mark.parametrize("name", ["amd-epyc", "quadro-t2000"])
def test_the_cost_of_the_traced_layers_is_the_estimate_of_the_program(name):
    def block(x, kernel, w):
        with jax.named_scope("conv"):
            y = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        y = jax.nn.relu(y).mean((1, 2))
        return jax.nn.softmax(jnp.concatenate([y, y], axis=1) @ w)

    shapes = [
        jax.ShapeDtypeStruct(s, jnp.float32) for s in ((2, 14, 14, 8), (3, 3, 8, 16), (32, 10))
    ]
    loaded = jc.load_calibration(name)
    layers = jc.trace(block, *shapes)
    assert (np.asarray(layers.within) > 0).any()
    found = jc.estimate(block, *shapes, calibration=loaded)
    assert float(loaded.latency(layers)) == pytest.approx(found.latency_s, rel=1e-5)
    slope = jax.grad(lambda w: loaded.latency(w))(layers)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_an_empty_product_costs_what_it_moves():
    empty = jax.ShapeDtypeStruct((0, 512), jnp.float32)
    loaded = jc.load_calibration("amd-epyc")
    layers = jc.trace(jnp.dot, empty, W)
    moved = float(layers.other_bytes[0])
    assert moved == 512 * 256 * 4
    bandwidth = float(loaded.models["time_s"].model.bandwidth)
    assert float(loaded.latency(layers)) == pytest.approx(moved / bandwidth, rel=1e-5)


def test_every_share_is_known_and_not_negative():
    shares = (FUSION.elementwise, FUSION.reduction, FUSION.pooling, FUSION.movement)
    assert all(0 <= share < 10 for share in shares)
    assert 0 < FUSION.spread < 0.5


def test_layers_outside_what_was_measured_are_named(calibration):
    from jaxcost.calibrate.fitted import Fitted

    base = calibration.models["time_s"]
    assert isinstance(base, Fitted)
    measured = np.array([[0, 5, 5, 0, 0, 0, 1, 0.0], [3, 6.5, 6.5, 0, 0, 0, 1, 0.0]])
    known = dataclasses.replace(base, layers=measured)
    calibration = dataclasses.replace(calibration, models={"time_s": known})
    found = jc.estimate(network, X, W, V, calibration=calibration)
    (line,) = [line for line in found.warnings if "outside" in line]
    assert line.startswith("second (")
    assert "100 output channels (measured: 148 to 665)" in line


def test_layers_of_which_the_same_is_said_share_a_line():
    def blocks(x, w, *ws):
        for index, v in enumerate(ws):
            with jax.named_scope(f"block{index}"):
                x = x @ v
        with jax.named_scope("head"):
            return x @ w

    w = jax.ShapeDtypeStruct((8, 8), jnp.bfloat16)
    found = jc.estimate(blocks, w, jnp.ones((8, 3), w.dtype), *[w] * 12, calibration="h100-sxm")
    lines = [line for line in found.warnings if "outside the calibration" in line]
    shares = {row["name"]: row["latency_s"] / found.latency_s for row in found.layers()}
    of_blocks, of_head = 1 - shares["head"], shares["head"]
    assert [line.split(" (")[0] for line in lines] == ["block0 and 11 more layers", "head"]
    assert f"({of_blocks:.1%} of the time) lie outside the calibration: 8 " in lines[0]
    assert f"({of_head:.1%} of the time) lies outside the calibration: 8 " in lines[1]


def test_unknown_operations_are_warned_of(calibration):
    def loop(x):
        return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ c.T @ x, x)

    found = jc.estimate(loop, X, calibration=calibration)
    assert any("lower bounds" in line for line in found.warnings)


def test_a_calibration_of_training_runs_is_refused():
    with pytest.raises(ValueError, match="has no cost of single layers"):
        estimate_counts(jc.count(network, X, W, V), "butter-e-gpu")


def test_the_command_prints_and_writes_it(calibration, tmp_path, monkeypatch, capsys):
    from jaxcost.app.cli.errors import run

    module = "import jax\n\ndef network(x):\n    return (x @ x.T) @ x\n"
    (tmp_path / "estimated_model.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    calibration.save(tmp_path / "c.json")
    given = ["estimate", "estimated_model:network", "--input", "f32[8,512]"]
    options = ["--calibration", str(tmp_path / "c.json")]
    assert run([*given, *options, "--json", str(tmp_path / "e.json")]) == 0
    assert "90 % interval" in capsys.readouterr().out
    record = json.loads((tmp_path / "e.json").read_text())
    assert record["latency_s_lo"] < record["latency_s"] < record["latency_s_hi"]
    assert record["energy_j"] is None
    assert record["energy_reason"]
    assert record["macs"] == 2 * 8 * 8 * 512
    assert all("latency_s" in row for row in record["layers"])
    assert run(["estimate", *options]) == 2
    assert "Missing argument 'MODULE:ATTR'" in capsys.readouterr().err
    assert run([*given, *options, "--device", "v100"]) == 2
    assert "No such option: --device" in capsys.readouterr().err


def test_a_model_can_be_estimated_from_a_data_sheet(tmp_path, monkeypatch, capsys):
    from jaxcost.app.cli.errors import run

    (tmp_path / "sheet_model.py").write_text("def network(x):\n    return x @ x.T\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    given = ["datasheet", "sheet_model:network", "--input", "f32[8,512]", "--device", "v100"]
    assert run([*given, "--assume-peak", "0.4"]) == 0
    assert "65.5 kFLOP" in capsys.readouterr().out


def test_what_the_model_has_no_price_for_is_said_to_be_left_out(calibration):
    found = jc.estimate(lambda x: jnp.tanh(x) + 1, X, calibration=calibration)
    assert any("are left out" in line and "no bandwidth" in line for line in found.warnings)
    pure = jc.estimate(lambda x, w: x @ w, X, W, calibration=calibration)
    assert not any("are left out" in line for line in pure.warnings)


def test_what_the_model_has_no_price_for_costs_an_unknown_amount_and_not_0(calibration):
    found = jc.estimate(network, X, W, V, calibration=calibration)
    (unpriced,) = [row for row in found.layers() if not row["macs"]]
    assert unpriced["bytes_moved"] > 0
    assert {unpriced["latency_s" + end] for end in ("", "_lo", "_hi")} == {None}
    json.dumps(found.record(), allow_nan=False)
    assert program.layers(found).rows[-1][0::4] == ("1 unpriced row", "unknown")


def test_python_and_json_say_the_same_words(calibration):
    found = jc.estimate(network, X, W, V, calibration=calibration)
    record = found.record()
    for name in ("latency_s", "energy_j"):
        for end in ("", "_lo", "_hi"):
            assert getattr(found, name + end) == record[name + end]
    assert found.latency_s_lo < found.latency_s < found.latency_s_hi
    assert found.energy_j is None


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x, "computes nothing"),
        (lambda x: None, "computes nothing"),
    ],
)
def test_what_computes_nothing_costs_nothing_and_is_said_to(calibration, function, words):
    found = jc.estimate(function, X, calibration=calibration)
    assert found.latency_s == 0
    assert sum(words in line for line in found.warnings) == 1
    assert any(words in line for line in jc.count(function, X).warnings)
    json.dumps(found.record(), allow_nan=False)


@pytest.mark.parametrize("side", [10**8, 10**13])
def test_sizes_beyond_float32_are_computed_in_float64(calibration, side):
    def shape(*sides):
        return jax.ShapeDtypeStruct(sides, jnp.float32)

    rate = calibration.models["time_s"].model.rate
    found = jc.estimate(jnp.dot, shape(side, side), shape(side, 10 * side), calibration=calibration)
    assert found.latency_s == pytest.approx(20.0 * side**3 / float(rate), rel=1e-3)
    json.dumps(found.record(), allow_nan=False)


def mixed(x, w, v):
    with jax.named_scope("half"):
        y = x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)
    with jax.named_scope("whole"):
        return y.astype(jnp.float32) @ v


def test_products_in_another_precision_are_marked_with_their_share(calibration):
    found = jc.estimate(mixed, X, W, V, calibration=calibration)
    (line,) = [line for line in found.warnings if "priced as if" in line]
    costs = {row["name"]: row["latency_s"] for row in found.layers() if row["macs"]}
    share = costs["half"] / found.latency
    assert line.startswith(f"1 products in bfloat16 ({share:.1%} of the time) are priced as if in ")
    assert "float32" in line
    assert line.endswith("calibrate with --dtype bfloat16, or give the model in float32")
    marked = {r["name"]: r["other_precision"] for r in found.layers() if r["macs"]}
    assert marked == {"half": "bfloat16", "whole": None}
    ops = [cells[1] for cells in program.layers(found).rows]
    assert "dense in bfloat16 (!)" in ops
    assert "dense" in ops


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.int8, jnp.complex64])
def test_no_other_type_is_priced_in_silence(calibration, dtype):
    def square(x):
        return x @ x.T

    wrong = jc.estimate(square, jax.ShapeDtypeStruct((64, 64), dtype), calibration=calibration)
    assert sum(f"products in {jnp.dtype(dtype)} (" in line for line in wrong.warnings) == 1
    right = jc.estimate(square, jnp.ones((64, 64)), calibration=calibration)
    assert not any("priced as if" in line for line in right.warnings)


def test_a_calibration_without_a_precision_says_so(calibration):
    unsaid = dataclasses.replace(calibration.models["time_s"], dtype=None)
    unsaid = dataclasses.replace(calibration, models={"time_s": unsaid})
    found = jc.estimate(network, X, W, V, calibration=unsaid)
    assert sum("does not say in which precision" in line for line in found.warnings) == 1
