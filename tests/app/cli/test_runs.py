import csv

import pytest

from jaxcost.app.cli.errors import run
from jaxcost.calibrate import load_calibration
from jaxcost.workload.run_table import RUN_TARGET


@pytest.fixture(scope="module")
def table(shared):
    return shared / "datasets/butter_e_energy_per_epoch.csv"


@pytest.fixture(scope="module")
def calibration(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "gpu.json"
    assert run(["fit", str(table), "--device", "eagle-gpu", "--out", str(out)]) == 0
    return out


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_of_two_devices_is_refused_with_the_way_out(table, tmp_path, capsys):
    assert run(["fit", str(table), "--out", str(tmp_path / "x.json")]) == 2
    line = capsys.readouterr().err
    assert "2 devices (eagle-cpu, eagle-gpu)" in line
    assert "--device" in line
    assert line.count("\n") == 1


def test_a_fit_chooses_our_model_and_a_file_round_trips(calibration):
    loaded = load_calibration(calibration)
    fitted = loaded.models[RUN_TARGET]
    assert fitted.name == "training-energy"
    assert fitted.errors["sweeps"].mean_absolute < 0.045
    assert loaded.device.name == "eagle-gpu"


def test_predictions_stand_beside_every_row_with_intervals_that_hold(calibration, table, tmp_path):
    out = tmp_path / "p.csv"
    given = [str(calibration), str(table), "--out", str(out), "--device", "eagle-gpu"]
    assert run(["predict", *given]) == 0
    found = rows(out)
    assert len(found) == 34
    ends = [f"predicted_{RUN_TARGET}{end}" for end in ("_lo", "", "_hi")]
    for row in found:
        low, middle, high = (float(row[end]) for end in ends)
        assert low < middle < high
    inside = [float(r[ends[0]]) <= float(r[RUN_TARGET]) <= float(r[ends[2]]) for r in found]
    assert sum(inside) >= 0.9 * len(inside)


@pytest.mark.parametrize(("preset", "most"), [("butter-e-gpu", 0.035), ("butter-e-cpu", 0.24)])
def test_presets_predict_what_the_paper_claims(preset, most, table, tmp_path):
    out, node = tmp_path / "p.csv", f"eagle-{preset[-3:]}"
    assert run(["predict", preset, str(table), "--out", str(out), "--device", node]) == 0
    errors = [
        abs(float(r[f"predicted_{RUN_TARGET}"]) / float(r[RUN_TARGET]) - 1) for r in rows(out)
    ]
    assert sum(errors) / len(errors) <= most


def test_another_devices_table_is_warned_of(calibration, table, tmp_path, capsys):
    given = [str(table), "--out", str(tmp_path / "p.csv"), "--device", "eagle-cpu"]
    assert run(["predict", str(calibration), *given]) == 0
    assert "energies of another device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "training-enrgy"], "did you mean 'training-energy'"),
        (["--model", "alpha-flops"], "model 'alpha-flops' is not known"),
        (["--report", "r.html"], "--report is for tables of layers"),
        (["--correction"], "--correction is for tables of layers"),
        (["--target", "energy_j"], "training runs are measured in energy_per_epoch_j"),
        (["--device", "eagle-tpu"], "device = 'eagle-tpu' is not allowed"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, table, tmp_path, capsys):
    assert run(["fit", str(table), "--out", str(tmp_path / "x.json"), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_table_of_layers_needs_a_calibration_of_layers(table, tmp_path, capsys):
    out = ["--out", str(tmp_path / "p.csv")]
    assert run(["predict", "quadro-t2000", str(table), *out]) == 2
    assert "the calibration is of layers, but the table is of" in capsys.readouterr().err


def test_a_network_too_large_for_the_device_is_refused(tmp_path, capsys):
    path = tmp_path / "huge.csv"
    path.write_text(
        "n_observations,n_features,n_labels,batch_size,widths\n1000,4,1,256,4 200000 200000 2\n"
    )
    assert run(["predict", "butter-e-cpu", str(path), "--out", str(tmp_path / "p.csv")]) == 2
    assert "working set b" in capsys.readouterr().err
