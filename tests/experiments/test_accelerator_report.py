"""The report on a made-up GPU whose parameters are known, and on tables that tell little."""

import functools
import json

import findings
import jax
import numpy as np
import pandas as pd
import pytest
import report
from epochs import butter_e_runs
from networks import network

import jaxcost as jc
from jaxcost.calibrate import load_calibration, tables
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.bundled import calibration_files
from jaxcost.calibrate.run_build import fit_runs
from jaxcost.device import MIB, Device, MemoryLevel
from jaxcost.device.facts import to_facts
from jaxcost.measure import PAPER_SWEEPS, LayerSpec, paper_sweep
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.spills import spill_points
from jaxcost.models.training_energy import TrainingEnergy
from jaxcost.workload.run_table import runs_from_table

LEVELS = (("L1", 228 * 1024, 132), ("L2", 50 * MIB, 1), ("VRAM", 1.4e11, 1))
GPU = Device("made-up", tuple(MemoryLevel(b, u, n) for n, b, u in LEVELS), platform="gpu")
PICOJOULES = {"L1": 4.0, "L2": 12.0, "VRAM": 40.0}  # a byte, above idle
PER_FLOP, IDLE_W = 1.5e-12, 80.0
TRUE = jc.AlphaRoofline(
    rate=2e13, conv_ratio=0.9, spatial_ratio=0.7, grouped_ratio=0.1, bandwidth=3e12,
    weight_ratio=0.8, spatial_weight_ratio=0.5, kernel_exponent=1.0, half_run=30.0,
    half_c_out=10.0, misaligned=1.5, half_taps_grouped=10.0, half_c_out_grouped=20.0, floor=5e-6,
    sharpness=3.0, half_rows=7, half_inputs=9, half_outputs=12, hidden=0.9, tile_waste=1,
    term_latency=3e-10, start_sharpness=0.5,
)  # fmt: skip
RUN_ENERGY = TrainingEnergy(
    pass_energy=2e-2, layer_ratio=0.05, access_ratio=0.05, byte_energy=4e-9,
    activation_ratio=0.1, beyond_ratio=2.0,
)  # fmt: skip


def layer_table():
    """The paper's sweeps, thinned, and copies of many sizes with their energies."""
    layers = [layer for name in PAPER_SWEEPS for layer in paper_sweep(name)[::9]]
    copies = [
        LayerSpec(op="elementwise", batch=2**n, c_in=1024, c_out=1024, sweep="energy")
        for n in range(6, 18)
    ]
    square = LayerSpec(op="dense", batch=8192, c_in=8192, c_out=8192, sweep="energy")
    rows = pd.DataFrame([layer.row() for layer in [*layers, *copies, square]])
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(rows)))
    times = np.asarray(TRUE.layer_costs(jc.from_table(rows), GPU), float) * noise
    rows = rows.assign(time_s=times, status="ok", accepted_samples=14, idle_power_w=IDLE_W)
    energy = np.full(len(rows), np.nan)
    for place, layer in enumerate([*layers, *copies, square]):
        if layer.sweep == "energy":
            level = next(n for n, b, u in LEVELS if layer.bytes_moved <= b * u)
            moved = 0 if layer.is_product else PICOJOULES[level] * 1e-12 * layer.bytes_moved
            energy[place] = IDLE_W * times[place] + moved + PER_FLOP * layer.flops
    return rows.assign(energy_j=energy, energy_reason="", sweep="made-up")


def run_table():
    rows = pd.DataFrame(butter_e_runs([2**e for e in range(6, 26, 2)]))
    joules = jax.vmap(RUN_ENERGY, in_axes=(0, None))(runs_from_table(rows), GPU)
    return rows.assign(energy_per_epoch_j=np.asarray(joules, float), status="ok")


def network_table():
    rows = []
    for name, batch in (("mlp-512", 32), ("resnet-small", 8), ("transformer-384", 8)):
        layers = [x for x in network(name, batch).trace().layers if x.is_product]
        table = pd.DataFrame([layer.row() for layer in layers])
        total = float(np.sum(np.asarray(TRUE.layer_costs(jc.from_table(table), GPU))))
        rows.append({"network": name, "batch": batch, "dtype": "float32", "time_s": total})
    return pd.DataFrame(rows).assign(status="ok")


