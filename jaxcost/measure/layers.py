"""One row of the layer table as a record, with what its shapes imply."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jaxcost._support.messages import refused, unknown
from jaxcost.workload import memory_bound
from jaxcost.workload.item_sizes import item_bytes
from jaxcost.workload.memory_bound import MEASURED, PRODUCTS

if TYPE_CHECKING:
    import pandas as pd

PADDINGS = ("same", "valid")
_DTYPES = ("bfloat16", "float16", "float32", "float64")
DTYPE_BYTES = {name: int(item_bytes(name)) for name in _DTYPES}
_DENSE_ONES = ("in_h", "in_w", "k_h", "k_w", "stride", "dilation")
_SIZES = (*_DENSE_ONES, "batch", "c_in", "c_out", "groups")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One layer to be measured: a row of the layer table without its time.

    Args:
        op: "conv2d" (NHWC input, HWIO kernel) or one of its gradients
            (`jaxcost.workload.gradients`), "dense" (matrix products, as many side by side as
            groups), or one of `jaxcost.workload.memory_bound.MEASURED`; there is what sizes mean.
        batch, in_h, in_w, c_in, c_out, k_h, k_w, stride, groups, dilation: whole numbers >= 1;
            a dense layer has in_h = in_w = k_h = k_w = stride = dilation = 1.
        padding: "same" or "valid".
        dtype: "float32", "float64" (needs jax_enable_x64), "bfloat16" or "float16".
        sweep, line: labels of the sweep and of the curve in it, the latter a whole number >= 0;
            they change nothing measured.
    Raises:
        ValueError: naming the field, its value, the allowed range and the way out.
    """

    op: str
    batch: int = 1
    in_h: int = 1
    in_w: int = 1
    c_in: int
    c_out: int
    k_h: int = 1
    k_w: int = 1
    stride: int = 1
    padding: str = "same"
    groups: int = 1
    dilation: int = 1
    dtype: str = "float32"
    sweep: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        _check_choice("op", self.op, MEASURED)
        _check_choice("padding", self.padding, PADDINGS)
        _check_choice("dtype", self.dtype, tuple(DTYPE_BYTES))
        for name in _SIZES:
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        object.__setattr__(self, "line", _whole("line", self.line, least=0))
        if self.op == "dense":
            _check_dense(self)
        _check_groups(self)
        _check_memory_bound(self)
        _check_kernel_fits(self)

    @property
    def is_product(self) -> bool:
        """Whether it is a convolution or a matrix product, and not bound by memory alone."""
        return self.op in PRODUCTS

    @property
    def sums_positions(self) -> bool:
        """Whether it is a reduction over the positions."""
        return self.op == "reduction" and bool(memory_bound.sums_positions(vars(self)))

    @property
    def out_h(self) -> int:
        """Output height, in pixels."""
        return 1 if self.sums_positions else _out_size(self.in_h, self.k_h, self)

    @property
    def out_w(self) -> int:
        """Output width, in pixels."""
        return 1 if self.sums_positions else _out_size(self.in_w, self.k_w, self)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the activations, with positions where there are any, or of a gather's table; of
        the gradient by y in a gradient by x."""
        return self._result if self.op == "conv2d_input_gradient" else self._activations

    @property
    def _activations(self) -> tuple[int, ...]:
        if self.op == "gather":
            return self.c_in, self.c_out
        if self.op == "dense":
            return self._side_by_side(self.batch, self.c_in // self.groups)
        return self.batch, self.in_h, self.in_w, self.c_in

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights, of indices, of one number a channel, or of a second array."""
        return self._result if self.op == "conv2d_weight_gradient" else self._parameters

    @property
    def _parameters(self) -> tuple[int, ...]:
        if self.op == "gather":
            return (self.batch,)
        if self.op == "addition":
            return self.input_shape
        if not self.is_product:
            return (self.c_out,)
        if self.op == "dense":
            return self._side_by_side(self.c_in // self.groups, self.c_out // self.groups)
        return self.k_h, self.k_w, self.c_in // self.groups, self.c_out

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        if self.op == "conv2d_input_gradient":
            return self._activations
        return self._parameters if self.op == "conv2d_weight_gradient" else self._result

    @property
    def _result(self) -> tuple[int, ...]:
        if self.op == "dense":
            return self._side_by_side(self.batch, self.c_out // self.groups)
        if self.op == "gather" or self.sums_positions:
            return self.batch, self.c_out
        if self.op == "reduction":
            return self.batch, self.in_h, self.in_w
        return self.batch, self.out_h, self.out_w, self.c_out

    def _side_by_side(self, *shape: int) -> tuple[int, ...]:
        return shape if self.groups == 1 else (self.groups, *shape)

    @property
    def weight_dtype(self) -> str:
        """Type of the second operand: `dtype`, or "int32" for indices."""
        return "int32" if self.op == "gather" else self.dtype

    @property
    def item_bytes(self) -> int:
        """Size of one number, in bytes."""
        return DTYPE_BYTES[self.dtype]

    @property
    def fan_in(self) -> int:
        """Products summed into one output element, padding counted as if it were data."""
        return self.k_h * self.k_w * self.c_in // self.groups if self.is_product else 1

    @property
    def flops(self) -> int:
        """Floating-point operations of one step, a multiply-add being 2."""
        if not self.is_product:
            return memory_bound.flops(self.op, self._sizes())
        return 2 * self.batch * self.out_h * self.out_w * self.c_out * self.fan_in

    @property
    def bytes_moved(self) -> int:
        """Bytes of both operands and the result, each counted once; of a table, the rows taken."""
        if not self.is_product:
            return memory_bound.bytes_moved(self.op, self._sizes(), self.item_bytes)
        return self.operand_bytes

    @property
    def operand_bytes(self) -> int:
        """Bytes that both operands and the result take in memory."""
        indices = 4 * self.batch if self.op == "gather" else 0
        numbers = [self.input_shape, self.output_shape, *([] if indices else [self.weight_shape])]
        return self.item_bytes * sum(map(math.prod, numbers)) + indices

    def _sizes(self) -> dict[str, Any]:
        return vars(self) | {"out_h": self.out_h, "out_w": self.out_w}

    def row(self) -> dict[str, Any]:
        """The layer as a row of the layer table, labels first."""
        fields = dataclasses.asdict(self)
        labels = {name: fields.pop(name) for name in ("sweep", "line")}
        return labels | fields


def conv(side: int, c_in: int, c_out: int, k: int, **more: Any) -> LayerSpec:
    """A convolution with a k × k kernel over side × side pixels; `more` are fields of a layer."""
    square = {"in_h": side, "in_w": side, "k_h": k, "k_w": k}
    return LayerSpec(op="conv2d", c_in=c_in, c_out=c_out, **square | more)


def _row_number(position: int) -> str:
    return f"row {position}"


def layers_from_frame(
    frame: "pd.DataFrame", where: Callable[[int], str] = _row_number
) -> list[LayerSpec]:
    """The rows of a layer table as layers, in their order.

    Args:
        frame: columns as `LayerSpec` has fields; those with a default may be missing, and
            columns of other names are ignored.
        where: names a row in errors, given its position.
    Raises:
        ValueError: naming the row (from 0), the field, the value and the way out.
    """
    return layers_from_rows(frame.to_dict("records"), where)


def layers_from_rows(
    rows: Iterable[Mapping[Any, Any]], where: Callable[[int], str] = _row_number
) -> list[LayerSpec]:
    """As `layers_from_frame`, from mappings of field names to values."""
    known = {field.name for field in dataclasses.fields(LayerSpec)}
    required = {"op", "c_in", "c_out"}
    layers = []
    for number, row in enumerate(rows):
        missing = sorted(required - set(row))
        if missing:
            line = f"column {missing[0]!r} is missing; add it to the table"
            raise ValueError(f"{where(number)}: {line}")
        try:
            layers.append(LayerSpec(**{key: row[key] for key in row if key in known}))
        except ValueError as error:
            raise ValueError(f"{where(number)}: {error}") from None
    return layers


def _out_size(size: int, kernel: int, layer: LayerSpec) -> int:
    if layer.padding == "same":
        return -(-size // layer.stride)
    return (size - _reach(kernel, layer)) // layer.stride + 1


def _reach(kernel: int, layer: LayerSpec) -> int:
    return (kernel - 1) * layer.dilation + 1


def _whole(name: str, value: Any, least: int = 1) -> int:
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = least - 1
    if whole < least or whole != value:
        raise ValueError(refused(name, value, f"a whole number of at least {least}"))
    return whole


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(unknown(name, value, allowed))


def _check_dense(layer: LayerSpec) -> None:
    for name in _DENSE_ONES:
        if (value := getattr(layer, name)) != 1:
            raise ValueError(refused(name, value, "1 for a dense layer, or op = 'conv2d'"))


def _check_groups(layer: LayerSpec) -> None:
    if layer.c_in % layer.groups or layer.c_out % layer.groups:
        allowed = f"a number that divides both c_in = {layer.c_in} and c_out = {layer.c_out}"
        raise ValueError(refused("groups", layer.groups, allowed))


def _check_memory_bound(layer: LayerSpec) -> None:
    if layer.is_product:
        return
    sizes = vars(layer)
    for name, good, allowed in memory_bound.rules(layer.op):
        if not good(sizes):
            raise ValueError(refused(name, sizes[name], f"{allowed} ({layer.op})"))


def _check_kernel_fits(layer: LayerSpec) -> None:
    if layer.padding == "same":
        return
    for name, size in (("k_h", layer.in_h), ("k_w", layer.in_w)):
        if _reach(getattr(layer, name), layer) > size:
            allowed = f"a kernel within the {size} pixels of the input, or padding = 'same'"
            raise ValueError(refused(name, getattr(layer, name), allowed))
