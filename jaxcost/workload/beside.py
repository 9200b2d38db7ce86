"""Columns beside those by which a table is read, that change what a row is.

What a table of layers can express is read; anything else is refused, unless it says nothing new.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcost.workload.cells import Where, check_rows, filled, usual, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

_Good = Callable[[np.ndarray, Mapping[str, np.ndarray]], np.ndarray]  # of numbers, beside sizes

_COUNTS_OF_PRODUCTS = ("b", "batch_count", "groups")
_MAY_BE_ROWS = ("batch", "batch_size", "batches", "num_batches", "bs", "num_groups")
_BATCHED = ("bmm",)
_ROWS_OR_PRODUCTS = (
    "1, or name the column b where it counts products side by side; where they share one matrix, "
    "multiply m by it and leave it out"
)
_OF_ATTENTION: tuple[tuple[tuple[str, ...], _Good, str, str], ...] = (
    (
        ("step", "prefix", "prefix_len", "past_len", "past_length", "cache_len", "cached_tokens"),
        lambda n, sizes: n == 0,
        "0",
        "a step over tokens in a cache",
    ),
    (
        ("kv_len", "kv_length", "kv_seq_len", "seq_len_kv", "seqlen_kv", "seqlen_k"),
        lambda n, sizes: n == sizes["isl"],
        "the same as isl",
        "a step over tokens in a cache",
    ),
    (
        ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_kv_head", "kv_heads"),
        lambda n, sizes: n == sizes["num_heads"],
        "the same as num_heads",
        "heads that share keys and values",
    ),
    (
        ("v_head_dim", "head_dim_v"),
        lambda n, sizes: n == sizes["head_dim"],
        "the same as head_dim",
        "values of another size than keys",
    ),
    (("beam_width",), lambda n, sizes: n == 1, "1", "several beams"),
    (
        ("window_size", "sliding_window", "attention_window"),
        lambda n, sizes: (n <= 0) | (n >= sizes["isl"]),
        "0, or at least isl",
        "attention within a window",
    ),
    (("causal", "is_causal"), lambda n, sizes: n == 0, "0", "attention to earlier tokens alone"),
)
# AIConfigurator's names of its tables. Its context attention, of step 0, is causal: the collector
# hands it to a decoder's kernel, and its own roofline takes half of the products (attention.py).
_TABLE = ("op_name",)
_OF_DECODERS = ("context_attention", "generation_attention")
_CACHE_TYPES = ("kv_cache_dtype", "kv_dtype")
_DILATIONS = ("dilation_rate", "atrous_rate", "dil")
_DILATION_OF_SIDES = ("dilation_h", "dilation_w")
NAMES = (
    *(*_COUNTS_OF_PRODUCTS, *_MAY_BE_ROWS, *(n for names, *_ in _OF_ATTENTION for n in names)),
    *(*_CACHE_TYPES, *_DILATIONS, *_DILATION_OF_SIDES, *_TABLE),
)
_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0, "none": 0.0}


def side_by_side(frame: "pd.DataFrame", products: np.ndarray, where: Where) -> np.ndarray:
    """How many products each row is, 1 in rows that are none.

    Raises: ValueError: a batch that may be rows of one product; columns that contradict.
    """
    found, by = np.ones(len(frame), np.int64), ""
    batched = products & _says(frame, "op", _BATCHED)
    for column in _present(frame, (*_COUNTS_OF_PRODUCTS, *_MAY_BE_ROWS)):
        name = str(column.name).lower()
        clear = products if name in _COUNTS_OF_PRODUCTS else batched
        given = products | filled(column)
        numbers = np.asarray(whole_numbers(column.where(given, 1), where), np.int64)
        check_rows(column, clear | (numbers == 1), _ROWS_OR_PRODUCTS, where)
        if by:
            check_rows(column, ~given | (numbers == found), f"the same as {by}", where)
        found, by = np.where(given, numbers, found), by or str(column.name)
    return found


def check_attention(frame: "pd.DataFrame", sizes: Mapping[str, np.ndarray], where: Where) -> None:
    """ValueError for a row that is not all tokens' attention to one another, all heads alike.

    Args: sizes: `isl`, `num_heads`, `head_dim` of each row.
    """
    for names, good, allowed, what in _OF_ATTENTION:
        for column in _present(frame, names):
            fits = ~filled(column) | good(_numbers(column), sizes)
            check_rows(column, fits, _else_leave_out(allowed, what), where)
    for column in _present(frame, _CACHE_TYPES):
        _check_cache_type(frame, column, where)
    _check_not_of_decoders(frame, sizes["isl"], where)


def _check_not_of_decoders(frame: "pd.DataFrame", tokens: np.ndarray, where: Where) -> None:
    """Only tables of context attention have steps; where none looks ahead, half is computed."""
    allowed = "attention of all tokens to one another, with a column causal of 0 to say so"
    refusal = _else_leave_out(allowed, "attention to earlier tokens alone, as AIConfigurator's is")
    said = any(filled(column).all() for column in _present(frame, ("causal", "is_causal")))
    for column in _present(frame, _TABLE):
        names = column.astype(str).str.strip().str.lower().isin(_OF_DECODERS).to_numpy()
        check_rows(column, ~names, refusal, where)
    for column in () if said else _present(frame, ("step",)):
        check_rows(column, ~filled(column) | (tokens == 1), refusal, where)


def with_dilation(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    """The table with the column `dilation` where it has one under another name.

    Raises: ValueError: no whole number, or names that contradict each other.
    """
    columns = list(_present(frame, ("dilation", *_DILATIONS)))
    sides = list(_present(frame, _DILATION_OF_SIDES))
    if columns or len(sides) > 1:  # a side alone says nothing of the other
        columns += sides
    if not columns or [column.name for column in columns] == ["dilation"]:
        return frame
    first, *others = columns
    own = whole_numbers(first.where(filled(first), 1), where)
    for other in others:
        numbers = whole_numbers(other.where(filled(other), own), where)
        check_rows(other, numbers == own, f"the same as {first.name}, or leave out either", where)
    return frame.assign(dilation=own)


def _check_cache_type(frame: "pd.DataFrame", column: "pd.Series", where: Where) -> None:
    if "dtype" not in frame:
        return
    same = [usual(cell) in ("auto", usual(own)) for cell, own in zip(column, frame["dtype"])]
    allowed = _else_leave_out("the attention's own type", "a cache in another")
    check_rows(column, ~filled(column) | np.array(same, bool), allowed, where)


def _else_leave_out(allowed: str, what: str) -> str:
    return f"{allowed}, or leave such rows out: a table of layers cannot express {what}"


def _present(frame: "pd.DataFrame", names: Sequence[str]) -> Iterator["pd.Series"]:
    """The columns with these names, in their order, whatever their capitals."""
    for name in names:
        yield from (frame[c] for c in frame.columns if str(c).lower() == name)


def _says(frame: "pd.DataFrame", name: str, words: Sequence[str]) -> np.ndarray:
    if name not in frame:
        return np.zeros(len(frame), bool)
    return frame[name].astype(str).str.lower().isin(list(words)).to_numpy()


def _numbers(column: "pd.Series") -> np.ndarray:
    """A column as numbers, NaN for what is none; true is 1 and false 0."""
    import pandas as pd

    words = column.astype(str).str.strip().str.lower()
    return pd.to_numeric(words.map(lambda w: _WORDS.get(w, w)), errors="coerce").to_numpy(float)
