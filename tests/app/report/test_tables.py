import dataclasses

import pytest

from jaxcost.app.report import tables
from jaxcost.app.report.study import repeats_of
from jaxcost.calibrate.correction import fit_correction
from jaxcost.calibrate.fit import Estimate
from jaxcost.device import Device, device
from jaxcost.models.base import parameters_of
from jaxcost.models.memory_bound import MemoryBound


def _cells(table):
    assert all(len(row) == len(table.columns) == len(table.right) for row in table.rows)
    return [dict(zip(table.columns, row)) for row in table.rows]


def test_accuracy_has_a_row_for_each_way(checked):
    rows = _cells(tables.accuracy(checked.fitted))
    assert [row["predicted"] for row in rows] == [
        "in sample", "rows left out", "sweeps left out", "held out",
    ]  # fmt: skip
    assert rows[1] == {
        "predicted": "rows left out", "layers": "20", "mean error": "8.0 %",
        "median error": "4.0 %", "within ±10 %": "62 %",
    }  # fmt: skip


def test_models_stand_beside_each_other_and_what_is_unknown_is_a_dash(plain):
    table = tables.models(plain.fitted)
    rows = _cells(table)
    assert [row["model"] for row in rows] == ["alpha-flops", "flops-only"]
    assert rows[1]["rows left out"] == "50.0 % ·  62 %"
    assert rows[1]["sweeps left out"] == "–"
    assert table.strong == 0


def test_a_corrected_model_stands_beside_itself_alone(plain):
    x = [[0.0] * 7, [1.0] * 7]
    fitted = dataclasses.replace(plain.fitted, correction=fit_correction(x, [0.1, -0.1]))
    names = [row["model"] for row in _cells(tables.models(fitted))]
    assert names == ["alpha-flops, corrected", "alpha-flops", "flops-only"]


def test_parameters_have_intervals_and_units(plain):
    known = Estimate("rate", 2e12, 1e12, 3e12, "FLOP/s", "arithmetic rate", determined=True)
    vague = Estimate("share", 0.5, 0.0, 1.0, "1", "a share", determined=False)
    table = tables.parameters(dataclasses.replace(plain.fitted, estimates=(known, vague)))
    assert table.rows == (
        ("rate", "2.00", "1.00 to 3.00", "TFLOP/s", "arithmetic rate"),
        ("share *", "0.500", "0 to 1.00", "", "a share"),
    )
    assert table.note.startswith("* not determined")


def test_printed_parameters_have_no_interval(plain):
    table = tables.parameters(plain.fitted)
    assert {row["90 % interval"] for row in _cells(table)} == {"–"}
    assert table.note == ""


def test_errors_by_kind_are_of_layers_that_the_fit_had_not_seen(plain, checked):
    everything, some = (_cells(tables.by_kind(study)) for study in (plain, checked))
    assert [row["kind of layer"] for row in everything] == [
        "dense", "conv K×K", "depthwise", "grouped",
    ]  # fmt: skip
    assert sum(int(row["layers"]) for row in everything) == repeats_of(plain.table).layers
    assert sum(int(row["layers"]) for row in some) == len(checked.held_out)


def test_held_out_layers_are_spread_over_all_times(checked):
    everything = tables.held_out(checked)
    assert len(everything.rows) == len(checked.held_out)
    few = tables.held_out(checked, 2)
    assert few.rows == (everything.rows[0], everything.rows[-1])
    worst = checked.held_out.sort_values("measured").iloc[0]
    assert everything.rows[0][1] == worst["sizes"]


def test_a_held_out_layer_has_its_numbers(checked):
    table = dataclasses.replace(
        checked,
        table=checked.table.iloc[:1].assign(
            measured=1e-3, predicted=1.1e-3, lower=5e-4, upper=2e-3
        ),
    )
    (row,) = _cells(tables.held_out(table))
    assert row["measured"] == "1.00 ms"
    assert row["predicted"] == "1.10 ms"
    assert row["90 % interval"] == "0.500 to 2.00 ms"
    assert row["error"] == "+10.0 %"


def test_what_was_not_measured_is_counted_by_status(checked, plain):
    assert tables.unmeasured(checked).rows == (
        ("oom", "2", "a: needs 9 GB"),
        ("skipped", "1", "b: no time"),
    )
    assert tables.unmeasured(plain).rows == ()


def test_a_device_shows_what_is_known_of_it():
    known = dict(tables.device(device("quadro-t2000")).rows)
    assert known["memory"] == "L1 64 KiB × 16, L2 1 MiB, VRAM 4 GiB"
    assert known["peak"] == "3.66 TFLOP/s"
    assert known["multiprocessors"] == "16"
    assert dict(tables.device(device("eagle-cpu")).rows)["cores"] == "36"
    assert tables.device(Device("unknown")).rows == (("name", "unknown"),)


@pytest.mark.parametrize("values", [{"a_b": 1, "c": None}])
def test_facts_leave_out_what_is_unknown(values):
    assert tables.facts(values).rows == (("a b", "1"),)


def test_what_is_fitted_apart_has_rows_of_its_own_and_open_parameters_one_line(plain):
    left = [
        Estimate(name, 1.0, 0.3, 3.0, "1", "a ratio", determined=False)
        for name in ("softmax", "pooling")
    ]
    said = tuple(f"{e.name} (a ratio) is not determined by these data" for e in left)
    values = dict.fromkeys((p.name for p in parameters_of(MemoryBound)), 1.0)
    other = dataclasses.replace(
        plain.fitted, name="memory-bound", model=MemoryBound(**values), sort="memory-bound",
        estimates=tuple(left), warnings=(*said, "row 3 contradicts the others"),
    )  # fmt: skip
    fitted = dataclasses.replace(plain.fitted, apart={"memory-bound": other})
    ways = [row["predicted"] for row in _cells(tables.accuracy(fitted))]
    assert {way.split(", ")[1] for way in ways} == {"products", "memory-bound"}
    lines = [line for line in tables.warnings(fitted) if line not in plain.fitted.warnings]
    assert lines[0] == "row 3 contradicts the others"
    assert lines[1].startswith(
        "memory-bound: these data do not determine softmax, pooling (* above)"
    )
    assert len(lines) == 2
