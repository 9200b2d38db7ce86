"""A sweep: layers in shuffled rounds, in several fresh processes, within a budget of time."""

import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jaxcost.measure.clock.proofs import probes
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.worker import WorkerDiedError, WorkerHungError
from jaxcost.measure.store import Partition, Store

TIMEOUT_S = 300.0
_MOST_FAILURES = 3  # workers lost in a row before the sweep stops
_MOST_TIMEOUTS = 2  # of one layer: the first may be the machine's fault


class SweepStoppedError(Exception):
    """The sweep cannot go on; what was measured is in the store."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a sweep has come.

    Args:
        done, total: visits to layers.
        elapsed_s, remaining_s: time since the start and estimated to the end, in s.
        layer: the one that was just visited.
    """

    done: int
    total: int
    elapsed_s: float
    remaining_s: float
    layer: LayerSpec


class WorkerLike(Protocol):
    """What visits layers: a process, or a bench in this one."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Its device, fingerprint, processors and facts."""

    def visit(self, layer: LayerSpec, *, energy: bool, timeout_s: float) -> Visit:
        """One visit to a layer."""


OpenWorker = Callable[[str], AbstractContextManager[WorkerLike]]  # on the platform named, if any


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """How a sweep is measured.

    Args:
        rules: how each process times a layer.
        processes: how many fresh processes measure every layer.
        budget_s: after this time in s no visit is begun; each process gets its share.
        timeout_s: a visit that takes longer, in s, is a worker that hangs.
        energy: whether energies are read where there is a counter.
    """

    rules: TimingRules = dataclasses.field(default_factory=TimingRules)
    processes: int = 1
    budget_s: float = math.inf
    timeout_s: float = TIMEOUT_S
    energy: bool = False

    @property
    def visits(self) -> int:
        """The most visits of one process to one layer."""
        return max(1, math.ceil(self.rules.most_rounds / self.processes))

    @property
    def usual_visits(self) -> int:
        """Visits of one process to a layer that converges in time."""
        return max(1, math.ceil(self.rules.rounds / self.processes))


