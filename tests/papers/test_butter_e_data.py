import pytest

from jaxcost._support.published import published
from jaxcost.papers.butter_e.data import butter_e_isolines, butter_e_runs

ISOLINE = "dataset,shape,depth,panel,line,n_parameters,value\n"


def test_the_shared_files_are_read(shared):
    runs, lines = (f(shared / "datasets") for f in (butter_e_runs, butter_e_isolines))
    assert set(runs["device"]) == {"eagle-gpu", "eagle-cpu"}
    assert set(lines["panel"]) == {"flops", "gpu", "cpu"}
    assert lines["line"].min() == 0
    assert (lines["value"] > 0).all()


def test_table_4_is_as_printed():
    table = published("butter_e_table_4").set_index("parameter")
    assert table.loc["k_p", ["cpu", "gpu"]].tolist() == [1460, 3080]
    assert len(table) == 12


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,rectangle,2,tpu,0,10,1", "line 2: panel = 'tpu' is not allowed; give one of flops"),
        ("x,rectangle,2,gpu,0,10,-1", "line 2: value = -1 is not allowed"),
        ("x,rectangle,2,gpu,0,0,1", "line 2: n_parameters = 0 is not allowed"),
    ],
)
def test_damaged_isolines_are_refused(tmp_path, row, message):
    (tmp_path / "butter_e_isolines.csv").write_text(ISOLINE + row + "\n")
    with pytest.raises(ValueError, match=message):
        butter_e_isolines(tmp_path)


def test_absent_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="no butter_e_energy_per_epoch.csv there"):
        butter_e_runs(tmp_path)
