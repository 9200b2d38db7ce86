import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.device import Device, device
from jaxcost.optimize.widths import search_widths

T2000 = jc.load_calibration("quadro-t2000")


def latency(hidden):
    chain = jnp.concatenate([jnp.array([784.0]), hidden, jnp.array([10.0])])
    return T2000.latency(jc.mlp(chain, batch_size=32))


def error(hidden):
    return jnp.sum(jnp.array([20.0, 5.0]) / hidden[:2])


def rounded_up(hidden, temperature):
    return jnp.sum(jc.tiled(hidden, 24, temperature)) / 100 + error(hidden)


def by_hand(cost, axes, allowed=lambda widths: 0.0, limit=np.inf):
    """The least cost over every network, by a loop that shares nothing with the search."""
    cost, allowed = jax.jit(cost), jax.jit(allowed)
    networks = [np.array(w, float) for w in itertools.product(*axes)]
    best = min((w for w in networks if float(allowed(w)) <= limit), key=lambda w: float(cost(w)))
    return tuple(int(w) for w in best)


AXIS = range(16, 200, 8)


@pytest.mark.parametrize("method", ["gradient", "brute"])
def test_a_cost_with_tiles_has_its_least_where_trying_all_finds_it(method):
    found = search_widths(rounded_up, [(16, 199)] * 2, multiples=8, tiles=[24], method=method)
    assert found.widths == by_hand(lambda w: rounded_up(w, 0.0), [AXIS, AXIS])
    assert found.cost == pytest.approx(float(rounded_up(jnp.array(found.widths, float), 0.0)))
    assert all(w % 24 == 0 for w in found.widths)


@pytest.mark.parametrize("method", ["gradient", "brute"])
def test_a_budget_is_met_and_used(method):
    limit = float(latency(jnp.array([100.0, 100.0])))
    budgets = {"latency_s": (latency, limit)}
    found = search_widths(error, [(16, 199)] * 2, multiples=8, budgets=budgets, method=method)
    best = by_hand(error, [AXIS, AXIS], latency, limit)
    assert found.cost == pytest.approx(float(error(jnp.array(best, float))))
    spent, allowed = found.budgets["latency_s"]
    assert 0.95 * limit < spent <= allowed == pytest.approx(limit)


def test_fixed_widths_stay_and_need_be_no_multiples():
    def cost(widths):
        return T2000.latency(jc.mlp(widths, batch_size=32)) * 1e4 + jnp.sum(30.0 / widths)

    bounds = [(784, 784), (16, 512), (16, 512), (10, 10)]
    found = search_widths(cost, bounds, multiples=16, method="gradient", starts=8, steps=60)
    assert (found.widths[0], found.widths[-1]) == (784, 10)
    assert all(w % 16 == 0 and 16 <= w <= 512 for w in found.widths[1:-1])
    assert found.cost <= search_widths(cost, bounds, multiples=16, method="brute").cost * 1.0001


@pytest.mark.parametrize("method", ["gradient", "brute"])
def test_a_set_has_the_widths_that_are_allowed(method):
    listed = {24, 25, 100, 192}
    found = search_widths(rounded_up, [listed, (16, 199), {7}], multiples=8, method=method)
    best = by_hand(lambda w: rounded_up(w, 0.0), [listed, AXIS, [7]])
    assert found.widths == best
    assert found.widths[0] in listed


def test_auto_tries_all_where_that_is_less_work_and_says_so():
    few = search_widths(rounded_up, [(16, 199)] * 2, multiples=8)
    assert (few.method, few.starts) == ("brute force", None)
    assert "all 529 networks" in few.reason
    assert few.evaluations == 529
    many = search_widths(
        lambda w: jnp.sum(w + 1e4 / w), [(1, 999)] * 3, starts=4, steps=40, learning_rate=0.3
    )
    assert (many.method, many.widths) == ("gradient", (100, 100, 100))
    assert "997,002,999" in many.reason


def test_all_starts_are_told_best_first():
    settings = {"starts": 5, "steps": 30, "method": "gradient"}
    found = search_widths(rounded_up, [(16, 199)] * 2, **settings)
    starts = found.starts
    assert starts.path.shape == (30, 5, 2)
    assert np.array_equal(starts.path[-1], starts.last)
    assert (np.diff(starts.exact) >= 0).all()
    assert starts.meets_budgets.all()
    assert found.cost <= starts.exact[0]
    assert found.gap == pytest.approx(found.cost / found.smooth_cost - 1)
    assert found.gradients == 150
    again = search_widths(rounded_up, [(16, 199)] * 2, **settings)
    assert np.array_equal(again.starts.last, starts.last)


def test_evaluations_can_be_limited():
    found = search_widths(
        rounded_up, [(16, 1999)] * 2, method="gradient", starts=4, steps=40, evaluations=60
    )
    assert found.evaluations <= 60


def test_the_level_and_the_set_that_bind_are_told():
    gpu = device("eagle-gpu")
    model = jc.WorkingSetEnergy.butter_e("gpu")

    def run(widths):
        return jc.training_run(widths, n_observations=15_000, n_features=48, n_labels=1)

    def energy(widths, temperature):
        return model(run(widths), gpu, temperature=temperature) * (1 + (1e2 / widths[1]) ** 2)

    found = search_widths(
        energy, [(26, 26), (8, 4096), (11, 11)], run=run, device=gpu, method="brute"
    )
    # t of 26 and w on 168 units of 112 KiB: 4 * 256 * (26 + w) bytes / 168 is full at w = 18790;
    # b of 38 w weights, twice, fills the rest of that much earlier.
    width = found.widths[1]
    parameters = 27 * width + (width + 1) * 11
    between = 4 * 256 * (26 + width) / 168
    capacity = 112 * 1024
    named = {(b.working_set, b.level): b.fullness for b in found.bindings}
    assert named["f", "L1"] == pytest.approx((4 * parameters + between) / capacity, rel=1e-5)
    assert named["t", "L1"] == pytest.approx(between / capacity, rel=1e-5)
    assert found.binding == found.bindings[0]
    assert found.binding.working_set in str(found)


