import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.device import KIB, MIB, Device, MemoryLevel, device
from jaxcost.models.residency import check_fits, levels, place, place_all, working_sets
from jaxcost.workload import conv2d
from jaxcost.workload.runs import training_run

B = 256


def run(widths=(126, 317, 212, 108, 3), **facts):
    known = {"n_observations": 67557, "n_features": 42, "n_labels": 3}
    return training_run(widths, **(known | facts))


def by_hand(widths, columns, observations, labels):
    """Sizes as the authors' notebooks have them: layers' sets by columns, parameters by inputs."""
    parameters = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    full = [columns, *widths[1:]]
    layers = [4 * B * (a + b) for a, b in itertools.pairwise(full)]
    return layers, parameters, 4 * B * sum(full), 4 * observations * (columns + labels)


def test_sizes_are_those_counted_by_hand():
    widths = (126, 317, 212, 108, 3)
    layers, parameters, activations, data = by_hand(widths, 42, 67557, 3)
    sets, true = working_sets(run(widths).by_columns()), working_sets(run(widths))
    np.testing.assert_allclose(sets.layers, layers, rtol=1e-6)
    assert float(true.parameters) == 4 * parameters == 4 * 131006
    assert float(sets.activations) == pytest.approx(activations)
    assert float(sets.data_set) == data
    assert float(sets.batch) == 4 * B * 45


def test_a_convolution_counts_its_pixels():
    layer = conv2d(in_h=8, in_w=8, c_in=3, c_out=16, k_h=3, k_w=3, batch=2)
    from jaxcost.workload.runs import TrainingRun

    sets = working_sets(TrainingRun.of_batch(layer))
    assert float(sets.layers[0]) == 4 * 2 * 64 * (3 + 16)
    assert float(sets.parameters) == 4 * 9 * 3 * 16
    assert float(sets.activations) == 4 * 2 * 64 * (3 + 16)


def level_of(placed):
    assert float(placed.share.sum()) == 1
    assert set(np.asarray(placed.share)) <= {0.0, 1.0}
    return int(placed.share.argmax())


@pytest.mark.parametrize(
    ("replicated", "spread", "before", "expected"),
    [
        (32 * KIB, 0, 0, 0),  # exactly full
        (32 * KIB + 4, 0, 0, 1),
        (0, 36 * 32 * KIB, 0, 0),  # spread over 36 units
        (32 * KIB, 0, 4, 1),  # what was placed before counts
        (1056 * KIB, 0, 0, 1),  # capacities add up: 32 KiB and 1 MiB
        (1056 * KIB + 64, 0, 0, 2),
        (0, 52 * MIB, 0, 3),  # two units of L3: 26 MiB on each is more than 25.8
    ],
)
def test_a_set_goes_to_the_first_level_that_holds_it(replicated, spread, before, expected):
    memory = levels(device("eagle-cpu"))
    amounts = (jnp.asarray(float(x)) for x in (replicated, spread, before))
    assert level_of(place(memory, *amounts, 0.0)) == expected


def brute_force(sets, node):
    """The rules of placement in plain Python."""
    sizes = [float(m.bytes_per_unit) for m in node.memory]
    units = [float(m.units) for m in node.memory]

    def put(replicated, spread, before):
        for i, n in enumerate(units):
            occupied = before + replicated + spread / n
            if occupied <= sum(sizes[: i + 1]):
                return i, occupied
        raise AssertionError("does not fit")

    layers = [put(0, float(t), 0) for t in sets.layers]
    largest = float(sets.layers.max())
    below = put(0, largest, 0)[1]
    forward = put(float(sets.parameters), 0, below)
    backward = put(2 * float(sets.parameters), float(sets.activations) - largest, below)
    data = put(0, float(sets.data_set), backward[1])
    return [p[0] for p in layers], forward[0], backward[0], data[0]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("node", ["eagle-cpu", "eagle-gpu"])
def test_placement_is_the_rules_in_plain_python(node):
    draw = np.random.default_rng(0)
    for _ in range(40):
        widths = np.exp(draw.uniform(0, 9, draw.integers(3, 7))).round()
        sets = working_sets(run(widths, n_observations=float(draw.integers(300, 200_000))))
        at = place_all(sets, levels(device(node)))
        found = (
            [int(share.argmax()) for share in at.layers.share],
            *(level_of(p) for p in (at.forward, at.backward, at.data_set)),
        )
        assert found == brute_force(sets, device(node))


@pytest.mark.usefixtures("x64")
def test_shares_tend_to_the_exact_ones_monotonically():
    memory = levels(device("eagle-cpu"))
    sizes = jnp.geomspace(1e3, 1e9, 301)

    def shares(temperature):
        zero = jnp.zeros(())
        return jax.vmap(lambda s: place(memory, s, zero, zero, temperature).share)(sizes)

    exact = np.asarray(shares(0.0))
    errors = [np.abs(shares(t) - exact).sum(1) for t in (2.0, 1.0, 0.5, 0.2, 0.1, 0.01)]
    for wider, narrower in itertools.pairwise(errors):
        assert (narrower <= wider + 1e-12).all()
        assert narrower.mean() < wider.mean()
    assert np.median(errors[-1]) < 1e-12


@pytest.mark.usefixtures("x64")
def test_at_the_boundary_half_of_a_set_has_spilt():
    memory = levels(device("eagle-cpu"))
    zero = jnp.zeros(())
    share = place(memory, memory.capacity[0], zero, zero, 0.3).share
    assert float(share[0]) == pytest.approx(0.5)


def node(*memory):
    return Device("mine", tuple(MemoryLevel(size, units, name) for name, size, units in memory))


def test_levels_out_of_order_are_refused():
    with pytest.raises(ValueError, match="memory level L2 of mine has 16 bytes a unit, no more"):
        levels(node(("L1", 64, 1), ("L2", 16, 1), ("RAM", 2**30, 1)))


def test_unknown_levels_are_refused():
    with pytest.raises(ValueError, match="device mine has 1 known memory levels; give one with 2"):
        levels(node(("RAM", 2**30, 1)))
    with pytest.raises(ValueError, match="device mine has 5 known"):
        levels(node(*((f"L{i}", 2.0**i, 1) for i in range(5, 10))))


def test_a_level_without_capacity_is_refused():
    with pytest.raises(ValueError, match="bytes_per_unit = 0 is not allowed"):
        node(("L1", 0, 1), ("RAM", 2**30, 1))


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"widths": (10, 2e5, 2e5, 3)}, "b (backward pass)"),
        ({"n_observations": 1e12}, "d (data set)"),
        ({"widths": (10, 1e9, 3)}, "t (between layers)"),
    ],
)
def test_a_set_larger_than_the_last_level_is_refused(facts, named):
    memory = levels(device("eagle-cpu"))
    with pytest.raises(ValueError) as caught:
        check_fits(working_sets(run(**facts)), memory, "eagle-cpu")
    assert f"working set {named} needs" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gradients_of_the_smooth_placement_reach_the_width():
    def depth(width):
        at = place_all(working_sets(run([126.0, width, 3.0])), levels(device("eagle-gpu")), 0.5)
        return at.forward.occupied + at.backward.share @ jnp.arange(3.0)

    slope = jax.grad(depth)(jnp.asarray(300.0))
    assert math.isfinite(slope)
    assert slope > 0