class Sweep:
    """One run over a list of layers that leaves every visit in a store.

    Args:
        store: open and locked by the caller.
        layers: what to measure, each once.
        plan: how.
        open_worker: begins a fresh process on the platform named, or on JAX's choice for "".
        progress: called after each visit.
        now: a monotonic clock, in s.
    Attributes:
        partition: what the store calls this device and these versions; None before `run`.
        new_partition: whether other partitions were in the store and this one was not.
        description: the first worker's.
    """

    def __init__(
        self,
        store: Store,
        layers: Sequence[LayerSpec],
        plan: SweepPlan,
        open_worker: OpenWorker,
        *,
        progress: Callable[[Progress], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.layers, self.plan = store, list(layers), plan
        self.partition: Partition | None = None
        self.new_partition = False
        self.description: Mapping[str, Any] = {}
        self._open, self._progress, self._now = open_worker, progress, now
        self._probes: list[LayerSpec] = []
        self._begun = now()
        self._failures = 0
        self._visits: dict[tuple[int, LayerSpec], int] = {}
        self._over: set[tuple[int, LayerSpec]] = set()
        self._timeouts: dict[LayerSpec, int] = {}
        self._has_energy: set[LayerSpec] = set()

    @property
    def elapsed_s(self) -> float:
        """Time since the start, in s."""
        return self._now() - self._begun

    def run(self) -> None:
        """Measure what the store does not have yet, until it has all or the time is up.

        Raises:
            SweepStoppedError: the device changed, or workers are lost again and again.
            WorkerDiedError, WorkerHungError: the first worker did not come up.
        """
        for slot in range(self.plan.processes):
            deadline = self.plan.budget_s * (slot + 1) / self.plan.processes
            while not self._is_done(slot) and self.elapsed_s < deadline:
                self._one_worker(slot, deadline)

    def _is_done(self, slot: int) -> bool:
        return self.partition is not None and not self._waiting(slot)

    def _one_worker(self, slot: int, deadline: float) -> None:
        """Visits by one process, until the slot is done or the process is lost."""
        platform = str(self.description.get("fingerprint", {}).get("platform", ""))
        with self._open(platform) as worker:
            self._welcome(worker.description)
            assert self.partition
            process = self.store.begin_process(
                self.partition, slot, self.plan.rules.seed, worker.description["facts"]
            )
            for layer in self._order(slot, process, deadline):
                if not self._visit(worker, process, slot, layer):
                    return

    def _welcome(self, description: Mapping[str, Any]) -> None:
        """The worker's partition; never another than that of the first worker."""
        found = description["fingerprint"]
        if self.partition is not None:
            if dict(found) != dict(self.partition.fingerprint):
                raise SweepStoppedError(_changed(self.partition.fingerprint, found))
            return
        self.description = description
        before = [p.fingerprint for p in self.store.partitions()]
        self.new_partition = bool(before) and dict(found) not in [dict(p) for p in before]
        self.partition = self.store.partition(found, description["device"])
        self._probes = probes(self.layers, str(found["platform"]))
        self.store.add_layers(self.partition, [*self._probes, *self.layers])
        for attempt in self.store.attempts(self.partition):
            self._note(attempt.slot, attempt.layer, attempt.visit)

    def _order(self, slot: int, process: int, deadline: float) -> Iterator[LayerSpec]:
        """Rounds over what is waiting, each in a new order, the probes before the others."""
        order = random.Random(f"{self.plan.rules.seed} {process}")
        while waiting := self._waiting(slot):
            order.shuffle(waiting)
            for layer in [*self._probes, *waiting]:
                if self.elapsed_s >= deadline:
                    return
                yield layer

    def _waiting(self, slot: int) -> list[LayerSpec]:
        return [layer for layer in self.layers if not self._is_over(slot, layer)]

    def _is_over(self, slot: int, layer: LayerSpec) -> bool:
        over = (slot, layer) in self._over or (-1, layer) in self._over
        return over or self._visits.get((slot, layer), 0) >= self.plan.visits

    def _visit(self, worker: WorkerLike, process: int, slot: int, layer: LayerSpec) -> bool:
        """One visit, stored whatever became of it; whether the worker is still there."""
        energy = self.plan.energy and layer not in self._has_energy
        alive = False
        begun = self._now()
        try:
            visit = worker.visit(layer, energy=energy, timeout_s=self.plan.timeout_s)
            alive = True
        except WorkerHungError as error:
            visit = Visit(status="timeout", error=str(error), wall_s=self._now() - begun)
        except WorkerDiedError as error:
            status = "oom" if error.killed else "error"
            visit = Visit(status=status, error=str(error), wall_s=self._now() - begun)
        self.store.add_attempt(process, layer, visit, self._now())
        self._note(slot, layer, visit)
        if not alive:
            self._failures += 1
        elif layer not in self._probes:
            self._failures = 0
        if self._failures >= _MOST_FAILURES:
            raise SweepStoppedError(f"{_MOST_FAILURES} workers in a row were lost: {visit.error}")
        self._report(layer)
        return alive

    def _note(self, slot: int, layer: LayerSpec, visit: Visit) -> None:
        if visit.status == "timeout":
            self._timeouts[layer] = self._timeouts.get(layer, 0) + 1
            if self._timeouts[layer] < _MOST_TIMEOUTS:
                return
        self._visits[slot, layer] = self._visits.get((slot, layer), 0) + 1
        if visit.energy:
            self._has_energy.add(layer)
        if visit.status:
            self._over.add((-1, layer))
        elif visit.settled:
            self._over.add((slot, layer))

    def _report(self, layer: LayerSpec) -> None:
        if self._progress is None:
            return
        usual, slots = self.plan.usual_visits, range(self.plan.processes)
        done = sum(self._share(slot, each, usual) for slot in slots for each in self.layers)
        total = len(self.layers) * usual * self.plan.processes
        elapsed = self.elapsed_s
        left = elapsed / max(done, 1) * (total - done)
        remaining = max(0.0, min(left, self.plan.budget_s - elapsed))
        self._progress(Progress(done, total, elapsed, remaining, layer))

    def _share(self, slot: int, layer: LayerSpec, usual: int) -> int:
        if self._is_over(slot, layer):
            return usual
        return min(usual, self._visits.get((slot, layer), 0))


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for name, value in before.items():
        if now.get(name) != value:
            return (
                f"the device changed while it was measured: {name} was {value!r} and is "
                f"{now.get(name)!r}; go on with --resume when it is as before"
            )
    return "the device changed while it was measured; go on with --resume when it is as before"