BOX = [(16, 64)] * 2
UNMET = {"latency_s": (latency, 1e-9)}


@pytest.mark.parametrize(
    ("objective", "bounds", "settings", "words"),
    [
        (error, [(16, 64), (64, 16)], {}, r"bounds[1] = (64, 16) is not allowed"),
        (error, [(0, 64)] * 2, {}, "whole number of at least 1"),
        (error, [16, 64], {}, "a pair (lower, upper)"),
        (error, [], {}, "something for each width"),
        (error, [set(), (16, 64)], {}, "bounds[0] = set() is not allowed"),
        (error, [{0, 64}, (16, 64)], {}, "whole number of at least 1"),
        (error, [{2**40}, (16, 64)], {}, "widths up to 2,147,483,647"),
        (error, [(17, 31)] * 2, {"multiples": 32}, "a multiple of 32 between them"),
        (error, [(17, 31)] * 2, {"multiples": 1e300}, "a multiple of 1e+300 between them"),
        (error, BOX, {"starts": 2**31}, "starts = 2147483648 is not allowed; give at most 100,000"),
        (error, BOX, {"multiples": 0.5}, "multiples = 0.5"),
        (lambda w: w, BOX, {}, "returns shape (2,); give one that returns one number"),
        (lambda w: jnp.log(w[0] - 40), BOX, {}, "the objective is NaN at widths"),
        (lambda w: jnp.inf * w[0], BOX, {}, "infinite at every start"),
        (error, BOX, {"budgets": {"latency_s": 1e-3}}, "a pair (cost function, limit)"),
        (error, BOX, {"budgets": {"latency_s": (latency, 0)}}, "a finite limit above 0"),
        (error, BOX, {"budgets": {"latency_s": (lambda w: w, 1)}}, "budget latency_s returns"),
        (error, BOX, {"budgets": UNMET}, "no widths within the bounds meet latency_s <= 1e-09"),
        (error, BOX, {"budgets": UNMET}, "the nearest, 16 16, has latency_s = "),
        (error, BOX, {"method": "random"}, "method 'random' is not known"),
        (error, BOX, {"starts": 0}, "starts = 0"),
        (error, BOX, {"learning_rate": -1}, "learning_rate = -1"),
        (error, BOX, {"run": lambda w: w}, "run and device go together"),
        (error, BOX, {"run": lambda w: w, "device": Device("bare")}, "known memory levels"),
        (lambda w: T2000.energy(jc.mlp(w, batch_size=1)), BOX, {}, "has no energy_j"),
    ],
)
def test_bad_input_is_refused_before_the_search(objective, bounds, settings, words, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the search has started")

    monkeypatch.setattr("jaxcost.optimize.widths.snap", never)
    monkeypatch.setattr("jaxcost.optimize.widths._brute", never)
    with pytest.raises(ValueError) as refusal:
        search_widths(objective, bounds, **settings)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_budgets_that_only_together_cannot_be_met_are_both_named():
    small, large = (lambda w: w[0] + w[1], 60.0), (lambda w: 1000 / w[0] + 1000 / w[1], 50.0)
    for alone in ({"sum": small}, {"inverse": large}):
        search_widths(error, BOX, budgets=alone, method="brute")
    with pytest.raises(ValueError, match=r"sum <= 60.*together|inverse <= 50.*together") as refusal:
        search_widths(error, BOX, budgets={"sum": small, "inverse": large})
    # Of equal widths w, 2 w / 60 and 2000 / (50 w) are equal at w = sqrt(1200) = 34.6.
    assert "35 35" in str(refusal.value) or "34 35" in str(refusal.value)


def test_where_few_networks_meet_the_budgets_all_are_tried_and_said():
    def far(widths):  # from one network in 50,653
        return jnp.sum(jnp.abs(widths - jnp.array([72.0, 136.0, 200.0])))

    budgets = {"far": (far, 0.5)}
    settings = {"multiples": 8, "budgets": budgets, "starts": 4, "steps": 30}
    found = search_widths(lambda w: jnp.sum(w), [(8, 300)] * 3, **settings)
    assert found.widths == (72, 136, 200)
    assert (found.method, found.evaluations) == ("brute force", 37**3)
    assert "networks within the budgets are few among all 50,653" in str(found)


@pytest.mark.parametrize(("tile", "slower"), [(64, 2.0), (64, 4.0), (32, 1.5), (128, 1.2)])
@pytest.mark.parametrize("share", [0.44, 0.72])
def test_widths_at_which_a_kernel_is_fast_are_found_though_no_tile_was_named(tile, slower, share):
    """The cost jumps at multiples of the tile, between which there is no slope towards them."""

    def time(widths):
        odd = jnp.mod(widths, tile) > 0.5
        return jnp.sum((1e-6 + 1e-8 * widths) * jnp.where(odd, slower, 1.0))

    limit = share * (1e-6 + 1e-8 * 1024)
    given = {"budgets": {"s": (time, limit)}, "method": "gradient"}
    found = search_widths(lambda w: jnp.sum(1 / w), [(16, 1024)], **given)
    assert found.widths == by_hand(lambda w: jnp.sum(1 / w), [range(16, 1025)], time, limit)
