"""Measuring the time of layers on whatever device JAX has; knows no cost model.

Each layer is timed as an isolated call and as a step of a chained loop. `time_s`, the figure to be
fitted, is the loop's: what the layer costs inside a running program. The call holds dispatch
as well, which belongs to the program and not to the layer; it is kept as `call_time_s`.
"""

from jaxcost.measure.layers import LayerSpec, layers_from_frame, layers_from_rows
from jaxcost.measure.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.proofs import Peaks
from jaxcost.measure.records import Record, samples_frame, to_frame
from jaxcost.measure.schedule import Measurements, Progress, measure_layers
from jaxcost.measure.sweeps import PRESETS, Preset, preset
from jaxcost.measure.timing import Stopwatch, TimingRules

__all__ = [
    "PAPER_SWEEPS",
    "PRESETS",
    "LayerSpec",
    "Measurements",
    "Peaks",
    "Preset",
    "Progress",
    "Record",
    "Stopwatch",
    "TimingRules",
    "layers_from_frame",
    "layers_from_rows",
    "measure_layers",
    "paper_sweep",
    "preset",
    "samples_frame",
    "to_frame",
]
