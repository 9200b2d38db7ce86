"""A table's cells as numbers or words, or the line that says why one is neither."""

import re
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.messages import refused, unknown

if TYPE_CHECKING:
    import pandas as pd

_SHORT = {
    **dict.fromkeys(("fp64", "f64", "double"), "float64"),
    **dict.fromkeys(("fp32", "f32", "single"), "float32"),
    **dict.fromkeys(("fp16", "f16", "half"), "float16"),
    "bf16": "bfloat16",
}
_WHOLE = "a whole number of at least 1"
POSITIVE = "a finite number greater than 0"


class Where:
    """Names a row in messages: the line of a file, or the index of a frame.

    Args: whole: whether the rows are the whole table, so that those alike can be counted.
    """

    def __init__(
        self, source: str, lines: Sequence[int] | None, index: Any = None, whole: bool = True
    ):
        self.source, self.lines, self.index, self.whole = source, lines, index, whole

    def header(self) -> str:
        return self.source if self.lines is None else f"{self.source}, line 1"

    def row(self, position: int) -> str:
        if self.lines is None:
            return f"{self.source}, row {self.index[position]}"
        return f"{self.source}, line {self.lines[position]}"


def filled(column: "pd.Series") -> np.ndarray:
    """Which cells of a column say anything, shape `(rows,)`."""
    return (column.notna() & (column.astype(str).str.strip() != "")).to_numpy()


def chosen(column: "pd.Series", options: Sequence[str], where: Where) -> "pd.Series":
    """The column in the words of `options`; ValueError with the row that has none of them."""
    try:
        codes, cells = column.factorize(use_na_sentinel=False)
    except TypeError as error:
        line = f"column {column.name!r}: {error}; give words such as {options[0]}"
        raise ValueError(f"{where.header()}: {line}") from None
    words = [usual(cell) for cell in cells]
    bad = np.array([word not in options for word in words], bool)[codes]
    if bad.any():
        first = int(np.argmax(bad))
        line = unknown(str(column.name), column.iloc[first], options)
        raise ValueError(f"{where.row(first)}: {line}")
    return column.map(dict(zip(cells, words, strict=True)))


def usual(cell: Any) -> str:
    """`conv2d` for `Conv2D`, `float32` for `fp32`."""
    word = str(cell).lower()
    return _SHORT.get(word, word)


def whole_numbers(column: "pd.Series", where: Where) -> Any:
    """A column as integers of at least 1; ValueError with the row where it has none."""
    numbers = real_numbers(column, _WHOLE, where)
    whole = np.isfinite(numbers) & (numbers >= 1) & (numbers == np.floor(numbers))
    check_rows(column, whole, _WHOLE, where)
    check_rows(column, numbers < 2**31, "a whole number below 2**31", where)
    return numbers.astype(np.int64)


def real_numbers(column: "pd.Series", allowed: str, where: Where) -> Any:
    """A column as floats; ValueError with the row where it has no number."""
    import pandas as pd

    check_rows(column, _may_be_numbers(column), allowed, where)
    # Sizes repeat, and text is slow to convert: convert each distinct value once.
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    numbers = np.asarray(pd.to_numeric(distinct, errors="coerce"), float)[codes]
    check_rows(column, ~np.isnan(numbers), allowed, where)
    return numbers


def _may_be_numbers(column: "pd.Series") -> Any:
    """Which cells of a table in memory are a number, or text that may be one."""
    if column.dtype.kind in "iuf":
        return np.ones(len(column), bool)
    cells = [isinstance(c, str | Real) and not isinstance(c, bool | np.bool_) for c in column]
    return np.array(cells, bool)


def positive_numbers(column: "pd.Series", where: Where) -> Any:
    """A column as finite floats above 0; ValueError with the row where it has none."""
    numbers = real_numbers(column, POSITIVE, where)
    check_rows(column, (numbers > 0) & (numbers < np.inf), POSITIVE, where)
    return numbers


def check_rows(column: "pd.Series", good: Any, allowed: str, where: Where) -> None:
    """ValueError for the first row that is not `good`, naming its value and what is allowed."""
    if not good.all():
        others = int((~good).sum()) - 1 if where.whole else 0
        line = str(refusal(column, int(np.argmin(good)), allowed, where))
        raise ValueError(line + (f" ({others} more rows alike)" if others else ""))


def refusal(column: "pd.Series", row: int, allowed: str, where: Where) -> ValueError:
    """What to raise for one cell of a column: its value, what is allowed, and how to write it."""
    value = column.iloc[row]
    line = refused(str(column.name), _plain(value), allowed + _written(value))
    return ValueError(f"{where.row(row)}: {line}")


def _written(value: Any) -> str:
    """How to write a number, where separators or a unit keep the text from being one."""
    text = str(value)
    if re.fullmatch(r"[-+]?\d[\d.,_'’ \u00a0\u202f]*\d", text) and not _is_plain(text):
        return ", with a decimal point and nothing between its digits"
    return ", without its unit" if re.fullmatch(r"[-+]?[\d.]+ ?[a-zµμ]+", text, re.I) else ""


def _is_plain(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d*\.?\d*", text, re.ASCII) is not None


def _plain(value: Any) -> Any:
    """A number that stands as text, as a number, so that messages do not quote it."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return value  # what float() takes but a table does not, such as 1_024
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
