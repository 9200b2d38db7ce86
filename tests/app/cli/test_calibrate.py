"""Calibrating with a measurement made up, and once for real with tiny layers."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import re
import types
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.cli.errors import run
from jaxcost.calibrate import build, load_calibration
from jaxcost.calibrate.this_device import started_in
from jaxcost.device import detect_device
from jaxcost.measure import LayerSpec, Preset, Progress, SweepPlan, TimingRules, measure_into
from jaxcost.measure import run as measure_run
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.store import Store
from jaxcost.workload.layer_table import read_layer_table

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

SWEEPS = ("a", "b", "c")
SHORT = SweepPlan(
    rules=TimingRules(block_s=0.002, rounds=1, most_rounds=1, blocks_per_visit=2), budget_s=60.0
)


def _layers(number):
    """Dense layers of different sizes, in turn of three sweeps."""
    sizes = np.random.default_rng(0).integers(16, 400, (number, 3))
    return [
        LayerSpec(op="dense", batch=int(b), c_in=int(i), c_out=int(o), sweep=SWEEPS[k % 3])
        for k, (b, i, o) in enumerate(sizes)
    ]


@dataclasses.dataclass
class Made:
    """A measurement as `measure_into` returns it: 10 ps a FLOP, some noisy, some lost."""

    layers: list[LayerSpec]
    lost: int = 0
    noisy: int = 0
    drift: float = 0.02
    elapsed_s: float = 100.0
    timed_s: float = 80.0
    accepted_s: float = 70.0
    compile_s: float = 5.0
    sentinel_s: tuple[float, ...] = (1e-3, 1.02e-3)

    def to_frame(self):
        rng = np.random.default_rng(1)
        frame = pd.DataFrame([layer.row() for layer in self.layers])
        times = [1e-11 * layer.flops for layer in self.layers] * rng.uniform(0.95, 1.05, len(frame))
        lost = np.arange(len(frame)) >= len(frame) - self.lost
        status = np.where(np.arange(len(frame)) < self.noisy, "noisy", "ok")
        return frame.assign(
            time_s=np.where(lost, np.nan, times),
            status=np.where(lost, "oom", status),
            error=np.where(lost, "needs 9 GB", ""),
            accepted_samples=20,
            process_cv=0.01,
        )


def _measure(**made):
    """In place of `measure_into`; `asked` has what it was called with."""
    asked = {}

    def measure(path, layers, plan, *, resume, progress, also=()):
        asked.update(rules=plan.rules, budget_s=plan.budget_s, layers=layers, path=path)
        progress(Progress(1, 2, 50.0, 50.0, layers[0]))
        store = types.SimpleNamespace(notice="")
        return Made(layers, **made), types.SimpleNamespace(new_partition=False, store=store)

    measure.asked = asked
    return measure


def _this_machine():
    """In place of a look at it by a fresh process."""
    return detect_device(), "cpu"


@pytest.fixture
def tiny(monkeypatch):
    """The preset quick has 20 layers, and measuring them is made up as `made` says."""

    def install(number=20, plan=None, **made):
        measure = _measure(**made)
        plan = Preset("quick", _layers(number), plan or SweepPlan(budget_s=100.0))
        monkeypatch.setattr(measure_run, "preset", lambda name, platform: plan)
        monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", measure)
        monkeypatch.setattr(measure_run, "look", _this_machine)
        return measure.asked

    return install


@pytest.fixture
def simple(monkeypatch):
    """Fits of one parameter and of no other models beside, where another thing is tested."""
    fit = functools.partial(build.fit_layers, model="flops-only", starts=2)
    monkeypatch.setattr(build, "fit_layers", fit)
    monkeypatch.setattr(import_module("jaxcost.calibrate.measured_layers"), "BASELINES", ())


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A folder with what `calibrate` wrote, what it printed, and what was asked of measuring."""
    folder, out = tmp_path_factory.mktemp("calibrated"), io.StringIO()
    measure = _measure(lost=2, noisy=3, drift=1.5)
    plan = Preset("quick", _layers(18), SweepPlan(budget_s=100.0))
    names = {"--out": "c.json", "--report": "r.html", "--table": "m.csv"}
    files = [word for option, name in names.items() for word in (option, str(folder / name))]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(measure_run, "preset", lambda name, platform: plan)
        patch.setattr(import_module("jaxcost.measure"), "measure_into", measure)
        patch.setattr(measure_run, "look", _this_machine)
        assert run(["calibrate", "--budget", "2", "--seed", "5", *files]) == 0
    return folder, out.getvalue(), measure.asked


def test_budget_and_seed_are_those_given(calibrated):
    asked = calibrated[2]
    assert asked["budget_s"] == 120
    assert asked["rules"].seed == 5
    assert len(asked["layers"]) == 18


