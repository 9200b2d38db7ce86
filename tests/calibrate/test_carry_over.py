"""A device of which nothing, or little, was measured: from another's calibration."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.carry_over import BETWEEN_DEVICES, Origin, carry_over
from jaxcost.calibrate.correction import fit_correction
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.held_out import evaluate, predict_each_unseen
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.calibrate.tables import fit
from jaxcost.calibrate.transfer import _parted
from jaxcost.device import Device
from jaxcost.workload import from_table

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

SISTER = "h100-sxm"
TWICE = Device("twice", peak_flops=2 * 67e12, bandwidth=2 * 3350e9, platform="gpu")
UNKNOWN = Device("unknown")


def products(rows: int, seed: int) -> pd.DataFrame:
    """Products of random sizes in bfloat16, without times."""
    sizes = np.exp(np.random.default_rng(seed).uniform(np.log(64), np.log(8192), (3, rows)))
    frame = pd.DataFrame(dict(zip(("batch", "c_in", "c_out"), sizes.round().astype(int))))
    ones = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    return frame.assign(**ones, op="dense", padding="same", dtype="bfloat16")


@pytest.fixture(scope="module")
def parent() -> jc.Calibration:
    return jc.load_calibration(SISTER)


@pytest.fixture(scope="module")
def faster(parent) -> Fitted:
    """Twice the parent's rates, half what begins a layer; what no model says is as there."""
    fitted = parent.models["time_s"]
    factors = {"rate": 2, "bandwidth": 2, "floor": 0.5, "term_latency": 0.5}
    values = {name: f * float(getattr(fitted.model, name)) for name, f in factors.items()}
    names = [field.name for field in dataclasses.fields(fitted.model)]
    model = type(fitted.model)(**{n: getattr(fitted.model, n) for n in names} | values)
    return dataclasses.replace(fitted, model=model, apart={})


def timed(frame: pd.DataFrame, device: Fitted, seed: int) -> pd.DataFrame:
    noise = np.exp(0.02 * np.random.default_rng(seed).standard_normal(len(frame)))
    return frame.assign(time_s=np.asarray(device.layer_costs(from_table(frame), TWICE)) * noise)


@pytest.fixture(scope="module")
def twenty(faster) -> pd.DataFrame:
    return timed(products(20, seed=11), faster, seed=1)


@pytest.fixture(scope="module")
def judged(faster) -> pd.DataFrame:
    return timed(products(200, seed=12), faster, seed=2)


def median(calibration: jc.Calibration, frame: pd.DataFrame) -> float:
    predicted = calibration.predict(frame)["predicted_time_s"]
    return float(np.median(np.abs(predicted / frame["time_s"] - 1)))


def test_twenty_rows_find_a_device_twice_as_fast_where_alone_they_do_not(parent, twenty, judged):
    started = fit(twenty, TWICE, start_from=parent)
    alone = fit(twenty, TWICE, model="alpha-roofline", correction=True)
    assert median(started, judged) < 0.05
    assert median(alone, judged) > 3 * median(started, judged)
    rates = [float(c.models["time_s"].model.rate) for c in (parent, started)]
    assert rates[1] == pytest.approx(2 * rates[0], rel=0.1)


def test_rates_are_found_without_data_sheets_too(parent, twenty, judged):
    assert median(fit(twenty, UNKNOWN, start_from=parent), judged) < 0.06


def test_a_data_sheet_alone_moves_rates_and_starts(parent, judged, tmp_path):
    carried = carry_over(parent, TWICE)
    before, after = parent.models["time_s"], carried.models["time_s"]
    for name, factor in {"rate": 2, "bandwidth": 2, "floor": 2 ** (-1 / 3), "half_run": 1}.items():
        assert float(getattr(after.model, name)) == pytest.approx(
            factor * float(getattr(before.model, name)), rel=1e-4
        )
    assert 0.1 < median(carried, judged) < 0.4  # the starts are only half of it
    assert after.intervals.half_width > max(before.intervals.half_width, BETWEEN_DEVICES)
    assert after.errors == after.baselines == {}
    assert after.warnings[0].startswith("nothing was measured on twice: carried over from h100-sxm")
    assert carried.provenance["carried_over_from"]["device"] == SISTER
    assert carried.unmeasured == [after.warnings[0]]
    assert parent.unmeasured == []
    carried.save(tmp_path / "c.json")
    pd.testing.assert_frame_equal(
        jc.load_calibration(tmp_path / "c.json").predict(judged), carried.predict(judged)
    )


