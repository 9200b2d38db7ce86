"""A GPU that was never measured, or by 20 rows: from its data sheet and another's calibration.

Each device of a table is left out in turn. The other whose data sheet is nearest is fitted as users
fit it, to 400 rows; its calibration is carried over, and is what fits to 20 rows at random start
from, three times. Beside it: fits to the same 20 rows alone.
"""

import dataclasses
import functools
import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from splits import MOST_JUDGED, at_random, devices, of_operations

import jaxcost as jc

KIND, ROWS, SEEDS = "left out", 20, 3
_SHEETS = {
    "A100-SXM4-80GB": "a100-sxm-80gb",
    "A100": "a100-sxm-80gb",  # as Vidur calls it
    "H100-80GB-HBM3": "h100-sxm",
    "H100": "h100-sxm",
    "H200": "h200-sxm",
    "B200": "b200",
    "A100-PCIE-40GB": "a100-pcie-40gb",
    "A100-80GB-PCIe": "a100-pcie-80gb",
    "V100-PCIE-32GB": "v100-pcie",
    "P100-PCIE-16GB": "p100-pcie",
    "T4": "t4",
    "P4": "p4",
    "AMD-Instinct-MI100": "mi100",
    "AMD-Instinct-MI210": "mi210",
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """All rows of one device in one table, and the device as its data sheet has it."""

    name: str
    of: str
    rows: pd.DataFrame

    @property
    def device(self) -> jc.Device:
        return jc.known_device(_SHEETS[self.name])

    @functools.cached_property
    def calibration(self) -> jc.Calibration:
        """Fitted to the rows that the split `rows` fits."""
        fitted, _ = at_random(self.rows, np.random.default_rng(0))
        return jc.fit(_plain(fitted), self.device)

    def far(self, other: "Measured") -> float:
        """How unlike two data sheets are: logarithms of the peak's and bandwidth's ratios.

        Another maker's is further than any of the same.
        """
        ours, theirs = self.device, other.device
        if str(ours.kind).split()[0] != str(theirs.kind).split()[0]:
            return math.inf
        facts = [(ours.peak_flops, theirs.peak_flops), (ours.bandwidth, theirs.bandwidth)]
        return math.hypot(*(math.log(float(a) / float(b)) for a, b in facts))


def tables(folder: Path) -> Iterator[list[Measured]]:
    """The devices of each table, where it has two or more that have a data sheet here."""
    every = [*devices(folder), *((name, rows) for name, _, rows in of_operations(folder))]
    found: dict[tuple[str, str], list[Measured]] = {}
    for name, rows in every:
        device, _, of = name.partition(" ")
        if device in _SHEETS:
            key = of, str(rows["dtype"].iloc[0])
            found.setdefault(key, []).append(Measured(device, of, rows))
    yield from (table for table in found.values() if len(table) > 1)


def judge(table: list[Measured]) -> pd.DataFrame:
    """Each judged layer's relative error by each predictor, and whether its interval held it."""
    return pd.concat([found for one in table for found in _judge(one, table)])


def _judge(one: Measured, table: list[Measured]) -> Iterator[pd.DataFrame]:
    origin = min((other for other in table if other is not one), key=one.far)
    _, judged = at_random(one.rows, np.random.default_rng(0))
    judged = judged.sample(min(MOST_JUDGED, len(judged)), random_state=0)
    unseen = _plain(judged)
    with warnings.catch_warnings(action="ignore"):
        yield _errors(one, origin.name, "0 rows", 0, unseen, jc.carry_over, origin.calibration)
        for seed in range(SEEDS):
            some = _plain(one.rows.drop(judged.index).sample(ROWS, random_state=seed))
            start = functools.partial(jc.fit, start_from=origin.calibration)
            for how, fit in (("20 rows", start), ("20 rows alone", jc.fit)):
                yield _errors(one, origin.name, how, seed, unseen, fit, some)


def _errors(
    one: Measured,
    origin: str,
    how: str,
    seed: int,
    judged: pd.DataFrame,
    make: Callable[..., jc.Calibration],
    given: pd.DataFrame | jc.Calibration,
) -> pd.DataFrame:
    begin = time.perf_counter()
    predicted = make(given, one.device).predict(judged)
    seconds = time.perf_counter() - begin
    time_s = judged["time_s"].to_numpy(float)
    ends = (predicted[f"predicted_time_s{end}"].to_numpy() for end in ("", "_lo", "_hi"))
    middle, lower, upper = ends
    place = {"device": f"{one.name} {one.of}", "split": KIND, "part": str(seed), "predictor": how}
    return pd.DataFrame(
        place
        | {
            "model": "alone" if how.endswith("alone") else origin,
            "error": np.abs(middle / time_s - 1),
            "held": ((lower <= time_s) & (time_s <= upper)).astype(float),
            "seconds": seconds,
        }
    )


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Without names of the device and of sweeps, which these fits are not told."""
    return rows.drop(columns=["device", "sweep"], errors="ignore").reset_index(drop=True)
