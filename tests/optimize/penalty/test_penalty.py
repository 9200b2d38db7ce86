import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost.optimize.penalty import (
    CostRegularizer,
    Pressure,
    gates,
    keep_within,
    open_gates,
    scale_logits,
    soft_width,
)


def area(widths):
    return widths[0] * widths[1] / 1e4


def task(widths):
    return jnp.sum((100.0 / widths) ** 2)


def trained(regularizer, steps=600, loss=task, scale=1.0):
    """Widths after training with nothing set by hand, and the state."""
    optimiser = optax.adam(0.02)

    def total(z, pressure):
        value = scale * loss(jnp.exp(z))
        return value + regularizer(jnp.exp(z), pressure), value

    def step(carry, _):
        z, state, pressure = carry
        (_, value), slope = jax.value_and_grad(total, has_aux=True)(z, pressure)
        change, state = optimiser.update(slope, state)
        z = z + change
        return (z, state, regularizer.update(pressure, jnp.exp(z), value)), None

    z = jnp.log(jnp.array([200.0, 300.0]))
    carry = (z, optimiser.init(z), regularizer.init(jnp.exp(z)))
    (z, _, pressure), _ = jax.lax.scan(step, carry, None, length=steps)
    return jnp.exp(z), pressure


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("target", [0.5, 2.0])
def test_the_budget_is_met_at_any_scale_of_the_loss_with_nothing_set(target, scale):
    widths, _ = trained(CostRegularizer(area, target=target), scale=scale)
    # Of all w0 w1 = 1e4 target, the sum of (100/w)**2 is least where w0 = w1 = 100 sqrt(target).
    assert float(area(widths)) == pytest.approx(target, rel=0.03)
    assert np.allclose(widths, 100 * np.sqrt(target), rtol=0.1)


def test_a_target_that_is_met_anyway_costs_nothing():
    regularizer = CostRegularizer(area, target=1e3)
    widths, pressure = trained(regularizer, loss=lambda w: jnp.sum(jnp.log(w / 150.0) ** 2))
    assert np.allclose(widths, 150, rtol=1e-2)
    assert float(regularizer(widths, pressure)) == 0
    assert float(pressure.log_weight) < -5


def test_each_mode_is_its_formula_when_the_target_is_missed():
    widths, ratio = jnp.array([100.0, 200.0]), np.log(2.0)
    for mode, plain in {"hinge": ratio, "log": ratio, "linear": 1.0}.items():
        regularizer = CostRegularizer(area, target=1.0, mode=mode)
        state = Pressure(jnp.log(jnp.array(3.0)), jnp.array(0.5), jnp.array(1.0))
        expected = 3 * 0.5 * (plain + 2 * ratio**2)
        assert float(regularizer(widths, state)) == pytest.approx(expected, rel=1e-5)


def test_a_schedule_warms_the_penalty_up():
    regularizer = CostRegularizer(area, target=1.0, schedule=optax.linear_schedule(0.0, 1.0, 10))
    widths = jnp.array([100.0, 200.0])
    states = [Pressure(jnp.array(0.0), jnp.array(1.0), jnp.array(s)) for s in (0.0, 5.0, 10.0)]
    none, half, full = (float(regularizer(widths, s)) for s in states)
    assert none == 0
    assert half == pytest.approx(full / 2)


