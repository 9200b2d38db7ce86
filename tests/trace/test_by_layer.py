import pytest

from jaxcost.trace.by_layer import by_layer

ROWS = [
    {"name": "a", "op": "dense", "repeat": 2, "flops": 10.0, "latency_s": None},
    {"name": "b", "op": "dense", "repeat": 1, "flops": 25.0, "latency_s": 1.0},
    {"name": "a", "op": "elementwise", "repeat": 3, "flops": 4.0, "latency_s": 0.5},
    {"name": "", "op": "reduction", "repeat": 1, "flops": 1.0, "latency_s": None},
]


def test_a_layer_has_all_its_rows_and_runs_largest_first():
    found = by_layer(ROWS, "flops")
    assert list(found.items()) == [("a", 32.0), ("b", 25.0), ("(no name) reduction", 1.0)]


def test_what_is_unknown_is_left_out():
    assert by_layer(ROWS, "latency_s") == {"a": pytest.approx(1.5), "b": 1.0}
