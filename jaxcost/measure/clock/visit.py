"""One visit to a layer: the record of its timings, from the clock to the tables.

A worker writes it as a line of JSON, and a store keeps it as a row; both have its fields, so that a
new one is a new column in `store/schema.py`, too.
"""

import dataclasses
import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_EXACT = {"extra": "forbid"}  # a field of another name is damage
DOUBLING = (1.9, 2.1)
ENOUGH_PAIRS = 3
AGREEMENT = 0.2
HARDLY_LONGER = 1.25  # above it, held-up blocks explain as much as an operation moved out


@dataclasses.dataclass(frozen=True)
class Block:
    """One timing, and what the machine did meanwhile; None is unknown.

    Args:
        steps: how many steps of the loop, or isolated calls, were timed together.
        duration_s: how long they took, in s.
        shortest_s: the shortest call among them, in s; None where they were not timed apart.
        cpu_s: CPU time of this process, in s.
        waiting_s: time its working threads were ready but another had their processor, in s.
        stolen_s: time the hypervisor gave to other guests, in s, summed over processors.
        clock_ratio: the accelerator's clock over its default.
        throttled: whether the accelerator reports a reason for slowing down.
    """

    __pydantic_config__ = _EXACT
    steps: int
    duration_s: float
    shortest_s: float | None = None
    cpu_s: float | None = None
    waiting_s: float | None = None
    stolen_s: float | None = None
    clock_ratio: float | None = None
    throttled: bool | None = None

    @property
    def step_s(self) -> float:
        """Time of one step, in s."""
        return self.duration_s / self.steps

    @property
    def least_s(self) -> float:
        """The shortest call, in s; a step's time where they were not timed apart."""
        return self.step_s if self.shortest_s is None else self.shortest_s


@dataclasses.dataclass(frozen=True)
class Doubling:
    """How the time of a block grew when its steps were doubled.

    Args:
        ratios: time of twice the steps over time of the steps, one for each pair of blocks.
        accepted: whether both blocks of the pair passed the noise gates.
    """

    __pydantic_config__ = _EXACT
    ratios: tuple[float, ...] = ()
    accepted: tuple[bool, ...] = ()

    def __add__(self, more: "Doubling") -> "Doubling":
        """The pairs of both."""
        return Doubling(self.ratios + more.ratios, self.accepted + more.accepted)

    @property
    def ratio(self) -> float:
        """The median ratio of the accepted pairs, or of all where none was; NaN without any."""
        ratios = self._counting() or self.ratios
        return statistics.median(ratios) if ratios else math.nan

    @property
    def passed(self) -> bool:
        """Whether the median of the accepted pairs lies in 2 ± 0.1."""
        return bool(self._counting()) and DOUBLING[0] <= self.ratio <= DOUBLING[1]

    @property
    def failed(self) -> bool:
        """Whether enough undisturbed pairs agree that the time hardly grows with the steps."""
        ratios = self._counting()
        if len(ratios) < ENOUGH_PAIRS:
            return False
        return max(ratios) < HARDLY_LONGER and max(ratios) - min(ratios) <= AGREEMENT

    @property
    def reason(self) -> str:
        """Why the steps were not shown to be done, or an empty string."""
        if self.passed:
            return ""
        if not self._counting():
            return "no undisturbed pair of blocks shows that twice the steps take twice as long"
        return f"twice the steps take {self.ratio:.2f} times as long, not 2 ± 0.1"

    def _counting(self) -> Sequence[float]:
        return [ratio for ratio, good in zip(self.ratios, self.accepted) if good]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """What one visit of one process to one layer brought, or several of them together.

    Args:
        status: "" when blocks were timed, else why the layer is over: "oom", "invalid", "skipped",
            "error", or "timeout" where the process did not answer.
        error: in one line.
        work: what the loop's body does for the layer; None when nothing.
        compile_s: time taken to compile, in s; None where the visit compiled nothing.
        memory_bytes: what running it needs, in bytes.
        steps: of a block of the loop.
        loops, calls: the blocks, whether they count or not.
        doubling: all pairs that this process has timed of the layer.
        settled: whether this process's interval is narrow enough.
        wall_s: what the visit took with everything around it, in s.
        energy: what was read of power, or the reason why nothing was.
        state: of the machine at the end of the visit, by name; what is unknown is not in it.
        hlo_hash: of the optimised loop, SHA-256 in hexadecimal; empty if not compiled.
    """

    __pydantic_config__ = _EXACT
    status: str = ""
    error: str = ""
    work: str | None = None
    compile_s: float | None = None
    memory_bytes: int = 0
    steps: int = 0
    loops: tuple[Block, ...] = ()
    calls: tuple[Block, ...] = ()
    doubling: Doubling = Doubling()
    settled: bool = False
    wall_s: float | None = None
    energy: dict[str, Any] = dataclasses.field(default_factory=dict)
    state: dict[str, Any] = dataclasses.field(default_factory=dict)
    hlo_hash: str = ""

    def __add__(self, later: "Visit") -> "Visit":
        """The blocks of both; all else as the later one says, or as before where it does not."""
        return dataclasses.replace(
            later,
            work=later.work or self.work,
            compile_s=self.compile_s if later.compile_s is None else later.compile_s,
            memory_bytes=max(self.memory_bytes, later.memory_bytes),
            steps=later.steps or self.steps,
            loops=self.loops + later.loops,
            calls=self.calls + later.calls,
            doubling=later.doubling if later.doubling.ratios else self.doubling,
            energy=later.energy or self.energy,
            state=self.state | later.state,
            hlo_hash=later.hlo_hash or self.hlo_hash,
        )

    def to_plain(self) -> dict[str, Any]:
        """Its fields as JSON has values; what is unknown is left out."""
        return _coder().dump_python(self, mode="json", exclude_none=True)

    @staticmethod
    def from_plain(fields: Mapping[str, Any]) -> "Visit":
        """The visit that `to_plain` was called of.

        Raises: ValueError: values that a visit does not have.
        """
        return _coder().validate_python(fields)


@functools.cache
def _coder() -> "TypeAdapter[Visit]":
    from pydantic import TypeAdapter

    return TypeAdapter(Visit)