@pytest.mark.parametrize("mode", ["hinge", "log", "linear"])
@pytest.mark.parametrize(("target", "log_weights"), [(1.0, [-7.0, 0.0]), (1e-12, [7.0, 100.0])])
def test_nothing_is_nan_over_temperatures_and_six_decades_of_weight(mode, target, log_weights):
    @jax.jit
    def everything(logits, log_weight, temperature):
        regularizer = CostRegularizer(
            lambda logits: soft_width(logits, temperature) * 1e-9, target=target, mode=mode
        )
        state = Pressure(log_weight, jnp.array(1.0), jnp.array(0.0))
        after = regularizer.update(state, logits, jnp.nan)
        return jax.value_and_grad(regularizer)(logits, state), after

    for temperature, log_weight in itertools.product([5.0, 1.0, 0.1, 0.01, 1e-6], log_weights):
        for logits in ([0.0] * 4, [-1e4, 1e4, 1e-30, 3.0], [-50.0] * 4):
            leaves = jax.tree.leaves(everything(jnp.array(logits), log_weight, temperature))
            assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_the_gradient_at_steps_is_the_secants():
    def steps(widths):
        return jnp.sum(jnp.ceil(widths / 16) * 16)

    widths = {"a": jnp.array([65.0]), "b": jnp.array([200.0])}
    regularizer = CostRegularizer(lambda w: steps(w["a"]) + steps(w["b"]), target=64.0, tile=16.0)
    plain = CostRegularizer(regularizer.cost_fn, target=64.0)
    pressure = regularizer.update(regularizer.init(widths), widths)
    assert all(float(s[0]) == 0 for s in jax.tree.leaves(jax.grad(plain)(widths, pressure)))
    ratio = np.log((80 + 208.0) / 64)
    # Of W s (r + 2 r²), by a width, where d cost / d width = 1 and W has grown by the rate.
    expected = np.exp(0.01) * (1 + 4 * ratio) / 288
    for slope in jax.tree.leaves(jax.grad(regularizer)(widths, pressure)):
        assert float(slope[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": 0}, "target = 0"),
        ({"target": float("nan")}, "target = nan"),
        ({"target": 1, "mode": "square"}, "mode 'square' is not known"),
        ({"target": 1, "rate": -1}, "rate = -1"),
        ({"target": 1, "tile": 0}, "tile = 0"),
        ({"target": 1, "cost_fn": 3}, "cost_fn = 3"),
        ({"target": 1, "schedule": 0.5}, "schedule = 0.5"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        CostRegularizer(**{"cost_fn": area} | settings)


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (lambda w: w, "returns shape"),
        (lambda w: w[0] * jnp.nan, "cost_fn.widths. = nan"),
        (lambda w: -w[0], "above 0"),
    ],
)
def test_a_bad_cost_is_refused_before_training(cost, words):
    with pytest.raises(ValueError, match=words):
        CostRegularizer(cost, target=1).init(jnp.ones(2))


def test_gates_are_open_or_closed_and_can_change():
    logits = jnp.array([-2.0, -0.1, 0.1, 2.0])
    assert np.array_equal(gates(logits), [0, 0, 1, 1])
    slope = jax.grad(lambda x: jnp.sum(gates(x, 0.5)))(logits)
    share = 1 / (1 + np.exp(-np.asarray(logits) / 0.5))
    assert np.allclose(slope, share * (1 - share) / 0.5, rtol=1e-5)
    assert float(soft_width(logits)) == 2
    assert np.array_equal(gates(jnp.array([-2.0, -1.0, -3.0])), [0, 1, 0])  # never none
    assert np.array_equal(gates(open_gates(5)), np.ones(5))
    assert np.allclose(open_gates(4, 2.0), [0.5, 1, 1.5, 2])
    for bad in ({"channels": 0}, {"channels": 3, "spread": 0}):
        with pytest.raises(ValueError, match=f"{list(bad)[-1]} = 0"):
            open_gates(**bad)


def test_scales_of_a_norm_are_logits():
    logits = scale_logits(jnp.array([0.0, 0.005, -0.02, 1.0]), threshold=0.01)
    assert np.array_equal(logits > 0, [False, False, True, True])
    assert np.isfinite(jax.grad(lambda s: jnp.sum(scale_logits(s)))(jnp.zeros(2))).all()
    with pytest.raises(ValueError, match="threshold = 0"):
        scale_logits(jnp.ones(2), threshold=0)


def test_the_strongest_channels_within_the_target_are_kept():
    logits = [np.array([3.0, -1.0, 1.0, 2.0]), np.array([0.5, 5.0, 4.0])]
    kept = keep_within(lambda w: w[0] * w[1], logits, 4.0)
    assert [k.tolist() for k in kept] == [[0, 3], [1, 2]]
    all_open = keep_within(lambda w: w[0] * w[1], logits, 100.0, reopen=False)
    assert [k.tolist() for k in all_open] == [[0, 2, 3], [0, 1, 2]]
    reopened = keep_within(lambda w: w[0] * w[1], logits, 100.0)
    assert [k.tolist() for k in reopened] == [[0, 1, 2, 3], [0, 1, 2]]
    by_two = keep_within(lambda w: w[0] * w[1], logits, 6.0, multiple=2)
    assert [len(k) for k in by_two] == [2, 2]
    with pytest.raises(ValueError, match="the least widths"):
        keep_within(lambda w: w[0] * w[1], logits, 0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": float("nan")}, "target = nan"),
        ({"target": 0.0}, "target = 0"),
        ({"multiple": 0}, "multiple = 0"),
        ({"multiple": 1.5}, "multiple = 1.5"),
        ({"logits": [np.ones((2, 2))]}, r"logits.0. has shape \(2, 2\)"),
        ({"logits": [np.ones(2), np.ones(0)]}, r"logits.1. has shape \(0,\)"),
        ({"logits": [np.array([1.0, np.nan])]}, "logits.0. has NaN"),
        ({"cost_fn": lambda w: w}, "one number that is above 0"),
        ({"cost_fn": lambda w: w[0] * jnp.nan}, "one number that is above 0"),
        ({"cost_fn": lambda w: -w[0]}, "one number that is above 0"),
    ],
)
def test_nothing_is_made_smaller_by_bad_input(settings, words):
    good = {"cost_fn": lambda w: w[0] * w[1], "logits": [np.ones(4), np.ones(4)], "target": 4.0}
    with pytest.raises(ValueError, match=words):
        keep_within(**good | settings)


