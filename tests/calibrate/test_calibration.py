"""What a user does with a calibration: predict, differentiate, save, load."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.correction import fit_correction
from jaxcost.measure.designs.other_sweeps import other_sweep
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.workload import Workload, cnn, conv2d, from_table, mlp

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

ADDED = ["predicted_time_s", "predicted_time_s_lo", "predicted_time_s_hi"]


def test_predict_adds_three_columns_and_keeps_the_rest(calibration, unseen):
    before = unseen.copy()
    predicted = calibration.predict(unseen)
    assert list(predicted.columns) == [*unseen.columns, *ADDED]
    assert predicted.index.equals(unseen.index)
    assert predicted[unseen.columns].equals(before)
    assert unseen.equals(before)
    lower, upper = predicted["predicted_time_s_lo"], predicted["predicted_time_s_hi"]
    assert ((lower < predicted["predicted_time_s"]) & (predicted["predicted_time_s"] < upper)).all()
    assert (abs(predicted["predicted_time_s"] / unseen["time_s"] - 1) < 0.1).mean() > 0.9


def test_two_targets_give_six_columns(calibration, fitted, unseen):
    both = Calibration(calibration.device, {"time_s": fitted, "energy_j": fitted})
    columns = list(both.predict(unseen).columns)
    assert columns == [*unseen.columns, *ADDED, *(c.replace("time_s", "energy_j") for c in ADDED)]


def test_a_table_that_holds_no_layers_is_refused(calibration, unseen):
    with pytest.raises(ValueError, match="column 'c_in' is missing"):
        calibration.predict(unseen.drop(columns="c_in"))


def test_latency_is_the_sum_over_layers(calibration, unseen):
    layers = from_table(unseen)
    total = calibration.predict(unseen)["predicted_time_s"].sum()
    assert calibration.latency(layers) == pytest.approx(total, rel=1e-4)
    thrice = Workload.concatenate([layers] * 3)
    assert calibration.latency(thrice) == pytest.approx(3 * total, rel=1e-4)
    assert calibration.latency(layers.pad_to(80)) == pytest.approx(total, rel=1e-4)


def test_latency_of_a_network_is_differentiable_and_mapped(calibration):
    def latency(hidden):
        widths = jnp.concatenate([jnp.array([784.0]), hidden, jnp.array([10.0])])
        return calibration.latency(mlp(widths, batch_size=64))

    widths = jnp.array([[2048.0, 4096.0], [3000.0, 500.0]])
    gradients = jax.jit(jax.vmap(jax.grad(latency)))(widths)
    assert (gradients > 0).all()
    each = jnp.stack([jax.grad(latency)(row) for row in widths])
    np.testing.assert_allclose(gradients, each, rtol=1e-3)


def test_gradients_are_those_of_finite_differences(x64, fitted, calibration):
    """Through the correction too, which is there: the model alone gives another cost."""
    sizes = fitted.layers[:, :-1]
    bent = dataclasses.replace(fitted, correction=fit_correction(sizes, 0.3 * np.sin(sizes[:, 1])))

    corrected = Calibration(calibration.device, {"time_s": bent})

    def latency(channels, of=corrected):
        return of.latency(cnn(channels, in_h=20, in_w=20, batch_size=8, head=[10.0]))

    at = jnp.array([32.0, 100.0, 60.0])
    found = jax.grad(latency)(at)
    for i, step in enumerate(1e-3 * at):
        move = jnp.zeros(3).at[i].set(step)
        wide, narrow = ((latency(at + m) - latency(at - m)) / (2 * m[i]) for m in (move, move / 2))
        assert found[i] == pytest.approx(float((4 * narrow - wide) / 3), rel=1e-6)
    alone = Calibration(calibration.device, {"time_s": fitted_without_correction(fitted)})
    assert abs(latency(at, alone) / latency(at) - 1) > 0.01


def conv():
    return conv2d(in_h=32, in_w=32, c_in=64, c_out=64, k_h=3, k_w=3)


def fitted_without_correction(fitted):
    return dataclasses.replace(fitted, correction=None)


def test_a_target_that_was_not_fitted_is_refused(calibration):
    with pytest.raises(ValueError) as caught:
        calibration.energy(conv())
    assert str(caught.value).startswith("the calibration of quadro-t2000 has no energy_j, only tim")
    assert "--target energy_j" in str(caught.value)


def test_a_saved_calibration_predicts_the_same(calibration, unseen, tmp_path):
    path = tmp_path / "calibration.json"
    calibration.save(path)
    loaded = load_calibration(path)
    for column in ADDED:
        np.testing.assert_array_equal(
            loaded.predict(unseen)[column], calibration.predict(unseen)[column]
        )
    assert loaded.device.name == "quadro-t2000"
    assert loaded.provenance == {"host": "elsewhere"}
    again = tmp_path / "again.json"
    loaded.save(again)
    assert again.read_text() == path.read_text()


def test_presets_are_loaded_by_name():
    calibration = load_calibration("quadro-t2000")
    layer = conv2d(in_h=4, in_w=4, c_in=3200, c_out=3200, k_h=1, k_w=1)
    assert calibration.latency(layer) == pytest.approx(0.512e-3, rel=1e-3)
    assert isinstance(calibration.models["time_s"].model, AlphaFlops)


def test_an_unknown_preset_is_refused_in_one_line():
    with pytest.raises(ValueError) as caught:
        load_calibration("quadro-t200")
    line = str(caught.value)
    assert "'quadro-t200' is not known; did you mean 'quadro-t2000'?" in line
    assert "no file" in line
    assert "\n" not in line


def test_what_a_model_has_no_price_for_is_refused_and_not_free():
    frame = pd.DataFrame([layer.row() for layer in other_sweep("memory_bound")])
    with pytest.raises(ValueError, match="row 1: alpha-flops gives it a cost of 0 s, having no"):
        load_calibration("quadro-t2000").predict(frame)


def test_sizes_beyond_float32_are_predicted_in_float64(table):
    large = table.iloc[:1].assign(**dict.fromkeys(("batch", "in_h", "in_w"), 2**31 - 1))
    large = large.assign(op="conv2d", c_in=2**31 - 1, c_out=2**31 - 1, k_h=1, k_w=1)
    found = load_calibration("quadro-t2000").predict(large)
    assert 1e30 < found["predicted_time_s"].iloc[0] < 1e60


def test_a_cost_beyond_float32_is_refused():
    with pytest.raises(ValueError, match=r"a cost of inf s, beyond float32; give smaller sizes"):
        load_calibration("quadro-t2000").latency(mlp([1e20, 1e20, 10], batch_size=32))
