"""Calibrating until a model's latency is known well enough: times made up, rounds as they come."""

import dataclasses
import functools
import types
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import build, load_calibration, this_device
from jaxcost.device import detect_device
from jaxcost.measure import LayerSpec, Preset, Progress, SweepPlan
from jaxcost.measure import run as measure_run
from jaxcost.trace.unsure import where_unsure

pytestmark = pytest.mark.usefixtures("model_alone")

MODEL = ("--for", "jax.numpy:dot", "--input", "f32[8,512]", "--input", "f32[512,50000]")
OWN = ("dense", 8, 512, 50_000)


def time_of(layer):
    """10 ps a FLOP and the root of it in waves, which no model is made for."""
    wave = 1 + 0.3 * np.sin(3 * np.log(layer.c_out)) * np.sin(2 * np.log(layer.c_in))
    return 1e-11 * layer.flops * wave * (1 + (layer.flops / 1e7) ** 0.5)


@dataclasses.dataclass
class Made:
    """A measurement as `measure_into` returns it."""

    layers: list[LayerSpec]
    elapsed_s: float
    drift: float = 0.0
    timed_s: float = 1.0
    accepted_s: float = 1.0
    compile_s: float = 1.0
    sentinel_s: tuple[float, ...] = (1e-3,)

    def to_frame(self):
        frame = pd.DataFrame([layer.row() for layer in self.layers])
        known = {"status": "ok", "error": "", "accepted_samples": 20, "process_cv": 0.01}
        return frame.assign(time_s=[time_of(layer) for layer in self.layers], **known)


@pytest.fixture
def sweeps(monkeypatch):
    """What is asked to be measured, a list a sweep; each layer takes `seconds`."""
    asked, budgets = [], []

    def install(seconds=1.0):
        def measure(path, layers, plan, *, resume, also, progress):
            asked.append(list(layers))
            budgets.append(plan.budget_s)
            progress(Progress(1, 1, 1.0, 0.0, layers[0]))
            store = types.SimpleNamespace(notice="")
            sweep = types.SimpleNamespace(new_partition=False, store=store)
            assert resume == (len(asked) > 1)
            return Made([*also, *layers], seconds * len(layers)), sweep

        sizes = np.random.default_rng(0).integers(40, 1000, (40, 2))
        layers = [
            LayerSpec(op="dense", batch=8, c_in=i, c_out=o, sweep="ab"[o % 2]) for i, o in sizes
        ]
        plan = Preset("quick", layers, SweepPlan(budget_s=100.0))
        monkeypatch.setattr(measure_run, "preset", lambda name, platform: plan)
        monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", measure)
        monkeypatch.setattr(measure_run, "look", lambda: (detect_device(), "cpu"))
        fit = functools.partial(build.fit_layers, model="roofline", correction=True, starts=2)
        monkeypatch.setattr(this_device, "fit_layers", fit)
        return asked, budgets

    return install


def files(folder):
    return ("--out", folder / "c.json", "--report", folder / "r.html")


def test_rounds_go_on_until_the_latency_is_known_well_enough(jaxcost, sweeps, tmp_path):
    asked, budgets = sweeps()
    outcome = jaxcost("calibrate", *MODEL, "--until", "30%", "--budget", 4, *files(tmp_path))
    assert (outcome.status, outcome.err) == (0, "")
    own = [(s.op, s.batch, s.c_in, s.c_out) for s in asked[1]]
    assert own[0] == OWN
    assert OWN not in [(s.op, s.batch, s.c_in, s.c_out) for s in asked[0]]
    assert budgets == [120.0, 5.0 + 2.0 * len(asked[1])]
    assert len(asked) == 2
    calibration = load_calibration(tmp_path / "c.json")
    shapes = [np.ones((8, 512), "float32"), np.ones((512, 50_000), "float32")]
    reached = where_unsure(np_dot, *shapes, calibration=calibration).half_width
    assert reached <= 0.30
    line = f"ended by --until: the latency of jax.numpy:dot is known to ±{100 * reached:.1f} %"
    assert f"{line}, within the ±30.0 % asked for" in outcome.out
    assert "round 2: the latency of jax.numpy:dot is known to ±" in outcome.out


def np_dot(x, w):
    return x @ w


def test_what_no_measuring_reaches_is_said_first_and_ends_with_nothing_left(
    jaxcost, sweeps, tmp_path
):
    asked, _ = sweeps()
    outcome = jaxcost("calibrate", *MODEL, "--until", "0.05", *files(tmp_path))
    assert outcome.status == 0
    assert "all layers of jax.numpy:dot measured would bring it to ±" in outcome.out
    assert "ended, as all its layers and their neighbours were tried: " in outcome.out
    assert "not the ±5.0 % asked for" in outcome.out
    assert len(asked) == 2
    assert len(asked[1]) == 5  # itself, and with half and twice its channels


def test_the_budget_ends_it_and_says_so(jaxcost, sweeps, tmp_path):
    asked, _ = sweeps(seconds=1.5)  # the preset's forty layers take half of it
    outcome = jaxcost("calibrate", *MODEL, "--until", "5%", "--budget", 1.15, *files(tmp_path))
    assert outcome.status == 0
    assert [len(layers) for layers in asked] == [40, 2]  # in 9 s, of which 5 are for the start
    assert "ended by the budget, 1 min 3 s of measuring: the latency of" in outcome.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--until", "5%"), "name it with --for MODULE:ATTR"),
        (("--until", "5%", "--for", "{table}"), "name it with --for MODULE:ATTR"),
        ((*MODEL, "--until", "5"), "give a share such as 5% or 0.05"),
        ((*MODEL, "--until", "nan"), "give a share such as 5% or 0.05"),
        ((*MODEL, "--until", "much"), "give a share such as 5% or 0.05"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_measured(refuses, sweeps, table, given, words):
    asked, _ = sweeps()
    assert words in refuses("calibrate", *(word.format(table=table) for word in given))
    assert asked == []
