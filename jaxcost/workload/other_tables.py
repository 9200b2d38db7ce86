"""Tables that others publish, whose columns are not those of a table of layers, read as one.

    columns                               a row is
    m, n, k, and b or none                a product of m × k by k × n, b of them side by side
    rows, cols, op                        an operation on such an array, by NeuSight's names
    batch_size, isl, num_heads, head_dim  attention of isl tokens in one kernel, as AIConfigurator's
    n_tokens, n_embd, n_head, ..., op     an operation of a language model, by Vidur's names

A table may have products in some rows and operations in others. What a row's `op` was called is
kept in the column `given_op`: operations that cost about the same are one to a table of layers.
What else a table says of its rows, `jaxcost.workload.beside` reads or refuses.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.messages import unknown
from jaxcost.workload import beside
from jaxcost.workload.cells import Where, filled, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

_ONES = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "valid"}
_PRODUCTS = ("bmm", "matmul", "mm", "gemm", "linear", "dense")
_OF_ONE = ("relu", "gelu", "tanh", "addu", "mulu", "divu", "powu")  # one array, and a number
_OF_TWO = ("add", "mul", "div", "pow")
_OPERATIONS = {"ln": "normalisation", "softmax": "softmax"}
_OPERATIONS |= dict.fromkeys(_OF_ONE, "elementwise") | dict.fromkeys(_OF_TWO, "addition")
_OF_LANGUAGE_MODELS = {
    "input_layernorm": "normalisation",
    "post_attention_layernorm": "normalisation",
    "add": "addition",
    "mlp_act": "addition",  # a gate times an activation: two arrays make one
    "attn_rope": "elementwise",
    "emb": "gather",
}
_VOCABULARY = 32_000  # of the embeddings, which Vidur's tables do not tell; it costs nothing
_HEAD = 128  # numbers in a head of the models that Vidur measured


def as_layers(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    """The table with the columns of a table of layers, beside its own; as it is where it has them
    or is of none of the kinds above.

    Raises: ValueError: a size that is no whole number, an operation that is not known.
    """
    columns = set(frame.columns)
    if {"batch", "c_in"} <= columns:
        return frame
    for needed, read in _KINDS:
        if needed <= columns:
            return read(frame, where)
    return frame


def _of_matrices(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    """Products where `m` is given, operations on arrays elsewhere."""
    products = _filled(frame, "m")
    m, n, k = (_sizes(frame, name, products, where) for name in ("m", "n", "k"))
    rows, cols = (_sizes(frame, name, ~products, where) for name in ("rows", "cols"))
    known = dict.fromkeys(_PRODUCTS, "dense") | _OPERATIONS if "op" in frame else {}
    op = _named(frame, known, where) if known else np.full(len(frame), "dense")
    for name, these in (("m", (op == "dense") & ~products), ("rows", (op != "dense") & products)):
        if these.any():
            raise ValueError(f"{where.row(int(these.argmax()))}: column {name!r} is empty; give it")
    b = beside.side_by_side(frame, products, where)
    sizes = {
        "batch": np.where(products, m, rows),
        "c_in": np.where(products, b * k, cols),
        "c_out": np.where(products, b * n, cols),
        "groups": np.where(products, b, 1),
    }
    return _with(frame, op, sizes)


def _of_attention(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    every = np.ones(len(frame), bool)
    names = ("batch_size", "isl", "num_heads", "head_dim")
    batch, tokens, heads, size = (_sizes(frame, name, every, where) for name in names)
    sizes = {"batch": batch, "in_w": tokens, "groups": heads}
    sizes |= {"c_in": heads * size, "c_out": heads * size}
    if "dtype" not in frame and "attn_dtype" in frame:
        frame = frame.assign(dtype=frame["attn_dtype"])
    beside.check_attention(frame, {"isl": tokens, "num_heads": heads, "head_dim": size}, where)
    return _with(frame, np.full(len(frame), "attention"), sizes)


def _of_language_models(frame: "pd.DataFrame", where: Where) -> "pd.DataFrame":
    every = np.ones(len(frame), bool)
    tokens, width, gated, heads, others, shared = (
        _sizes(frame, name, every, where)
        for name in (
            "n_tokens", "n_embd", "n_expanded_embd_per_worker", "n_head", "n_kv_head", "tp",
        )
    )  # fmt: skip
    given = frame["op"].to_numpy()
    op = _named(frame, _OF_LANGUAGE_MODELS, where)
    turned = _HEAD * (heads + others) // shared
    c = np.select([given == "mlp_act", given == "attn_rope"], [gated, turned], width)
    sizes = {"batch": tokens, "c_out": c, "groups": np.ones_like(c)}
    sizes["c_in"] = np.where(op == "gather", _VOCABULARY, c)
    return _with(frame, op, sizes)


_Reader = Callable[["pd.DataFrame", Where], "pd.DataFrame"]
_KINDS: tuple[tuple[set[str], _Reader], ...] = (
    ({"m", "n", "k"}, _of_matrices),
    ({"rows", "cols", "op"}, _of_matrices),
    ({"batch_size", "isl", "num_heads", "head_dim"}, _of_attention),
    (
        {"op", "n_tokens", "n_embd", "n_expanded_embd_per_worker", "n_head", "n_kv_head", "tp"},
        _of_language_models,
    ),
)

NAMES = (*(name for needed, _ in _KINDS for name in sorted(needed)), "attn_dtype")


def _filled(frame: "pd.DataFrame", name: str) -> np.ndarray:
    if name not in frame:
        return np.zeros(len(frame), bool)
    return filled(frame[name])


def _sizes(frame: "pd.DataFrame", name: str, rows: np.ndarray, where: Where) -> np.ndarray:
    """A column as whole numbers in these rows, 1 in others and where there is no such column."""
    if name not in frame:
        return np.ones(len(frame), np.int64)
    return np.asarray(whole_numbers(frame[name].where(rows, 1), where), np.int64)


def _named(frame: "pd.DataFrame", known: dict[str, str], where: Where) -> np.ndarray:
    """The operations by our names."""
    op = frame["op"].astype(str).str.lower()
    strange = ~op.isin(list(known)).to_numpy()
    if strange.any():
        row = int(strange.argmax())
        line = unknown("op", frame["op"].iloc[row], tuple(known))
        raise ValueError(f"{where.row(row)}: {line}")
    return op.map(known).to_numpy(object)


def _with(frame: "pd.DataFrame", op: np.ndarray, sizes: dict[str, np.ndarray]) -> "pd.DataFrame":
    if "op" in frame:
        frame = frame.assign(given_op=frame["op"])
    return frame.assign(op=op, **(_ONES | sizes))