def test_a_fifth_is_held_out_and_never_fitted(calibrated):
    content = json.loads((calibrated[0] / "c.json").read_text())
    errors = content["models"]["time_s"]["errors"]
    assert errors["held_out"]["rows"] in (3, 4)
    assert errors["in_sample"]["rows"] == 16 - errors["held_out"]["rows"]
    known = content["provenance"]
    assert (known["rows"], known["held_out"]) == (
        errors["in_sample"]["rows"],
        errors["held_out"]["rows"],
    )
    assert (known["preset"], known["seed"]) == ("quick", 5)


def test_every_baseline_has_its_error_on_the_same_held_out_layers(calibrated):
    model = load_calibration(calibrated[0] / "c.json").models["time_s"]
    rows = model.errors["held_out"].rows
    assert set(model.baselines) | {model.name} >= {"alpha-flops", "roofline", "flops-only"}
    assert {errors["held_out"].rows for errors in model.baselines.values()} == {rows}
    assert model.model_errors["held_out"].rows == rows


@pytest.mark.usefixtures("simple")
def test_layers_are_measured_and_fitted_in_the_precision_asked_for(jaxcost, tiny, tmp_path):
    asked = tiny(20)
    out = tmp_path / "c.json"
    files = ("--out", out, "--report", tmp_path / "r.html", "--table", tmp_path / "m.csv")
    outcome = jaxcost("calibrate", *files, "--dtype", "bfloat16")
    assert (outcome.status, outcome.err) == (0, "")
    assert "preset quick in bfloat16: 20 layers" in outcome.out
    assert {layer.dtype for layer in asked["layers"]} == {"bfloat16"}
    content = json.loads(out.read_text())
    assert content["models"]["time_s"]["dtype"] == "bfloat16"
    assert content["provenance"]["dtype"] == "bfloat16"
    assert jaxcost("predict", out, tmp_path / "m.csv", "--out", tmp_path / "p.csv").status == 0


def test_it_starts_from_another_devices_calibration_in_its_precision(jaxcost, tiny, tmp_path):
    assert [started_in(name, None)[1] for name in ("h100-sxm", None)] == ["bfloat16", "float32"]
    asked = tiny(20)
    out = tmp_path / "c.json"
    outcome = jaxcost(
        "calibrate", "--out", out, "--report", tmp_path / "r.html", "--from", "amd-epyc"
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert "started from the calibration of" in outcome.out
    content = json.loads(out.read_text())["models"]["time_s"]
    assert {layer.dtype for layer in asked["layers"]} == {content["dtype"]}
    assert {"in_sample", "rows", "held_out"} <= set(content["errors"])


def test_a_gpus_calibration_is_no_start_for_a_cpu(tiny, refuses, tmp_path):
    assert tiny() == {}
    line = refuses("calibrate", "--from", "h100-sxm", "--out", tmp_path / "c.json")
    assert "one is a CPU and one is not" in line


@pytest.mark.usefixtures("simple")
def test_the_layers_of_a_table_are_measured_besides(jaxcost, tiny, tmp_path):
    asked = tiny(20)
    one = LayerSpec(op="dense", batch=3, c_in=512, c_out=50_000)
    pd.DataFrame([one.row()]).to_csv(tmp_path / "layers.csv", index=False)
    files = ("--out", tmp_path / "c.json", "--report", tmp_path / "r.html")
    outcome = jaxcost("calibrate", "--for", tmp_path / "layers.csv", *files)
    assert (outcome.status, outcome.err) == (0, "")
    assert len(asked["layers"]) == 21
    assert asked["layers"][0] == dataclasses.replace(one, sweep="program")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--for", "no-such.csv"), "no such file; give a table of layers, or a model"),
        (("--for", "t.csv", "--input", "f32[8]"), "--input is of a model"),
    ],
)
def test_a_table_that_is_none_is_refused(tiny, refuses, given, words):
    assert tiny() == {}
    assert words in refuses("calibrate", *given)


@pytest.mark.parametrize("dtype", ["bfloat", "int8", "float64"])
def test_a_precision_that_cannot_be_measured_is_refused(tiny, refuses, tmp_path, dtype):
    assert tiny() == {}
    line = refuses("calibrate", "--dtype", dtype, "--out", tmp_path / "c.json")
    assert f"dtype {dtype!r}" in line or f"dtype = {dtype!r}" in line
    assert ";" in line


def test_the_error_shown_is_that_of_the_calibration_written(calibrated):
    folder, out, _ = calibrated
    calibration = load_calibration(folder / "c.json")
    table = read_layer_table(folder / "m.csv", target="time_s")
    held = table[table["held_out"] == "True"]
    predicted = calibration.predict(held)["predicted_time_s"]
    error = float((predicted / held["time_s"] - 1).abs().median())
    assert error == pytest.approx(
        calibration.models["time_s"].errors["held_out"].median_absolute, rel=1e-4
    )
    assert f"Median error on held-out layers {100 * error:.1f} %" in out


