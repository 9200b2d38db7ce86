"""What is searched: an objective, budgets, and the widths that are allowed."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.messages import refused, shown

Cost = Callable[..., Array]
GRADIENT_PRICE = 3  # evaluations of a cost that one of its gradients takes, about
_SIZES = (64, 1024, 8192)  # networks evaluated at once: few sizes, so that few are compiled


class Problem(eqx.Module):
    """An objective to minimise under budgets, each a function of widths; pure and jittable.

    Arrays within the functions (where these are pytrees, such as Equinox modules) and the limits
    are traced: problems that differ by them share one compilation.
    """

    objective: Cost
    limited: tuple[Cost, ...]
    limits: Float[Array, " budgets"]
    names: tuple[str, ...] = eqx.field(static=True)
    takes_temperature: tuple[bool, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, objective: Cost, budgets: Mapping[str, tuple[Cost, float]]) -> "Problem":
        """From an objective and `name -> (cost, limit)`.

        Raises: ValueError: a budget that is no such pair, or a limit that is not above 0.
        """
        for name, budget in budgets.items():
            _check_budget(name, budget)
        limited = tuple(budget[0] for budget in budgets.values())
        return cls(
            objective,
            limited,
            jnp.asarray([float(budget[1]) for budget in budgets.values()]),
            tuple(budgets),
            tuple(_takes_temperature(cost) for cost in (objective, *limited)),
        )

    def __call__(self, widths: Array, temperature: Any = 0.0) -> tuple[Array, Array]:
        """The objective, and ln(cost / limit) of each budget: above 0 it is broken."""
        value, *costs = (
            cost(widths, temperature) if takes else cost(widths)
            for cost, takes in zip((self.objective, *self.limited), self.takes_temperature)
        )
        over = jnp.stack([jnp.reshape(c, ()) for c in costs]) if costs else jnp.zeros(0)
        return jnp.reshape(value, ()), jnp.log(jnp.maximum(over, 1e-30) / self.limits)


class Evaluator:
    """The exact model on many networks at once; counts how many.

    Args: called: the objective where JAX cannot trace it; broken: whether to call it also for
        networks that break a budget; leaves_out: whether a network with a cost that is NaN is left
        out, as one of infinite cost, and not refused; keep: told widths, objective and budgets of
        all that is evaluated.
    Attributes: most: no more than that are evaluated.
    """

    def __init__(
        self,
        problem: Problem,
        most: int | None = None,
        called: Any = None,
        broken: bool = False,
        leaves_out: bool = False,
        keep: Callable[[np.ndarray, np.ndarray, np.ndarray], None] | None = None,
    ) -> None:
        self._problem = problem
        self._leaves_out = leaves_out
        self._called, self._broken = called, broken
        self._keep = keep
        self._count = 0
        self.most = most

    @property
    def evaluations(self) -> int:
        """Networks evaluated so far; those that the objective was called for where it is."""
        return self._count if self._called is None else self._called.calls

    @property
    def differentiated(self) -> bool:
        """Whether JAX traces the objective."""
        return self._called is None

    @property
    def left(self) -> int:
        """How many more evaluations are allowed."""
        return 1 << 62 if self.most is None else max(self.most - self.evaluations, 0)

    def __call__(self, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The objective, shape `(m,)`, and ln(cost / limit), `(m, budgets)`.

        Raises: ValueError: one of them is NaN; the message names it and the widths.
        """
        self._count += len(widths)
        size = next((s for s in _SIZES if s >= len(widths)), _SIZES[-1])
        found = [self._chunk(widths[i : i + size], size) for i in range(0, len(widths), size)]
        value, over = (np.concatenate(part) for part in zip(*found))
        if self._leaves_out:
            value, over = (np.where(np.isnan(part), np.inf, part) for part in (value, over))
        _refuse_nan(self._problem, widths, value, over)
        if self._called is not None:
            value = self._called(widths, self._broken | (broken_by(over) == 0))
        if self._keep is not None:
            self._keep(widths, value, over)
        return value, over

    def _chunk(self, widths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        padded = np.concatenate([widths, np.repeat(widths[-1:], size - len(widths), axis=0)])
        value, over = _exact(self._problem, jnp.asarray(padded, dtype=float))
        few = len(widths)
        return np.asarray(value, np.float64)[:few], np.asarray(over, np.float64)[:few]


@eqx.filter_jit
def _exact(problem: Problem, widths: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda w: problem(w, 0.0))(widths)


def order(value: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Indices from the best to the worst: broken budgets last, by how far they are broken."""
    broken = broken_by(over)
    return np.lexsort((np.where(broken > 0, 0, value), broken))


def broken_by(over: np.ndarray) -> np.ndarray:
    """ln(cost / limit) of the worst budget of each network, 0 where all are met."""
    slack = 1e-6  # float32's last digit breaks no budget
    worst = over.max(axis=-1, initial=-np.inf) if over.shape[-1] else np.zeros(len(over))
    return np.where(worst > slack, worst, 0.0)


def check_costs(problem: Problem, widths: np.ndarray) -> None:
    """ValueError for a cost that is no scalar, or NaN at any of `widths`, shape `(m, n)`."""
    costs = {"the objective": problem.objective}
    costs |= {f"budget {name}": cost for name, cost in zip(problem.names, problem.limited)}
    at = jax.ShapeDtypeStruct(widths.shape[1:], jnp.zeros(0).dtype)
    for (name, cost), takes in zip(costs.items(), problem.takes_temperature):
        shape = _shape(name, cost, at, takes)
        if not hasattr(shape, "shape") or shape.shape not in ((), (1,)):
            found = getattr(shape, "shape", type(shape).__name__)
            raise ValueError(f"{name} returns shape {found}; give one that returns one number")
    value, over = map(np.asarray, _exact(problem, jnp.asarray(widths, dtype=float)))
    _refuse_nan(problem, widths, value, over)
    if not np.isfinite(value).any():
        raise ValueError("the objective is infinite at every start; give bounds within its range")


def _shape(name: str, cost: Cost, at: jax.ShapeDtypeStruct, takes_temperature: bool) -> Any:
    try:
        return jax.eval_shape(cost, at, 0.5) if takes_temperature else jax.eval_shape(cost, at)
    except jax.errors.JAXTypeError as error:
        why = type(error).__name__
        raise ValueError(f"{name} cannot be traced by JAX ({why}); write it in jax.numpy") from None


def _refuse_nan(problem: Problem, widths: np.ndarray, value: np.ndarray, over: np.ndarray) -> None:
    names = ("the objective", *(f"budget {name}" for name in problem.names))
    for name, column in zip(names, [value, *over.T]):
        if (bad := np.isnan(column)).any():
            first = np.round(widths[bad][0], 1).tolist()
            raise ValueError(f"{name} is NaN at widths {first}; give bounds within its range")


def _check_budget(name: str, budget: Any) -> None:
    if not (isinstance(budget, tuple) and len(budget) == 2 and callable(budget[0])):
        raise ValueError(refused(f"budget {name}", budget, "a pair (cost function, limit)"))
    try:
        good = 0 < float(budget[1]) < float("inf")
    except (TypeError, ValueError):
        good = False
    if not good:
        limit = f"budget {name} = {shown(budget[1])} is not allowed"
        raise ValueError(f"{limit}; give a finite limit above 0")


def _takes_temperature(cost: Cost) -> bool:
    try:
        given = inspect.signature(cost).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "temperature" for p in given)
