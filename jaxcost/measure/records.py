"""The outcome of measuring one layer, and of measuring many as a table."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxcost.measure.clock.gates import rejections
from jaxcost.measure.clock.proofs import (
    Baseline,
    below_floor,
    not_in_loop,
    roofline_floor_s,
    shorter_than_call,
)
from jaxcost.measure.clock.statistics import Summary, summarise
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.clock.visit import Block, Doubling, Visit
from jaxcost.measure.layers import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("ok", "noisy", "eliminated", "invalid", "oom", "error", "timeout", "skipped")
_TIMED = ("ok", "noisy")


@dataclasses.dataclass(frozen=True)
class Record:
    """One layer's measurement; times in s.

    Args:
        layer: what was measured.
        status: one of `STATUSES`; only `ok` is fit to be fitted without a second look.
        error: why it is not `ok`, in one line.
        loop, call: summaries of the accepted blocks, or of all where none was accepted.
        process_times: the loop's time in each process, in s; `time_s` is their median.
        loops, calls: every block; `rejected` says why a loop block does not count, or "".
        shortest_call_s: the shortest isolated call; calls_accepted: blocks of them that count.
        doubling_ratio: time of twice the steps over time of the steps.
        floor_s: the roofline's shortest time; work: what the loop's body was found to do.
        energy: what was read of power, or the reason why nothing was.
        state: of the machine after the last visit, by name; what is unknown is not in it.
    """

    layer: LayerSpec
    status: str
    error: str = ""
    loop: Summary | None = None
    call: Summary | None = None
    process_times: Sequence[float] = ()
    loops: Sequence[Block] = ()
    calls: Sequence[Block] = ()
    rejected: Sequence[str] = ()
    shortest_call_s: float = math.nan
    calls_accepted: int = 0
    doubling_ratio: float = math.nan
    floor_s: float = math.nan
    work: str | None = None
    compile_s: float = math.nan
    memory_bytes: int = 0
    energy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def time_s(self) -> float:
        """Time of the layer inside a running program, in s; NaN unless `ok` or `noisy`."""
        return self.loop_time_s if self.status in _TIMED else math.nan

    @property
    def loop_time_s(self) -> float:
        """Time of a step of the loop, whatever its status, in s; NaN where there is none."""
        return statistics.median(self.process_times) if self.process_times else math.nan

    @property
    def process_cv(self) -> float:
        """Standard deviation over mean of the processes' times; NaN for fewer than two."""
        times = self.process_times
        return statistics.stdev(times) / statistics.mean(times) if len(times) > 1 else math.nan

    @property
    def call_time_s(self) -> float:
        """Time of one isolated call with its dispatch, in s; NaN where there is none."""
        return self.call.value if self.call else math.nan

    @property
    def fresh_bytes(self) -> int:
        """Memory that each call needs besides its operands, in bytes: result and scratch."""
        operands = (self.layer.input_shape, self.layer.weight_shape)
        return self.memory_bytes - self.layer.item_bytes * sum(map(math.prod, operands))

    @property
    def accepted_fraction(self) -> float:
        """Share of loop blocks that passed the noise gates; NaN without blocks."""
        return accepted_share(self.rejected)

    def row(self) -> dict[str, Any]:
        """The record as a row of the layer table with further columns."""
        measured = {
            "time_s": self.time_s,
            "call_time_s": self.call_time_s,
            "loop_time_s": self.loop_time_s,
            "dispatch_s": self.call_time_s - self.time_s,
            "status": self.status,
            "error": self.error,
        }
        return self.layer.row() | measured | self._quality()

    def _quality(self) -> dict[str, Any]:
        loop = self.loop or Summary(0, *[math.nan] * 7)
        return {
            "loop_p25_s": loop.p25,
            "loop_median_s": loop.median,
            "loop_min_s": loop.minimum,
            "loop_mad_s": loop.mad,
            "loop_lo_s": loop.lower,
            "loop_hi_s": loop.upper,
            "processes": len(self.process_times),
            "process_cv": self.process_cv,
            "call_min_s": self.shortest_call_s,
            "samples": len(self.loops),
            "accepted_samples": sum(not reason for reason in self.rejected),
            "accepted_fraction": self.accepted_fraction,
            "steps_per_sample": min((block.steps for block in self.loops), default=0),
            "doubling_ratio": self.doubling_ratio,
            "floor_s": self.floor_s,
            "work": self.work or "",
            "compile_s": self.compile_s,
            "memory_bytes": self.memory_bytes,
        }


