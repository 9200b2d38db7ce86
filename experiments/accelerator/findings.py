"""What the tables of a measured GPU say: fits, errors, rates, energies, working sets."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from epochs import RUN_TARGET
from networks import network

import jaxcost as jc
from jaxcost.calibrate import Accuracy, Fitted, hold_out
from jaxcost.measure import layers_from_rows
from jaxcost.models import Spill, spill_points
from jaxcost.papers.butter_e import energies, panels

SIZES = ("op", "batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride", "padding",
         "groups", "dilation", "dtype")  # fmt: skip
PRODUCTS = ("conv2d", "dense")
LEAST_ROWS = 10  # that `jc.fit` takes
_STEEP = 0.5  # slope of ln energy by ln parameters above which size and not passes decide
_LEAST_ACCEPTED = 5


@dataclasses.dataclass(frozen=True)
class Fit:
    """A model of one type's layers, and how it predicts what it has not seen.

    Args:
        fitted: to the rows that are not held out.
        made: versions, date and settings of the fit.
        held_out: rows that no fit has seen, with `predicted`, `lower`, `upper`, in SI units.
        coverage: share of them inside the 90 % interval.
    """

    target: str
    fitted: Fitted
    made: dict[str, Any]
    held_out: pd.DataFrame
    coverage: float


def trusted(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a time to fit: `ok`, or noisy with enough undisturbed blocks."""
    enough = frame.get("accepted_samples", pd.Series(0, frame.index)) >= _LEAST_ACCEPTED
    good = frame["time_s"].notna() & ((frame["status"] == "ok") | enough)
    return frame[good].reset_index(drop=True)


def fit_rows(frame: pd.DataFrame, device: jc.Device, target: str, seed: int = 0) -> Fit | None:
    """A fit to four fifths of the rows, judged on the others; None where rows are too few."""
    rows = frame[frame[target] > 0].reset_index(drop=True)
    columns = [name for name in SIZES if name in rows]
    if len(rows) < 2 * LEAST_ROWS:
        return None
    out = hold_out(rows, columns, seed=seed)
    seen, unseen = rows[~out].reset_index(drop=True), rows[out].reset_index(drop=True)
    calibration = jc.fit(seen, device, target=target, seed=seed)
    fitted = calibration.models[target]
    ends = fitted.interval(jc.from_table(unseen), device)
    names = dict(zip(("predicted", "lower", "upper"), ends, strict=True))
    judged = unseen.assign(**names)
    accuracy = Accuracy.of(np.log(judged["predicted"]), np.log(judged[target]))
    fitted = dataclasses.replace(fitted, errors=fitted.errors | {"held_out": accuracy})
    inside = (judged[target] >= judged["lower"]) & (judged[target] <= judged["upper"])
    return Fit(target, fitted, calibration.provenance, judged, float(inside.mean()))


def predict_networks(
    frame: pd.DataFrame, fits: Mapping[str, Fit], device: jc.Device
) -> pd.DataFrame:
    """Each network with a time: the sum over its products, and over all its layers, in s.

    Args: fits: of times, by type.
    """
    found = []
    for row in trusted(frame.assign(accepted_samples=0)).to_dict("records"):
        if row["dtype"] not in fits:
            continue
        layers = network(row["network"], int(row["batch"])).trace().layers
        table = pd.DataFrame([dataclasses.replace(x, dtype=row["dtype"]).row() for x in layers])
        fitted = fits[row["dtype"]].fitted
        costs = np.asarray(fitted.layer_costs(jc.from_table(table), device), np.float64)
        products = table["op"].isin(PRODUCTS).to_numpy()
        found.append(row | {"of_products_s": costs[products].sum(), "of_all_s": costs.sum()})
    return pd.DataFrame(found)


