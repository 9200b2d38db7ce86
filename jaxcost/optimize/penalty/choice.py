"""A choice between alternative blocks, learnt together with them."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.messages import refused
from jaxcost._support.sizes import temperature as checked
from jaxcost.workload import Workload, counts

_COOLEST = 0.01
_WORST = 16.0  # power of the mean that stands for the maximum


class Choice(eqx.Module):
    """Alternatives of which one is to be chosen, each a `Workload`; a weight each is learnt.

    Pass `logits` of shape `(alternatives,)`, trained with the rest; without a key the weights are
    softmax(logits / temperature), with one a sample of the Gumbel-softmax.

        weights = choice.weights(logits, temperature, key)
        y = sum(w * block(x) for w, block in zip(weights, blocks))
        loss = task_loss + regularizer(choice.expected(latency, weights), pressure)

    Args: workloads: of the alternatives, two or more.
    Raises: ValueError: fewer than two alternatives.
    Source: Jang, Gu, Poole (2017), Categorical reparameterization with Gumbel-softmax; the
        expected cost is that of Cai, Zhu, Han (2019), ProxylessNAS, eq. 2.
    """

    workloads: tuple[Workload, ...] = eqx.field(converter=tuple)

    def __check_init__(self) -> None:
        if len(self.workloads) < 2:
            raise ValueError(refused("workloads", len(self.workloads), "two or more alternatives"))

    def weights(
        self, logits: ArrayLike, temperature: ArrayLike = 1.0, key: Array | None = None
    ) -> Float[Array, " alternatives"]:
        """How much of each alternative is taken; they sum to 1."""
        logits = jnp.asarray(logits, dtype=float)
        if logits.shape != (len(self.workloads),):
            allowed = f"one of shape ({len(self.workloads)},), a logit an alternative"
            raise ValueError(f"logits has shape {logits.shape}; give {allowed}")
        if key is not None:
            logits = logits + jax.random.gumbel(key, logits.shape, logits.dtype)
        return jax.nn.softmax(logits / jnp.maximum(checked(temperature), _COOLEST))

    def costs(self, cost: Callable[[Workload], Array]) -> Float[Array, " alternatives"]:
        """What each alternative costs, in the unit of `cost`."""
        return jnp.stack([jnp.reshape(cost(w), ()) for w in self.workloads])

    def expected(
        self, cost: Callable[[Workload], Array], weights: Float[Array, " alternatives"]
    ) -> Float[Array, ""]:
        """The mean of the costs by `weights`, in the unit of `cost`."""
        return jnp.sum(weights * self.costs(cost))

    def expected_working_set(self, weights: Float[Array, " alternatives"]) -> Float[Array, ""]:
        """The mean of the alternatives' working sets by `weights`, in bytes."""
        return jnp.sum(weights * self.costs(_working_set))

    def worst_working_set(self, weights: Float[Array, " alternatives"]) -> Float[Array, ""]:
        """The largest working set of the alternatives that have a weight, in bytes; smooth.

        The power mean (sum of weight * bytes**16) ** (1/16): that of the alternative once one is
        chosen, and before nearly that of the largest.
        """
        sizes = jnp.log(self.costs(_working_set))
        tiny = jnp.finfo(sizes.dtype).tiny
        logs = jnp.log(jnp.maximum(weights, tiny)) + _WORST * sizes
        return jnp.exp(jax.nn.logsumexp(logs) / _WORST)

    def best(self, logits: ArrayLike) -> int:
        """The index of the alternative to keep when the network is made smaller."""
        return int(jnp.argmax(jnp.asarray(logits)))


def _working_set(workload: Workload) -> Float[Array, ""]:
    """Bytes of the largest layer: its input, weights and output."""
    return jnp.max(jnp.where(workload.repeat > 0, counts.bytes_moved(workload), 0.0))
