"""What is trained, on how much data: `TrainingRun`, a network beside its data set."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support import sizes
from jaxcost._support.messages import refused
from jaxcost._support.old_words import also_batch_size
from jaxcost.workload import Workload, mlp

TRAIN_SHARE = 0.8  # of the data set, in the BUTTER data; the rest is the test split
_SLACK = 1e-4  # batches: a division that comes out whole is not rounded up for its last digit


def _count(name: str) -> Any:
    return eqx.field(converter=lambda value: sizes.positive(name, value))


class TrainingRun(eqx.Module):
    """A network and the data set it is trained on; leaves of shape `()`, or `(runs,)` for a stack.

    Args:
        workload: the network's layers at the batch size of training, leaves `(..., layers)`.
        n_observations: rows of the data set, training and test split together, > 0.
        n_features: columns of the data set. Networks may see more inputs than that, where
            columns are one-hot encoded: the paper counts operations and layers' working sets by
            columns, and parameters by inputs.
        n_labels: columns of the response; 1 for a regression and for two classes.
        train_share: of the observations, in (0, 1), static.
    """

    workload: Workload
    n_observations: Float[Array, "..."] = _count("n_observations")
    n_features: Float[Array, "..."] = _count("n_features")
    n_labels: Float[Array, "..."] = _count("n_labels")
    train_share: float = eqx.field(static=True, default=TRAIN_SHARE)

    def __check_init__(self) -> None:
        sizes.one("train_share", self.train_share, lambda s: 0 < s < 1, "a share between 0 and 1")

    @property
    def batch(self) -> Float[Array, "..."]:
        """Inputs at once, by layer, shape `(..., layers)`."""
        return self.workload.batch

    @property
    def inputs(self) -> Float[Array, "..."]:
        """Elements of one input of the network: what it sees of one observation."""
        first = self.workload[0]
        return first.in_h * first.in_w * first.c_in

    @property
    def train_batches(self) -> Float[Array, "..."]:
        """Batches of the training split in one epoch; a part of one counts in full."""
        return self._batches(self.train_share)

    @property
    def test_batches(self) -> Float[Array, "..."]:
        """Batches of the test split in one epoch; a part of one counts in full."""
        return self._batches(1 - self.train_share)

    @property
    def passes(self) -> Float[Array, "..."]:
        """Passes in one epoch: forward and backward in training, forward in testing."""
        return 2 * self.train_batches + self.test_batches

    def by_columns(self) -> "TrainingRun":
        """The same run with a first layer of as many inputs as the data set has columns."""
        first = jnp.arange(len(self.workload)) == 0
        ratio = jnp.expand_dims(self.n_features / self.inputs, -1)
        c_in = self.workload.c_in * jnp.where(first, ratio, jnp.ones_like(ratio))
        return eqx.tree_at(lambda run: run.workload.c_in, self, c_in)

    def _batches(self, share: float) -> Float[Array, "..."]:
        return jnp.ceil(self.n_observations * share / self.batch[..., 0] - _SLACK)

    @staticmethod
    def of_batch(workload: Workload) -> "TrainingRun":
        """A workload as the run of a data set that is a single batch of it."""
        places = jnp.where(workload.repeat > 0, jnp.arange(len(workload)), 0)
        first, last = workload[0], workload[jnp.max(places)]
        inputs = first.in_h * first.in_w * first.c_in
        return TrainingRun(workload, first.batch, inputs, last.out_h * last.out_w * last.c_out)

    @staticmethod
    def stack(runs: Sequence["TrainingRun"]) -> "TrainingRun":
        """Several runs as leaves of shape `(runs, ...)`, networks padded to equal depth."""
        if not runs:
            raise ValueError("runs is empty; give at least one TrainingRun")
        workload = Workload.stack([run.workload for run in runs])
        names = ("n_observations", "n_features", "n_labels")
        facts = {name: jnp.stack([getattr(run, name) for run in runs]) for name in names}
        return TrainingRun(workload, **facts, train_share=runs[0].train_share)


@also_batch_size
def training_run(
    widths: ArrayLike | Sequence[ArrayLike],
    *,
    n_observations: ArrayLike,
    n_features: ArrayLike | None = None,
    n_labels: ArrayLike | None = None,
    batch: ArrayLike = 256,
) -> TrainingRun:
    """A multi-layer perceptron and the data set it is trained on; widths in elements.

    Args:
        widths: shape `(layers + 1,)`, input first, real and > 0, at least two layers; may be
            differentiated.
        n_observations: rows of the data set, at least `batch`, keyword-only as are the next.
        n_features, n_labels: columns of the data set; None: as many as the network's inputs and
            outputs.
        batch: inputs at once, > 0; may be called batch_size.
    Raises: ValueError: one layer, a size out of range, a batch larger than the data set.
    Example:
        >>> run = training_run([126, 317, 212, 108, 3], n_observations=67557, n_features=42)
        >>> int(run.train_batches), int(run.test_batches)
        (212, 53)
    """
    chain = sizes.chain("widths", widths)
    if chain.shape[0] < 3:
        raise ValueError(
            f"widths = {_words(chain)} is a network of one layer; give three or more widths, "
            "input first: what passes between layers is what the model is about"
        )
    _check_batch(n_observations, batch)
    given = {
        "n_observations": n_observations,
        "n_features": chain[0] if n_features is None else n_features,
        "n_labels": chain[-1] if n_labels is None else n_labels,
    }
    data = {name: sizes.positive_scalar(name, value) for name, value in given.items()}
    return TrainingRun(mlp(chain, batch=batch), **sizes.guarded(data, **data))


def _check_batch(n_observations: ArrayLike, batch: ArrayLike) -> None:
    given = {"n_observations": n_observations, "batch": batch}
    observations, batch = (sizes.positive_scalar(name, value) for name, value in given.items())
    if not sizes.is_traced(observations, batch) and float(batch) > float(observations):
        allowed = f"at most the data set's {float(observations):.0f} observations"
        raise ValueError(refused("batch", float(batch), allowed))


def _words(chain: Array) -> str:
    if isinstance(chain, jax.core.Tracer):
        return f"an array of shape {chain.shape}"
    return " ".join(f"{width:g}" for width in np.asarray(chain))