def alpha_parameters(frame: pd.DataFrame, device: jc.Device) -> dict[str, dict[str, float]] | None:
    """α-FLOPs' parameters refitted to the paper's sweeps, beside those printed for the T2000."""
    rows = frame[frame["op"].isin(PRODUCTS) & (frame["groups"] == 1)].reset_index(drop=True)
    if len(rows) < LEAST_ROWS:
        return None
    result = jc.fit_model(jc.AlphaFlops, jc.from_table(rows), device, rows["time_s"], folds=0)
    printed = jc.AlphaFlops.quadro_t2000()
    return {
        e.name: {"value": e.value, "lower": e.lower, "upper": e.upper,
                 "determined": e.determined, "t2000": float(getattr(printed, e.name))}
        for e in result.estimates
    }  # fmt: skip


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """FLOP, bytes, FLOP/s, B/s and FLOP/B of every row."""
    layers = layers_from_rows(frame[[c for c in SIZES if c in frame]].to_dict("records"))
    flops = np.array([layer.flops for layer in layers], float)
    moved = np.array([layer.bytes_moved for layer in layers], float)
    time_s = frame["time_s"].to_numpy(float)
    return frame.assign(
        flops=flops, bytes=moved, flops_per_s=flops / time_s, bytes_per_s=moved / time_s,
        intensity=flops / moved,
    )  # fmt: skip


def roofline(rated: pd.DataFrame, device: jc.Device) -> dict[str, float]:
    """The highest rate of a product, the highest bandwidth beyond the last cache, where they meet.

    FLOP/s, B/s, FLOP/B; NaN without rows that tell.
    """
    products = rated[rated["op"].isin(PRODUCTS) & (rated["k_h"] * rated["k_w"] == 1)]
    beyond = rated[rated["bytes"] > 2 * _last_cache(device)]
    peak = float(products["flops_per_s"].max()) if len(products) else np.nan
    bandwidth = float(beyond["bytes_per_s"].max()) if len(beyond) else np.nan
    return {"flops_per_s": peak, "bytes_per_s": bandwidth, "flops_per_byte": peak / bandwidth}


def unit_energies(frame: pd.DataFrame, device: jc.Device) -> pd.DataFrame:
    """J a FLOP of large products, J a byte of elementwise operations by the level they fit in.

    The idle power is taken off. A level without rows is not in the table.
    """
    rated = rates(frame[frame["energy_j"] > 0].reset_index(drop=True))
    if rated.empty:
        return rated
    extra = rated["energy_j"] - rated["idle_power_w"].fillna(0) * rated["time_s"]
    level = [_level(device, moved) for moved in rated["bytes"]]
    rated = rated.assign(extra_j=extra, level=level)
    large = rated["op"].isin(PRODUCTS) & (rated["intensity"] > 100)
    of_flops = rated[large].assign(kind="FLOP", each_j=lambda f: f["extra_j"] / f["flops"])
    moved = rated[rated["op"] == "elementwise"]
    of_bytes = moved.assign(kind="byte", each_j=lambda f: f["extra_j"] / f["bytes"])
    return pd.concat([of_flops, of_bytes], ignore_index=True)


def energy_summary(units: pd.DataFrame) -> list[dict[str, Any]]:
    """Medians of `unit_energies` by kind, type and level."""
    if units.empty:
        return []
    groups = units.assign(level=units["level"].where(units["kind"] == "byte", ""))
    medians = groups.groupby(["kind", "dtype", "level"])["each_j"].agg(["median", "count"])
    return medians.reset_index().to_dict("records")


def training_fit(runs: pd.DataFrame, device: jc.Device) -> jc.Calibration | str:
    """A model of training energy fitted to the measured epochs, or why there is none."""
    rows = runs[runs[RUN_TARGET] > 0].reset_index(drop=True)
    if len(rows) < LEAST_ROWS:
        return f"{len(rows)} epochs have an energy, and {LEAST_ROWS} are needed"
    try:
        return jc.fit(rows, device)
    except ValueError as error:  # a device whose memory levels are not known
        return str(error)


