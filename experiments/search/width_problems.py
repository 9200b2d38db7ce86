"""Width searches to try methods on: costs with tiles, and energies with cache boundaries.

Each problem is drawn from a seed: its network, its data, its cost model's parameters about those
that were fitted or published, and how quality grows with width.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxcost as jc
from jaxcost.device import device

_PARAMETERS = {  # of AlphaRoofline about these: a small CPU, a large GPU lie within their spread
    "rate": 4e11, "conv_ratio": 0.7, "spatial_ratio": 1.2, "grouped_ratio": 0.9,
    "bandwidth": 3e10, "weight_ratio": 2.0, "spatial_weight_ratio": 0.4, "kernel_exponent": 1.0,
    "half_run": 30.0, "half_c_out": 20.0, "misaligned": 1.5, "half_taps_grouped": 15.0,
    "half_c_out_grouped": 50.0, "floor": 2e-6, "sharpness": 2.0,
}  # fmt: skip
_LATER = {  # parameters that the model got when the problems were drawn already: without effect
    "half_rows": 0.0, "half_inputs": 0.0, "half_outputs": 0.0, "hidden": 0.0, "tile_waste": 0.0,
    "term_latency": 0.0, "start_sharpness": 1.0,
}  # fmt: skip
_RATIOS = {
    "pass_energy": 1.0, "layer_ratio": 0.02, "access_ratio": 0.03, "byte_energy": 3e-8,
    "activation_ratio": 0.1, "beyond_ratio": 0.5,
}  # fmt: skip


class Error(eqx.Module):
    """A made-up error that falls with every width, to a floor."""

    scale: jax.Array
    power: jax.Array

    def __call__(self, widths: jax.Array) -> jax.Array:
        return 0.02 + jnp.sum((self.scale / widths) ** self.power)


class TiledLatency(eqx.Module):
    """Latency of a network of which a device computes whole tiles, in s."""

    model: jc.AlphaRoofline
    ends: jax.Array
    batch: jax.Array
    tile: jax.Array
    hardware: jc.Device
    convolutional: bool = eqx.field(static=True)

    def __call__(self, widths: jax.Array, temperature: float) -> jax.Array:
        done = jc.tiled(widths, self.tile, temperature)
        if self.convolutional:
            sides = {"in_h": 32, "in_w": 32, "pool": [2, *[1] * (len(widths) - 1)]}
            chain = jnp.concatenate([self.ends[:1], done])
            work = jc.cnn(chain, batch_size=self.batch, head=self.ends[1:], **sides)
        else:
            chain = jnp.concatenate([self.ends[:1], done, self.ends[1:]])
            work = jc.mlp(chain, batch_size=self.batch)
        return self.model(work, self.hardware)


class EnergyToLoss(eqx.Module):
    """Energy of training to a loss, in J: that of an epoch, times epochs that fall with widths."""

    model: jc.CostModel
    ends: jax.Array
    observations: jax.Array
    error: Error
    hardware: jc.Device

    def __call__(self, widths: jax.Array, temperature: float) -> jax.Array:
        chain = jnp.concatenate([self.ends[:1], widths, self.ends[1:]])
        run = jc.training_run(chain, n_observations=self.observations)
        return self.model(run, self.hardware, temperature=temperature) * self.error(widths)


class Scaled(eqx.Module):
    """The error, weighed against the logarithm of a cost: a composition without a budget."""

    cost: eqx.Module
    error: Error
    weight: jax.Array

    def __call__(self, widths: jax.Array, temperature: float) -> jax.Array:
        return jnp.log(self.cost(widths, temperature)) + self.weight * self.error(widths)


def draw(kind: str, widths: int, seed: int) -> tuple[eqx.Module, dict, dict]:
    """An objective, its budgets, and the settings of the search, of a problem drawn from `seed`.

    Args: kind: one of `KINDS`; widths: how many are searched.
    """
    random = np.random.default_rng([seed, widths, KINDS.index(kind)])
    settings = {"bounds": [(8, 1024)] * widths, "multiples": 8}
    error = _error(random, widths, kind)
    if kind.startswith("energy"):
        return _energy(random, kind, error), {}, settings
    cost = _latency(random, kind)
    settings["tiles"] = [int(cost.tile)]
    if kind.endswith("weighed"):
        weight = jnp.asarray(10 ** random.uniform(-0.5, 1))
        return Scaled(cost, error, weight), {}, settings
    at = np.exp(random.uniform(np.log(64), np.log(512), widths))
    if kind.endswith("under a budget"):
        return error, {"latency_s": (cost, float(cost(jnp.asarray(at), 0.0)))}, settings
    return cost, {"error": (error, float(error(jnp.asarray(at))))}, settings


KINDS = (
    "dense latency, error under a budget",
    "dense latency, weighed",
    "conv latency at an error",
    "conv latency, weighed",
    "energy by working sets, GPU",
    "energy by working sets, CPU",
    "energy, six parameters, GPU",
    "energy, six parameters, CPU",
)


def _error(random: np.random.Generator, widths: int, kind: str) -> Error:
    least = -1.5 if kind.startswith("energy") else 0.0  # so that most minima are within the bounds
    scale = 10 ** random.uniform(least, 1.5, widths)
    return Error(jnp.asarray(scale), jnp.asarray(random.uniform(0.4, 1.2, widths)))


def _latency(random: np.random.Generator, kind: str) -> TiledLatency:
    values = {n: v * np.exp(0.5 * random.standard_normal()) for n, v in _PARAMETERS.items()}
    return TiledLatency(
        jc.AlphaRoofline(**values, **_LATER),
        jnp.asarray([float(random.integers(3, 784)), 10.0]),
        jnp.asarray(2.0 ** random.integers(0, 9)),
        jnp.asarray(float(random.choice([16, 32, 64, 128]))),
        device("quadro-t2000"),
        "conv" in kind,
    )


def _energy(random: np.random.Generator, kind: str, error: Error) -> EnergyToLoss:
    node = "gpu" if kind.endswith("GPU") else "cpu"
    if "working sets" in kind:
        model = jc.WorkingSetEnergy.butter_e(node)
        names = ["k_p", "k_o", "k_d", *(f"{k}_{i}" for k in "am" for i in range(1, 5))]
        noise = {
            n: float(getattr(model, n)) * np.exp(0.7 * random.standard_normal()) for n in names
        }
        model = jc.WorkingSetEnergy(k_e=0.0, **noise)
    else:
        noise = {n: v * np.exp(0.7 * random.standard_normal()) for n, v in _RATIOS.items()}
        model = jc.TrainingEnergy(**noise, temperature=0.0)
    return EnergyToLoss(
        model,
        jnp.asarray([float(random.integers(4, 784)), float(random.integers(1, 11))]),
        jnp.asarray(float(random.integers(500, 60_000))),
        error,
        device(f"eagle-{node}"),
    )
