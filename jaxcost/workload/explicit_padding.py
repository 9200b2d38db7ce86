"""Convolutions whose padding and stride are numbers a side: `pad_h, pad_w, stride_h, stride_w`.

The two pairs stand in the place of `padding` and `stride`, as tables of cuDNN's calls have them; as
many elements are added at both ends. `padding` is then `explicit`. Beside `padding` and `stride`
they must say the same.
"""

from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support import sizes
from jaxcost.workload.cells import Where, check_rows, filled, real_numbers, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

EXPLICIT = "explicit"
_PADS, _STRIDES = ("pad_h", "pad_w"), ("stride_h", "stride_w")
NAMES = (*_PADS, *_STRIDES)
_PAD = "a whole number of at least 0"
_AGREES = "what makes the output that padding says, or leave out either"
_SAME = "the same as stride, or leave out either"
_ONE = "the same as stride_h, or columns pad_h and pad_w instead of padding"


def as_columns(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    """The table with columns `padding` and `stride` where it has pads and strides a side.

    Raises: ValueError: a pad or a stride that is no whole number; `padding` explicit without pads,
        two strides without them; a stride of a side that is not `stride`.
    """
    has_pads = set(_PADS) <= set(frame.columns)
    if "padding" not in frame and has_pads:
        frame = frame.assign(padding=EXPLICIT)
    explicit = _is_explicit(frame)
    if explicit.any():
        alone = "same or valid, or give columns pad_h and pad_w"
        check_rows(frame["padding"], ~explicit | has_pads, alone, where)
    pads = {n: _pads(frame[n], explicit, where) for n in _PADS if n in frame}
    frame = frame.assign(**pads)
    if "stride" in frame:
        return frame.assign(**_strides(frame, explicit, where))
    if set(_STRIDES) <= set(frame.columns):
        high, wide = (whole_numbers(frame[name], where) for name in _STRIDES)
        check_rows(frame["stride_w"], explicit | (high == wide), _ONE, where)
        frame = frame.assign(stride_h=high, stride_w=wide, stride=high)
    return frame


def check_agrees(frame: "pd.DataFrame", where: Where) -> None:
    """ValueError for a row whose pads beside `padding` same or valid make another output.

    Args: frame: a validated table.
    """
    explicit = _is_explicit(frame)
    for name, side in zip(_PADS, "hw"):
        if name in frame:
            as_padding_says = _output_by_name(frame, side)
            by_pads = frame.assign(padding=np.where(filled(frame[name]), EXPLICIT, "same"))
            same = output_size(by_pads, side, as_padding_says) == as_padding_says
            check_rows(frame[name], explicit | same, _AGREES, where)


def _output_by_name(frame: "pd.DataFrame", side: str) -> np.ndarray:
    """Height or width of outputs by `padding` same or valid, as the first where it is explicit."""
    found = sizes.output_size(
        frame[f"in_{side}"].to_numpy(float),
        kernel=frame[f"k_{side}"].to_numpy(float),
        stride=frame["stride"].to_numpy(float),
        padding=frame["padding"].replace(EXPLICIT, "same").to_numpy(object),
        dilation=np.asarray(frame.get("dilation", 1), float),
    )
    return np.asarray(found)


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


def _pads(column: "pd.Series", explicit: np.ndarray, where: Where) -> np.ndarray:
    """Whole numbers, NaN where `padding` says it and the pad nothing."""
    said = filled(column) | explicit
    numbers = real_numbers(column.where(said, 0), _PAD, where)
    check_rows(column, (numbers >= 0) & (numbers == np.floor(numbers)), _PAD, where)
    return np.asarray(numbers, np.int64) if said.all() else np.where(said, numbers, np.nan)


def _strides(frame: "pd.DataFrame", explicit: np.ndarray, where: Where) -> dict[str, np.ndarray]:
    """The strides of sides, which are `stride`; of explicit rows `stride` is that of the height."""
    given = [name for name in _STRIDES if name in frame]
    if not given:
        return {}
    own = whole_numbers(frame["stride"], where)
    found = {n: whole_numbers(frame[n].where(filled(frame[n]), own), where) for n in given}
    for name, numbers in found.items():
        free = explicit if name == "stride_w" and len(given) > 1 else False
        check_rows(frame[name], free | (numbers == own), _SAME, where)
    return found
