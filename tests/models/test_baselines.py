"""The two baselines against numbers worked out by hand."""

import jax
import numpy as np
import pytest

from jaxcost.device import device
from jaxcost.models.baselines import FlopsOnly, Roofline
from jaxcost.workload import Workload, conv2d, counts, dense, rows

T2000 = device("quadro-t2000")


@pytest.fixture
def layers():
    """12 MFLOP on 0.63 MB moved, and 0.131 MFLOP on 0.263 MB."""
    return Workload.concatenate(
        [
            conv2d(in_h=100, in_w=100, c_in=8, c_out=8, k_h=3, k_w=3),
            dense(c_in=256, c_out=256, batch=1),
        ]
    )


def test_flops_only_is_flops_over_the_rate(layers, precision):
    seconds = FlopsOnly(rate=2e9).layer_costs(layers, T2000)
    assert seconds.dtype == precision
    np.testing.assert_allclose(seconds, [11.52e6 / 2e9, 131072 / 2e9], rtol=1e-6)


def test_roofline_is_the_slower_of_both(layers):
    seconds = Roofline(rate=2e9, bandwidth=1e9).layer_costs(layers, T2000)
    moved = 4 * (256 + 256 * 256 + 256)
    np.testing.assert_allclose(seconds, [11.52e6 / 2e9, moved / 1e9], rtol=1e-6)


def test_at_the_ridge_both_take_the_same_time():
    layer = dense(c_in=300, c_out=200, batch=77)
    bandwidth = 1e9
    rate = bandwidth * float(counts.arithmetic_intensity(layer)[0])
    seconds = Roofline(rate=rate, bandwidth=bandwidth)(layer, T2000)
    assert seconds == pytest.approx(float(counts.flops(layer)[0]) / rate, rel=1e-6)
    assert seconds == pytest.approx(float(counts.bytes_moved(layer)[0]) / bandwidth, rel=1e-6)


@pytest.mark.parametrize(("rate", "binds"), [(1e6, "rate"), (1e20, "bandwidth")])
def test_only_what_binds_has_a_gradient(layers, rate, binds):
    model = Roofline(rate=rate, bandwidth=1e11)
    gradient = jax.grad(lambda m: m(layers, T2000))(model)
    assert {name for name in ("rate", "bandwidth") if getattr(gradient, name) != 0} == {binds}


def test_operations_that_are_no_product_count_too():
    softmax = rows(c_in=0, c_out=0, other_flops=3e6, other_bytes=8e6)
    assert FlopsOnly(rate=1e9)(softmax, T2000) == pytest.approx(3e-3)
    assert Roofline(rate=1e9, bandwidth=1e9)(softmax, T2000) == pytest.approx(8e-3)
    assert Roofline(rate=1e8, bandwidth=1e9)(softmax, T2000) == pytest.approx(30e-3)
