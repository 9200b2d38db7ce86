"""What a sweep came to, as tables: the terminal shows them after `jaxcost measure`."""

import math
from typing import TYPE_CHECKING

import numpy as np

from jaxcost.app.report.layers import describe
from jaxcost.app.report.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.measure import Measurements


def statuses(frame: "pd.DataFrame") -> Table:
    """How many layers came to what, with an example of each reason."""
    rows = []
    for status, part in frame.groupby("status", sort=False):
        first = part.iloc[0]
        example = f"{describe(first.to_dict())}: {first['error']}" if first["error"] else ""
        rows.append((str(status), str(len(part)), example))
    return Table(("status", "layers", "for example"), tuple(rows), (False, True, False))


def repeatability(frame: "pd.DataFrame") -> str:
    """How far the processes differ, in words; empty where there was one process."""
    spread = frame.loc[frame["status"] == "ok", "process_cv"].dropna().to_numpy()
    if not len(spread):
        return ""
    middle, high = np.quantile(spread, [0.5, 0.9])
    return (
        f"Between processes the time differs by {middle:.1%} (coefficient of variation, median "
        f"layer; nine in ten below {high:.1%})"
    )


def shares(measured: "Measurements") -> str:
    """Where the time of a sweep went, in words; empty where it is not known."""
    whole = measured.elapsed_s
    if not (math.isfinite(whole) and whole > 0):
        return ""
    parts = {
        "in timings that count": measured.accepted_s,
        "in disturbed ones": measured.timed_s - measured.accepted_s,
        "compiling": measured.compile_s,
    }
    parts["on probes, warming up, loading and starting"] = whole - sum(parts.values())
    return ", ".join(f"{seconds / whole:.0%} {what}" for what, seconds in parts.items())


def sweeps(known: dict[str, str]) -> Table:
    """The sweeps by name."""
    return Table(("sweep", "what it varies"), tuple(known.items()), (False, False))
