"""The cost of a whole program from the costs of its layers: what is fused, and what is not.

A compiler fuses most elementwise work, normalisation, bias and activation into the product before
it, so that less than its bytes is left; pooling, concatenation and padding it does not. So

    time = sum of products, each as the calibration predicts it
         + sum of other operations: share of their family * bytes moved / calibrated bandwidth

The share of elementwise work was fitted to whole programs: see experiments/model_zoo.py.
"""

import dataclasses
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import counts
from jaxcost.calibration.fitted import Fitted
from jaxcost.device import Device
from jaxcost.precision import double_precision
from jaxcost.trace.counts import Counts
from jaxcost.trace.records import Operation
from jaxcost.workload import Workload

_LEAST_ROWS = 64  # rows are padded to a power of two, so that few programs are compiled
_Z90 = 1.645


@dataclasses.dataclass(frozen=True)
class Fusion:
    """Share of the bytes of a family of operations that a program still has to move, >= 0.

    Attributes:
        elementwise, reduction, pooling, movement: of each operand and result once; 0 is fused
            wholly, and above 1 slower than the bandwidth.
        spread: standard deviation of ln(measured / predicted) of whole programs beyond that of
            their layers.
    """

    elementwise: float
    reduction: float
    pooling: float
    movement: float
    spread: float

    def share(self, operation: Operation) -> float:
        """Of an operation that is no product; any other family moves its bytes once."""
        return float(getattr(self, operation.op, 1.0))


# The share of elementwise work was fitted to six networks on a CPU with two cores, and checked on
# twenty-eight others by experiments/model_zoo.py; what is not fused moves its bytes once.
FUSION = Fusion(elementwise=0.29, reduction=1.0, pooling=1.0, movement=1.0, spread=0.1)


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
    program: Counts, fitted: Fitted, device: Device, fusion: Fusion = FUSION
) -> Costs:
    """The cost of each operation and of all, in the unit of what was fitted, with 90 % intervals.

    Args:
        program: as from `jaxcost.count`.
        fitted: a calibration's model of time or energy, of single layers.
        device: the calibration's.
        fusion: how much of what is no product is left after fusion.
    Returns: `Costs`, computed in float64; of a program without operations, zeros of no length.
    Raises: ValueError: a cost that is no finite number; the message names the operation.
    """
    if not program.operations:
        none = np.zeros(0)
        return Costs(none, none, none, none, 0.0, 0.0, 0.0)
    with double_precision():
        return _costs(program, fitted, device, fusion)


def _costs(program: Counts, fitted: Fitted, device: Device, fusion: Fusion) -> Costs:
    layers = program.workload()
    repeat = np.array([operation.repeat for operation in program.operations])
    is_product = np.array([_has_work(o) for o in program.operations])
    each, novelty = _products(fitted, layers, device, is_product)
    other = _others(program.operations, fitted, fusion)
    each = np.where(is_product, each, other)
    _check_finite(each, program.operations)
    reach = fitted.intervals.half_width * np.sqrt(
        1 + fitted.intervals.widening**2 * np.where(is_product, novelty, 1.0)
    )
    total = float((repeat * each).sum())
    half = _half_width(repeat * each, reach, layers, fusion)
    return Costs(
        each=each,
        lower=each * np.exp(-reach),
        upper=each * np.exp(reach),
        novelty=np.where(is_product, novelty, 1.0),
        total=total,
        total_lower=total * math.exp(-half),
        total_upper=total * math.exp(half),
    )


def _check_finite(costs: np.ndarray, operations: Sequence[Operation]) -> None:
    bad = np.flatnonzero(~(np.isfinite(costs) & (costs >= 0)))
    if len(bad):
        found = operations[bad[0]]
        raise ValueError(
            f"{found.name or found.op} with results of shape {found.outputs} has no finite cost: "
            "its sizes are too large, or the calibration's model does not know such layers"
        )


def _products(
    fitted: Fitted, layers: Workload, device: Device, is_product: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cost and novelty of each product; 0 elsewhere. Equal layers are predicted once."""
    each, novelty = np.zeros(len(is_product)), np.zeros(len(is_product))
    if not is_product.any():
        return each, novelty
    table = np.stack([np.asarray(leaf)[is_product] for leaf in jax.tree.leaves(layers)])
    distinct, place = np.unique(table, axis=1, return_inverse=True)
    size = max(_LEAST_ROWS, 1 << (distinct.shape[1] - 1).bit_length())
    padded = np.concatenate([distinct, np.repeat(distinct[:, :1], size - distinct.shape[1], 1)], 1)
    tree = jax.tree.structure(layers)
    few = jax.tree.unflatten(tree, [jnp.asarray(row) for row in padded])
    costs = np.asarray(eqx.filter_jit(lambda w: fitted.layer_costs(w, device))(few), np.float64)
    each[is_product] = costs[place.ravel()]
    if fitted.correction is not None:
        correction = fitted.correction
        far = np.asarray(eqx.filter_jit(lambda w: correction.novelty(w))(few), np.float64)
        novelty[is_product] = far[place.ravel()]
    return each, novelty


def _has_work(operation: Operation) -> bool:
    """Whether it is a product of arrays that are not empty: others cost what they move."""
    return operation.work.sizes is not None and operation.macs > 0


def _others(operations: Sequence[Operation], fitted: Fitted, fusion: Fusion) -> np.ndarray:
    """Cost of each operation that is no product; 0 where the model knows no bandwidth."""
    bandwidth = float(getattr(fitted.model, "bandwidth", math.inf))
    return np.array([fusion.share(o) * o.bytes_moved / bandwidth for o in operations])


def _half_width(costs: np.ndarray, reach: np.ndarray, layers: Workload, fusion: Fusion) -> float:
    """Half the 90 % interval of the total, in ln.

    Layers of one kind err together, since what is wrong of one is wrong of its like; those of
    different kinds do not; and programs differ from their layers by `spread`.
    """
    share = costs / max(costs.sum(), np.finfo(float).tiny)
    kinds = _kinds(layers)
    of_kinds = [float((share * reach)[kinds == kind].sum()) for kind in np.unique(kinds)]
    return math.hypot(*of_kinds, _Z90 * fusion.spread)


def _kinds(layers: Workload) -> np.ndarray:
    """A number for each kind of layer: dense, pointwise, larger kernels, grouped, no product."""
    taps = np.asarray(layers.k_h * layers.k_w)
    kinds = np.where(np.asarray(layers.is_dense) > 0, 0, np.where(taps > 1, 2, 1))
    kinds = np.where((kinds > 0) & (np.asarray(layers.groups) > 1), 3, kinds)
    return np.where(np.asarray(counts.macs(layers)) > 0, kinds, 4)