def test_the_file_predicts_by_itself_and_says_where_it_comes_from(parent, twenty, judged, tmp_path):
    started = fit(twenty, TWICE, start_from=parent)
    started.save(tmp_path / "c.json")
    loaded = jc.load_calibration(tmp_path / "c.json")
    pd.testing.assert_frame_equal(loaded.predict(judged), started.predict(judged), rtol=1e-5)
    assert loaded.provenance["started_from"]["device"] == SISTER
    assert loaded.provenance["started_from"]["provenance"] == parent.provenance
    fitted = loaded.models["time_s"]
    assert fitted.warnings[0].startswith("started from the calibration of h100-sxm")
    assert set(fitted.errors) == {"in_sample", "rows"}
    assert len(fitted.layers) == len(parent.models["time_s"].layers) + 20


def test_a_correction_that_does_not_hold_here_is_let_go(parent, twenty, judged):
    fitted = parent.models["time_s"]
    odd = np.random.default_rng(0).standard_normal(len(fitted.layers))
    x = fitted.layers[:, :-1]
    wrong = np.column_stack([x, 0.5 * np.sign(np.sin(3 * x[:, 1])) + 0.1 * odd])
    kernel = float(fitted.correction.amplitude), float(fitted.correction.noise)
    misled = fit_correction(x, wrong[:, -1], (*kernel, np.asarray(fitted.correction.lengths)))
    worse = dataclasses.replace(fitted, correction=misled, layers=wrong)
    other = jc.Calibration(parent.device, {"time_s": worse}, {})
    assert median(carry_over(other, TWICE), judged) > 0.25
    assert median(fit(twenty, TWICE, start_from=other), judged) < 0.2


def test_intervals_hold_what_is_not_known(parent, twenty, judged):
    for calibration in (carry_over(parent, TWICE), fit(twenty, TWICE, start_from=parent)):
        found = calibration.predict(judged)
        inside = judged["time_s"].between(
            found["predicted_time_s_lo"], found["predicted_time_s_hi"]
        )
        assert inside.mean() > 0.85


def test_what_was_not_measured_is_carried_over_beside_what_was():
    """The H100's calibration knows what memory binds, the table has products alone."""
    frame = products(30, seed=0)
    frame["time_s"] = jc.load_calibration("h200-sxm").predict(frame)["predicted_time_s"]
    device = jc.known_device("h200-sxm")
    origin = Origin.of("h100-sxm", device, "bfloat16")
    seen, unseen = frame[:20], frame[20:].reset_index(drop=True)
    fitted = fit_layers(seen, device, origin=origin)
    apart = fitted.apart["memory-bound"]
    assert apart.errors == {}
    assert apart.warnings[0].startswith(
        "fewer than ten layers (memory-bound) were measured: carried over"
    )
    before = origin.fitted.parts["memory-bound"].model.bandwidth
    assert float(apart.model.bandwidth) == pytest.approx(float(before) * 4800 / 3350, rel=1e-4)
    again = evaluate(fitted, seen, unseen, device, seed=0)
    assert again.errors["held_out"].median_absolute < 0.15
    left_out = predict_each_unseen(fitted, seen, device, "time_s", seed=0, origin=origin)
    found = np.median(np.abs(left_out / seen["time_s"] - 1))
    assert found == pytest.approx(fitted.errors["rows"].median_absolute, rel=1e-4)


