"""What a program is found to do, an operation a record; and what of it is not known."""

import dataclasses
from typing import Any

from jaxcost.trace.work import Work

Shapes = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A parameter: its path within the model, the layer that it is of, and its elements.

    `by_path` says that it names its layer better than the scopes do that the framework opens, which
    are those of classes; `trained`, that a gradient is taken by it.
    """

    path: str
    layer: str
    size: int
    by_path: bool = False
    trained: bool = True


@dataclasses.dataclass
class Operation:
    """An operation of the program, which runs `repeat` times; the rest is of one of them.

    Attributes:
        name: of the layer, as the framework or `jax.named_scope` calls it; '' where none does.
        primitive: of JAX.
        op: `conv2d`, `dense`, or the family that it belongs to.
        repeat: times that it runs.
        work: what it computes.
        bytes_moved: bytes read and written, each operand and result once.
        inputs, outputs: shapes.
        parameters: elements of the parameters that it is the first to use, a share for each run.
        dtype: of its first operand.
        backward: whether it computes gradients; what is computed again for them counts as that.
        recomputed: whether it computes again what was computed before, as `jax.checkpoint` has it.
        path: the equations, and the programs that they hold, that lead to it, by identity.
    """

    name: str
    primitive: str
    op: str
    repeat: float
    work: Work
    bytes_moved: float
    inputs: Shapes = ()
    outputs: Shapes = ()
    parameters: float = 0.0
    dtype: str = ""
    backward: bool = False
    recomputed: bool = False
    path: tuple[int, ...] = dataclasses.field(default=(), compare=False, repr=False)

    @property
    def flops(self) -> float:
        """FLOPs of products, linear algebra and Fourier transforms."""
        return self.work.flops

    @property
    def macs(self) -> float:
        """Multiply-adds of products."""
        return self.work.macs

    @property
    def elementwise_flops(self) -> float:
        """Real additions, multiplications, divisions, roots and comparisons."""
        return self.work.elementwise_flops

    @property
    def transcendentals(self) -> float:
        """Evaluations of transcendental functions."""
        return self.work.transcendentals

    @property
    def integer_ops(self) -> float:
        """Operations on integers and booleans."""
        return self.work.integer_ops


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An operation whose work is not known; `count` is how often it runs, `reason` why."""

    primitive: str
    name: str
    shapes: Shapes
    count: float
    reason: str

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return dataclasses.asdict(self) | {"shapes": [list(s) for s in self.shapes]}


@dataclasses.dataclass(frozen=True)
class Branches:
    """The FLOPs of each branch of a `cond`, with elementwise ones, and which was counted."""

    name: str
    flops: tuple[float, ...]
    counted: int
