import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.device import device
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.papers.butter_e.efficiency import (
    DataEfficiency,
    MeasuredEpochs,
    energy_to_loss,
    least_energy,
)
from jaxcost.workload.runs import training_run

GPU = device("eagle-gpu")
SIZES = 2.0 ** np.arange(8, 25)
FAMILY = {"shape": "rectangle", "layers": 2, "inputs": 26, "outputs": 11}
DATA = {"n_observations": 15000, "n_features": 48, "n_labels": 1}


def test_equation_10_is_found_again():
    law = DataEfficiency.fit(SIZES, (0.02 * np.log(SIZES) - 0.03) ** -3)
    assert float(law.slope) == pytest.approx(0.02)
    assert float(law.offset) == pytest.approx(-0.03, rel=1e-5)
    assert float(law(jnp.asarray(1e5))) == pytest.approx(
        (0.02 * np.log(1e5) - 0.03) ** -3, rel=1e-4
    )
    assert float(law(jnp.asarray(2.0))) == np.inf  # 0.02 ln 2 < 0.03


def test_measured_epochs_are_met_and_unknown_outside():
    epochs = MeasuredEpochs.of([4000, 1000], [50, 200])
    found = [float(epochs(jnp.asarray(p))) for p in (1000.0, 2000.0, 4000.0, 900.0, 4100.0)]
    assert found == [pytest.approx(200), pytest.approx(100), pytest.approx(50), np.inf, np.inf]


def test_the_least_energy_is_that_of_trying_every_size():
    model, epochs = WorkingSetEnergy.butter_e("gpu"), DataEfficiency.fit(SIZES, SIZES**-0.4 * 1e4)
    found = least_energy(model, GPU, epochs, **FAMILY, **DATA, sizes=SIZES)
    tried = []
    for width in (3, 6, 13, 54, 862, 13797, 27594, 55188, 220753):
        run = training_run([26, width, 11], **DATA)
        tried.append(float(energy_to_loss(model, run, GPU, epochs)))
    assert found.energy_j <= min(tried) * (1 + 1e-5)
    assert 0 < np.argmin(found.energies_j) < len(SIZES) - 1
    assert found.binding is not None
    assert abs(np.log(found.binding.at / found.parameters)) < np.log(4)
    assert found.binding.working_set in "tfb"


def test_energy_to_a_loss_can_be_differentiated_by_a_width():
    model = WorkingSetEnergy.butter_e("gpu", temperature=0.5)
    epochs = MeasuredEpochs.of(SIZES, 1e6 / SIZES)

    def energy(width):
        return energy_to_loss(model, training_run([26.0, width, 11.0], **DATA), GPU, epochs)

    assert float(jax.grad(energy)(jnp.asarray(50.0))) < 0  # fewer epochs outweigh all else


def test_a_loss_that_nothing_reaches_is_refused():
    epochs = MeasuredEpochs.of([10, 20], [5, 4])
    with pytest.raises(ValueError, match="no size tried reaches the loss"):
        least_energy(WorkingSetEnergy.butter_e("gpu"), GPU, epochs, **FAMILY, **DATA, sizes=[1e6])


@pytest.mark.parametrize(("sizes", "epochs"), [([10], [1]), ([10, 20], [1, -1]), ([1, 2], [1])])
def test_bad_measurements_are_refused(sizes, epochs):
    with pytest.raises(ValueError, match="epochs"):
        MeasuredEpochs.of(sizes, epochs)