def test_the_table_is_the_one_whose_hash_is_kept_and_can_be_fitted(calibrated):
    folder = calibrated[0]
    known = json.loads((folder / "c.json").read_text())["provenance"]
    assert known["table_sha256"] == hashlib.sha256((folder / "m.csv").read_bytes()).hexdigest()
    table = read_layer_table(folder / "m.csv", target="time_s")
    assert len(table) == 16
    # Rows that were fitted come first, so that warnings name rows of this very table.
    assert table["held_out"].tolist() == sorted(table["held_out"])


def test_what_happened_is_said(calibrated):
    out = calibrated[1]
    assert "preset quick: 18 layers, at most 2 min 0 s" in out
    assert "16 of 18 have a time (13 ok, 3 noisy, 2 oom) after 1 min 40 s" in out
    assert "needs 9 GB" in out
    assert "3 of 16 timings are noisy" in " ".join(out.split())
    assert "up to 2.50 times as long" in " ".join(out.split())
    assert "measured    predicted" in out


def test_the_report_shows_them_too(calibrated):
    source = (calibrated[0] / "r.html").read_text(encoding="utf-8")
    for words in ("The layers held out", "needs 9 GB", "3 of 16 timings are noisy", "1 min 40 s"):
        assert words in source


def test_too_few_layers_are_a_failure_that_says_so(tiny, refuses, tmp_path):
    tiny(20, lost=6)
    files = ("--out", tmp_path / "c.json", "--report", tmp_path / "r.html")
    line = refuses("calibrate", *files, status=1)
    assert line.startswith("only 14 of 20 layers have a time (14 ok, 6 oom)")
    assert "needs 15; give more than --budget 1.67" in line


def test_an_interrupt_while_measuring_leaves_no_file(tiny, refuses, tmp_path, monkeypatch):
    tiny()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", interrupted)
    files = ("--out", tmp_path / "c.json", "--table", tmp_path / "m.csv")
    assert refuses("calibrate", *files, status=130).startswith("interrupted")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("simple")
def test_what_was_measured_outlives_a_failure_and_is_gone_on_with(
    tiny, jaxcost, tmp_path, monkeypatch
):
    tiny(plan=SHORT)
    measured = measure_into

    def interrupted(path, layers, plan, **options):
        with Store.create(path) as store:
            partition = store.partition({"platform": "cpu"}, {})
            store.add_layers(partition, layers)
            facts = {"pid": 1, "host": "h", "boot_id": "b", "started_monotonic_s": 0.0}
            store.add_attempt(store.begin_process(partition, 0, 0, facts), layers[0], Visit(), 0.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", interrupted)
    files = ("--out", tmp_path / "c.json", "--report", tmp_path / "r.html")
    stopped = jaxcost("calibrate", *files)
    kept = tmp_path / "c.measurements.db"
    assert stopped.status == 130
    assert f"go on with --store {kept} --resume" in stopped.err
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", measured)
    outcome = jaxcost("calibrate", *files, "--store", kept, "--resume")
    assert outcome.status == 0
    assert str(kept) in outcome.out


def test_going_on_needs_a_store(refuses):
    assert refuses("calibrate", "--resume").startswith("--resume needs --store FILE.db")


def test_an_unknown_preset_is_refused(refuses, tmp_path):
    line = refuses("calibrate", "--preset", "quik", "--out", tmp_path / "c.json")
    assert line.startswith("preset 'quik' is not known; did you mean 'quick'?")


def test_outputs_are_checked_before_anything_is_measured(tiny, refuses, tmp_path):
    asked = tiny()
    (tmp_path / "file").touch()
    for option in ("--out", "--report", "--table"):
        line = refuses("calibrate", option, tmp_path)
        assert f"{option} = {str(tmp_path)!r} is a folder" in line
        line = refuses("calibrate", option, tmp_path / "file" / "x")
        assert "is a file; give another folder" in line
    line = refuses("calibrate", "--out", tmp_path / "x", "--report", tmp_path / "x")
    assert "same file as that of --out" in line
    assert asked == {}


@pytest.mark.slow
@pytest.mark.usefixtures("simple")
def test_this_very_machine(jaxcost, tmp_path, monkeypatch):
    # So short a timing may fail its proofs on a busy machine: not all of the layers are needed.
    plan = Preset("quick", _layers(30), SHORT)
    monkeypatch.setattr(measure_run, "preset", lambda name, platform: plan)
    files = ("--out", tmp_path / "c.json", "--report", tmp_path / "r.html")
    outcome = jaxcost("calibrate", *files)
    assert (outcome.status, outcome.err) == (0, "")
    (timed,) = re.findall(r"^(\d+) of 30 have a time", outcome.out, re.MULTILINE)
    calibration = load_calibration(tmp_path / "c.json")
    assert calibration.device.platform == "cpu"
    held = calibration.models["time_s"].errors["held_out"].rows
    assert held in (int(timed) // 5, int(timed) // 5 + 1)
