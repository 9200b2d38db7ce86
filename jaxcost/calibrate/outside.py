"""Layers outside what a calibration measured: larger or smaller than all, or of another kind."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxcost._support import text
from jaxcost._support.sizes import is_traced
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fitted import Fitted
from jaxcost.device import Device
from jaxcost.device.data_sheets import same_device
from jaxcost.workload import Workload

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 8  # told; the rest are counted
_BEYOND = 0.05  # in ln: sizes outside by rounding are not outside
_ANOTHER_KIND = "no layer of its kind was measured"


def sizes_outside(
    layers: Workload, fitted: Fitted, rows: np.ndarray | None = None
) -> dict[int, str]:
    """In words, by row, what of a layer's sizes lies outside what was measured.

    Args: rows: those to look at, a mask of shape `(layers,)`; None for all.
    """
    lines: dict[int, str] = {}
    for part, holds in parts_of(layers, fitted, rows):
        lines |= _beyond(part, layers, holds)
    return lines


def outside(layers: Workload, fitted: Fitted) -> dict[int, str]:
    """The same, and of which layers none of their kind was measured."""
    lines = sizes_outside(layers, fitted)
    for part, holds in parts_of(layers, fitted):
        lines |= dict.fromkeys(np.flatnonzero(part.unlike(layers) & holds).tolist(), _ANOTHER_KIND)
    return dict(sorted(lines.items()))


class OutsideWarning(UserWarning):
    """Layers of a table lie outside what was measured: one warning for all of them."""


@dataclasses.dataclass
class First:
    """The first row of which something holds, in words, and how many rows it holds of."""

    row: str
    rows: int


class Outside:
    """The layers that lie outside what was measured, those of which the same is said together."""

    def __init__(self) -> None:
        self._told: dict[str, First] = {}
        self._more = 0

    def add(
        self, places: dict[str, list[int]], times: np.ndarray, name: Callable[[int], str]
    ) -> None:
        """Adds rows: of each line the rows it is said of, how often each occurs, and its name."""
        more: set[int] = set()
        for words, rows in places.items():
            if words in self._told or len(self._told) < MOST_LINES:
                found = self._told.setdefault(words, First(name(rows[0]), 0))
                found.rows += int(times[sorted(set(rows))].sum())
            else:
                more.update(rows)
        self._more += int(times[sorted(more)].sum())

    def lines(self) -> list[str]:
        """What is said of them, in the order in which they came."""
        told = []
        for words, found in self._told.items():
            others = found.rows - 1
            more = f" and {text.count(others, 'more row')} lie" if others else " lies"
            told.append(f"{found.row}{more} outside the calibration: {words}")
        return [
            *told,
            *([f"{text.count(self._more, 'more row')} outside it"] if self._more else []),
        ]


def places(layers: Workload, models: Iterable[Fitted]) -> dict[str, list[int]]:
    """Of each line on what lies outside what was measured, the rows that it is said of."""
    found: dict[str, list[int]] = {}
    for fitted in models:
        for row, words in outside(layers, fitted).items():
            found.setdefault(words, []).append(row)
    return found


def lines_outside(
    layers: Workload, models: Iterable[Fitted], name: Callable[[int], str]
) -> list[str]:
    """A line for all layers of which the same lies outside, the first by its name; none of sizes
    that JAX is tracing, nor of what is within a program, which no layer measured by itself is like.
    """
    if is_traced(*jax.tree.leaves(layers)):
        return []
    gathered = Outside()
    with jax.ensure_compile_time_eval():
        there = np.asarray((layers.within == 0) & (layers.repeat > 0))
        found = {
            words: kept
            for words, rows in places(layers, models).items()
            if (kept := [row for row in rows if there[row]])
        }
    gathered.add(found, np.ones(len(layers), int), name)
    return gathered.lines()


def other_devices(frame: "pd.DataFrame", device: Device, targets: Iterable[str]) -> list[str]:
    """A line for each device of a table that is not the calibration's, where both are known."""
    if "device" not in frame or device.name == "unknown":
        return []
    what = "times" if "time_s" in targets else "energies"
    names = {str(name).strip() for name in frame["device"].dropna().unique()} - {""}
    return [
        f"the table is of {name}, the calibration of {device.name}: {what} of another device"
        for name in sorted(names)
        if not same_device(name, device.name)
    ]


def parts_of(
    layers: Workload, fitted: Fitted, rows: np.ndarray | None = None
) -> list[tuple[Fitted, np.ndarray]]:
    """What each row is priced by: the parts, and a mask of the rows of each."""
    left = np.ones(len(layers), bool) if rows is None else rows
    found = []
    for sort, part in reversed(fitted.parts.items()):  # the first has whatever no other has
        holds = np.asarray(SORTS[sort].holds(layers)) & left if part is not fitted else left
        left = left & ~holds
        found.append((part, holds))
    return found


def _beyond(part: Fitted, layers: Workload, rows: np.ndarray) -> dict[int, str]:
    """In words, what of each of the rows lies outside the layers that a part was fitted to."""
    sort = SORTS[part.sort]
    names = sort.sizes
    if part.layers is None or not names:
        return {}
    x = sort.describe(layers)
    measured = part.layers[sort.sized(part.layers), : len(names)]
    rows = rows & sort.sized(x)
    if not len(measured):
        return {}
    low, high = measured.min(axis=0) - _BEYOND, measured.max(axis=0) + _BEYOND
    sizes = x[:, : len(names)]
    beyond = ((sizes < low) | (sizes > high)) & rows[:, None]
    least, most = (np.exp(ends) for ends in (low + _BEYOND, high - _BEYOND))
    return {
        int(row): ", ".join(
            f"{np.exp(sizes[row, i]):.0f} {names[i]} (measured: {least[i]:.0f} to {most[i]:.0f})"
            for i in np.flatnonzero(beyond[row])
        )
        for row in np.flatnonzero(beyond.any(axis=1))
    }