def test_layers_are_parted_as_they_are_in_the_other_calibration():
    """Products side by side that are among its products there are so here, too."""
    theirs = jc.load_calibration(SISTER).models["time_s"]
    frame = products(24, seed=0).assign(time_s=1e-5)
    frame.loc[:11, ["groups", "c_in", "c_out"]] = [4, 1024, 1024]
    frame.loc[:11, "batch"] = range(32, 44)

    def parts(fitted: Fitted) -> dict[str, int]:
        rows = MeasuredLayers.of(frame, TWICE, "time_s")
        return {sort: len(part.numbers) for sort, part in _parted(fitted, rows).items()}

    assert parts(theirs) == {"products": 12, "batched-products": 12}  # like nothing there
    x = theirs.layers[:, :-1].copy()
    x[:50, 4] = np.log(4)  # of groups
    kernel = float(theirs.correction.amplitude), float(theirs.correction.noise)
    lengths = np.asarray(theirs.correction.lengths)
    known = fit_correction(x, theirs.layers[:, -1], (*kernel, lengths))
    assert parts(dataclasses.replace(theirs, correction=known)) == {"products": 24}


@pytest.mark.parametrize(
    ("calibration", "device", "line"),
    [
        ("h100", "h200-sxm", "preset 'h100' is not known; did you mean 'h100-sxm'?"),
        ("h100-sxm", "h20", "device 'h20' is not known; did you mean 'h200-sxm'?"),
        ("h100-sxm", "v100", "the bandwidth of h100-sxm and v100 are not both known; measure"),
        ("butter-e-gpu", "h200-sxm", "the calibration of eagle-gpu has no times of layers"),
        ("amd-epyc", "h200-sxm", "and h200-sxm one is a CPU and one is not"),
    ],
)
def test_what_tells_nothing_is_refused_in_a_line(calibration, device, line):
    with pytest.raises(ValueError, match=r"^[^\n]+; [^\n]+$") as caught:
        carry_over(calibration, device)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"start_from": "quadro-t2000"}, "measured in float32, and bfloat16 is asked for; give"),
        ({"start_from": "amd-epyc"}, "one is a CPU and one is not"),
        ({"start_from": SISTER, "model": "roofline"}, "--model is that of the calibration"),
        ({"start_from": SISTER, "correction": True}, "--correction or --no-correction is"),
        ({"start_from": SISTER, "target": "energy_j"}, "--from is for times of layers"),
    ],
)
def test_a_start_that_does_not_fit_the_table_is_refused(twenty, settings, line):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        fit(twenty, TWICE, **settings)
    assert line in str(caught.value)


def test_a_calibration_without_a_correction_is_a_start_as_well(twenty):
    """Such as α-FLOPs as printed."""
    rows = twenty.assign(dtype="float32")
    started = fit(rows, TWICE, start_from="quadro-t2000").models["time_s"]
    assert started.name == "alpha-flops"
    assert started.layers is not None
    assert len(started.layers) == 20


CARDS = {
    "H200": ("NVIDIA H200", "h200-sxm", "h100-sxm"),
    "H100": ("NVIDIA H100 80GB HBM3", "h100-sxm", "h200-sxm"),
}


@pytest.mark.parametrize("card", CARDS)
def test_a_card_left_out_is_predicted_from_its_sister(card, shared):
    """Measured for AIConfigurator: no row of the one is in the calibration of the other."""
    measured, name, other = CARDS[card]
    table = jc.read_layer_table(shared / "datasets" / "gpu" / "aic_gemm_bf16_time.csv")
    rows = table[table["device"] == measured].drop(columns=["device", "sweep"])
    rows["time_s"] = rows["time_s"].astype(float)
    some = rows.sample(1020, random_state=0).reset_index(drop=True)
    judged, few = some[20:].reset_index(drop=True), some[:20]
    device = jc.known_device(name)
    for calibration in (carry_over(other, device), fit(few, device, start_from=other)):
        assert median(calibration, judged) < 0.07
        found = calibration.predict(judged)
        ends = found["predicted_time_s_lo"], found["predicted_time_s_hi"]
        assert judged["time_s"].between(*ends).mean() > 0.8


def test_rows_are_priced_by_the_file_of_the_started_fit_as_by_its_folds(parent, twenty):
    """A row measured is nearer than one left out: the file holds the rows themselves."""
    errors = fit(twenty, TWICE, start_from=parent).models["time_s"].errors
    assert errors["in_sample"].median_absolute <= errors["rows"].median_absolute
    costs = parent.models["time_s"].layer_costs(from_table(twenty), parent.device)
    assert np.median(np.abs(np.asarray(costs) / twenty["time_s"] - 1)) > 0.3  # the control
