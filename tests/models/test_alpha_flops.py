"""α-FLOPs against the paper's printed numbers, and against its formula written out anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.device import device
from jaxcost.models.alpha_flops import AlphaFlops, kernel_size_term
from jaxcost.workload import conv2d, dense, rows

T2000 = device("quadro-t2000")

# Tables 1a and 3a: (W, H, C_in, C_out) of the four configurations.
CONFIGURATIONS = [(1, 1, 12800, 12800), (1, 2, 6400, 12800), (2, 2, 6400, 6400), (4, 4, 3200, 3200)]
# What the printed parameters give, and what the paper prints in its place, ms.
BY_FORMULA = [6.144, 3.155, 1.650, 0.512]
AS_PRINTED = [6.154, 3.351, 1.847, 0.611]


def configurations():
    width, height, c_in, c_out = np.array(CONFIGURATIONS, float).T
    return conv2d(in_w=width, in_h=height, c_in=c_in, c_out=c_out, k_h=1, k_w=1)


def alpha_flops(scale, beta, gamma, batch, width, height, c_in, c_out, kernel):
    """Equations 4 to 6, term by term, for a square kernel and 'same' padding."""
    flops = 2 * kernel * kernel * c_in * width * height * batch * c_out
    size, least = width * height * batch, 1 + np.log(kernel * kernel)
    return scale * flops * ((least + beta * (size - least)) / size) ** gamma


def test_the_printed_parameters_give_their_predictions(precision):
    milliseconds = 1e3 * AlphaFlops.quadro_t2000().layer_costs(configurations(), T2000)
    assert milliseconds.dtype == precision
    np.testing.assert_allclose(milliseconds, BY_FORMULA, rtol=3e-4)


def test_other_parameters_give_the_printed_predictions():
    implied = AlphaFlops(scale=1.878e-11, beta_1=0.0141, gamma_1=0.895, beta_k=0, gamma_k=0)
    milliseconds = 1e3 * implied.layer_costs(configurations(), T2000)
    np.testing.assert_allclose(milliseconds, AS_PRINTED, rtol=2e-3)


@pytest.mark.usefixtures("x64")
def test_every_term_is_that_of_the_formula():
    draw = np.random.default_rng(0)
    batch, width, height, c_in, c_out = draw.integers(1, 300, (5, 200)).astype(float)
    kernel = draw.choice([1.0, 2.0, 3.0, 7.0], 200)
    layers = conv2d(
        batch=batch, in_w=width, in_h=height, c_in=c_in, c_out=c_out, k_h=kernel, k_w=kernel
    )
    printed = {1: (0.02, 0.99), 2: (0.001, 0.56)}
    beta, gamma = np.array([printed[1] if k == 1 else printed[2] for k in kernel]).T
    sizes = (batch, width, height, c_in, c_out, kernel)
    expected = alpha_flops(1.875e-11, beta, gamma, *sizes)
    np.testing.assert_allclose(
        AlphaFlops.quadro_t2000().layer_costs(layers, T2000), expected, rtol=1e-12
    )


def test_float32_is_enough():
    layers = conv2d(in_w=513, in_h=1021, c_in=997, c_out=1013, k_h=11, k_w=11, batch=127)
    expected = alpha_flops(1.875e-11, 0.001, 0.56, 127, 513, 1021, 997, 1013, 11)
    found = AlphaFlops.quadro_t2000()(layers, T2000)
    assert found.dtype == jnp.float32
    assert found == pytest.approx(expected, rel=2e-6)


def test_the_batch_takes_the_part_of_size():
    model = AlphaFlops.quadro_t2000()
    batched = dense(c_in=640, c_out=320, batch=64)
    placed = conv2d(in_h=4, in_w=16, c_in=640, c_out=320, k_h=1, k_w=1)
    split = conv2d(in_h=2, in_w=8, c_in=640, c_out=320, k_h=1, k_w=1, batch=4)
    assert model(batched, T2000) == model(placed, T2000) == model(split, T2000)


@pytest.mark.parametrize(
    ("k_h", "k_w", "is_pointwise"), [(1, 1, True), (1, 3, False), (2, 2, False)]
)
def test_kernels_of_one_element_have_their_own_parameters(k_h, k_w, is_pointwise):
    layer = conv2d(in_h=32, in_w=32, c_in=8, c_out=8, k_h=k_h, k_w=k_w)
    gradient = jax.grad(lambda m: m(layer, T2000))(AlphaFlops.quadro_t2000())
    assert (gradient.beta_1 != 0, gradient.gamma_1 != 0) == (is_pointwise, is_pointwise)
    assert (gradient.beta_k != 0, gradient.gamma_k != 0) == (not is_pointwise, not is_pointwise)


@pytest.mark.parametrize("values", [{"beta_k": 1, "gamma_k": 0.5}, {"beta_k": 0.3, "gamma_k": 0}])
def test_without_a_discount_time_is_in_proportion_to_flops(values):
    model = AlphaFlops(scale=1e-9, beta_1=0, gamma_1=1, **values)
    layer = conv2d(in_h=50, in_w=20, c_in=6, c_out=8, k_h=3, k_w=3)
    assert model(layer, T2000) == pytest.approx(1e-9 * 2 * 9 * 6 * 8 * 1000, rel=1e-5)


def test_a_fully_parallel_axis_costs_nothing():
    """With beta 0 and gamma 1 the cost depends on S through S_K alone, that is not at all."""
    model = AlphaFlops(scale=1e-9, beta_1=0, gamma_1=1, beta_k=0, gamma_k=1)
    few, many = (conv2d(in_h=h, in_w=50, c_in=6, c_out=8, k_h=3, k_w=3) for h in (10, 1000))
    assert model(many, T2000) == pytest.approx(float(model(few, T2000)), rel=1e-5)


def test_the_size_term_grows_slowly_with_the_kernel():
    kernels = rows(k_h=jnp.array([1.0, 1.0, 3.0, 11.0]), k_w=jnp.array([1.0, 3.0, 3.0, 11.0]))
    found = kernel_size_term(kernels)
    np.testing.assert_allclose(found, [1, 2.098612, 3.197225, 5.795791], rtol=1e-6)
