"""What is no number, or none that makes sense, is refused in one line that names it."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost._support.sizes import positive
from jaxcost.calibrate.data_sheet import from_data_sheet
from jaxcost.models.residency import check_temperature
from jaxcost.optimize.penalty.soft import open_gates
from jaxcost.workload.run_table import runs_from_table

ODD = ["3", True, None, [2, "x"], {"a": 1}, float("nan"), -1, 10**400, 1j, b"3", np.array("3")]
HIDDEN = [784, 8, 10]
CALIBRATION = jc.load_calibration("quadro-t2000")
LAYER = {"op": "dense", "batch": 8, "in_h": 1, "in_w": 1, "c_in": 4, "c_out": 4, "k_h": 1,
         "k_w": 1, "stride": 1, "padding": "same", "groups": 1, "dtype": "float32"}  # fmt: skip
RUN = {"n_observations": 600, "n_features": 2, "n_labels": 2, "batch_size": 8, "widths": "2 4 2"}


def search(**settings):
    return jc.search_widths(jnp.sum, [(1, 2)], **settings)


CALLS = {
    "batch_size": lambda odd: jc.mlp(HIDDEN, batch_size=odd),
    "batch =": lambda odd: jc.mlp(HIDDEN, batch=odd),
    "stride": lambda odd: jc.conv2d(in_h=8, in_w=8, c_in=1, c_out=1, k_h=3, k_w=3, stride=odd),
    "n_observations": lambda odd: jc.training_run(HIDDEN, n_observations=odd),
    "assume-peak": lambda odd: from_data_sheet(1e9, "v100", assume_peak=odd),
    "flops": lambda odd: from_data_sheet(odd, "v100", assume_peak=0.5),
    "carbon intensity": lambda odd: from_data_sheet(1e9, "v100", assume_peak=0.5).carbon(odd),
    "bytes_per_unit": lambda odd: jc.MemoryLevel(odd, 1),
    "units": lambda odd: jc.MemoryLevel(1, odd),
    "AlphaFlops.scale": lambda odd: jc.AlphaFlops(odd, 0.1, 0.9, 0.1, 0.9),
    "tile": lambda odd: jc.tiled(65.0, odd),
    "step": lambda odd: jc.secant(jnp.sum, odd),
    "target": lambda odd: jc.CostRegularizer(jnp.sum, target=odd),
    "temperature": check_temperature,
    "starts": lambda odd: search(starts=odd),
    "learning_rate": lambda odd: search(learning_rate=odd),
    "seed": lambda odd: search(seed=odd),
    "multiples": lambda odd: search(multiples=odd),
    "tiles": lambda odd: search(tiles=[odd]),
    "bounds[0]": lambda odd: jc.search_widths(jnp.sum, [(1, odd)]),
    "channels": open_gates,
}


def refusal(call, *arguments):
    with pytest.raises(ValueError) as caught:
        call(*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("field", CALLS)
def test_what_is_no_number_is_refused(field):
    for odd in ODD:
        assert field in refusal(CALLS[field], odd), odd


@pytest.mark.parametrize("good", [1, 2.5, np.int8(3), np.float16(2), jnp.bfloat16(2), [1, 2.5]])
def test_what_is_a_number_is_taken(good):
    np.testing.assert_array_equal(positive("x", good), np.asarray(good, np.float32))


def test_a_device_says_what_it_is_and_its_levels_are_levels():
    assert "name is empty" in refusal(jc.Device, "")
    assert "name = 5" in refusal(jc.Device, 5)
    assert "memory = " in refusal(jc.Device, "mine", 5)
    assert jc.Device("mine", peak_flops=None).peak_flops is None


@pytest.mark.parametrize("odd", [[3], True, None, "many"])
@pytest.mark.parametrize("column", ["batch", "c_in", "op", "padding"])
def test_a_cell_of_a_table_in_memory_is_a_number_or_a_name(column, odd):
    assert column in refusal(jc.from_table, pd.DataFrame([LAYER | {column: odd}], dtype=object))


@pytest.mark.parametrize("odd", [[3, 4, 5], True, None, 345, "3 x 5"])
@pytest.mark.parametrize("column", ["batch_size", "widths"])
def test_a_cell_of_a_table_of_runs_is_one(column, odd):
    if column == "batch_size" and odd == 345:
        odd = 3.5
    assert column in refusal(runs_from_table, pd.DataFrame([RUN | {column: odd}], dtype=object))


TRACED = {
    "tile": lambda x: jc.tiled(65.0, x),
    "size": lambda x: jc.tiled(x, 64),
    "temperature": lambda x: jc.tiled(65.0, 64, x),
    "temperature of a model": lambda x: CALIBRATION.latency(
        jc.mlp(HIDDEN, batch_size=1), temperature=x
    ),
}


@pytest.mark.parametrize("call", TRACED.values(), ids=TRACED)
@pytest.mark.parametrize("odd", [-1.0, float("nan"), float("inf")])
def test_a_traced_value_out_of_range_raises_when_the_program_runs(call, odd):
    with pytest.raises(Exception, match="negative or not finite"):
        jax.block_until_ready(jax.jit(call)(odd))
    assert np.isfinite(jax.jit(call)(2.0))


def test_a_tile_of_nothing_raises_when_the_program_runs():
    with pytest.raises(Exception, match="not finite"):
        jax.block_until_ready(jax.jit(TRACED["tile"])(0.0))


def test_a_constant_within_jit_is_looked_at():
    """There, JAX traces also the array that is made of it."""
    line = refusal(jax.jit(lambda x: jc.mlp([x, 4, 4], batch_size=-8).batch), 3.0)
    assert line.startswith("batch_size = -8 is not allowed")
    assert "stride = 1.5" in refusal(jax.jit(lambda x: x * CALLS["stride"](1.5).out_h), 3.0)


def test_a_temperature_of_nothing_is_exact_also_where_it_is_traced():
    run = jc.training_run([26, 54, 11], n_observations=15000)
    energy = jc.load_calibration("butter-e-gpu").energy
    assert jax.jit(lambda t: energy(run, temperature=t))(0.0) == energy(run, temperature=0)
