"""A program held to a budget: limits on what it computes and costs, and which layers hold most."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcost._support import text
from jaxcost._support.messages import shown
from jaxcost._support.screen import OnScreen
from jaxcost.trace import count
from jaxcost.trace.by_layer import by_layer
from jaxcost.trace.limits import COSTS, UNITS, in_words, limits_of, read_limits

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.calibrate import Calibration
    from jaxcost.trace.counts import Counts
    from jaxcost.trace.estimate import ProgramEstimate

WITHIN, OVER, UNKNOWN = "within", "over", "unknown"
_MOST_NAMED, _LEAST_NAMED = 3, 0.01  # layers of one line, and the share that is worth naming


@dataclasses.dataclass(frozen=True)
class Judged:
    """One limit, and what was found.

    Attributes:
        name: the quantity, as `jaxcost count --json` calls it.
        limit: in the unit of the name: FLOP, MAC, B, s, J.
        found: the same; of a program of which not all is known, of what is known.
        interval: the ends of its 90 % interval; None of what is counted.
        verdict: `within`, `over`, or `unknown`.
        missing: what `found` is without; empty where it is whole.
        layers: those that hold most of it, as shares of `found`, largest first.
    """

    name: str
    limit: float
    found: float
    interval: tuple[float, float] | None
    verdict: str
    missing: str
    layers: Mapping[str, float]

    @property
    def uncertain(self) -> bool:
        """Whether the limit lies within the 90 % interval of what was found."""
        return self.interval is not None and self.interval[0] < self.limit < self.interval[1]

    def __str__(self) -> str:
        """In one line."""
        found, limit = in_words(self.name, self.found), in_words(self.name, self.limit)
        if self.interval is not None:
            found += f" ({text.interval(*self.interval, UNITS[self.name])})"
        found += " at least" if self.missing else ""
        verdict = {
            WITHIN: f"within {limit}",
            OVER: f"over {limit} by {text.error(self.found / self.limit - 1)}",
            UNKNOWN: f"not known to be within {limit}",
        }[self.verdict]
        most = ", ".join(f"{name} {text.error(share)}" for name, share in self.layers.items())
        more = [
            f"most in {most}" if most and self.verdict == OVER else "",
            self.missing,
            "the limit lies within the 90 % interval" if self.uncertain else "",
        ]
        return "; ".join([f"{self.name}: {found}, {verdict}", *filter(None, more)])


@dataclasses.dataclass(frozen=True, repr=False)
class BudgetCheck(OnScreen):
    """A program beside its budget; `str()` of it is a line a limit.

    Attributes:
        judged: the limits, in the budget's order.
        warnings: what the reader must mind.
    """

    judged: tuple[Judged, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every limit is known to be kept, by the estimate where it is one."""
        return all(one.verdict == WITHIN for one in self.judged)

    @property
    def failed(self) -> tuple[Judged, ...]:
        """The limits that are exceeded, or not known to be kept."""
        return tuple(one for one in self.judged if one.verdict != WITHIN)

    def __str__(self) -> str:
        return "\n".join(map(str, self.judged))

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        import pandas as pd

        many = f"{len(self.failed)} of {text.count(len(self.judged), 'limit')} not kept"
        head = "Within the budget" if self.passed else f"Not within the budget: {many}"
        return [head, *map(str, self.judged)], pd.DataFrame()

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        judged = [dataclasses.asdict(one) | {"layers": dict(one.layers)} for one in self.judged]
        return {"passed": self.passed, "limits": judged, "warnings": list(self.warnings)}


