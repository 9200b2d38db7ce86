"""The table of layers: reading it from CSV, and refusing what is not one, with the line."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.messages import nearest, unknown
from jaxcost._support.problems import Problems
from jaxcost._support.sizes import PADDINGS
from jaxcost.workload import beside, explicit_padding, memory_bound, other_tables
from jaxcost.workload.cells import (
    Where,
    check_rows,
    chosen,
    positive_numbers,
    refusal,
    whole_numbers,
)
from jaxcost.workload.columns import AS_NAMED, Columns, as_frame, check_agrees, missing
from jaxcost.workload.dialects import read_raw_table
from jaxcost.workload.explicit_padding import EXPLICIT
from jaxcost.workload.item_sizes import item_bytes
from jaxcost.workload.memory_bound import OPERATIONS, OPS
from jaxcost.workload.other_tables import as_layers

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "int8"),
    *("float8_e4m3fn", "float8_e5m2"),
)
ITEM_BYTES = {name: item_bytes(name) for name in _DTYPES}
SECONDS = (1e-9, 3e7)  # of a layer: a clock's tick, and a year
TARGETS = ("time_s", "energy_j")
CHOICES = {"op": OPS, "padding": (*PADDINGS, EXPLICIT), "dtype": tuple(ITEM_BYTES)}
COUNTS = ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride", "groups")
REQUIRED = ("op", *COUNTS[:-1], "padding", "groups", "dtype")
OPTIONAL = ("dilation",)
DESCRIBING = ("device", "sweep", "process_cv")
# What a table of dense layers alone need not say: a dense layer has none of it.
_OF_CONVOLUTIONS = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), "1")
KNOWN = (*REQUIRED, *OPTIONAL, *TARGETS, *DESCRIBING)
# Whatever says what a row's layer is; rows that are equal in these are of one layer.
SAYING = {*REQUIRED, *OPTIONAL, *explicit_padding.NAMES, *beside.NAMES, *other_tables.NAMES}


def read_layer_table(
    path: str | Path, *, target: str | None = None, columns: Columns = AS_NAMED
) -> "pd.DataFrame":
    """A CSV table of layers, one row a layer, validated; times in s, energies in J.

    Args:
        path: a CSV file, as `jaxcost.workload.dialects` reads it, with the columns op (one of
            `OPS`; `jaxcost.workload.memory_bound` says what sizes mean for each), batch, in_h,
            in_w, c_in, c_out, k_h, k_w, stride, padding, groups, dtype, and optionally dilation
            (1 where absent) or dilation_rate. Instead of padding pad_h and pad_w, of stride
            stride_h and stride_w; or the columns of another kind of table, see
            `jaxcost.workload.other_tables`.
        target: the measured column that must be there, 'time_s' or 'energy_j'; None for neither.
        columns: which are to be renamed, or converted to seconds, first; keyword-only.
    Returns: the rows and columns in the file's order; sizes as integers, the target as floats,
        any other column as the text that stands in the file.
    Raises: ValueError: whatever is no such table; one line that names file, line, column, value
        and what is allowed.
    """
    frame, lines = read_text(path, columns)
    return validated(frame, target, Where(str(path), lines))


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
    frame = as_frame(frame, source)
    return validated(frame, target, Where(source, None, frame.index))


def validated(frame: "pd.DataFrame", target: str | None, where: Where) -> "pd.DataFrame":
    """The same of a table whose rows are called as `where` says."""
    frame = as_layers(named(frame, (*KNOWN, *explicit_padding.NAMES), where), where)
    frame = beside.with_dilation(explicit_padding.as_columns(frame, where), where)
    frame = _with_no_convolutions(frame)
    _check_columns(frame, target, where)
    if not len(frame):
        raise ValueError(f"{where.source} has no rows; give at least one layer")
    frame = frame.copy()
    problems = Problems(where.source)
    for column, options in CHOICES.items():
        with problems.noted():
            frame[column] = chosen(frame[column], options, where)
    for column in (*COUNTS, *OPTIONAL):
        with problems.noted():
            if column in frame:
                frame[column] = whole_numbers(frame[column], where)
    with problems.noted():
        if target:
            frame[target] = _measured(frame[target], where)
            check_agrees(frame, target, where)
    problems.raise_any()
    _check_layers(frame, where)
    return frame


def _measured(column: "pd.Series", where: Where) -> np.ndarray:
    """A measured column as floats; ValueError with the row where it holds no measurement."""
    numbers = np.asarray(positive_numbers(column, where))
    if column.name == "time_s":
        shortest, longest = SECONDS
        allowed = f"seconds, {shortest:g} to {longest:g}; --time-column NAME_ms converts others"
        check_rows(column, (numbers >= shortest) & (numbers <= longest), allowed, where)
    return numbers


def _check_columns(frame: "pd.DataFrame", target: str | None, where: Where) -> None:
    if target not in (None, *TARGETS):
        raise ValueError(unknown("target", target, TARGETS))
    needed = [*REQUIRED, *([target] if target else [])]
    extra = [str(c) for c in frame.columns if c not in (*REQUIRED, *OPTIONAL, *TARGETS)]
    absent = [column for column in needed if column not in frame]
    hints = {column: missing(column, extra, absent) for column in absent}
    if hints.get("dtype") == "add it":
        hints["dtype"] = "add it, or say what all rows are in (--dtype, dtype=)"
    several = [column for column, hint in hints.items() if hint == "add it"]
    problems = Problems(where.source)
    for column, hint in hints.items():
        with problems.noted():
            if len(several) < 2 or column not in several:
                raise ValueError(f"{where.header()}: column {column!r} is missing; {hint}")
            if column == several[0]:
                words = f"columns {', '.join(several)} are missing"
                raise ValueError(f"{where.header()}: {words}; add them, or --rename others to them")
    with problems.noted():
        if hints and "op" in frame and len(frame):
            chosen(frame["op"], OPS, where)
    problems.raise_any()
    for column in OPTIONAL:
        # An optional column that is misspelt would silently have its default.
        if column not in frame and (near := nearest(column, extra, 0.8)):
            line = f"column {near!r} is not known; rename it to {column!r}"
            raise ValueError(f"{where.header()}: {line}")


def _with_no_convolutions(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A table of dense layers alone with the columns that it can do without, unless one of its own
    may be meant for them."""
    if not len(frame) or "op" not in frame or not (frame["op"] == "dense").all():
        return frame
    others = [str(c) for c in frame.columns if c not in KNOWN]
    absent = {"padding": "valid", **_OF_CONVOLUTIONS}
    return frame.assign(
        **{c: v for c, v in absent.items() if c not in frame and not nearest(c, others)}
    )


