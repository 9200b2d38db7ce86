"""Knees and judgements of the experiments, on data whose answer is known."""

import digits_judged as judged
import digits_network
import jax
import numpy as np
import pandas as pd
import pytest
from knees import knee

WIDTHS = np.geomspace(200, 6000, 40)


def seconds(onset, saturation, after, noise=0.0):
    ramp = np.clip(np.log(WIDTHS / onset) / np.log(saturation / onset), 0, 1)
    pace = 1e-7 / WIDTHS**2 + 3e-11 * (1 + (after - 1) * ramp)
    return pace * WIDTHS**2 * np.exp(noise * np.random.default_rng(0).standard_normal(40))


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize(("onset", "saturation"), [(700, 1500), (1500, 3500)])
def test_a_planted_knee_is_found(onset, saturation, noise):
    found = knee(WIDTHS, seconds(onset, saturation, 3.0, noise))
    assert found.visible
    assert found.saturates
    assert abs(np.log2(found.onset / onset)) < 0.25
    assert abs(np.log2(found.saturation / saturation)) < 0.25
    assert found.rise == pytest.approx(2.0, rel=0.1)
    assert found.pace(WIDTHS) == pytest.approx(seconds(onset, saturation, 3.0) / WIDTHS**2, rel=0.1)


def test_no_knee_is_seen_where_there_is_none():
    assert not knee(WIDTHS, seconds(1000, 2000, 1.0, 0.02)).visible


def test_a_ramp_that_goes_on_does_not_saturate():
    found = knee(WIDTHS, seconds(3000, 20000, 4.0))
    assert found.visible
    assert not found.saturates


def test_a_front_never_falls_and_is_read_in_the_logarithm_of_time():
    curve = judged.front(np.array([8.0, 1.0, 4.0, 2.0]), np.array([0.875, 0.5, 0.5, 0.75]))
    assert np.allclose(curve[0], [0.5, 0.625, 0.625, 0.875])
    assert judged.time_at(0.75, *curve) == pytest.approx(np.sqrt(32))
    assert judged.time_at(0.625, *curve) == pytest.approx(2.0)
    assert np.isnan(judged.time_at(0.95, *curve))
    assert np.isnan(judged.time_at(0.4, *curve))


def test_the_speed_up_of_networks_made_twice_as_fast_is_two():
    random, rows = np.random.default_rng(0), []
    for seed in range(5):
        luck = 0.01 * random.standard_normal()
        rows.append({"way": "full", "share": 1.0, "seed": seed, "time_s": 16.0, "accuracy": 0.95})
        for share in (0.4, 0.2, 0.1):
            accuracy = 0.95 + 0.1 * np.log(share) + luck
            for way, factor in (("latency", 1.0), ("flops", 2.0)):
                time = factor * 16 * share
                row = {"way": way, "share": share, "seed": seed, "time_s": time}
                rows.append(row | {"accuracy": accuracy})
    ups, draws = judged.judged(pd.DataFrame(rows))
    assert np.allclose(ups, 2.0)
    assert np.allclose(draws[np.isfinite(draws)], 2.0)


def test_the_sum_of_shifted_images_is_the_depthwise_convolution():
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (3, 8, 8, 5))
    kernel = jax.random.normal(keys[1], (3, 3, 1, 5))
    expected = digits_network.depthwise_convolve(x, kernel)
    assert np.allclose(digits_network.depthwise_sum(x, kernel), expected, atol=1e-5)
