"""The table of layers: reading it from CSV, and refusing what is not one, with the line."""

import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.messages import nearest, refused, unknown
from jaxcost._support.problems import Problems
from jaxcost._support.sizes import PADDINGS
from jaxcost.workload import memory_bound
from jaxcost.workload.columns import AS_NAMED, Columns, missing
from jaxcost.workload.dialects import read_raw_table
from jaxcost.workload.item_sizes import item_bytes
from jaxcost.workload.memory_bound import OPERATIONS, OPS

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "int8"),
    *("float8_e4m3fn", "float8_e5m2"),
)
ITEM_BYTES = {name: item_bytes(name) for name in _DTYPES}
TARGETS = ("time_s", "energy_j")
CHOICES = {"op": OPS, "padding": PADDINGS, "dtype": tuple(ITEM_BYTES)}
COUNTS = ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride", "groups")
REQUIRED = ("op", *COUNTS[:-1], "padding", "groups", "dtype")
OPTIONAL = ("dilation",)
DESCRIBING = ("device", "sweep", "process_cv")
KNOWN = (*REQUIRED, *OPTIONAL, *TARGETS, *DESCRIBING)
_SHORT = {
    "fp64": "float64",
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
}

_WHOLE = "a whole number of at least 1"
POSITIVE = "a finite number greater than 0"


def read_layer_table(
    path: str | Path, *, target: str | None = None, columns: Columns = AS_NAMED
) -> "pd.DataFrame":
    """A CSV table of layers, one row a layer, validated; times in s, energies in J.

    Args:
        path: a CSV file, as `jaxcost.workload.dialects` reads it, with the columns op (one of
            `OPS`; `jaxcost.workload.memory_bound` says what sizes mean for each), batch, in_h,
            in_w, c_in, c_out, k_h, k_w, stride, padding, groups, dtype, and optionally dilation
            (1 where absent).
        target: the measured column that must be there, 'time_s' or 'energy_j'; None for neither.
        columns: which are to be renamed, or converted to seconds, first; keyword-only.
    Returns: the rows and columns in the file's order; sizes as integers, the target as floats,
        any other column as the text that stands in the file.
    Raises: ValueError: whatever is no such table; one line that names file, line, column, value
        and what is allowed.
    """
    frame, lines = read_text(path, columns)
    return _validate(frame, target, Where(str(path), lines))


def validate_layers(
    frame: "pd.DataFrame", *, target: str | None = None, source: str = "table"
) -> "pd.DataFrame":
    """A table of layers in memory, validated as `read_layer_table` does; errors name the row.

    Args:
        frame: the columns of `read_layer_table`; is not changed.
        target: as there.
        source: what errors call the table, keyword-only.
    Returns: a copy, sizes as integers, the target as floats.
    Raises: ValueError: as there.
    """
    return _validate(frame, target, Where(source, None, frame.index))


class Where:
    """Names a row in messages: the line of a file, or the index of a frame."""

    def __init__(self, source: str, lines: Sequence[int] | None, index: Any = None):
        self.source, self.lines, self.index = source, lines, index

    def header(self) -> str:
        return self.source if self.lines is None else f"{self.source}, line 1"

    def row(self, position: int) -> str:
        if self.lines is None:
            return f"{self.source}, row {self.index[position]}"
        return f"{self.source}, line {self.lines[position]}"


def _validate(frame: "pd.DataFrame", target: str | None, where: Where) -> "pd.DataFrame":
    frame = named(frame, KNOWN)
    _check_columns(frame, target, where)
    if not len(frame):
        raise ValueError(f"{where.source} has no rows; give at least one layer")
    frame = frame.copy()
    problems = Problems(where.source)
    for column, options in CHOICES.items():
        with problems.noted():
            frame[column] = _chosen(frame[column], options, where)
    for column in (*COUNTS, *OPTIONAL):
        with problems.noted():
            if column in frame:
                frame[column] = whole_numbers(frame[column], where)
    with problems.noted():
        if target:
            frame[target] = positive_numbers(frame[target], where)
    problems.raise_any()
    _check_layers(frame, where)
    return frame


