"""Convolutions whose padding and stride are numbers a side: `pad_h, pad_w, stride_h, stride_w`.

The two pairs stand in the place of `padding` and `stride`, as tables of cuDNN's calls have them; as
many elements are added at both ends. `padding` is then `explicit`.
"""

from typing import TYPE_CHECKING

import numpy as np

from jaxcost.workload.cells import Where, check_rows, real_numbers, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

EXPLICIT = "explicit"
_PADS, _STRIDES = ("pad_h", "pad_w"), ("stride_h", "stride_w")
_PAD = "a whole number of at least 0"
_ONE = "the same as stride_h, or columns pad_h and pad_w instead of padding"


def as_columns(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    """The table with columns `padding` and `stride` where it has pads and strides a side.

    Raises: ValueError: a pad or a stride that is no whole number; `padding` explicit without pads,
        two strides without them.
    """
    has_pads = set(_PADS) <= set(frame.columns)
    if "padding" not in frame and has_pads:
        frame = frame.assign(padding=EXPLICIT)
    explicit = _is_explicit(frame)
    if explicit.any():
        alone = "same or valid, or give columns pad_h and pad_w"
        check_rows(frame["padding"], ~explicit | has_pads, alone, where)
        frame = frame.assign(**{n: _pads(frame[n].where(explicit, 0), where) for n in _PADS})
    if "stride" not in frame and set(_STRIDES) <= set(frame.columns):
        high, wide = (whole_numbers(frame[name], where) for name in _STRIDES)
        check_rows(frame["stride_w"], explicit | (high == wide), _ONE, where)
        frame = frame.assign(stride_h=high, stride_w=wide, stride=high)
    return frame


def padded(frame: "pd.DataFrame", side: str) -> np.ndarray:
    """Height (`h`) or width (`w`) of inputs with their explicit padding, shape `(rows,)`."""
    size, explicit = frame[f"in_{side}"].to_numpy(), _is_explicit(frame)
    if not explicit.any():
        return size
    return size + 2 * np.where(explicit, frame[f"pad_{side}"], 0).astype(np.int64)


def output_size(frame: "pd.DataFrame", side: str, otherwise: np.ndarray) -> np.ndarray:
    """Height or width of outputs, `otherwise` where padding is not explicit, shape `(rows,)`.

        out = (in + 2 pad - dilation (k - 1) - 1) // stride + 1

    Args: frame: a validated table.
    """
    stride, dilation = frame.get(f"stride_{side}", frame["stride"]), frame.get("dilation", 1)
    explicit = _is_explicit(frame)
    steps = np.asarray(stride.where(explicit, 1), np.int64)
    left = padded(frame, side) - dilation * (frame[f"k_{side}"] - 1) - 1
    return np.where(explicit, left // steps + 1, otherwise)


def _is_explicit(frame: "pd.DataFrame") -> np.ndarray:
    if "padding" not in frame:
        return np.zeros(len(frame), bool)
    return (frame["padding"].astype(str).str.lower() == EXPLICIT).to_numpy()


def _pads(column: "pd.Series", where: Where) -> np.ndarray:
    numbers = real_numbers(column, _PAD, where)
    check_rows(column, (numbers >= 0) & (numbers == np.floor(numbers)), _PAD, where)
    return np.asarray(numbers, np.int64)
