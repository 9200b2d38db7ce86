"""Training of multi-layer perceptrons by Adam, an epoch at a time, with the data on the device."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxcost.measure import Chain
from jaxcost.workload import network_of_size, parameter_count

RUN_TARGET = "energy_per_epoch_j"  # what a table of training runs calls it
_TRAIN_SHARE = 0.8  # of the rows, as in BUTTER-E and in `jc.training_run`
_RATE, _DECAY, _DECAY_SQUARES, _EPSILON = 1e-4, 0.9, 0.999, 1e-7
State = Any
Parameters = list[tuple[Array, Array]]


@dataclasses.dataclass(frozen=True)
class Epochs:
    """A network, a data set and how it is trained: BUTTER-E's settings.

    Args:
        widths: of the network, input first.
        n_observations: rows of the data set, of which 0.8 are trained on and 0.2 tested on.
        batch_size: of both; what is left of the last batch counts as a whole one.
        dtype: of everything.
    """

    widths: tuple[int, ...]
    n_observations: int
    batch_size: int = 256
    dtype: str = "float32"

    @property
    def batches(self) -> tuple[int, int]:
        """Batches of training and of testing in one epoch."""
        train = round(self.n_observations * _TRAIN_SHARE)
        test = self.n_observations - train
        return -(-train // self.batch_size), -(-test // self.batch_size)

    def begin(self, seed: Array) -> tuple[State, tuple[Array, Array]]:
        """Parameters and moments, and a data set of noise, all on the device."""
        rows = sum(self.batches) * self.batch_size
        keys = jax.random.split(jax.random.key(seed), len(self.widths) + 1)
        parameters = [
            (jax.random.normal(key, (a, b), self.dtype) / jnp.sqrt(jnp.asarray(a, self.dtype)),
             jnp.zeros(b, self.dtype))
            for key, (a, b) in zip(keys, pairwise(self.widths))
        ]  # fmt: skip
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        x, y = (
            jax.random.normal(key, (rows, width), self.dtype)
            for key, width in zip(keys[-2:], (self.widths[0], self.widths[-1]))
        )
        empty = jnp.zeros((), self.dtype)
        return (parameters, zeros, jax.tree.map(jnp.copy, zeros), empty, empty), (x, y)

    def epoch(self, state: State, data: tuple[Array, Array]) -> State:
        """One epoch: every training batch forward and backward, every test batch forward."""
        train, test = self.batches

        def learn(number: Array, state: State) -> State:
            return _adam(state, self._batch(data, number))

        def judge(number: Array, total: Array) -> Array:
            return total + _loss(parameters, self._batch(data, number + train))

        *learnt, _ = lax.fori_loop(0, train, learn, state)
        parameters = learnt[0]
        total = lax.fori_loop(0, test, judge, jnp.zeros((), self.dtype))
        return (*learnt, total)

    def _batch(self, data: tuple[Array, Array], number: Array) -> tuple[Array, Array]:
        x, y = (
            lax.dynamic_slice_in_dim(part, number * self.batch_size, self.batch_size)
            for part in data
        )
        return x, y


def epoch_of_training(epochs: Epochs) -> Chain:
    """An epoch of training as a step."""
    return Chain(epochs.begin, epochs.epoch, lambda state: state[-1])


def _loss(parameters: Parameters, batch: tuple[Array, Array]) -> Array:
    """Mean squared error of the network."""
    x, y = batch
    for place, (weights, bias) in enumerate(parameters):
        x = x @ weights + bias[None]
        x = jnp.maximum(x, 0) if place + 1 < len(parameters) else x
    return jnp.mean((x - y) ** 2)


def _adam(state: State, batch: tuple[Array, Array]) -> State:
    """One step of Adam (Kingma, Ba, 2015), without its correction of the first steps' bias."""
    parameters, means, squares, steps, total = state
    slopes = jax.grad(_loss)(parameters, batch)
    means = _blend(_DECAY, means, slopes)
    squares = _blend(_DECAY_SQUARES, squares, jax.tree.map(jnp.square, slopes))
    parameters = jax.tree.map(
        lambda p, m, s: p - _RATE * m / (jnp.sqrt(s) + _EPSILON), parameters, means, squares
    )
    return parameters, means, squares, steps + 1, total


def _blend(share: float, old: Any, new: Any) -> Any:
    return jax.tree.map(lambda a, b: share * a + (1 - share) * b, old, new)


def butter_e_runs(
    sizes: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """BUTTER-E's data sets, shapes and depths at many sizes: rows of the table of training runs.

    Args: sizes: parameter counts; None: powers of two from 2**6 to 2**25.
    Returns: `dataset, shape, depth, n_observations, n_features, n_labels, batch_size, widths,
        n_parameters`, those first that tell most: sizes far apart.
    """
    wanted = _far_apart([2**e for e in range(6, 26)]) if sizes is None else list(sizes)
    rows = []
    for size in wanted:
        for facts in _DATA_SETS:
            family = {"layers": facts["depth"], "inputs": facts["n_features"]}
            widths = network_of_size(
                facts["shape"], parameters=size, outputs=facts["outputs"], **family
            )
            row = {name: value for name, value in facts.items() if name != "outputs"}
            row |= {"batch_size": 256, "widths": " ".join(map(str, widths))}
            rows.append(row | {"n_parameters": parameter_count(widths)})
    return rows


# Of the authors' isoline figure; inputs as the trained networks have them, one-hot encoded.
_DATA_SETS: list[dict[str, Any]] = [
    {"dataset": "connect_4", "shape": "trapezoid", "depth": 4, "n_observations": 67557,
     "n_features": 126, "n_labels": 3, "outputs": 3},
    {"dataset": "201_pol", "shape": "rectangle", "depth": 2, "n_observations": 15000,
     "n_features": 26, "n_labels": 11, "outputs": 11},
]  # fmt: skip


def _far_apart(values: Sequence[int]) -> list[int]:
    """The ends first, then middles of what is between, and so on."""
    chosen = [0, len(values) - 1]
    while len(chosen) < len(values):
        gaps = sorted(chosen)
        widest = max(pairwise(gaps), key=lambda pair: pair[1] - pair[0])
        chosen.append(sum(widest) // 2)
    return [values[place] for place in chosen]
