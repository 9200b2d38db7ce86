"""Columns under other names and in other units: converted when asked, never by renaming alone."""

import pytest

from jaxcost.app.cli.selecting import columns_asked
from jaxcost.workload.columns import Columns
from jaxcost.workload.layer_table import read_layer_table
from jaxcost.workload.run_table import read_run_table

HEAD = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype,"
ROW = "dense,1,1,1,8,8,1,1,1,valid,1,float32,"


@pytest.fixture
def read(tmp_path):
    def _read(column, value="1.5", columns=None, target="time_s"):
        (tmp_path / "t.csv").write_text(f"{HEAD}{column}\n{ROW}{value}\n")
        path = tmp_path / "t.csv"
        return read_layer_table(path, target=target, columns=columns or Columns())

    return _read


@pytest.mark.parametrize(
    ("column", "factor"),
    [
        ("latency_s", 1),
        ("latency_ms", 1e-3),
        ("Latency (ms)", 1e-3),
        ("time [us]", 1e-6),
        ("t_\N{MICRO SIGN}s", 1e-6),
        ("t_\N{GREEK SMALL LETTER MU}s", 1e-6),
        ("mean.ns", 1e-9),
    ],
)
def test_times_are_converted_from_the_unit_in_their_name(read, column, factor):
    frame = read(column, columns=Columns(time=column))
    assert frame["time_s"].tolist() == pytest.approx([1.5 * factor], rel=1e-15)
    assert frame[column].tolist() == ["1.5"]


RATES = ["tokens_per_s", "Tokens per ms", "per_s", "GB/s", "images/ s", "throughput (img/s)"]


@pytest.mark.parametrize("column", RATES)
def test_a_rate_is_not_taken_for_a_time(read, column):
    with pytest.raises(ValueError, match="--time-column = .* give a column of times, not of a ra"):
        read(column, columns=Columns(time=column))
    with pytest.raises(ValueError, match="would take a rate for s; give a column of times"):
        read(column, columns=Columns(rename=((column, "time_s"),)))
    with pytest.raises(ValueError, match="column 'time_s' is missing") as caught:
        read(column)
    assert "--time-column" not in str(caught.value)


@pytest.mark.parametrize("column", ["time_per_step_s", "upper_s", "paper ms"])
def test_a_time_of_each_is_no_rate(read, column):
    assert read(column, columns=Columns(time=column))["time_s"].tolist()[0] > 0


def test_a_rate_is_not_taken_for_an_energy(read):
    with pytest.raises(ValueError, match="give a column of energies, not of a rate"):
        read("tokens_per_J", columns=Columns(energy="tokens_per_J"))


@pytest.mark.parametrize(
    ("column", "factor"),
    [
        ("energy_J", 1),
        ("energy_mJ", 1e-3),
        ("energy_mj", 1e-3),
        ("energy_MJ", 1e6),
        ("Energy (kJ)", 1e3),
        ("e [nJ]", 1e-9),
        ("e_\N{MICRO SIGN}J", 1e-6),
        ("drawn_kWh", 3.6e6),
        ("drawn_mWh", 3.6),
    ],
)
def test_energies_are_converted_from_the_unit_in_their_name(read, column, factor):
    frame = read(column, columns=Columns(energy=column), target="energy_j")
    assert frame["energy_j"].tolist() == pytest.approx([1.5 * factor], rel=1e-15)


@pytest.mark.parametrize("column", ["power_w", "gflop", "energy_Mj", "energy_MWH", "latency_ms"])
def test_what_ends_in_no_unit_of_energy_is_not_converted(read, column):
    with pytest.raises(ValueError, match=r"--energy-column = .*ends in its unit, such as energy_"):
        read(column, columns=Columns(energy=column), target="energy_j")


@pytest.mark.parametrize(
    ("pair", "option"),
    [
        (("latency_ms", "time_s"), "--time-column"),
        (("t_s", "took_ns"), "--time-column"),
        (("energy_mj", "energy_j"), "--energy-column"),
        (("energy_kJ", "energy_j"), "--energy-column"),
    ],
)
def test_a_renaming_never_takes_one_unit_for_another(read, pair, option):
    with pytest.raises(ValueError, match=f"would take .* for .*; give {option} '{pair[0]}'"):
        read(pair[0], columns=Columns((pair,)))


def test_energies_of_training_runs_are_converted(tmp_path):
    head = "n_observations,n_features,n_labels,batch_size,widths,epoch_kJ\n"
    (tmp_path / "r.csv").write_text(head + "1000,4,1,256,4 8 1,2.5\n")
    runs = read_run_table(tmp_path / "r.csv", target=True, columns=Columns(energy="epoch_kJ"))
    assert runs["energy_per_epoch_j"].tolist() == [2500.0]


def test_a_column_may_be_given_its_unit_by_renaming(read):
    columns = columns_asked(["took=took_ms"], "took_ms")
    assert read("took", columns=columns)["time_s"].tolist() == [0.0015]


@pytest.mark.parametrize(
    ("column", "columns", "words"),
    [
        ("took", Columns(time="took"), "--time-column = 'took' is not allowed.*ends in its unit"),
        ("took_min", Columns(time="took_min"), "ends in its unit"),
        ("t_ms", Columns(time="x_ms"), "--time-column = 'x_ms' is not allowed; give one of op, "),
        ("t_ms", Columns((("x", "y"),)), "--rename = 'x' is not allowed; give one of op, "),
        ("t_ms", Columns((("t_ms", "op"),)), "column 'op' is there already"),
        ("time_s,t_ms", Columns(time="t_ms"), "column 'time_s' is there already"),
    ],
)
def test_what_cannot_be_renamed_or_converted_is_refused(read, column, columns, words):
    with pytest.raises(ValueError, match=words):
        read(column, "1.5,2" if "," in column else "1.5", columns=columns)


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "ten", ""])
def test_a_time_that_is_none_is_refused_with_its_line(read, value):
    with pytest.raises(ValueError, match="line 2: time_s"):
        read("t_ms", value, columns=Columns(time="t_ms"))


@pytest.mark.parametrize(
    ("target", "column", "hint"),
    [
        ("time_s", "time_ms", "give --time-column 'time_ms' to convert it"),
        ("time_s", "latency_us", "give --time-column 'latency_us' to convert it"),
        ("time_s", "Time (ns)", "give --time-column 'Time (ns)' to convert it"),
        ("time_s", "times_s", "rename 'times_s' to it"),
        ("time_s", "time", "rename 'time' to it if it is in s"),
        ("energy_j", "energy_mj", "give --energy-column 'energy_mj' to convert it"),
        ("energy_j", "energy_kwh", "give --energy-column 'energy_kwh' to convert it"),
    ],
)
def test_no_other_unit_is_to_be_renamed_alone(read, target, column, hint):
    with pytest.raises(ValueError) as error:
        read(column, target=target)
    assert str(error.value).endswith(f"column {target!r} is missing; {hint}")


@pytest.mark.parametrize("text", ["a", "a=", "=b", "="])
def test_a_renaming_needs_two_names(text):
    with pytest.raises(ValueError, match="--rename = .* is not allowed; give OLD=NEW"):
        columns_asked([text], None)


def test_columns_of_training_runs_are_renamed(tmp_path):
    head = "rows,n_features,n_labels,batch_size,widths\n"
    (tmp_path / "r.csv").write_text(head + "1000,4,1,256,4 8 1\n")
    runs = read_run_table(tmp_path / "r.csv", columns=Columns((("rows", "n_observations"),)))
    assert runs["n_observations"].tolist() == [1000]