def test_a_traced_network_is_refused():
    def traced(logits):
        return keep_within(lambda w: w[0], [logits], 4.0)

    with pytest.raises(ValueError, match="outside of jit"):
        jax.jit(traced)(jnp.ones(4))


def test_a_target_that_no_width_meets_is_refused_before_training():
    regularizer = CostRegularizer(lambda w: 1e-3 + 1e-6 * jnp.sum(w), target=5e-4)
    with pytest.raises(ValueError, match="target = 0.0005 is not allowed; give .* above 0.001"):
        regularizer.init(jnp.array([64.0, 32.0]))


def test_a_target_that_may_be_met_is_not_refused():
    widths, regularizer = jnp.array([64.0, 32.0]), CostRegularizer(jnp.sum, target=25.0)
    assert float(regularizer(widths, regularizer.init(widths))) == 0  # no penalty before a step


def test_of_a_cost_with_a_least_within_it_is_said_that_the_target_is_below_what_was_tried():
    """Of w + 100 / w the least is 20 at 10, 40 of two: no line in the widths' scale finds it."""
    regularizer = CostRegularizer(lambda w: jnp.sum(w + 100 / w), target=25.0)
    with pytest.warns(UserWarning, match="25 may never be reached: .* the cost is at least 4"):
        regularizer.init(jnp.array([64.0, 32.0]))


def dipping(floor, dip):
    """A cost that never falls below `floor`, and is dearer by `dip` where no tile is full."""

    def cost(widths):
        return (floor + 1e-6 * jnp.sum(widths)) * (1 + dip * jnp.any(widths % 16 > 0))

    return cost


def test_a_target_that_no_width_meets_is_refused_though_the_cost_dips():
    widths = jnp.array([64.0, 128.0])
    with pytest.raises(ValueError, match="target = 0.0005 is not allowed; give a target above"):
        CostRegularizer(dipping(1e-3, 0.1), target=5e-4).init(widths)


def test_where_the_dips_may_reach_the_target_it_is_said_that_none_was_found():
    widths = jnp.array([64.0, 128.0])
    with pytest.warns(UserWarning, match="0.00108 may never be reached: .* is at least 0.001096"):
        CostRegularizer(dipping(1e-3, 0.1), target=1.08e-3).init(widths)  # 16 and 16 reach it
    CostRegularizer(dipping(1e-3, 0.1), target=1.3e-3).init(widths)