@dataclasses.dataclass(frozen=True)
class Rise:
    """Where the energy of an epoch begins to rise with size, and what spills about there.

    Args: sizes in parameters: `knee` is NaN where it never rises; `l2` where the backward pass
        leaves the last cache, `nearest` the spill nearest to the knee.
    """

    dataset: str
    knee: float
    l2: float
    nearest: Spill | None
    within_factor_2: bool


def rises(runs: pd.DataFrame, device: jc.Device, column: str = RUN_TARGET) -> list[Rise]:
    """For each data set: where an epoch's cost starts to follow the size, against the spills."""
    found = []
    rows = runs[runs[column] > 0]
    for name, part in rows.groupby("dataset"):
        part = part.sort_values("n_parameters").reset_index(drop=True)
        if len(part) < 4:
            continue
        sizes = part["n_parameters"].to_numpy(float)
        steps = spill_points(part, sizes, device) if len(device.memory) > 1 else []
        knee = _knee(sizes, part[column].to_numpy(float))
        last = device.memory[-2].name if len(device.memory) > 1 else ""
        l2 = [s.at for s in steps if s.level == last and s.working_set == "b"]
        nearest = min(steps, key=lambda s: abs(np.log(s.at / knee)), default=None)
        near = bool(l2) and 0.5 <= knee / l2[0] <= 2
        found.append(Rise(str(name), knee, l2[0] if l2 else np.nan, nearest, near))
    return found


def minima(runs: pd.DataFrame, device: jc.Device, isolines: pd.DataFrame) -> list[dict[str, Any]]:
    """Sizes of least energy to a loss: measured joules an epoch times the authors' epochs to it.

    Args: isolines: as from `jaxcost.papers.butter_e.butter_e_isolines`.
    """
    model = jc.WorkingSetEnergy.butter_e("gpu")
    measured = runs[runs[RUN_TARGET] > 0]
    found = []
    for panel in panels(isolines, measured, {"gpu": model}):
        known = measured[measured["dataset"] == panel.dataset].sort_values("n_parameters")
        joules = np.exp(np.interp(
            np.log(panel.sizes), np.log(known["n_parameters"]), np.log(known[RUN_TARGET]),
            left=np.nan, right=np.nan,
        ))  # fmt: skip
        steps = spill_points(panel.runs, panel.sizes, device)
        an_epoch = energies(model, panel.runs, "eagle-gpu")
        for line, (_, predicted) in panel.lines.items():
            total = joules * predicted / an_epoch
            found += _minimum(panel.dataset, line, panel.sizes, total, steps, device)
    return found


def _minimum(
    dataset: str,
    line: int,
    sizes: np.ndarray,
    total: np.ndarray,
    steps: list[Spill],
    device: jc.Device,
) -> list[dict[str, Any]]:
    """One row if the line has a minimum within it."""
    there = np.isfinite(total)
    if there.sum() < 3:
        return []
    least = int(total[there].argmin())
    if not 0 < least < there.sum() - 1:
        return []
    size = float(sizes[there][least])
    last = device.memory[-2].name
    far = [abs(np.log2(step.at / size)) for step in steps if step.level == last]
    near = {"factor_from_last_cache": float(2 ** min(far)) if far else None}
    return [{"dataset": dataset, "line": line, "parameters": size} | near]


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _knee(sizes: np.ndarray, cost: np.ndarray) -> float:
    """Where the slope of ln cost by ln size passes `_STEEP` for good; NaN where it never does."""
    slope = np.diff(np.log(cost)) / np.diff(np.log(sizes))
    flat = np.flatnonzero(slope < _STEEP)
    first = flat[-1] + 1 if len(flat) else 0
    return float(sizes[first]) if first < len(slope) else np.nan


def _last_cache(device: jc.Device) -> float:
    return float(device.memory[-2].capacity) if len(device.memory) > 1 else 0.0


def _level(device: jc.Device, moved: float) -> str:
    """The first level whose capacity holds so many bytes."""
    holds = [level.name for level in device.memory if moved <= float(level.capacity)]
    return holds[0] if holds else device.memory[-1].name if device.memory else ""