def named(frame: "pd.DataFrame", names: Sequence[str], where: Where) -> "pd.DataFrame":
    """The table with `names` where a column's differs from one of them in capitals alone.

    Raises: ValueError: two columns that differ in capitals alone.
    """
    free: dict[str, Any] = {}
    for column in frame.columns:
        small = str(column).lower()
        if column in names or small not in names:
            continue
        if (first := free.setdefault(small, column)) is not column or small in frame:
            other = small if small in frame else first
            raise ValueError(
                f"{where.header()}: columns {str(other)!r} and {str(column)!r} differ in capitals "
                "alone; remove or rename one"
            )
    return frame.rename(columns={free[n]: n for n in names if n in free and n not in frame})


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
    for side in ("h", "w"):
        kernel, size = f"k_{side}", f"in_{side}"
        spans = (frame[kernel] - 1) * dilation
        fits = same | (spans < explicit_padding.padded(frame, side)).to_numpy()
        allowed = "a kernel that (dilated) spans at most {}, or padding same"
        _check_against(frame, kernel, fits, size, allowed, where)
    explicit_padding.check_agrees(frame, where)
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
        raise refusal(frame[column], row, allowed.format(beside), where)


def read_text(path: str | Path, columns: Columns = AS_NAMED) -> tuple["pd.DataFrame", list[int]]:
    """A CSV file as columns of text, and the line of each row; ValueError where it is no table."""
    import pandas as pd

    found = read_raw_table(Path(path))
    frame = pd.DataFrame(found.rows, columns=found.header, dtype=str)
    return columns.of(frame, str(path)), found.lines