def _check_columns(frame: "pd.DataFrame", target: str | None, where: Where) -> None:
    if target not in (None, *TARGETS):
        raise ValueError(unknown("target", target, TARGETS))
    needed = [*REQUIRED, *([target] if target else [])]
    extra = [str(c) for c in frame.columns if c not in (*REQUIRED, *OPTIONAL, *TARGETS)]
    problems = Problems(where.source)
    for column in needed:
        with problems.noted():
            if column not in frame:
                hint = missing(column, extra)
                raise ValueError(f"{where.header()}: column {column!r} is missing; {hint}")
    problems.raise_any()
    for column in OPTIONAL:
        # An optional column that is misspelt would silently have its default.
        if column not in frame and (near := nearest(column, extra, 0.8)):
            line = f"column {near!r} is not known; rename it to {column!r}"
            raise ValueError(f"{where.header()}: {line}")


def named(frame: "pd.DataFrame", names: Sequence[str]) -> "pd.DataFrame":
    """The table with `names` where a column's differs from one of them in capitals alone."""
    free = {str(c).lower(): c for c in frame.columns if c not in names}
    return frame.rename(columns={free[n]: n for n in names if n in free and n not in frame})


def _chosen(column: "pd.Series", options: Sequence[str], where: Where) -> "pd.Series":
    """The column in the words of `options`; ValueError with the row that has none of them."""
    try:
        codes, cells = column.factorize(use_na_sentinel=False)
    except TypeError as error:
        line = f"column {column.name!r}: {error}; give words such as {options[0]}"
        raise ValueError(f"{where.header()}: {line}") from None
    words = [_usual(cell) for cell in cells]
    bad = np.array([word not in options for word in words], bool)[codes]
    if bad.any():
        first = int(np.argmax(bad))
        line = unknown(str(column.name), column.iloc[first], options)
        raise ValueError(f"{where.row(first)}: {line}")
    return column.map(dict(zip(cells, words, strict=True)))


def _usual(cell: Any) -> str:
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
        others = int((~good).sum()) - 1
        line = str(_refusal(column, int(np.argmin(good)), allowed, where))
        raise ValueError(line + (f" ({others} more rows alike)" if others else ""))


def _refusal(column: "pd.Series", row: int, allowed: str, where: Where) -> ValueError:
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


def _check_layers(frame: "pd.DataFrame", where: Where) -> None:
    """What holds between columns: a dense layer has no kernel, groups divide, the kernel fits."""
    dense = (frame["op"] == "dense").to_numpy()
    dilation = frame.get("dilation", 1)
    for column in ("k_h", "k_w", "stride"):
        good = ~dense | (frame[column] == 1).to_numpy()
        check_rows(frame[column], good, "1 in a dense layer, or op conv2d", where)
    for channels in ("c_in", "c_out"):
        divides = (frame[channels] % frame["groups"] == 0).to_numpy()
        _check_against(frame, "groups", divides, channels, "a number that divides {}", where)
    same = (frame["padding"] == "same").to_numpy()
    for kernel, size in (("k_h", "in_h"), ("k_w", "in_w")):
        fits = same | ((frame[kernel] - 1) * dilation < frame[size]).to_numpy()
        allowed = "a kernel that (dilated) spans at most {}, or padding same"
        _check_against(frame, kernel, fits, size, allowed, where)
    for op in OPERATIONS:
        _check_memory_bound(frame, op, where)


def _check_memory_bound(frame: "pd.DataFrame", op: str, where: Where) -> None:
    others = (frame["op"] != op).to_numpy()
    if others.all():
        return
    sizes = {name: frame[name].to_numpy() for name in COUNTS}
    sizes["dilation"] = frame["dilation"].to_numpy() if "dilation" in frame else np.ones(len(frame))
    for column, good, allowed in memory_bound.rules(op):
        if column in frame:
            check_rows(frame[column], others | good(sizes), f"{allowed} ({op})", where)


def _check_against(
    frame: "pd.DataFrame", column: str, good: Any, other: str, allowed: str, where: Where
) -> None:
    if not good.all():
        row = int(np.argmin(good))
        beside = f"{other} = {frame[other].iloc[row]}"
        raise _refusal(frame[column], row, allowed.format(beside), where)


def read_text(path: str | Path, columns: Columns = AS_NAMED) -> tuple["pd.DataFrame", list[int]]:
    """A CSV file as columns of text, and the line of each row; ValueError where it is no table."""
    import pandas as pd

    found = read_raw_table(Path(path))
    frame = pd.DataFrame(found.rows, columns=found.header, dtype=str)
    return columns.of(frame, str(path)), found.lines
