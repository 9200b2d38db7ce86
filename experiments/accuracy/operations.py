"""Tables of single operations by others, as tables of layers."""

from pathlib import Path

import numpy as np
import pandas as pd

_ONES = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "valid"}
_OF_ONE = ("relu", "gelu", "tanh", "addu", "mulu", "divu", "powu")  # one array, and a number
_OF_TWO = ("add", "mul", "div", "pow")
_NEUSIGHT = {"ln": "normalisation", "softmax": "softmax"}
_NEUSIGHT |= dict.fromkeys(_OF_ONE, "elementwise") | dict.fromkeys(_OF_TWO, "addition")
_VIDUR = {
    "input_layernorm": "normalisation",
    "post_attention_layernorm": "normalisation",
    "add": "addition",
    "mlp_act": "addition",  # a gate times an activation: two arrays make one
    "attn_rope": "elementwise",
    "emb": "gather",
}
_VOCABULARY = 32_000  # of the embeddings, which the table does not tell; it costs nothing
_HEAD = 128


def neusight(path: Path) -> pd.DataFrame:
    """NeuSight's products side by side, as `dense` with groups, and memory-bound operations."""
    table = pd.read_csv(path)
    known = ["device", "sweep", "dtype", "time_s"]
    products = table[table["op"] == "bmm"]
    many, m, k, n = (products[name].astype(int) for name in ("b", "m", "k", "n"))
    sizes = {"op": "dense", "batch": m, "c_in": many * k, "c_out": many * n, "groups": many}
    side_by_side = products[known].assign(**sizes)
    others = table[table["op"].isin(_NEUSIGHT)]
    rows, c = (others[name].astype(int) for name in ("rows", "cols"))
    sizes = {"op": others["op"].map(_NEUSIGHT), "batch": rows, "c_in": c, "c_out": c, "groups": 1}
    return pd.concat([side_by_side, others[known].assign(**sizes)], ignore_index=True).assign(
        **_ONES
    )


def vidur(path: Path) -> pd.DataFrame:
    """Vidur's memory-bound operations of language models."""
    table = pd.read_csv(path)
    op = table["op"].map(_VIDUR)
    heads = _HEAD * (table["n_head"] + table["n_kv_head"]) // table["tp"]
    c = np.select(
        [table["op"] == "mlp_act", table["op"] == "attn_rope"],
        [table["n_expanded_embd_per_worker"], heads],
        table["n_embd"],
    )
    sizes = {"op": op, "batch": table["n_tokens"], "c_out": c, "groups": 1}
    sizes["c_in"] = np.where(op == "gather", _VOCABULARY, c)
    return table[["device", "sweep", "dtype", "time_s"]].assign(**sizes, **_ONES)


def encoder_attention(path: Path) -> pd.DataFrame:
    """AIConfigurator's attention of encoders, in one kernel."""
    table = pd.read_csv(path)
    c = table["num_heads"] * table["head_dim"]
    sizes = {"op": "attention", "batch": table["batch_size"], "c_in": c, "c_out": c}
    sizes |= {"groups": table["num_heads"], "dtype": table["attn_dtype"]}
    return table[["device", "sweep", "time_s"]].assign(**_ONES | sizes | {"in_w": table["isl"]})