def quick(*given, **settings):
    return fit_layers(
        *given, **settings | {"model": "alpha-roofline", "correction": True, "starts": 3}
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the report makes of the made-up GPU; the folder has its calibrations."""
    folder = tmp_path_factory.mktemp("data") / "made-up"
    folder.mkdir()
    layer_table().to_csv(folder / "layers.csv", index=False)
    network_table().to_csv(folder / "networks.csv", index=False)
    run_table().to_csv(folder / "training.csv", index=False)
    summary = {"device": to_facts(GPU), "fingerprint": {"jax": "0"}}
    (folder / "provenance.json").write_text(json.dumps(summary))
    out = folder.parent / "report"
    with pytest.MonkeyPatch.context() as patch:  # one model from few starts: what is tested is here
        patch.setattr(tables, "fit_layers", quick)
        patch.setattr(tables, "fit_runs", functools.partial(fit_runs, starts=3))
        report.main([str(folder), "--out", str(out), "--calibrations"])
    return json.loads((out / "report.json").read_text()), folder, out


@pytest.mark.slow
def test_the_report_finds_what_was_planted(told):
    found, folder, out = told
    held_out = found["float32"]["time_s"]["errors"]["held_out"]
    assert held_out["median_absolute"] < 0.08
    assert held_out["within_10_percent"] >= 0.6
    assert found["float32"]["time_s"]["coverage"] >= 0.8
    assert found["networks"]["products"]["median_absolute"] < 0.12
    units = {(u["kind"], u["level"]): u["median"] for u in found["unit_energies"]}
    for level, picojoules in PICOJOULES.items():  # two FLOPs an element of 8 bytes are in it, too
        planted = picojoules * 1e-12 + PER_FLOP * 2 / 8
        assert units["byte", level] == pytest.approx(planted, rel=0.02)
    assert units["FLOP", ""] == pytest.approx(PER_FLOP, rel=0.02)
    roof = found["float32"]["roofline"]
    assert roof["flops_per_s"] == pytest.approx(2e13, rel=0.1)
    assert roof["bytes_per_s"] == pytest.approx(3e12, rel=0.1)
    assert found["training"]["errors"]["in_sample"]["median_absolute"] < 0.05
    assert any("bfloat16" in what for what in found["missing"])
    names = {path.name for path in out.glob("*.png")}
    assert names == {
        "held_out_time_float32.png", "roofline_float32.png", "networks.png",
        "energy_per_byte.png", "training.png",
    }  # fmt: skip
    assert set(calibration_files(folder.parent)) == {"made-up", "made-up-training"}
    calibration = load_calibration(folder / "calibration.json")
    assert float(calibration.latency(jc.mlp([784, 512, 10], batch_size=32))) > 0


def test_alpha_flops_parameters_are_found_beside_the_t2000s():
    rows = pd.DataFrame([layer.row() for name in PAPER_SWEEPS for layer in paper_sweep(name)[::18]])
    true = AlphaFlops(scale=2e-14, beta_1=0.05, gamma_1=0.8, beta_k=0.01, gamma_k=0.4)
    rows["time_s"] = np.asarray(true.layer_costs(jc.from_table(rows), GPU), float)
    found = findings.alpha_parameters(rows, GPU)
    for name, one in found.items():
        assert one["value"] == pytest.approx(float(getattr(true, name)), rel=0.02)
    assert found["gamma_k"]["t2000"] == pytest.approx(0.56)


def test_an_epochs_energy_rises_where_the_sets_leave_the_last_cache():
    rows = pd.DataFrame(butter_e_runs([2**e for e in range(8, 27)])[::2])
    sizes = rows["n_parameters"].to_numpy(float)
    for boundary in (1e5, 3e6):
        rows["energy_per_epoch_j"] = 100 * (1 + sizes / boundary)
        for rise in findings.rises(rows, GPU):
            assert rise.knee == pytest.approx(boundary, rel=1.0)  # sizes are a factor 2 apart
            part = rows[rows["dataset"] == rise.dataset].sort_values("n_parameters")
            steps = spill_points(part, part["n_parameters"].to_numpy(float), GPU)
            l2 = next(s.at for s in steps if s.working_set == "b" and s.level == "L2")
            assert rise.l2 == l2
            assert rise.within_factor_2 == (0.5 <= rise.knee / l2 <= 2)
            assert 1e6 < rise.l2 < 2e7  # 50 MiB hold some 6 million weights with their gradients


def test_minima_are_of_joules_and_epochs_together(shared):
    from jaxcost.papers.butter_e.data import butter_e_isolines

    isolines = butter_e_isolines(shared / "datasets")
    found = findings.minima(run_table(), GPU, isolines)
    assert found
    assert {row["dataset"] for row in found} <= {"connect_4", "201_pol"}
    free = findings.minima(run_table().assign(energy_per_epoch_j=1.0), GPU, isolines)
    dear = run_table()
    dear["energy_per_epoch_j"] = dear["n_parameters"].astype(float)
    least = findings.minima(dear, GPU, isolines)
    middle = [
        np.median([row["parameters"] for row in rows]) for rows in (free, found, least) if rows
    ]
    assert middle == sorted(
        middle, reverse=True
    )  # the dearer a weight, the smaller the best network


def test_tables_that_tell_little_are_said_to(tmp_path):
    frame = layer_table().head(6).assign(energy_j=np.nan, energy_reason="no counter here")
    frame.to_csv(tmp_path / "layers.csv", index=False)
    (tmp_path / "summary.json").write_text(json.dumps({"device": to_facts(GPU), "rehearsal": True}))
    report.main([str(tmp_path), "--out", str(tmp_path / "out"), "--calibrations"])
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert found["rehearsal"] is True
    assert "energies of layers: no counter here" in found["missing"]
    assert "float32: too few rows with time_s to fit and to hold some out" in found["missing"]
    assert not list(tmp_path.glob("calibration*.json"))


def test_noisy_rows_count_where_enough_of_their_blocks_do():
    frame = pd.DataFrame(
        {"time_s": [1.0, 2.0, 3.0, None], "status": ["ok", "noisy", "noisy", "oom"],
         "accepted_samples": [0, 5, 4, 9]}
    )  # fmt: skip
    assert findings.trusted(frame)["time_s"].tolist() == [1.0, 2.0]
