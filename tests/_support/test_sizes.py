"""The output size of a convolution between whole sizes."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxcost._support import sizes
from jaxcost._support.sizes import output_size


def brute_force(size, kernel, stride, dilation):
    """Counts the places where the whole kernel lies within the input."""
    span = (kernel - 1) * dilation + 1
    return sum(start % stride == 0 for start in range(size - span + 1))


@given(
    size=st.integers(1, 60),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 6),
    dilation=st.integers(1, 3),
)
def test_whole_sizes_are_exact(size, kernel, stride, dilation):
    if (kernel - 1) * dilation < size:
        steps = {"kernel": kernel, "stride": stride, "dilation": dilation}
        assert output_size(size, padding="valid", **steps) == brute_force(size, **steps)


def test_large_sizes_are_exact_in_both_precisions(precision):
    sizes = np.arange(99_900, 100_100)
    for stride in (1, 2, 3, 7, 11):
        np.testing.assert_array_equal(
            output_size(sizes, kernel=1, stride=stride), -(-sizes // stride)
        )


@given(size=st.integers(3, 50), part=st.floats(0, 1), stride=st.integers(1, 5))
def test_between_whole_sizes_it_is_linear(size, part, stride):
    low, high = (float(output_size(x, kernel=1, stride=stride)) for x in (size, size + 1))
    between = float(output_size(size + part, kernel=1, stride=stride))
    assert between == pytest.approx(low + part * (high - low), abs=1e-4)


@pytest.mark.parametrize("size", [8.0, 9.0, 9.25, 10.75])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_gradient_is_that_of_central_differences(x64, size, stride):
    def f(x):
        return output_size(x, kernel=3, stride=stride, padding="valid")

    step = 1e-6
    slope = (f(size + step) - f(size - step)) / (2 * step)
    assert jax.grad(f)(size) == pytest.approx(float(slope), abs=1e-8)


def test_gradient_over_a_period_adds_up_to_one():
    slopes = jax.vmap(jax.grad(lambda x: output_size(x, kernel=1, stride=4)))(jnp.arange(8.0, 12.0))
    assert slopes.sum() == 1.0


@pytest.mark.parametrize("check", [sizes.positive, sizes.not_negative])
@pytest.mark.parametrize("value", [1e-300, [1.0, 1e-45]])
def test_a_number_that_float32_would_make_nothing_is_refused(check, value):
    with pytest.raises(ValueError, match=r"repeat = 1e-\d+ .*not nearer to 0 than"):
        check("repeat", value)
