"""Operations that are no product: what their sizes mean, their FLOPs and the bytes they move.

They stand in the layer table beside `conv2d`, its gradients (`jaxcost.workload.gradients`) and
`dense`. Activations have the shape
`(batch, in_h, in_w, c_in)`; columns not named for an operation must be 1, and `padding` counts
only where there is a kernel.

    op              computes                              its columns besides dtype
    elementwise     max(x * scale, 0), scale by channel   batch, in_h, in_w, c_in = c_out
    reduction       the sum of x over the channels, plus  batch, in_h, in_w, c_in; c_out = 1
                    one number; or over the positions,    c_out = c_in
                    plus one number a channel
    addition        x + y, both of one shape              batch, in_h, in_w, c_in = c_out
    normalisation   (x - mean) / deviation * scale, over  batch, in_h, in_w, c_in = c_out
                    the channels (layer normalisation)
    softmax         exp(x - maximum) / sum, over the      batch, in_h, in_w, c_in = c_out
                    channels, times one number a channel
    pooling         the maximum of each window and of     batch, in_h, in_w, c_in = c_out,
                    one number a channel                  k_h, k_w, stride, padding
    gather          rows of a table (an embedding)        batch: rows taken, c_in: rows of the
                                                          table, c_out: numbers in a row
    attention       softmax(q kᵀ) v, each of the same     batch, in_h × in_w: tokens,
                    shape, in one kernel                  groups: heads, c_in = c_out: of all heads

FLOPs count each multiplication, addition, division, root, exponential and comparison once, and of a
pooling every tap of the window, also where it lies in the padding. Bytes count each operand and the
result once, and of a gather's table the rows taken, with 4 bytes an index.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxcost.workload.gradients import CONV2D_GRADIENTS

Sizes = Mapping[str, Any]  # columns of the layer table, with out_h and out_w; numbers or arrays
Rule = tuple[str, Callable[[Sizes], Any], str]  # a column, whether it is allowed, what is

PRODUCTS = ("conv2d", "dense", *CONV2D_GRADIENTS)
_INDEX_BYTES = 4
_COUNTED = ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "groups")


@dataclasses.dataclass(frozen=True)
class MemoryBound:
    """What is to be known of an operation.

    Args:
        flops: FLOPs.
        moved: elements read and written, indices left out.
        indices: indices read.
        rules: what its sizes must be.
    """

    flops: Callable[[Sizes], Any]
    moved: Callable[[Sizes], Any]
    rules: tuple[Rule, ...]
    indices: Callable[[Sizes], Any] = lambda s: 0


def flops(op: str, sizes: Sizes) -> Any:
    """FLOPs of one of `OPERATIONS`, in the type of the sizes."""
    return _KNOWN[op].flops(sizes)


def bytes_moved(op: str, sizes: Sizes, item_bytes: Any) -> Any:
    """Bytes read and written by one of `OPERATIONS`; `item_bytes` of one element."""
    known = _KNOWN[op]
    return item_bytes * known.moved(sizes) + _INDEX_BYTES * known.indices(sizes)


def rules(op: str) -> tuple[Rule, ...]:
    """What the sizes of one of `OPERATIONS` must be."""
    return _KNOWN[op].rules


def sums_positions(sizes: Sizes) -> Any:
    """Whether a reduction sums over the positions, and not over the channels."""
    return sizes["c_out"] == sizes["c_in"]


def leaves(sizes: Sizes) -> dict[str, np.ndarray]:
    """The leaves of `Workload` for rows of a layer table that are not simply its columns.

    Args:
        sizes: `op` and the leaves as the columns say, arrays of shape `(rows,)`.
    Returns: arrays of shape `(rows,)` by leaf; a row that is no product has no channels and no
        kernel, but FLOPs and bytes of its own.
    """
    other = np.isin(sizes["op"], OPERATIONS)
    alone = (sizes["op"] == "reduction") & sums_positions(sizes)
    found = {name: np.where(alone, 1, sizes[name]) for name in ("out_h", "out_w")}
    found |= {name: np.where(other, 0, sizes[name]) for name in ("c_in", "c_out")}
    found |= {name: np.where(other, 1, sizes[name]) for name in ("k_h", "k_w")}
    found |= {name: np.zeros(len(other)) for name in ("other_flops", "other_bytes")}
    found["operation"] = np.zeros(len(other))
    for place, op in enumerate(OPERATIONS, 1):
        rows = sizes["op"] == op
        found["operation"][rows] = place
        here = {name: column[rows] for name, column in {**sizes, **found}.items()}
        here |= {name: sizes[name][rows].astype(float) for name in _COUNTED}
        found["other_flops"][rows] = flops(op, here)
        found["other_bytes"][rows] = bytes_moved(op, here, here["item_bytes"])
    gradient = [np.asarray(sizes["op"]) == op for op in CONV2D_GRADIENTS]
    found["gradient"] = np.select(gradient, range(1, len(gradient) + 1), 0)
    return found | {"is_dense": sizes["op"] == "dense"}


def _positions(s: Sizes) -> Any:
    return s["batch"] * s["in_h"] * s["in_w"]


def _tokens(s: Sizes) -> Any:
    return s["in_h"] * s["in_w"]


def _attention_flops(s: Sizes) -> Any:
    scores = s["batch"] * s["groups"] * _tokens(s)
    return 4 * s["batch"] * _tokens(s) ** 2 * s["c_in"] + scores * (6 * _tokens(s) - 2)


def _inputs(s: Sizes) -> Any:
    return _positions(s) * s["c_in"]


def _outputs(s: Sizes) -> Any:
    return s["batch"] * s["out_h"] * s["out_w"] * s["c_out"]


def _both(s: Sizes) -> Any:
    """Elements of the input, of what each channel of the result has, and of the result."""
    return _inputs(s) + s["c_out"] + _outputs(s)


def _ones(*columns: str) -> tuple[Rule, ...]:
    words = "1, or an operation for which it has a meaning"
    return tuple((name, lambda s, name=name: s[name] == 1, words) for name in columns)


_NO_KERNEL = ("k_h", "k_w", "stride", "groups", "dilation")
_SAME_CHANNELS: Rule = ("c_out", lambda s: s["c_out"] == s["c_in"], "the same as c_in")
_KNOWN = {
    "elementwise": MemoryBound(
        flops=lambda s: 2 * _inputs(s),
        moved=_both,
        rules=(*_ones(*_NO_KERNEL), _SAME_CHANNELS),
    ),
    "addition": MemoryBound(
        flops=_inputs,
        moved=lambda s: 3 * _inputs(s),
        rules=(*_ones(*_NO_KERNEL), _SAME_CHANNELS),
    ),
    "reduction": MemoryBound(
        flops=_inputs,
        moved=_both,
        rules=(
            *_ones(*_NO_KERNEL),
            (
                "c_out",
                lambda s: (s["c_out"] == 1) | (s["c_out"] == s["c_in"]),
                "1 to sum over the channels, or the same as c_in to sum over the positions",
            ),
            (
                "c_in",
                lambda s: (s["c_out"] != s["c_in"]) | (s["in_h"] * s["in_w"] > 1),
                "c_out = 1 to sum over the channels, or more than one position to sum over",
            ),
        ),
    ),
    "normalisation": MemoryBound(
        flops=lambda s: _positions(s) * (6 * s["c_in"] + 2),
        moved=_both,
        rules=(
            *_ones(*_NO_KERNEL),
            _SAME_CHANNELS,
            ("c_in", lambda s: s["c_in"] > 1, "2 or more channels to normalise over"),
        ),
    ),
    "softmax": MemoryBound(
        flops=lambda s: _positions(s) * (6 * s["c_in"] - 2),
        moved=_both,
        rules=(*_ones(*_NO_KERNEL), _SAME_CHANNELS),
    ),
    "pooling": MemoryBound(
        flops=lambda s: _outputs(s) * s["k_h"] * s["k_w"],
        moved=_both,
        rules=(
            *_ones("groups", "dilation"),
            _SAME_CHANNELS,
            ("k_h", lambda s: s["k_h"] * s["k_w"] > 1, "a window of more than one pixel"),
        ),
    ),
    "gather": MemoryBound(
        flops=lambda s: 0 * s["batch"],
        moved=lambda s: 2 * s["batch"] * s["c_out"],
        indices=lambda s: s["batch"],
        rules=(
            *_ones("in_h", "in_w", *_NO_KERNEL),
            ("c_in", lambda s: s["c_in"] > 1, "a table of 2 or more rows"),
        ),
    ),
    "attention": MemoryBound(
        flops=lambda s: _attention_flops(s),
        moved=lambda s: 4 * _inputs(s),
        rules=(*_ones("k_h", "k_w", "stride", "dilation"), _SAME_CHANNELS),
    ),
}
# Calibration files hold an operation's place in this list: new ones go to its end.
OPERATIONS = tuple(_KNOWN)
ATTENTION = OPERATIONS.index("attention") + 1
MEMORY_BOUND = tuple(op for op in OPERATIONS if op != "attention")
OPS = (*PRODUCTS, *OPERATIONS)
MEASURED = (*PRODUCTS, *MEMORY_BOUND)  # of attention tables are read, but no kernel is ours to time
