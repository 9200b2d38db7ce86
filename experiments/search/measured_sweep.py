"""Sweeps of `measured.py`: square dense layers, each measured in several fresh processes."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost.measure import Record, collect

BATCH = 1
# About each boundary, with room on either side; from here on XLA takes both cores.
BOTH_CORES = 728
RANGES = {"L1": (56, 208), "L2": (208, 704), "L3": (736, 6144)}
STEPS_AN_OCTAVE = 8
PROCESSES = {"known": 4, "others": 6, "shortlist": 3, "anew": 5}


class Sweep(NamedTuple):
    """Measured layers: widths, ascending, and seconds of shape (processes, widths)."""

    widths: np.ndarray
    seconds: np.ndarray
    cores: np.ndarray
    statuses: list[str]

    @property
    def time(self) -> np.ndarray:
        """Seconds of each width: the median of the processes."""
        return np.median(self.seconds, axis=0)

    def drawn(self, random: np.random.Generator) -> np.ndarray:
        """Seconds of each width with the processes drawn anew."""
        number = len(self.seconds)
        return np.median(self.seconds[random.integers(0, number, number)], axis=0)

    def best(self, some: np.ndarray) -> list[int]:
        """Of some widths those of least time a parameter, the best first."""
        pace = np.where(some, self.time / self.widths**2, np.inf)
        return [int(w) for w in self.widths[np.argsort(pace)][: some.sum()]]

    def within(self, name: str) -> np.ndarray:
        """Which widths are about a boundary."""
        low, high = RANGES[name]
        return (self.widths >= low) & (self.widths <= high)


def grid(name: str) -> list[int]:
    """Known widths, or others halfway between them: multiples of 8, the wider ones in octaves."""
    half = {"known": 0.0, "others": 0.5}[name]
    narrow = np.arange(48 + 16 * half, 256, 16)
    places = np.arange(half, np.log2(6144 / 256) * STEPS_AN_OCTAVE + 1e-9) / STEPS_AN_OCTAVE
    wide = 8 * np.round(256 * 2**places / 8)
    return [int(w) for w in (*narrow, *wide)]


def layers(widths: list[int]) -> pd.DataFrame:
    """A table of square dense layers."""
    same = {"op": "dense", "batch": BATCH, "in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1}
    rest = {"stride": 1, "padding": "same", "groups": 1, "dtype": "float32"}
    return pd.DataFrame([same | {"c_in": w, "c_out": w} | rest for w in widths])


def measured(widths: list[int], name: str, folder: Path, seed: int) -> Sweep:
    """The measured layers, by `jaxcost measure`; kept in the folder."""
    store = folder / f"{name}.db"
    if not store.exists():
        layers(widths).to_csv(folder / f"{name}.csv", index=False)
        command = ["measure", "--sweep", folder / f"{name}.csv", "--store", store, "--seed", seed]
        command += ["--processes", PROCESSES[name]]
        subprocess.run([sys.executable, "-m", "jaxcost", *map(str, command)], check=True)
    with jc.Store.existing(store) as opened:
        records = collect(opened, opened.partitions()[0]).records
    records.sort(key=lambda record: record.layer.c_in)
    return Sweep(
        np.array([record.layer.c_in for record in records], float),
        np.array([record.process_times for record in records]).T,
        np.array([cores(record) for record in records]),
        [record.status for record in records],
    )


def cores(record: Record) -> float:
    """Seconds of processor for a second of the clock, in the median block."""
    return float(np.median([b.cpu_s / b.duration_s for b in record.loops if b.cpu_s]))
