"""Which layer of a program a kernel of a profile is: by the sizes of its product, and its name."""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence

from jaxcost.measure.layers import LayerSpec
from jaxcost.trace.counts import Counts
from jaxcost.trace.profile.hlo import Instruction, Product
from jaxcost.trace.records import Operation
from jaxcost.trace.to_measure import layer_of

_WRAPPER = re.compile(r"\w+\(|\)")  # jit(net), transpose(jvp(layer0)): as `Names` has them


@dataclasses.dataclass(frozen=True)
class Match:
    """The layer that a kernel is, what the program calls it, and why its time is left out if so."""

    layer: LayerSpec | None
    name: str
    reason: str = ""


NO_PRODUCT, SEVERAL = "no product", "several products in one kernel"
BESIDE = "ran beside other kernels, which slow it"


class Matching:
    """The products of a program, to find those of a profile among them."""

    def __init__(self, program: Counts):
        self._by_sizes: dict[tuple[tuple[int, ...], int], list[Operation]] = {}
        for operation in program.operations:
            if operation.work.sizes is not None and operation.macs > 0:
                self._by_sizes.setdefault(_sizes(operation), []).append(operation)

    def of(self, instruction: Instruction) -> Match:
        """The layer of an instruction; one that holds several products is none of them."""
        products = instruction.products
        if len(products) > 1:
            names = ", ".join(dict.fromkeys(_path(p.op_name) or "(no name)" for p in products))
            return Match(None, names, SEVERAL)
        return self._of(products[0]) if products else Match(None, "", NO_PRODUCT)

    def _of(self, product: Product) -> Match:
        path = _path(product.op_name)
        alike = self._by_sizes.get((product.operands, product.result), [])
        if not alike:
            return Match(None, path, "no product of the program has its sizes")
        named = [o for o in alike if o.name and _ends_with(path, o.name)] or alike
        layers = dict.fromkeys(map(layer_of, named))
        names = dict.fromkeys(operation.name for operation in named)
        (layer, *others) = layers
        if others:
            return Match(None, path, "several layers of the program have its sizes")
        name = next(iter(names)) if len(names) == 1 else path
        return Match(layer, name, "" if layer else "no row of a table is like it")


def _sizes(operation: Operation) -> tuple[tuple[int, ...], int]:
    """Numbers of elements, which are the same however a compiler lays out and reshapes arrays."""
    operands, results = _elements(operation.inputs[:2]), _elements(operation.outputs)
    return tuple(sorted(operands)), results[0]


def _elements(shapes: Iterable[Sequence[int]]) -> list[int]:
    return [math.prod(shape) for shape in shapes]


def _path(op_name: str) -> str:
    """Where it was traced, without the primitive: of `jit(net)/layer0/dot` it is `net/layer0`."""
    return "/".join(_WRAPPER.sub("", op_name).split("/")[:-1])


def _ends_with(path: str, name: str) -> bool:
    return f"/{path}".endswith(f"/{name}")
