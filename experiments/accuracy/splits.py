"""Tables of measured layers, and what is fitted and what is judged of each."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost.workload import counts

MOST_FITTED, MOST_JUDGED = 400, 1000
_MOST_SWEEPS = 20  # more labels than this are no sweeps, but a label a layer
_HERE = Path(__file__).parents[2] / "data" / "measured"
_OWN = "EPYC"
_TABLES = {
    "t2000": "alpha_flops_t2000.csv",
    "bf16": "gpu/aic_gemm_bf16_time.csv",
    "conv": "gpu/neusight_conv2d_fp32.csv",
    "dense": "gpu/neusight_dense_fp32.csv",
}
_OPERATIONS = (
    "gpu/neusight_other_ops_fp32.csv",
    "gpu/vidur_memory_bound_fp16.csv",
    "gpu/aic_encoder_attention_energy.csv",
)
_DEEPBENCH = "gpu/deepbench_train.csv"
_LEAST_OPERATIONS = 500  # of a device, for a split of the operations
_LEAST_ROWS = 2000  # of a device in the large tables: those of transformers alone have fewer


@dataclasses.dataclass(frozen=True)
class Split:
    """What is fitted and what is judged, both tables of layers with a column `time_s`."""

    device: str
    kind: str
    part: str
    fitted: pd.DataFrame
    judged: pd.DataFrame

    @property
    def platform(self) -> str:
        """As JAX names it; all tables but this repository's own are of GPUs."""
        return "cpu" if self.device == _OWN else "gpu"


def splits(folder: Path) -> Iterator[Split]:
    """Every split of every device, in the tables of `folder`; those that are absent are left out.

    rows: 400 at random, the others judged. sweeps: each sweep from the others. weights: a fifth of
    the weight matrices from the others. large: dense layers with 2,048 rows or more from those
    with 512 or fewer; convolutions in the quarter with most FLOPs from the half with fewest.
    operations: as rows, of products side by side and of what memory binds.
    deepbench: of some 160 rows 70 % at random, the others judged.
    """
    for device, table in devices(folder):
        rng = np.random.default_rng(0)
        yield _split(device, "rows", "", *at_random(table, rng), rng)
        for kind, part, seen, unseen in _held_apart(table, rng):
            yield _split(device, kind, part, table[seen], table[unseen], rng)
    for device, table in of_deepbench(folder):
        rng = np.random.default_rng(0)
        yield _split(device, "deepbench", "", *at_random(table, rng), rng)
    for device, part, table in of_operations(folder):
        rng = np.random.default_rng(0)
        yield _split(device, "operations", part, *at_random(table, rng), rng)


def devices(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    yield _OWN, jc.read_layer_table(_HERE / "amd-epyc" / "layers.csv")
    for name, file in _TABLES.items():
        if not (folder / file).exists():
            continue
        table = jc.read_layer_table(folder / file)
        if "device" not in table:
            yield name.upper(), table
            continue
        for device, rows in table.groupby("device"):
            if len(rows) >= _LEAST_ROWS:
                yield f"{_short(str(device))} {name}", rows


def of_deepbench(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Convolutions and products of networks of 2016, on eleven GPUs and precisions."""
    if (folder / _DEEPBENCH).exists():
        table = jc.read_layer_table(folder / _DEEPBENCH)
        for (device, dtype), rows in table.groupby(["device", "dtype"]):
            yield f"{device} {dtype}", rows


def of_operations(folder: Path) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for file in _OPERATIONS:
        if not (folder / file).exists():
            continue
        table = jc.read_layer_table(folder / file)
        others = np.where(table["op"] == "attention", "attention", "memory-bound")
        sort = np.where(table["op"] == "dense", "side by side", others)
        for (device, part), rows in table.groupby(["device", sort]):
            if len(rows) >= _LEAST_OPERATIONS:
                yield f"{_short(str(device))} {part}", "", rows


def _short(device: str) -> str:
    """`A100-PCIE-40GB` of `NVIDIA A100-PCIE-40GB`."""
    words = device.split(" ")
    return "-".join(word for word in words if word not in ("NVIDIA", "Tesla"))


def _held_apart(
    table: pd.DataFrame, rng: np.random.Generator
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    sweeps = table["sweep"].astype(str)
    if 1 < sweeps.nunique() <= _MOST_SWEEPS and len(table) < _LEAST_ROWS:
        for sweep in sorted(sweeps.unique()):
            yield "sweeps", sweep, (sweeps != sweep).to_numpy(), (sweeps == sweep).to_numpy()
        return
    if sweeps.nunique() > _MOST_SWEEPS:
        names = np.sort(sweeps.unique())
        out = sweeps.isin(rng.permutation(names)[: len(names) // 5]).to_numpy()
        yield "weights", "", ~out, out
    yield "large", "", *_by_size(table)


def _by_size(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    if (table["op"] == "dense").all():
        rows = table["batch"].to_numpy()
        return rows <= 512, rows >= 2048
    flops = np.asarray(counts.flops(jc.from_table(table)), np.float64)
    return flops <= np.quantile(flops, 0.5), flops >= np.quantile(flops, 0.75)


def at_random(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = rng.permutation(len(table))
    fitted = min(MOST_FITTED, int(0.7 * len(table)))
    return table.iloc[order[:fitted]], table.iloc[order[fitted:]]


def _split(
    device: str,
    kind: str,
    part: str,
    fitted: pd.DataFrame,
    judged: pd.DataFrame,
    rng: np.random.Generator,
) -> Split:
    fitted, judged = _some(fitted, MOST_FITTED, rng), _some(judged, MOST_JUDGED, rng)
    if not 1 < fitted["sweep"].nunique() <= _MOST_SWEEPS:
        fitted = fitted.drop(columns="sweep")
    return Split(device, kind, part, fitted, judged)


def _some(table: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    some = rng.permutation(len(table))[:most]
    return table.iloc[np.sort(some)].reset_index(drop=True)
