"""The fit as a whole: what it finds, what it refuses, and that cross-validation is honest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.precision import double_precision
from jaxcost._support.sizes import Scalar
from jaxcost.calibrate.fit import ROBUST, fit_model
from jaxcost.calibrate.fit.problem import Problem
from jaxcost.calibrate.fit.space import Space
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.models.baselines import FlopsOnly, Roofline
from jaxcost.models.efficiency_trend import EfficiencyTrend, of_flops
from jaxcost.workload import Workload, dense, mlp


@pytest.fixture(scope="module")
def observed(power, layers, t2000):
    """A straight line in logarithms, with 5 % of noise."""
    noise = np.exp(0.05 * np.random.default_rng(3).standard_normal(len(layers)))
    return np.asarray(power(scale=2e-3, exponent=0.8).layer_costs(layers, t2000), float) * noise


SWEEPS = [f"sweep {i // 20}" for i in range(60)]


@pytest.fixture(scope="module")
def result(power, layers, t2000, observed):
    return fit_model(power, layers, t2000, observed, sweeps=SWEEPS, starts=4)


def values(result):
    return {name: float(leaf) for name, leaf in vars(result.model).items()}


def test_it_finds_scipys_optimum_of_the_same_objective(power, layers, t2000, observed, result):
    from scipy.optimize import least_squares

    with double_precision():
        problem = Problem.of(Space.of(power), layers, t2000, observed, robust=ROBUST, priors=False)

        def residual(z):
            return problem.log_predicted(z[None])[0] - problem.log_observed

        theirs = least_squares(residual, [-5.0, 1.0], loss="cauchy", f_scale=ROBUST, xtol=1e-12)
    assert result.losses.min() == pytest.approx(theirs.cost / ROBUST**2, rel=1e-6)
    found = [np.log(values(result)["scale"]), values(result)["exponent"]]
    np.testing.assert_allclose(found, theirs.x, rtol=1e-4)


def test_the_result_says_what_there_is_to_say(result, power):
    assert isinstance(result.model, power)
    assert [e.name for e in result.estimates] == ["scale", "exponent"]
    for estimate in result.estimates:
        assert estimate.lower < estimate.value < estimate.upper
        assert estimate.value == pytest.approx(values(result)[estimate.name], rel=1e-5)
    assert result.covariance.shape == (2, 2)
    assert result.singular_values[0] > result.singular_values[1] > 1
    assert result.losses.shape == (4,)
    np.testing.assert_allclose(result.losses, result.losses.min(), rtol=1e-6)
    assert result.warnings == ()
    assert list(result.errors) == ["in_sample", "rows", "sweeps"]
    assert {a.rows for a in result.errors.values()} == {60}


def test_errors_are_those_of_the_model(result, layers, t2000, observed):
    relative = np.asarray(result.model.layer_costs(layers, t2000)) / observed - 1
    assert result.errors["in_sample"].mean_absolute == pytest.approx(np.abs(relative).mean(), 1e-3)
    assert 0.03 < result.errors["in_sample"].mean_absolute < 0.05
    assert result.errors["rows"].mean_absolute > result.errors["in_sample"].mean_absolute


def test_a_fold_is_a_fit_without_its_rows(result, power, layers, t2000, observed):
    folds = result.folds["sweeps"]
    assert [mask.sum() for mask in folds.masks] == [20, 20, 20]
    out = folds.masks[0]
    kept = fit_model(power, layers[~out], t2000, observed[~out], folds=0, starts=4)
    predicted = np.asarray(kept.model.layer_costs(layers, t2000))
    np.testing.assert_allclose(np.exp(folds.log_predicted[0]), predicted, rtol=1e-4)


@pytest.mark.parametrize("kind", ["rows", "sweeps"])
def test_what_is_left_out_has_no_say_in_its_prediction(
    result, power, layers, t2000, observed, kind
):
    out = result.folds[kind].masks[1]
    changed = np.where(out, observed * np.geomspace(1e-4, 1e-2, 60), observed)
    other = fit_model(power, layers, t2000, changed, sweeps=SWEEPS, starts=4)
    before, after = (r.folds[kind].log_predicted[1] for r in (result, other))
    np.testing.assert_array_equal(before, after)
    assert np.abs(values(other)["scale"] / values(result)["scale"] - 1) > 1e-3


def test_a_parameter_that_only_the_left_out_rows_show_is_not_known_to_their_fold(kinked, t2000):
    """The floor shows in the small layers alone: without them it must not be that of theirs."""
    small = dense(c_in=2.0 ** np.arange(1, 7), c_out=8.0)
    large = dense(c_in=2.0 ** np.arange(9, 14).repeat(6), c_out=4096, batch=4096)
    layers = Workload.concatenate([small, large])
    observed = np.asarray(kinked(rate=1e12, floor=1e-5).layer_costs(layers, t2000), float)
    sweeps = ["small"] * len(small) + ["large"] * len(large)
    result = fit_model(kinked, layers, t2000, observed, sweeps=sweeps, starts=4)
    predicted = np.exp(result.folds["sweeps"].predicted()[: len(small)])
    assert (predicted > 10 * observed[: len(small)]).all()
    assert values(result)["floor"] == pytest.approx(1e-5, rel=1e-4)


def test_the_seed_alone_decides(result, power, layers, t2000, observed):
    same = fit_model(power, layers, t2000, observed, sweeps=SWEEPS, starts=4)
    assert values(same) == values(result)
    np.testing.assert_array_equal(same.losses, result.losses)
    np.testing.assert_array_equal(same.folds["rows"].masks, result.folds["rows"].masks)
    other = fit_model(power, layers, t2000, observed, starts=4, seed=1)
    assert (other.folds["rows"].masks != result.folds["rows"].masks).any()
    assert values(other) == pytest.approx(values(result), rel=1e-4)


def test_four_gross_outliers_change_little(result, power, layers, t2000, observed):
    spoilt = observed.copy()
    spoilt[[2, 20, 33, 47]] *= [1e-9, 1e-6, 1e3, 1e4]
    robust = fit_model(power, layers, t2000, spoilt, folds=0)
    for name, value in values(result).items():
        assert values(robust)[name] == pytest.approx(value, rel=0.05)


def test_outliers_do_not_hide_a_floor(floored, t2000):
    """Far too small a time must not draw the search for the floor to where the loss is flat."""
    layers = dense(c_in=2.0 ** np.arange(0, 12).repeat(5), c_out=1024, batch=64)
    truth = floored(floor=2e-4, rate=1e12, share=0.5, believed=2.0)
    observed = np.asarray(truth.layer_costs(layers, t2000), float)
    observed[[5, 20, 40, 50]] *= 1e-8
    result = fit_model(floored, layers, t2000, observed, folds=0)
    assert values(result)["floor"] == pytest.approx(2e-4, rel=0.01)


def test_networks_are_rows_of_several_layers(power, t2000):
    widths = np.random.default_rng(1).integers(8, 800, (40, 4)).astype(float)
    depths = np.random.default_rng(2).integers(2, 5, 40)
    networks = Workload.stack(
        [mlp(w[:d], batch_size=32) for w, d in zip(widths, depths, strict=True)]
    )
    assert networks.batch.shape == (40, 3)
    truth = power(scale=1e-3, exponent=0.7)
    observed = jax.vmap(truth, in_axes=(0, None))(networks, t2000)
    result = fit_model(power, networks, t2000, observed, folds=2, starts=2)
    assert values(result) == pytest.approx({"scale": 1e-3, "exponent": 0.7}, rel=1e-4)
    assert result.errors["rows"].mean_absolute < 1e-3


def test_both_precisions_give_the_same_fit(precision, result, power, layers, t2000, observed):
    again = fit_model(power, layers, t2000, observed, sweeps=SWEEPS, starts=4)
    assert again.model.scale.dtype == precision
    assert values(again) == pytest.approx(values(result), rel=1e-6)
    np.testing.assert_allclose(
        again.folds["sweeps"].log_predicted, result.folds["sweeps"].log_predicted, rtol=1e-6
    )
    assert jax.config.jax_enable_x64 == (precision == "float64")


def test_priors_draw_what_the_data_leave_open(floored, layers, t2000):
    biased = dense(c_in=layers.c_in, c_out=layers.c_out, batch=layers.batch, bias=1)
    truth = floored(floor=2e-5, rate=2e11, share=0.5, believed=2.0)
    observed = truth.layer_costs(biased, t2000)
    with_, without = (
        fit_model(floored, biased, t2000, observed, folds=0, priors=priors)
        for priors in (True, False)
    )
    assert values(with_)["believed"] == pytest.approx(2.0, rel=1e-3)
    assert values(without)["believed"] != pytest.approx(2.0, rel=1e-3)
    assert {e.name for e in without.estimates if not e.determined} == {"rate", "believed"}


def test_one_row_is_fitted_and_not_cross_validated(t2000):
    result = fit_model(FlopsOnly, dense(c_in=64, c_out=64), t2000, [1e-6])
    assert list(result.errors) == ["in_sample"]
    assert values(result)["rate"] == pytest.approx(2 * 64 * 64 / 1e-6)


def test_a_fold_has_a_row_and_one_sweep_is_not_left_out(t2000):
    layers = dense(c_in=[64, 128, 256], c_out=64)
    result = fit_model(FlopsOnly, layers, t2000, [1e-6, 2e-6, 4e-6], folds=5, sweeps=["a"] * 3)
    assert list(result.errors) == ["in_sample", "rows"]
    assert result.folds["rows"].masks.shape == (3, 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"observed": [1, 2, np.nan]}, "observed[2] = nan is not allowed; give a finite number"),
        ({"observed": [1, 0, 3]}, "observed[1] = 0 is not allowed; give a finite number above 0"),
        ({"observed": [-1, 2, 3]}, "observed[0] = -1 is not allowed"),
        ({"observed": [1, np.inf, 3]}, "observed[1] = inf is not allowed"),
        ({"observed": [1, 2]}, "observed has shape (2,); give one number a row: (3,)"),
        ({"observed": [[1, 2, 3]]}, "observed has shape (1, 3); give one number a row: (3,)"),
        (
            {"model": "few", "priors": False},
            "rows = 3 is not enough for Floored, which has 4 parameters that data alone tell",
        ),
        ({"workloads": "alike"}, "all 3 rows describe the same layers; measure layers of diff"),
        ({"workloads": "none"}, "rows = 0 is not enough for Roofline, which has 2 parameters"),
        ({"workloads": "one"}, "workloads has leaves of shape (); give (rows,) or (rows, layers)"),
        ({"sweeps": ["a", "b"]}, "sweeps has 2 labels; give one a row: 3"),
        ({"spread": [0.1, 0.1]}, "spread has shape (2,); give one number a row: (3,)"),
        ({"spread": [0.1, -0.2, 0.1]}, "spread[1] = -0.2 is not allowed; give a finite number"),
        ({"spread": [0.1, np.nan, np.inf]}, "spread[2] = inf is not allowed"),
        ({"folds": 1}, "folds = 1 is not allowed; give a whole number of at least 2, or 0"),
        ({"folds": -5}, "folds = -5 is not allowed"),
        ({"folds": 2.5}, "folds = 2.5 is not allowed"),
        ({"starts": 0}, "starts = 0 is not allowed; give a whole number of at least 1"),
        ({"robust": 0}, "robust = 0 is not allowed; give a number above 0"),
        ({"robust": np.inf}, "robust = inf is not allowed"),
        ({"robust": np.nan}, "robust = nan is not allowed"),
    ],
)
def test_bad_input_is_refused_in_one_line(floored, t2000, changed, message):
    layers = dense(c_in=[64, 128, 256], c_out=64)
    workloads = {"alike": layers[jnp.zeros(3, int)], "none": layers[:0], "one": layers[0]}
    given = {"model": Roofline, "workloads": layers, "device": t2000, "observed": [1.0, 2.0, 3.0]}
    given |= changed
    given["workloads"] = workloads.get(changed.get("workloads"), layers)
    given["model"] = floored if "model" in changed else Roofline
    if changed.get("workloads") == "none":
        given["observed"] = []
    with pytest.raises(ValueError) as caught:
        fit_model(**given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_nowhere_finite_is_refused(t2000):
    class Broken(LayerwiseCost):
        """Not a number, whatever its parameter."""

        unit = "s"
        rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="")

        def layer_cost(self, layer, device):
            return jnp.log(-layer.batch) * self.rate

    layers = dense(c_in=[64, 128, 256], c_out=64)
    with pytest.raises(ValueError, match="Broken is not finite for these rows"):
        fit_model(Broken, layers, t2000, [1.0, 2.0, 3.0], folds=0, starts=1)


def test_every_row_may_have_its_own_device():
    years, flops = np.linspace(2011, 2020, 12), np.geomspace(1e8, 1e12, 12)
    observed = flops / (2e10 * 10 ** (0.12 * (years - 2015)))
    result = fit_model(EfficiencyTrend, of_flops(flops), Device("d", launch_year=years), observed)
    assert float(result.model.growth) == pytest.approx(0.12, rel=1e-4)
    assert result.errors["rows"].mean_absolute < 1e-4


def test_one_network_on_several_devices_is_no_repetition():
    device = Device("d", launch_year=np.array([2011.0, 2015.0, 2019.0]))
    result = fit_model(
        EfficiencyTrend, of_flops(np.full(3, 1e9)), device, [0.1, 0.05, 0.02], folds=0
    )
    assert np.isfinite(result.losses).all()
    same = Device("d", launch_year=np.full(3, 2015.0))
    with pytest.raises(ValueError, match="all 3 rows describe the same layers"):
        fit_model(EfficiencyTrend, of_flops(np.full(3, 1e9)), same, [0.1, 0.05, 0.02], folds=0)


def test_devices_of_another_number_than_the_rows_are_refused():
    device = Device("d", launch_year=np.array([2011.0, 2015.0]))
    with pytest.raises(ValueError, match=r"'d' has a number of shape \(2,\); .* \(3,\)"):
        fit_model(EfficiencyTrend, of_flops([1e9, 2e9, 3e9]), device, [0.1, 0.05, 0.02], folds=0)