def conclude(
    layer: LayerSpec,
    found: Sequence[Visit],
    baseline: Baseline,
    rules: TimingRules,
    processors: int,
) -> Record:
    """The record of a layer from what each process brought of it, in any number of visits."""
    rejected = [rejections(each.loops, processors=processors) for each in found]
    rejected_calls = [rejections(each.calls, processors=processors) for each in found]
    why, why_calls = (
        [reason for part in parts for reason in part] for parts in (rejected, rejected_calls)
    )
    total = sum(found, start=Visit())
    stopped = next((each for each in found if each.status), total)
    doubling = sum((each.doubling for each in found), start=Doubling())
    record = Record(
        layer=layer,
        status=stopped.status,
        error=stopped.error,
        loop=summary_of(total.loops, why, rules),
        call=summary_of(total.calls, why_calls, rules),
        process_times=_process_times(found, rejected, rules),
        loops=total.loops,
        calls=total.calls,
        rejected=tuple(why),
        shortest_call_s=min((block.least_s for block in total.calls), default=math.nan),
        calls_accepted=sum(not reason for reason in why_calls),
        doubling_ratio=doubling.ratio,
        floor_s=roofline_floor_s(layer, baseline.peaks),
        work=_common_work(found),
        compile_s=min(
            (each.compile_s for each in found if each.compile_s is not None), default=math.nan
        ),
        memory_bytes=total.memory_bytes,
        energy=total.energy or {"reason": "not asked for" if found else "not visited"},
        state=total.state,
    )
    if record.status:
        return record
    status, error = _verdict(record, doubling, baseline, rules)
    return dataclasses.replace(record, status=status, error=error)


def _process_times(
    found: Sequence[Visit], rejected: Sequence[Sequence[str]], rules: TimingRules
) -> tuple[float, ...]:
    """Each process's figure; one with undisturbed blocks makes those without count no more."""
    parts = [(each.loops, why) for each, why in zip(found, rejected) if each.loops]
    undisturbed = [part for part in parts if not all(part[1])]
    summaries = [summary_of(*part, rules) for part in undisturbed or parts]
    return tuple(summary.value for summary in summaries if summary)


def _common_work(found: Sequence[Visit]) -> str | None:
    """What the loop's body does; None as soon as one process's does nothing."""
    works = [each.work for each in found if each.loops]
    return None if None in works or not works else works[0]


def converged(loops: Sequence[Block], rules: TimingRules, processors: int) -> bool:
    """Whether the interval of a layer's time is as narrow as the rules want it."""
    summary = summary_of(loops, rejections(loops, processors=processors), rules)
    return summary is not None and summary.half_width <= rules.converged


def _verdict(
    record: Record, doubling: Doubling, baseline: Baseline, rules: TimingRules
) -> tuple[str, str]:
    if record.loop is None or record.call is None:
        return "skipped", "the budget was spent before its first visit; raise it"
    overhead = baseline.most_overhead_s(record.fresh_bytes)
    short = shorter_than_call(record.loop_time_s, record.shortest_call_s, overhead)
    undone = [
        not_in_loop(record.work),
        short if record.calls_accepted else "",
        below_floor(record.loop_time_s, record.floor_s),
        doubling.reason if doubling.failed else "",
    ]
    if any(undone):
        return "eliminated", next(filter(None, undone))
    disturbed = [
        disturbance(record.loop, record.rejected, doubling, rules),
        _spread(record, rules),
        short,
    ]
    return ("noisy", next(filter(None, disturbed))) if any(disturbed) else ("ok", "")


def disturbance(
    loop: Summary, rejected: Sequence[str], doubling: Doubling, rules: TimingRules
) -> str:
    """Why the blocks of a loop are not fit to be fitted without a second look; "" if they are."""
    return _few_accepted(rejected, rules) or doubling.reason or _wide(loop, rules)


def accepted_share(rejected: Sequence[str]) -> float:
    """Share of blocks that passed the noise gates; NaN without blocks."""
    return sum(not reason for reason in rejected) / len(rejected) if rejected else math.nan


def _few_accepted(rejected: Sequence[str], rules: TimingRules) -> str:
    share = accepted_share(rejected)
    if share >= rules.least_accepted:
        return ""
    last = next(filter(None, reversed(rejected)))
    return f"only {share:.0%} of the blocks count: {last}"


def _wide(loop: Summary, rules: TimingRules) -> str:
    if loop.half_width <= rules.noisy:
        return ""
    if math.isnan(loop.half_width):
        return f"{loop.count} accepted blocks are too few for a {rules.confidence:.0%} interval"
    return f"the {rules.confidence:.0%} interval is ± {loop.half_width:.1%}, over {rules.noisy:.0%}"


def _spread(record: Record, rules: TimingRules) -> str:
    if not record.process_cv > rules.noisy:
        return ""
    return f"the processes differ by {record.process_cv:.1%}, over {rules.noisy:.0%}"


def summary_of(
    blocks: Sequence[Block], rejected: Sequence[str], rules: TimingRules
) -> Summary | None:
    """Of the time of a step in the accepted blocks, or in all where none was accepted."""
    accepted = [block.step_s for block, reason in zip(blocks, rejected) if not reason]
    times = accepted or [block.step_s for block in blocks]
    return summarise(times, rules.quantile, rules.confidence)


def to_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """Records as a layer table: one row a layer, times in s; `time_s` is what is to be fitted."""
    import pandas as pd

    return pd.DataFrame([record.row() for record in records])


def samples_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """Every loop block, one row each, rejected ones too: `layer` is the record's position."""
    import pandas as pd

    rows = [
        {"layer": i, "step_s": b.step_s, "rejected": why} | dataclasses.asdict(b)
        for i, record in enumerate(records)
        for b, why in zip(record.loops, record.rejected)
    ]
    return pd.DataFrame(rows)
