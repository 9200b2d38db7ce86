"""One program on several calibrated devices, side by side."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jaxcost._support.screen import OnScreen
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.trace import count, on_screen
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import (
    ProgramEstimate,
    estimate_counts,
    other_device,
    outside,
    share_outside,
)

if TYPE_CHECKING:
    import pandas as pd

_COSTS = ("latency_s", "energy_j")
_NOTED = 0.01  # of the time: a share outside what was measured that is worth a line


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(OnScreen):
    """A program on several devices.

    Attributes:
        counts: what it computes.
        estimates: by calibration, what it costs there.
        outside: by calibration, the share of the time (or else energy) that is of products whose
            sizes lie outside what was measured, from 0 to 1.
        warnings: by calibration, what the reader must mind of it.
    """

    counts: Counts
    estimates: Mapping[str, ProgramEstimate]
    outside: Mapping[str, float]
    warnings: Mapping[str, tuple[str, ...]]

    @property
    def fastest(self) -> str | None:
        """The calibration with the least latency; None where none has one."""
        known = {name: e.latency_s for name, e in self.estimates.items() if e.latency_s is not None}
        return min(known, key=known.__getitem__) if known else None

    def rows(self) -> list[dict[str, Any]]:
        """A dict a calibration, in the order given: `calibration`; `latency_s` and `energy_j` with
        `_lo` and `_hi`, in s and J, None where not known; `times_fastest`; `outside`; `warnings`.
        """
        least = None if self.fastest is None else self.estimates[self.fastest].latency_s
        rows = []
        for name, found in self.estimates.items():
            row: dict[str, Any] = {"calibration": name}
            for cost in _COSTS:
                row |= {end: getattr(found, end) for end in (cost, f"{cost}_lo", f"{cost}_hi")}
            latency = found.latency_s
            row["times_fastest"] = latency / least if least and latency is not None else None
            rows.append(row | {"outside": self.outside[name], "warnings": self.warnings[name]})
        return rows

    def to_frame(self) -> "pd.DataFrame":
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.comparison(self)

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        devices = [row | {"warnings": list(row["warnings"])} for row in self.rows()]
        counted = self.counts.record()
        del counted["layers"]
        return counted | {"devices": devices}


def compare(
    fn: Any,
    *args: Any,
    calibrations: Iterable[str] | Mapping[str, Calibration | str],
    **kwargs: Any,
) -> Comparison:
    """What a JAX callable or model costs on several devices; nothing is run.

    Args:
        fn, args, kwargs: as `jaxcost.count` takes them, `backward`, `step` and `trips`, too.
        calibrations: files or presets, or a dict of what was loaded by the names to be shown;
            keyword-only.
    Returns: a `Comparison`, in s and J with 90 % intervals.
    Raises: ValueError: no calibration, one twice, or what `jaxcost.estimate` raises.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x = jnp.ones((4096, 4096), jnp.bfloat16)
        >>> jc.compare(jnp.dot, x, x, calibrations=["a100-sxm", "h100-sxm"]).fastest
        'h100-sxm'
    """
    named = _named(calibrations)
    loaded = {n: load_calibration(c) if isinstance(c, str) else c for n, c in named.items()}
    counts = count(fn, *args, **kwargs)
    found = {name: estimate_counts(counts, c) for name, c in loaded.items()}
    shares, warnings = {}, {}
    for name, calibration in loaded.items():
        lines, shares[name] = _outside(found[name], calibration)
        elsewhere = {*counts.warnings, *other_device(calibration), *lines}
        own = [line for line in found[name].warnings if line not in elsewhere]
        if shares[name] >= _NOTED:
            own.append(f"{shares[name]:.0%} of the cost is of layers outside what was measured")
        warnings[name] = tuple(own)
    return Comparison(counts, found, shares, warnings)


def _named(
    calibrations: Iterable[str] | Mapping[str, Calibration | str],
) -> dict[str, Calibration | str]:
    if isinstance(calibrations, Mapping):
        named = dict(calibrations)
    else:
        listed = [calibrations] if isinstance(calibrations, str) else list(calibrations)
        named = {str(name): name for name in listed}
        if len(named) < len(listed):
            twice = next(name for name in listed if listed.count(name) > 1)
            raise ValueError(f"calibration {twice!r} is given twice; give each once")
    if not named:
        raise ValueError("calibrations is empty; give at least one file or preset")
    return named


def _outside(found: ProgramEstimate, calibration: Calibration) -> tuple[list[str], float]:
    """The lines on what lies outside a calibration, and its share of the cost."""
    name, costs = next(iter(found.costs.items()))
    fitted = calibration.models["time_s" if name == "latency_s" else name]
    lines = outside(found.counts, fitted, costs)
    return lines, share_outside(found.counts, fitted, costs)
