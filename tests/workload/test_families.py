import pandas as pd
import pytest

from jaxcost.workload.families import SHAPES, network_of_size, parameter_count, shaped_widths


def test_widths_are_those_of_the_measured_networks(shared):
    runs = pd.read_csv(shared / "datasets/butter_e_energy_per_epoch.csv")
    for row in runs.drop_duplicates("widths").itertuples():
        widths = [int(width) for width in row.widths.split()]
        ends = {"layers": row.depth, "inputs": widths[0], "outputs": widths[-1]}
        assert network_of_size(row.shape, parameters=row.n_parameters, **ends) == widths
        assert parameter_count(widths) == row.n_parameters


@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_of_a_size_is_the_nearest_of_its_shape(shape):
    ends = {"layers": 5, "inputs": 20, "outputs": 3}
    counts = [
        parameter_count(shaped_widths(shape, width=w, **ends)) for w in range(1, 400)
    ]  # fmt: skip
    found = parameter_count(network_of_size(shape, parameters=3000, **ends))
    assert abs(found - 3000) == min(abs(count - 3000) for count in counts)


def test_shapes_are_as_described():
    ends = {"layers": 4, "inputs": 9, "outputs": 2}
    assert shaped_widths("rectangle", width=16, **ends) == [9, 16, 16, 16, 2]
    assert shaped_widths("exponential", width=16, **ends) == [9, 16, 8, 4, 2]
    assert shaped_widths("wide_first_4x", width=16, **ends) == [9, 16, 4, 4, 2]


@pytest.mark.parametrize(
    ("shape", "changed", "message"),
    [
        ("trapezium", {}, "shape 'trapezium' is not known; did you mean 'trapezoid'"),
        ("rectangle", {"layers": 1}, "layers = 1 is not allowed; give 2 or more"),
        ("rectangle", {"parameters": 0}, "parameters = 0 is not allowed"),
    ],
)
def test_bad_input_is_refused(shape, changed, message):
    given = {"parameters": 100, "layers": 3, "inputs": 4, "outputs": 2} | changed
    with pytest.raises(ValueError, match=message):
        network_of_size(shape, **given)
