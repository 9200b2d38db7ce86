import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.device import Device, device
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.papers.butter_e.data import butter_e_runs
from jaxcost.workload import mlp
from jaxcost.workload.run_table import runs_from_table
from jaxcost.workload.runs import training_run

NAMES = ("k_e", "k_p", "k_o", "k_d", *(f"{kind}_{i}" for kind in "am" for i in range(1, 5)))
GPU, CPU = device("eagle-gpu"), device("eagle-cpu")


def only(name, **settings):
    return WorkingSetEnergy(**(dict.fromkeys(NAMES, 0.0) | {name: 1.0}), **settings)


def run(widths=(26, 54, 11), **facts):
    known = {"n_observations": 15000, "n_features": 48, "n_labels": 1}
    return training_run(widths, **(known | facts))


def test_passes_operations_and_layers_are_counted_as_the_authors_do():
    assert float(only("k_p")(run(), GPU)) == 2 * 47 + 12
    assert float(only("k_d")(run(), GPU)) == 2 * (2 * 47 + 12)
    parameters = 27 * 54 + 55 * 11
    forward = 256 * (48 * 54 + 54 + 54 * 11 + 11)
    backward = 256 * (2 * 54 + 48 * 54 + 2 * 11 + 2 * 54 * 11) + parameters * 257
    assert float(only("k_o")(run(), GPU)) == pytest.approx(59 * forward + 47 * backward)


def test_every_access_of_a_tiny_network_is_in_l1_but_the_data_sets():
    passes, layers = 2 * 47 + 12, 2
    accesses = layers * passes + (47 + 47 + 12)  # each t_l in each pass; f, b, f'
    assert float(only("a_1")(run((26, 3, 11)), CPU)) == accesses
    assert float(only("a_2")(run((26, 3, 11)), CPU)) == 47 + 12  # d


def test_bytes_are_those_that_a_set_occupies_of_a_unit():
    layers = 1024 * (48 + 3) + 1024 * (3 + 11)
    parameters = 4 * (27 * 3 + 4 * 11)
    backward = 2 * parameters + (1024 * (48 + 3 + 11) - 1024 * 51) / 36
    expected = 106 * layers / 36 + 59 * parameters + 47 * backward
    assert float(only("m_1")(run((26, 3, 11)), CPU)) == pytest.approx(expected, rel=1e-6)


def test_the_data_set_is_charged_by_the_batch_or_whole():
    batch, whole = (only("m_2", data_set=way)(run((26, 3, 11)), CPU) for way in ("batch", "whole"))
    assert float(batch) == pytest.approx(59 * 4 * 256 * 49 / 36)
    assert float(whole) == pytest.approx(59 * 4 * 15000 * 49 / 36)


def test_the_last_of_three_levels_is_number_four():
    large = run((26, 220753, 11))
    assert float(only("a_3")(large, GPU)) == 0
    assert float(only("a_4")(large, GPU)) > 0


def test_a_run_is_its_overhead_and_its_epochs():
    model = WorkingSetEnergy.butter_e("gpu")
    assert float(only("k_e")(run(), GPU)) == 0
    total = model.energy_of_run(run(), GPU, 3000)
    assert float(total) == pytest.approx(272000 + 3000 * float(model(run(), GPU)), rel=1e-6)


def test_equation_9_is_the_sum_of_equation_8():
    model = WorkingSetEnergy.butter_e("cpu")
    weights, rows = model.matrix(run(), CPU)
    assert weights.shape == (9 + 2,)
    assert rows.shape == (9 + 2, 12)
    total = weights @ rows @ model.vector
    assert float(total) == pytest.approx(10200 + float(model(run(), CPU)), rel=1e-6)


def test_an_inference_is_a_pass_forward():
    model, network = only("k_p"), mlp([26, 54, 11], batch_size=256)
    assert float(model(network, GPU)) == 1
    assert float(only("k_d")(network, GPU)) == 2
    forward = 256 * (26 * 54 + 54 + 54 * 11 + 11)
    assert float(only("k_o")(network, GPU)) == forward


def test_table_4_has_its_units_corrected():
    model = WorkingSetEnergy.butter_e("gpu")
    assert float(model.k_p) == pytest.approx(3080 / 3000)
    assert float(model.k_o) == pytest.approx(890e-9 / 3000)
    assert float(model.m_4) == pytest.approx(5.7 / 2**20 / 3000)
    assert float(model.k_e) == 272000


@pytest.mark.parametrize(("hardware", "most"), [("gpu", 0.035), ("cpu", 0.24)])
def test_table_4_predicts_what_was_measured(shared, hardware, most):
    runs = butter_e_runs(shared / "datasets")
    runs = runs[runs["device"] == f"eagle-{hardware}"]
    model = WorkingSetEnergy.butter_e(hardware)
    node = device(f"eagle-{hardware}")
    found = jax.vmap(model, in_axes=(0, None))(runs_from_table(runs), node)
    errors = np.abs(np.asarray(found) / runs["energy_per_epoch_j"].to_numpy() - 1)
    assert errors.mean() <= most


@pytest.mark.usefixtures("x64")
def test_the_smooth_model_tends_to_the_exact_one_as_the_temperature_falls():
    widths = np.geomspace(30.3, 3e5, 60)

    def energies(temperature):
        model = WorkingSetEnergy.butter_e("cpu", temperature=temperature)
        of_width = jax.vmap(lambda w: model(run(jnp.stack([26.0, w, 11.0])), CPU))
        return np.asarray(of_width(jnp.asarray(widths)))

    exact = energies(0.0)
    errors = [np.abs(energies(t) / exact - 1).mean() for t in (1.0, 0.5, 0.2, 0.1, 0.02, 0.002)]
    assert all(b < a for a, b in itertools.pairwise(errors))
    assert errors[-1] < 0.0005


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_gradients_by_width_match_differences_and_are_nowhere_all_zero(hardware, temperature):
    model = WorkingSetEnergy.butter_e(hardware, temperature=temperature)
    node = device(f"eagle-{hardware}")

    def energy(hidden):
        widths = jnp.concatenate([jnp.array([126.0]), hidden, jnp.array([3.0])])
        return model(run(widths), node)

    compiled, slope = jax.jit(energy), jax.jit(jax.grad(energy))
    for scale in np.geomspace(2.3, 3e4, 12):
        point = np.array([scale, 0.6 * scale, 0.3 * scale])
        found = np.asarray(slope(jnp.asarray(point)))
        expected = [difference(compiled, point, i) for i in range(3)]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
        assert (found != 0).any()


def difference(function, point, i):
    """A central difference of sixth order."""
    step = 1e-3 * point[i] * np.eye(3)[i]

    def central(n):
        return float(function(point + n * step) - function(point - n * step))

    return (45 * central(1) - 9 * central(2) + central(3)) / (60 * step[i])


def test_bad_parameters_and_devices_are_refused():
    with pytest.raises(ValueError, match="WorkingSetEnergy.k_p = -1 is not allowed"):
        WorkingSetEnergy(**(dict.fromkeys(NAMES, 0.0) | {"k_p": -1.0}))
    with pytest.raises(ValueError, match="temperature = -1 is not allowed"):
        only("k_p", temperature=-1.0)
    with pytest.raises(ValueError, match="data_set 'all' is not known"):
        only("k_p", data_set="all")
    with pytest.raises(ValueError, match="has 0 known memory levels"):
        only("k_p")(run(), Device("unknown"))
    with pytest.raises(ValueError, match="working set b"):
        only("k_p")(run((26, 300_000, 300_000, 11)), CPU)
