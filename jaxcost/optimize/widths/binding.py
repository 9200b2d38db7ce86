"""Which working set lies how in which memory level, and which of them is about to spill."""

from typing import NamedTuple

import numpy as np

from jaxcost.device import Device
from jaxcost.models.residency import Placed, levels, place_all, working_sets
from jaxcost.models.spills import SETS
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun


class Binding(NamedTuple):
    """A working set beside a memory level: `fullness` 1 is exactly full, above it has spilt.

    `occupied` and `capacity` are bytes of one unit, the latter added up from the innermost level.
    """

    working_set: str
    level: str
    fullness: float
    occupied: float
    capacity: float

    def __str__(self) -> str:
        state = "fills" if self.fullness <= 1 else "has left"
        name = f"{self.working_set} ({SETS[self.working_set]})"
        return f"{name} {state} {self.level}: {100 * self.fullness:.0f} % of it"


def bindings(run: TrainingRun | Workload, device: Device) -> list[Binding]:
    """Every set beside every cache, the nearest to exactly full first.

    Args: run: of one network; a workload is one forward and backward pass of it.
    Raises: ValueError: a device without known memory levels.
    """
    memory = levels(device)
    if isinstance(run, Workload):
        run = TrainingRun.of_batch(run)
    sets = working_sets(run)
    at = place_all(sets, memory)
    largest = int(np.argmax(sets.layers))
    used = {"t": _of_row(at.layers, largest), "f": at.forward, "b": at.backward, "d": at.data_set}
    below = float(used["t"].occupied)
    before = {"t": 0.0, "f": below, "b": below, "d": float(used["b"].occupied)}
    found = []
    for name, placed in used.items():
        occupied = before[name] + np.asarray(placed.bytes, np.float64)
        for level, size, room in zip(device.memory[:-1], occupied, memory.capacity.tolist()):
            found.append(Binding(name, level.name, float(size) / room, float(size), room))
    return sorted(found, key=lambda b: abs(np.log(max(b.fullness, 1e-30))))


def _of_row(placed: Placed, row: int) -> Placed:
    return Placed(placed.share[row], placed.bytes[row], placed.occupied[row])
