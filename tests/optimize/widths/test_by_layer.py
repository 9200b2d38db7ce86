"""Layers measured until the best network is known: which, and what comes of it."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc

PRESET = jc.load_calibration("quadro-t2000")
AXIS = (64, 128, 192, 256, 320, 384, 448, 512)
BOUNDS = [{256}, set(AXIS), set(AXIS), {10}]
LIMIT = 2e-5


def network(widths):
    return jc.mlp(widths, batch_size=64)


def latency(widths):
    return PRESET.latency(network(widths))


def quality(widths):
    return -jnp.sum(jnp.log(widths))


class Device:
    """Times that are off the predicted ones, of each layer by a factor of its own."""

    def __init__(self, spread, seed=0):
        self.asked, self._spread, self._seed = [], spread, seed

    def __call__(self, layer):
        sizes = int(layer.c_in), int(layer.c_out)
        self.asked.append(sizes)
        return self.time(*sizes)

    def time(self, c_in, c_out):
        random = np.random.default_rng([self._seed, c_in, c_out])
        alone = float(latency(jnp.array([c_in, c_out], float)))
        return alone * float(np.exp(self._spread * random.standard_normal()))

    def of(self, widths):
        return sum(self.time(int(a), int(b)) for a, b in itertools.pairwise(widths))


def search(device, number, cost=latency, **settings):
    by = jc.ByLayer(network, PRESET, device) if callable(device) else device
    settings = {"budgets": {"time_s": (cost, LIMIT)}, "measure": {"time_s": by}} | settings
    return jc.search_widths(quality, BOUNDS, measure_shortlist=number, **settings)


def best(device):
    """The best quality of all networks within the budget, as measured."""
    every = [(256, *pair, 10) for pair in itertools.product(AXIS, AXIS)]
    return min(float(quality(jnp.array(w, float))) for w in every if device.of(w) <= LIMIT)


@pytest.mark.parametrize("seed", range(4))
def test_with_enough_layers_the_best_network_is_found_from_fewer_than_all(seed):
    device = Device(0.1, seed)
    found = search(device, 60)
    assert found.cost == pytest.approx(best(device), rel=1e-5)
    assert device.of(found.widths) <= LIMIT
    assert len(device.asked) < 8 + 64 + 8  # of all layers that there are
    assert len(set(device.asked)) == len(device.asked)


def test_what_is_expected_is_the_sum_of_the_layers_measured():
    device = Device(0.1)
    found = search(device, 60)
    assert [(int(m.layer.c_in), int(m.layer.c_out)) for m in found.layers_measured] == device.asked
    [expected] = found.measured
    assert expected.widths == found.widths
    assert expected.costs["time_s"] == pytest.approx(device.of(found.widths), rel=1e-4)
    assert f"by {len(device.asked)} layers measured" in str(found)


def test_no_more_layers_are_measured_than_asked_for():
    device = Device(0.1)
    search(device, 3)
    assert len(device.asked) == 3


def test_a_few_layers_tell_that_all_are_slower():
    device = Device(0.0)
    slower = jc.ByLayer(network, PRESET, lambda layer: 1.3 * device(layer))
    found = search(slower, 4)
    assert 1.3 * device.of(search(None, 0, measure=None).widths) > 1.03 * LIMIT
    assert 1.3 * device.of(found.widths) <= 1.03 * LIMIT
    assert found.cost <= 0.98 * best(Device(0.0))


def test_networks_that_repeat_a_layer_count_it_as_often():
    def repeated(widths):
        return dataclasses.replace(network(widths), repeat=jnp.array([1.0, 5, 1]))

    device = Device(0.1)
    by = jc.ByLayer(repeated, PRESET, device)
    found = search(by, 60, lambda w: PRESET.latency(repeated(w)))
    a, b, c = (device.time(int(i), int(o)) for i, o in itertools.pairwise(found.widths))
    assert found.measured[0].costs["time_s"] == pytest.approx(a + 5 * b + c, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cost": lambda w: 2 * latency(w)}, "that the layers of network have together"),
        ({"device": lambda layer: 0.0}, "measured time_s of a layer = 0 is not allowed"),
        ({"measure": {"objective": jc.ByLayer(network, PRESET, len)}}, "measures single layers"),
        (
            {"measure": {"time_s": jc.ByLayer(network, PRESET, len), "objective": len}},
            "nothing else to measure",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, words):
    given = {"device": Device(0.1), "number": 3} | settings
    with pytest.raises(ValueError, match=words):
        search(**given)


def test_a_target_that_was_not_fitted_is_refused():
    with pytest.raises(ValueError, match="target 'energy_j' is not known"):
        jc.ByLayer(network, PRESET, len, target="energy_j")


def test_in_double_precision_the_same_network_is_found():
    found = search(Device(0.1), 60)
    with jax.enable_x64(True):
        assert search(Device(0.1), 60).widths == found.widths