def check(
    fn: Any,
    *args: Any,
    budget: Mapping[str, float | str] | str | Path,
    calibration: "Calibration | str | None" = None,
    allow_unknown: bool = False,
    **kwargs: Any,
) -> BudgetCheck:
    """Whether a JAX callable or model keeps to a budget; nothing is run.

    A latency or energy is judged by its estimate; where the limit lies within its 90 % interval,
    that is said. A total of which not all is known is a lower bound: where that is not over the
    limit, the verdict is `unknown`, which does not pass.

    Args:
        fn, args, kwargs: as `jaxcost.count` takes them, `backward`, `step` and `trips`, too.
        budget: a TOML file, or a dict, of at least one of `flops`, `macs`, `parameters`,
            `bytes_moved`, `peak_bytes`, `latency_s`, `energy_j`: a number above 0 in the unit of
            the name, or text with a unit, such as "4.1 GFLOP", "25.6 M", "1.5 GiB" or "2 ms";
            keyword-only.
        calibration: one that was loaded, a file, or a preset; needed for `latency_s` and
            `energy_j`; keyword-only.
        allow_unknown: whether to judge what is known alone, keyword-only.
    Returns: a `BudgetCheck`.
    Raises: ValueError: no such limit or a bad one, one on a cost that the calibration does not
        have, or what `jaxcost.count` and `jaxcost.estimate` raise.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x, w = jnp.ones((8, 64)), jnp.ones((64, 32))
        >>> found = jc.check(jnp.dot, x, w, budget={"macs": "9 kMAC"})
        >>> print(found)
        macs: 16.4 kMAC, over 9.00 kMAC by 82.0 %; most in (no name) dense 100 %
        >>> found.passed
        False
    """
    limits = read_limits(budget) if isinstance(budget, str | Path) else limits_of(budget, "budget")
    costs = [name for name in COSTS if name in limits]
    if costs and calibration is None:
        raise ValueError(
            f"{costs[0]} = {shown(limits[costs[0]])} needs a calibration; give one "
            "(--calibration, calibration=), or leave the limit out"
        )
    found = count(fn, *args, **kwargs)
    if not costs:
        return _judge(limits, found, None, allow_unknown)
    from jaxcost.trace.estimate import estimate_counts

    assert calibration is not None
    priced = estimate_counts(found, calibration)
    for name in costs:
        if name not in priced.costs:
            raise ValueError(
                f"{name} = {shown(limits[name])} cannot be judged: the calibration has none; "
                "give one that has, or leave the limit out"
            )
    return _judge(limits, found, priced, allow_unknown)


def _judge(
    limits: Mapping[str, float],
    found: "Counts",
    priced: "ProgramEstimate | None",
    allow_unknown: bool,
) -> BudgetCheck:
    of, judged = priced or found, []
    rows = of.layers()
    for name, limit in limits.items():
        value = float(getattr(of if name in COSTS else found, name))
        ends = (getattr(of, f"{name}_lo"), getattr(of, f"{name}_hi")) if name in COSTS else None
        missing = _missing(name, found, priced)
        kept = WITHIN if allow_unknown or not missing else UNKNOWN
        each = found.peak_layers if name == "peak_bytes" else by_layer(rows, name)
        verdict = OVER if value > limit else kept
        judged.append(Judged(name, limit, value, ends, verdict, missing, _largest(each, value)))
    return BudgetCheck(tuple(judged), of.warnings)


def _largest(each: Mapping[str, float], total: float) -> dict[str, float]:
    """The layers that hold most of a total, as shares of it."""
    most = {layer: held / total for layer, held in list(each.items())[:_MOST_NAMED] if held}
    return {layer: share for layer, share in most.items() if share >= _LEAST_NAMED}


def _missing(name: str, found: "Counts", priced: "ProgramEstimate | None") -> str:
    """What a total is without, in words; empty where it is whole."""
    if name == "parameters":
        return ""
    loops_too = name != "peak_bytes"  # a loop needs the same memory however often it runs
    unseen = sorted({u.primitive for u in found.unknown if loops_too or u.primitive != "while"})
    lines = [f"what {', '.join(unseen)} does is not known" if unseen else ""]
    if unseen == ["while"]:
        lines = ["how often a while loop runs is not known: say it (--trips, trips=)"]
    if priced is not None and (left_out := priced.unpriced.get(name)):
        lines.append(f"{len(left_out)} operations have no price in the calibration")
    return "; ".join(filter(None, lines))
