"""Measuring the time of layers on whatever device JAX has; knows no cost model.

Each layer is timed as an isolated call and as a step of a chained loop. `time_s`, the figure to be
fitted, is the loop's: what the layer costs inside a running program. The call holds dispatch
as well, which belongs to the program and not to the layer; it is kept as `call_time_s`.

A timing has five forms: a `Block`, as the clock gave it; the `Visit` in which it was made; the
visit's plain values, a line of a worker and a row of the store; the `Record` of a layer, with what
is thought of it; and the record's row in a table.
"""

from jaxcost.measure.chain import Chain, ChainBench, chained_passes
from jaxcost.measure.clock.gates import rejections
from jaxcost.measure.clock.proofs import Peaks
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.designs.other_sweeps import OTHER_SWEEPS, other_sweep
from jaxcost.measure.designs.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.designs.presets import PRESETS, Preset, preset
from jaxcost.measure.designs.space_filling import space_filling
from jaxcost.measure.layers import LayerSpec, layers_from_frame, layers_from_rows
from jaxcost.measure.process.schedule import Progress, Sweep, SweepPlan, SweepStoppedError
from jaxcost.measure.process.worker import Worker, WorkerDiedError, WorkerHungError
from jaxcost.measure.records import Record, samples_frame, to_frame
from jaxcost.measure.results import Measurements, collect, export_table
from jaxcost.measure.run import measure_into, measure_layers
from jaxcost.measure.store import Store, StoreError, StoreFullError
from jaxcost.measure.store.merge import merge_stores

__all__ = [
    "OTHER_SWEEPS",
    "PAPER_SWEEPS",
    "PRESETS",
    "Chain",
    "ChainBench",
    "LayerSpec",
    "Measurements",
    "Peaks",
    "Preset",
    "Progress",
    "Record",
    "Stopwatch",
    "Store",
    "StoreError",
    "StoreFullError",
    "Sweep",
    "SweepPlan",
    "SweepStoppedError",
    "TimingRules",
    "Worker",
    "WorkerDiedError",
    "WorkerHungError",
    "chained_passes",
    "collect",
    "export_table",
    "layers_from_frame",
    "layers_from_rows",
    "measure_into",
    "measure_layers",
    "merge_stores",
    "other_sweep",
    "paper_sweep",
    "preset",
    "rejections",
    "samples_frame",
    "space_filling",
    "to_frame",
]
