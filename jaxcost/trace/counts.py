"""`Counts`: what a program does, in total and by layer."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.screen import OnScreen
from jaxcost.trace import on_screen
from jaxcost.trace.fusion.groups import Group, groups_on_cpu
from jaxcost.trace.liveness import Liveness
from jaxcost.trace.records import Branches, Operation, Unknown
from jaxcost.workload import Workload, rows
from jaxcost.workload.left_once_fused import FUSION, Fusion

if TYPE_CHECKING:
    import pandas as pd

CONVENTION = (
    "A multiply-add is 2 FLOPs. FLOPs are those of products, linear algebra and Fourier "
    "transforms, as papers count; elementwise FLOPs, transcendental functions and integer "
    "operations are counted apart. Taps in the padding count; of a transposed convolution each tap "
    "at each input. Bytes: each operand and result of each operation once, before a compiler "
    "fuses any."
)
QUANTITIES = ("flops", "macs", "elementwise_flops", "transcendentals", "integer_ops")
_SUMMED = (*QUANTITIES, "bytes_moved", "parameters")


@dataclasses.dataclass(frozen=True, repr=False)
class Counts(OnScreen):
    """What a program does, every operation counted as often as it runs.

    Numbers are float64: exact up to 2**53, about 9e15, and to 16 digits beyond.

    Attributes:
        operations: in the order of the program.
        unknown: operations whose work is not known; a total with unknowns is a lower bound.
        branches: of each `cond` the FLOPs of its branches; the largest is counted.
        parameters: elements of the model's parameters; of a function, of the arrays that it is
            closed over and of its first argument where that is a container.
        peak_bytes: an estimate of the most bytes that are alive at once, run in the program's
            order, unfused; no upper bound: a compiler asked for up to a fifth more in our tests,
            and of bfloat16 and float16 on a CPU, which computes in float32, for up to 2.7 times.
        peak_layers: those bytes by the layer that they are of, largest first; "(inputs)" and
            "(results)" are the program's own.
        input_bytes: bytes of the program's inputs, without the parameters.
        warnings: what the reader must mind.
        devices: how many the program runs on; what it says for one of them, inside `shard_map`, is
            counted for one, and all else for all together.
        together: of how many of them together the counts are; 1 within `shard_map`.
        jaxpr: the program itself, by which it is told what a compiler fuses; None: not known, and
            nothing is.

    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> jc.count(jnp.dot, jnp.ones((8, 64)), jnp.ones((64, 32))).flops
        32768.0
    """

    operations: tuple[Operation, ...]
    unknown: tuple[Unknown, ...]
    branches: tuple[Branches, ...]
    parameters: int
    peak_bytes: float
    input_bytes: float
    warnings: tuple[str, ...] = ()
    devices: int = 1
    together: int = 1
    peak_layers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    jaxpr: Any = dataclasses.field(default=None, compare=False, repr=False)

    @functools.cached_property
    def groups(self) -> tuple[Group, ...]:
        """What XLA's CPU backend makes of the program, a kernel each, predicted by its rules."""
        if self.jaxpr is None:
            return ()
        places = {o.path: place for place, o in enumerate(self.operations)}
        return tuple(groups_on_cpu(self.jaxpr, Liveness(), places))

    @property
    def macs(self) -> float:
        """Multiply-adds of products."""
        return self._total("macs")

    @property
    def flops(self) -> float:
        """FLOPs of products (a multiply-add is 2), linear algebra and Fourier transforms."""
        return self._total("flops")

    @property
    def recomputed_flops(self) -> float:
        """What of `flops` `jax.checkpoint` has computed again for gradients."""
        return math.fsum(o.repeat * o.flops for o in self.operations if o.recomputed)

    @property
    def elementwise_flops(self) -> float:
        """Real additions, multiplications, divisions, roots and comparisons outside products."""
        return self._total("elementwise_flops")

    @property
    def transcendentals(self) -> float:
        """Evaluations of exp, log, tanh and their like."""
        return self._total("transcendentals")

    @property
    def integer_ops(self) -> float:
        """Operations on integers and booleans."""
        return self._total("integer_ops")

    @property
    def bytes_moved(self) -> float:
        """Bytes read and written, each operand and result of each operation once."""
        return self._total("bytes_moved")

    def layers(self) -> list[dict[str, Any]]:
        """Rows of layers, in order: what runs together under one name, kind and repeat.

        Returns: dicts of name, op, output (shape), what is counted for one run, and repeat.
        """
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for key, operation in zip(self._keys(), self.operations):
            first = {"name": operation.name, "op": operation.op, "output": (), "operations": 0}
            first |= dict.fromkeys(_SUMMED, 0.0) | {"repeat": operation.repeat}
            row = found.setdefault(key, first)
            row["output"] = operation.outputs[0] if operation.outputs else ()
            row["operations"] += 1
            for quantity in _SUMMED:
                row[quantity] += getattr(operation, quantity)
        return list(found.values())

    def rows_of_operations(self) -> list[int]:
        """In which row of `layers` each operation is."""
        places: dict[tuple[Any, ...], int] = {}
        return [places.setdefault(key, len(places)) for key in self._keys()]

    def _keys(self) -> list[tuple[Any, ...]]:
        """What operations of one row have in common; each product is a row of its own."""
        return [
            (o.name, o.op, o.repeat, index if o.work.sizes is not None else -1)
            for index, o in enumerate(self.operations)
        ]

    def to_frame(self) -> "pd.DataFrame":
        """The rows of `layers` as a table; numbers are for one run of `repeat`."""
        import pandas as pd

        frame = pd.DataFrame(self.layers())
        if "output" in frame:
            frame["output"] = ["×".join(map(str, shape)) for shape in frame["output"]]
        return frame

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.counts(self)

    def workload(self, fusion: Fusion | None = None) -> Workload:
        """The program as a `Workload`: a row an operation, those that are no product with FLOPs
        (elementwise and transcendental ones with them) and bytes of their own; then, for a CPU, a
        row for each array that is laid out anew for a product, as `relaid` has them.

        Args: fusion: how much of those bytes a compiled program is left to move; None: on a CPU
            what its compiler's rules say, and elsewhere `FUSION`.
        Raises: ValueError: no operation was found.
        """
        if not self.operations:
            raise ValueError("the program has no operation; give one that computes something")
        each = self._rows(fusion)
        return rows(**{
            name: np.array([row.get(name, default) for row in each])
            for name, default in _DEFAULTS.items()
        })  # fmt: skip

    @functools.cached_property
    def relaid(self) -> tuple[Group, ...]:
        """Kernels that no operation but a product is named after, or one that moves nothing: they
        lay out anew what a product takes."""
        return tuple(g for g in self._priced() if self._moves_nothing(g.owner))

    def _rows(self, fusion: Fusion | None) -> list[dict[str, float]]:
        each = [_row(operation, fusion or FUSION) for operation in self.operations]
        if fusion is not None or not self.groups:
            for row in each:
                row["left_on_cpu"] = row.get("left", 1.0)
            return each
        bytes_of = np.zeros(len(each))
        for group in self._priced():
            if not self._moves_nothing(group.owner):
                runs = group.times / max(self.operations[group.owner].repeat, 1e-300)
                bytes_of[group.owner] += group.bytes_moved * runs
        for place, (row, operation) in enumerate(zip(each, self.operations)):
            if not self._moves_nothing(place):
                row["left_on_cpu"] = bytes_of[place] / operation.bytes_moved
        return each + [_relaid(group, self.operations[group.owner]) for group in self.relaid]

    def _priced(self) -> list[Group]:
        """Kernels beside the products, which are layers of their own."""
        return [group for group in self.groups if not group.product]

    def _moves_nothing(self, owner: int) -> bool:
        operation = self.operations[owner]
        return operation.work.sizes is not None or not operation.bytes_moved

    def products(self) -> Workload:
        """The products alone, as a `Workload`: what the models of working sets and training take.

        Raises: ValueError: the program has no product.
        """
        places = [i for i, o in enumerate(self.operations) if o.work.sizes is not None]
        if not places:
            raise ValueError("the program has no product; give one with a layer that has weights")
        return self.workload()[np.array(places)]

    def bytes_left(self, fusion: Fusion = FUSION) -> np.ndarray:
        """Bytes that each operation has to move once compiled, once, `(operations,)`: of products
        all, of others what fusion is believed to leave.
        """
        shares = [1.0 if o.work.sizes is not None else fusion.share(o.op) for o in self.operations]
        return np.array(shares) * np.array([o.bytes_moved for o in self.operations])

    def record(self) -> dict[str, Any]:
        """As JSON holds it; rows of layers are for one run of `repeat`."""
        names = (*QUANTITIES, "recomputed_flops", "bytes_moved")
        totals = {name: getattr(self, name) for name in names}
        return {
            "convention": CONVENTION,
            **totals,
            "parameters": self.parameters,
            "peak_bytes": self.peak_bytes,
            "peak_layers": dict(self.peak_layers),
            "devices": self.devices,
            "unknown": [unknown.record() for unknown in self.unknown],
            "branches": [dataclasses.asdict(branch) for branch in self.branches],
            "warnings": list(self.warnings),
            "layers": [row | {"output": list(row["output"])} for row in self.layers()],
        }

    def _total(self, quantity: str) -> float:
        return math.fsum(o.repeat * getattr(o, quantity) for o in self.operations)


