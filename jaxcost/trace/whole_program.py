"""The cost of a whole program from the costs of its layers: what is fused, and what is not.

    time = sum of products, each as the calibration predicts it
         + sum of other operations: share of their family * bytes moved / calibrated bandwidth

Each is the cost of a row of the program's `Workload`, as `Calibration.latency` adds them up.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost._support.precision import double_precision
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import Z90
from jaxcost.device import Device
from jaxcost.trace.counts import Counts
from jaxcost.trace.records import Operation
from jaxcost.workload import Workload, counts
from jaxcost.workload.left_once_fused import FUSION, Fusion

_LEAST_ROWS = 64  # rows are padded to a power of two, so that few programs are compiled


@dataclasses.dataclass(frozen=True)
class Costs:
    """What each operation of a program costs once, with its 90 % interval; arrays `(operations,)`.

    `total`, `total_lower`, `total_upper` are of the program; `novelty` is 0 for an operation like
    those measured, and 1 for one unlike any.
    """

    each: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    novelty: np.ndarray
    total: float
    total_lower: float
    total_upper: float


def program_costs(
    program: Counts, fitted: Fitted, device: Device, fusion: Fusion | None = None
) -> Costs:
    """The cost of each operation and of all, in the unit of what was fitted, with 90 % intervals.

    Args:
        program: as from `jaxcost.count`.
        fitted: a calibration's model of time or energy, of single layers.
        device: the calibration's.
        fusion: how much of what is no product is left after fusion; None: as `Counts.workload`.
    Returns: `Costs`, computed in float64; of a program without operations, zeros of no length.
    Raises: ValueError: a cost that is no finite number; the message names the operation.
    """
    if not program.operations:
        none = np.zeros(0)
        return Costs(none, none, none, none, 0.0, 0.0, 0.0)
    with double_precision():
        return _costs(program, fitted, device, fusion)


def _costs(program: Counts, fitted: Fitted, device: Device, fusion: Fusion | None) -> Costs:
    found = Priced.of(program, fitted, device, fusion)
    each, reach = found.each, found.reach
    ends = (each, each * np.exp(-reach), each * np.exp(reach))
    each, lower, upper = (_with_relaid(program, found.repeat, x) for x in ends)
    below, above = found.off(reach)
    return Costs(
        each=each,
        lower=lower,
        upper=upper,
        novelty=found.novelty[: len(program.operations)],
        total=found.total,
        total_lower=found.total - below,
        total_upper=found.total + above,
    )


@dataclasses.dataclass(frozen=True)
class Priced:
    """The rows of a program's `Workload`, what each costs once, and how far that may be off.

    Attributes:
        layers: a row an operation, then what is laid out anew.
        each: cost of each row, once, in the target's unit, `(rows,)`.
        novelty: as in `Costs`, `(rows,)`.
        reach: half the 90 % interval of ln(cost), `(rows,)`.
        spread: of whole programs beyond their layers, as in `Fusion`.
        laid_out: how many of the rows, the last, are laid out anew and no operation.
    """

    layers: Workload
    each: np.ndarray
    novelty: np.ndarray
    reach: np.ndarray
    spread: float
    laid_out: int

    @classmethod
    def of(
        cls, program: Counts, fitted: Fitted, device: Device, fusion: Fusion | None = None
    ) -> "Priced":
        """Arguments and errors as of `program_costs`; within double precision."""
        layers = program.workload(fusion)
        each, novelty, reach = _each(fitted, layers, device)
        _check_finite(each, program.operations)
        laid_out = len(layers) - len(program.operations)
        return cls(layers, each, novelty, reach, (fusion or FUSION).spread, laid_out)

    @functools.cached_property
    def repeat(self) -> np.ndarray:
        """How often each row occurs."""
        return np.asarray(self.layers.repeat, np.float64)

    @property
    def total(self) -> float:
        """The cost of the program."""
        return float((self.repeat * self.each).sum())

    @functools.cached_property
    def _of_kind(self) -> np.ndarray:
        """Which rows are of each kind, `(kinds, rows)`."""
        kinds = _kinds(self.layers)
        return np.array([kinds == kind for kind in np.unique(kinds)])

    def off(self, reach: np.ndarray) -> tuple[float, float]:
        """How far the total may be too high, and too low, by its 90 % interval.

        Layers of one kind err together, since what is wrong of one is wrong of its like; those of
        different kinds do not; and programs differ from their layers by `spread`. A kind of which
        little is known can be many times dearer, but no cheaper than nothing.

        Args: reach: of the rows, as the attribute, or as it would be.
        """
        costs, total, spread = self.repeat * self.each, self.total, Z90 * self.spread

        def together(each: np.ndarray, whole: float) -> float:
            return math.hypot(*(self._of_kind @ each), whole)

        below = together(costs * -np.expm1(-reach), -total * math.expm1(-spread))
        above = together(costs * np.expm1(reach), total * math.expm1(spread))
        return min(below, float((costs * -np.expm1(-reach - spread)).sum())), above


def _with_relaid(program: Counts, repeat: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """The cost of each operation with that of what is laid out anew for it, for one of its runs."""
    count = len(program.operations)
    found = costs[:count].copy()
    owners = [group.owner for group in program.relaid][: len(costs) - count]
    np.add.at(found, owners, (repeat * costs)[count:] / np.maximum(repeat[owners], 1e-300))
    return found


def _check_finite(costs: np.ndarray, operations: Sequence[Operation]) -> None:
    bad = np.flatnonzero(~(np.isfinite(costs) & (costs >= 0)))[:1]
    bad = bad[bad < len(operations)]
    if len(bad):
        found = operations[bad[0]]
        raise ValueError(
            f"{found.name or found.op} with results of shape {found.outputs} has no finite cost: "
            "its sizes are too large, or the calibration's model does not know such layers"
        )


def _each(
    fitted: Fitted, layers: Workload, device: Device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost and novelty of each row, and half its 90 % interval in ln; equal rows once."""
    table = np.stack([np.asarray(leaf) for leaf in jax.tree.leaves(layers)])
    distinct, place = np.unique(table, axis=1, return_inverse=True)
    size = max(_LEAST_ROWS, 1 << (distinct.shape[1] - 1).bit_length())
    padded = np.concatenate([distinct, np.repeat(distinct[:, :1], size - distinct.shape[1], 1)], 1)
    tree = jax.tree.structure(layers)
    few = jax.tree.unflatten(tree, [jnp.asarray(row) for row in padded])
    found = (fitted.compiled(few, device), *fitted.trust(few, device))
    each, novelty, reach = (np.asarray(x, np.float64)[place.ravel()] for x in found)
    return each, novelty, reach


def _kinds(layers: Workload) -> np.ndarray:
    """A number for each kind of layer: dense, pointwise, larger kernels, grouped, no product,
    gradients of convolutions by input and by weights."""
    taps = np.asarray(layers.k_h * layers.k_w)
    kinds = np.where(np.asarray(layers.is_dense) > 0, 0, np.where(taps > 1, 2, 1))
    kinds = np.where((kinds > 0) & (np.asarray(layers.groups) > 1), 3, kinds)
    gradient = np.asarray(layers.gradient)
    kinds = np.where(gradient > 0, 4 + gradient, kinds)
    return np.where(np.asarray(counts.macs(layers)) > 0, kinds, 4)
