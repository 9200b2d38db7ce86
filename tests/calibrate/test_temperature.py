"""A search smooths the steps of a calibration as it does those of a model."""

import jax
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.device import device
from jaxcost.models.working_set import WorkingSetEnergy

EAGLE = jc.load_calibration("butter-e-cpu")
RUN = jc.training_run([126, 317, 212, 108, 3], n_observations=67557, n_features=42)


@pytest.mark.parametrize("temperature", [0.0, 0.05, 0.5])
def test_a_calibration_is_as_smooth_as_its_model(temperature):
    model = WorkingSetEnergy.butter_e("cpu", temperature=temperature)
    got = jax.jit(lambda t: EAGLE.energy(RUN, temperature=t))(temperature)
    np.testing.assert_allclose(got, model(RUN, device("eagle-cpu")), rtol=1e-5)


def test_smoothing_changes_something_and_none_is_exact():
    exact, smooth = (float(EAGLE.energy(RUN, temperature=t)) for t in (0.0, 0.5))
    assert exact == pytest.approx(float(EAGLE.energy(RUN)))
    assert abs(smooth / exact - 1) > 1e-4
