"""What the BUTTER-E authors did to the raw energies before they fitted them, step by step.

Each takes a table of runs, one row a run, and returns a copy.

Source: Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural
networks, section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.messages import unknown

if TYPE_CHECKING:
    import pandas as pd

LONGEST_S = 75_000.0
DEVIATIONS = 4.0
OVERHEAD_DATASET, OVERHEAD_PARAMETERS, OVERHEAD_QUANTILE = "tecator_505", 2**10, 0.05
# Table 1: what a node of each kind draws when idle, in W, and the kind that others are held to.
IDLE_POWER_W = {
    "cpu1": 220.0, "cpu2": 230.0, "cpu3": 309.0, "cpu4": 388.0, "gpu1": 374.0, "gpu2": 403.0,
}  # fmt: skip
REFERENCE = {"cpu": "cpu1", "gpu": "gpu1"}


def drop_zero_power(runs: pd.DataFrame) -> pd.DataFrame:
    """Without runs that have a power reading of 0 W, or no reading: `least_power_w`, W."""
    return runs[runs["least_power_w"] > 0].copy()


def drop_long_runs(runs: pd.DataFrame, longest_s: float = LONGEST_S) -> pd.DataFrame:
    """Without runs that took longer than `longest_s`: `runtime_s`, s."""
    return runs[runs["runtime_s"] <= longest_s].copy()


def drop_outliers(runs: pd.DataFrame, deviations: float = DEVIATIONS) -> pd.DataFrame:
    """Without runs whose ln(runtime_s) is too far above the mean of those like them.

    Alike are runs of one `dataset`, `size` and `hardware`; the distance is in standard deviations.
    """
    log_time = np.log(runs["runtime_s"])
    groups = log_time.groupby([runs[c] for c in ("dataset", "size", "hardware")])
    spread = groups.transform("std", ddof=0)
    return runs[log_time - groups.transform("mean") <= deviations * spread.fillna(0) + 1e-12].copy()


def standardise_idle_power(runs: pd.DataFrame) -> pd.DataFrame:
    """With `energy_j` as it would be on the reference node: less the excess idle power.

    Subtracts (idle power of `node_type` - that of cpu1 or gpu1) * runtime_s.

    Raises: ValueError: a kind of node that table 1 does not have.
    """
    for kind in set(runs["node_type"]) - set(IDLE_POWER_W):
        raise ValueError(unknown("node_type", kind, IDLE_POWER_W))
    idle = runs["node_type"].map(IDLE_POWER_W)
    reference = runs["node_type"].str[:3].map(REFERENCE).map(IDLE_POWER_W)
    return runs.assign(energy_j=runs["energy_j"] - (idle - reference) * runs["runtime_s"])


def overheads(runs: pd.DataFrame) -> pd.DataFrame:
    """Energy and time that a run takes before it trains: `energy_j`, `runtime_s` by hardware.

    The 5 % quantile of runs on the small data set tecator_505 with at most 1,024 parameters.

    Raises: ValueError: no such runs.
    """
    small = (runs["dataset"] == OVERHEAD_DATASET) & (runs["size"] <= OVERHEAD_PARAMETERS)
    if not small.any():
        raise ValueError(
            f"no runs of {OVERHEAD_DATASET} with at most {OVERHEAD_PARAMETERS} parameters tell "
            "the overhead; give the whole data set"
        )
    return runs[small].groupby("hardware")[["energy_j", "runtime_s"]].quantile(OVERHEAD_QUANTILE)


def subtract_overheads(runs: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """With `energy_j` and `runtime_s` less the overhead of the run's hardware.

    Args: found: as from `overheads`.
    """
    less = {c: runs[c] - runs["hardware"].map(found[c]) for c in ("energy_j", "runtime_s")}
    return runs.assign(**less)


def prepare(runs: pd.DataFrame) -> pd.DataFrame:
    """All of it but the overheads, in the paper's order: filters, then standardised energy."""
    kept = drop_outliers(drop_long_runs(drop_zero_power(runs)))
    return standardise_idle_power(kept)
