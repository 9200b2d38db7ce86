"""A machine made up for tests: its clock moves only when a layer runs, as fast as a test says."""

import bisect
import dataclasses
from collections.abc import Callable

import pytest

from jaxcost.measure.clock.timing import Stopwatch
from jaxcost.measure.energy.power import PowerMeter
from jaxcost.measure.layers import LayerSpec

LOOP = """HloModule jit_loop

%body (arg: (s32[], f32[8,8])) -> (s32[], f32[8,8]) {{
  %arg = (s32[], f32[8,8]{{1,0}}) parameter(0)
  {work}
}}

%cond (arg: (s32[], f32[8,8])) -> pred[] {{
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}}

ENTRY %main (x: f32[8,8]) -> f32[8,8] {{
  %while = (s32[], f32[8,8]{{1,0}}) while(%tuple), condition=%cond, body=%body
  {after}
}}
"""
DOT = "%dot.1 = f32[8,8]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}"


def loop_text(work: str = DOT, after: str = "ROOT %r = f32[8,8]{1,0} get-tuple-element(%while)"):
    """The text of a compiled loop with these lines in its body and after it."""
    return LOOP.format(work=work, after=after)


@dataclasses.dataclass
class FakeMachine:
    """A clock, a meter and a compiler that know the time of every layer.

    Args:
        step_s: time of one loop step of a layer, in s.
        dispatch_s: what a call takes beyond a step, in s.
        slowdown: of the time on the clock as a run begins: a factor on the run's time, and the
            share of that time the threads were kept waiting.
    """

    step_s: Callable[[LayerSpec], float] = lambda layer: layer.flops * 1e-11 + 1e-6
    dispatch_s: float = 1e-5
    slowdown: Callable[[float], tuple[float, float]] = lambda now: (1.0, 0.0)
    loop_s: Callable[[LayerSpec, int], float] | None = None
    hlo_text: str = dataclasses.field(default_factory=loop_text)
    memory_bytes: int = 1000
    finite: bool = True
    time_s: float = 100.0
    loads: list[LayerSpec] = dataclasses.field(default_factory=list)
    _waited: float = 0.0
    _ran: float = 0.0

    def now(self) -> float:
        return self.time_s

    def start(self) -> tuple[float, float]:
        return self._ran, self._waited

    def stop(self, started: tuple[float, float], duration_s: float) -> dict:
        return {"cpu_s": self._ran - started[0], "waiting_s": self._waited - started[1]}

    def advance(self, seconds: float) -> None:
        factor, waiting = self.slowdown(self.time_s)
        self.time_s += seconds * factor
        self._ran += seconds * factor * (1 - waiting)
        self._waited += seconds * factor * waiting

    def watch(self) -> Stopwatch:
        return Stopwatch(now=self.now, meter=self, processors=1)

    def prepare(self, layer: LayerSpec, device: object) -> "FakePrograms":
        return FakePrograms(self, layer, self.hlo_text, max(self.memory_bytes, layer.operand_bytes))


@dataclasses.dataclass
class FakePrograms:
    machine: FakeMachine
    layer: LayerSpec
    hlo_text: str
    memory_bytes: int
    compile_s: float = 0.1

    def load(self, seed: int) -> "FakePrograms":
        self.machine.loads.append(self.layer)
        return self

    def call(self) -> None:
        self.machine.advance(self.machine.step_s(self.layer) + self.machine.dispatch_s)

    def loop(self, steps: int) -> None:
        own = self.machine.loop_s
        seconds = own(self.layer, steps) if own else steps * self.machine.step_s(self.layer)
        self.machine.advance(seconds)

    def is_finite(self) -> bool:
        return self.machine.finite


def replay(trace, now, range_j=None):
    """A recorded counter, replayed along a clock.

    Args:
        trace: (time in s, reading in J), by time; an exception in place of a reading is raised.
        now: the clock, in s.
        range_j: where the counter wraps, in J; None where it does not.
    """
    times = [time for time, _ in trace]

    def read():
        reading = trace[max(0, bisect.bisect_right(times, now()) - 1)][1]
        if isinstance(reading, Exception):
            raise reading
        return (reading,)

    return PowerMeter("replay", read, (range_j,))


@pytest.fixture
def machine() -> FakeMachine:
    """A quiet machine of 100 GFLOP/s."""
    return FakeMachine()


@pytest.fixture
def hlo_loop() -> Callable[..., str]:
    """Writes the text of a compiled loop."""
    return loop_text
