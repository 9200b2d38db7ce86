import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.device import device
from jaxcost.workload.tiles import secant, tiled

MODEL = jc.AlphaRoofline(
    rate=2e12, conv_ratio=1, spatial_ratio=1.5, grouped_ratio=1, bandwidth=1e11, weight_ratio=1,
    spatial_weight_ratio=0.3, kernel_exponent=0.9, half_run=40, half_c_out=20, misaligned=1.5,
    half_taps_grouped=10, half_c_out_grouped=20, floor=1e-5, sharpness=4,
    half_rows=7, half_inputs=9, half_outputs=12, hidden=0.9, tile_waste=1, term_latency=3e-10,
    start_sharpness=0.5,
)  # fmt: skip
TILE = 16.0


def test_sizes_are_rounded_up_to_whole_tiles():
    sizes = np.array([1.0, 15.9, 16.0, 16.1, 32.0, 33.0])
    assert np.array_equal(tiled(sizes, TILE), [16, 16, 16, 32, 32, 48])


def test_the_smooth_staircase_tends_to_the_exact_one():
    sizes = np.arange(3.0, 200.0, 1.0)
    sizes = sizes[sizes % TILE != 0]  # at a step, the ramp is half-way
    off = [np.abs(tiled(sizes, TILE, t) - tiled(sizes, TILE)).max() for t in (1.0, 0.1, 0.01)]
    assert off[0] > off[1] > off[2] == pytest.approx(0, abs=1e-3)


def test_a_hot_staircase_is_the_line_through_its_middle():
    sizes = np.array([20.0, 30.0, 200.0])
    assert np.allclose(tiled(sizes, TILE, 50.0), sizes + TILE / 2, rtol=1e-3)


def test_neighbouring_ramps_meet_without_a_kink():
    slope = jax.vmap(jax.grad(lambda s: tiled(s, TILE, 0.4)))(jnp.array([23.99, 24.01]))
    assert slope[0] == pytest.approx(float(slope[1]), rel=0.01)


def cost(widths):
    done = tiled(widths, TILE)
    return MODEL(
        jc.cnn(jnp.concatenate([jnp.array([32.0]), done]), in_h=28, in_w=28, batch_size=8),
        device("quadro-t2000"),
    )


COST = jax.jit(cost)
STRAIGHT = jax.jit(jax.grad(cost))
EXACT = jax.jit(jax.grad(secant(cost, TILE)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("widths", [[65.0, 70.0], [100.0, 200.0], [256.0, 255.0], [90.5, 700.0]])
def test_the_gradient_of_a_tiled_cost_is_its_secant_over_two_tiles(widths):
    at = jnp.array(widths)
    straight, exact = STRAIGHT(at), EXACT(at)
    for i in range(2):
        ends = [at.at[i].add(side * TILE) for side in (-1, 1)]
        across = float((COST(ends[1]) - COST(ends[0])) / (2 * TILE))
        assert 0.98 <= float(straight[i]) / across <= 1.02
        assert float(exact[i]) == pytest.approx(across, rel=1e-9)


def test_the_secant_of_a_hard_step_is_seen_where_its_gradient_is_not():
    def hard(widths):
        return jnp.sum(jnp.where(widths > 100, 2.0, 1.0))

    at = jnp.array([95.0, 30.0])
    assert np.array_equal(jax.grad(hard)(at), [0, 0])
    assert np.allclose(jax.jit(jax.grad(secant(hard, 10.0)))(at), [1 / 20, 0])
    assert float(secant(hard, 10.0)(at)) == 2


def test_a_secant_does_not_reach_below_a_width_of_one():
    at = jnp.array([4.0])
    assert float(jax.grad(secant(lambda w: jnp.sum(1 / w), 10.0))(at)[0]) == pytest.approx(
        (1 / 14 - 1) / 13
    )


def test_a_tile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="tile = 0"):
        tiled(3.0, 0)


def test_whatever_is_smaller_than_a_tile_takes_one_and_nothing_none():
    assert [float(tiled(size, 2**31)) for size in (1.0, 65.0, 2e5)] == [2**31] * 3
    assert str(tiled(0.0, 64)) == "0.0"