# Of every leaf; what is no product has no channels.
_DEFAULTS: dict[str, Any] = {leaf.name: leaf.default for leaf in dataclasses.fields(Workload)}
_DEFAULTS |= {"c_in": 0.0, "c_out": 0.0}


def _row(operation: Operation, fusion: Fusion) -> dict[str, float]:
    """A product of empty arrays computes nothing, and costs what it moves."""
    if operation.work.sizes is not None and operation.macs > 0:
        complex_too = operation.macs - _macs(operation.work.sizes)
        return {**operation.work.sizes, "repeat": operation.repeat, "other_flops": 2 * complex_too}
    computed = operation.flops + operation.elementwise_flops + operation.transcendentals
    return {
        "repeat": operation.repeat,
        "other_flops": computed,
        "other_bytes": operation.bytes_moved,
        "within": 1.0,
        "backward": float(operation.backward),
        "left": fusion.share(operation.op),
    }


def _relaid(group: Group, owner: Operation) -> dict[str, float]:
    """A row of what is laid out anew; where a gradient of a convolution takes it, with its mark:
    measured by itself, such a layer holds it."""
    return {
        "repeat": group.times,
        "other_bytes": group.bytes_moved,
        "within": 1.0,
        "backward": float(owner.backward),
        "left": 0.0,
        "gradient": float((owner.work.sizes or {}).get("gradient", 0.0)),
    }


def _macs(sizes: Any) -> float:
    """Multiply-adds as `jaxcost.workload.counts.macs` has them for these sizes."""
    each = _DEFAULTS | dict(sizes)
    places = each["batch"] * each["out_h"] * each["out_w"] * each["c_out"]
    return places * each["k_h"] * each["k_w"] * each["c_in"] / each["groups"]
