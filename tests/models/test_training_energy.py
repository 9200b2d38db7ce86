import jax
import numpy as np
import pytest

from jaxcost.calibrate.fit import fit_model
from jaxcost.device import device
from jaxcost.models.training_energy import TrainingEnergy
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.papers.butter_e.data import butter_e_runs
from jaxcost.workload import mlp
from jaxcost.workload.run_table import networks_of, runs_from_table
from jaxcost.workload.runs import training_run

GPU, CPU = device("eagle-gpu"), device("eagle-cpu")
RATIOS = {"access_ratio": 0.0, "activation_ratio": 0.0, "beyond_ratio": 0.0, "layer_ratio": 0.0}


def model(**values):
    return TrainingEnergy(**({"pass_energy": 0.0, "byte_energy": 0.0} | RATIOS | values))


def run(widths=(26, 54, 11)):
    return training_run(list(widths), n_observations=15000, n_features=48, n_labels=1)


def test_a_pass_and_a_layer_are_counted():
    assert float(model(pass_energy=2.0)(run(), GPU)) == 2 * 106
    assert float(model(pass_energy=1.0, layer_ratio=0.5)(run(), GPU)) == 106 * (1 + 0.5 * 2)
    assert float(model(pass_energy=2.0)(mlp([26, 54, 11], batch_size=256), GPU)) == 2


def test_bytes_are_of_the_network_itself():
    parameters = 27 * 54 + 55 * 11
    assert float(model(byte_energy=1.0)(run(), GPU)) == pytest.approx(106 * 4 * parameters)
    both = model(byte_energy=1.0, activation_ratio=1.0)(run(), GPU)
    layers = 1024 * (26 + 54 + 54 + 11)
    assert float(both) == pytest.approx(106 * (4 * parameters + layers), rel=1e-6)


def test_accesses_cost_by_the_levels_that_they_go_outward():
    exact = model(pass_energy=1.0, access_ratio=1.0, temperature=0.0)
    # All in L1 but the data set, one level out, which each forward pass reads.
    assert float(exact(run((26, 3, 11)), CPU)) == 106 + 59


def test_beyond_the_last_cache_bytes_cost_more():
    base, more = (model(byte_energy=1.0, beyond_ratio=r) for r in (0.0, 1.0))
    for widths, low, high in (((26, 3, 11), 1.0, 1.01), ((26, 3000, 3000, 11), 1.5, 2.0)):
        ratio = float(more(run(widths), CPU)) / float(base(run(widths), CPU))
        assert low <= ratio <= high


@pytest.fixture(scope="module", params=["gpu", "cpu"])
def fitted(request, shared):
    runs = butter_e_runs(shared / "datasets")
    node = f"eagle-{request.param}"
    runs = runs[runs["device"] == node]
    observed = runs["energy_per_epoch_j"].to_numpy()
    settings = {"sweeps": networks_of(runs), "starts": 4, "robust": 1.0, "noise": 0.1}
    given = (runs_from_table(runs), device(node), observed)
    return request.param, fit_model(TrainingEnergy, *given, **settings), given


def test_rows_and_whole_networks_left_out_are_predicted(fitted):
    hardware, result, _ = fitted
    most = {"gpu": {"rows": 0.035, "sweeps": 0.045}, "cpu": {"rows": 0.16, "sweeps": 0.18}}
    for way, bound in most[hardware].items():
        assert result.errors[way].mean_absolute < bound


def test_it_predicts_a_left_out_network_better_than_the_papers_form(fitted):
    _, result, (runs, node, observed) = fitted
    sweeps = [str(n) for n in np.asarray(runs.n_observations)]
    theirs = fit_model(WorkingSetEnergy, runs, node, observed, sweeps=sweeps, starts=2, folds=2)
    ours, printed = (r.errors["sweeps"].mean_absolute for r in (result, theirs))
    assert ours < 0.7 * printed


def test_elsewhere_it_agrees_with_table_4_on_the_gpu(fitted):
    """Table 4 was fitted to all data; ours to two networks, and has not seen such as these.

    Without what table 4 charges for the whole data set, for which ours has no term.
    """
    hardware, result, _ = fitted
    if hardware == "cpu":
        pytest.skip("table 4 itself is off by a fifth there")
    printed = WorkingSetEnergy.butter_e("gpu", data_set="batch")
    for depth in (3, 10, 20):
        for width in (8, 100, 1000):
            widths = [784, *[width] * (depth - 1), 10]
            other = training_run(widths, n_observations=70_000)
            ratio = float(result.model(other, GPU)) / float(printed(other, GPU))
            assert ratio == pytest.approx(1, abs=0.05)


@pytest.mark.usefixtures("x64")
def test_it_has_a_gradient_by_every_width():
    values = {"pass_energy": 0.3, "byte_energy": 5e-8, **dict.fromkeys(RATIOS, 0.1)}
    slope = jax.grad(lambda w: TrainingEnergy(**values)(training_run(w, n_observations=5000), CPU))
    assert (np.asarray(slope(np.array([26.0, 54.0, 30.0, 11.0]))) > 0).all()
