"""Differentiable, calibrated cost models of neural networks: the public names, and nothing else.

Each is loaded on first use, so that importing jaxcost costs little beside importing JAX.
"""

import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jaxcost._support import old_names
from jaxcost._support.lazy import lazy

if TYPE_CHECKING:
    from jaxcost.calibrate import Calibration as Calibration
    from jaxcost.calibrate import load_calibration as load_calibration
    from jaxcost.calibrate.carry_over import carry_over as carry_over
    from jaxcost.calibrate.data_sheet import from_data_sheet as from_data_sheet
    from jaxcost.calibrate.fit import FitResult as FitResult
    from jaxcost.calibrate.fit import fit_model as fit_model
    from jaxcost.calibrate.tables import fit as fit
    from jaxcost.calibrate.this_device import calibrate as calibrate
    from jaxcost.device import Device as Device
    from jaxcost.device import MemoryLevel as MemoryLevel
    from jaxcost.device import detect_device as detect_device
    from jaxcost.device.data_sheets import known_device as known_device
    from jaxcost.measure import LayerSpec as LayerSpec
    from jaxcost.measure import Store as Store
    from jaxcost.measure.run import measure as measure
    from jaxcost.models.alpha_flops import AlphaFlops as AlphaFlops
    from jaxcost.models.alpha_roofline import AlphaRoofline as AlphaRoofline
    from jaxcost.models.base import CostModel as CostModel
    from jaxcost.models.base import LayerwiseCost as LayerwiseCost
    from jaxcost.models.base import parameter as parameter
    from jaxcost.models.efficiency_trend import EfficiencyTrend as EfficiencyTrend
    from jaxcost.models.registry import register_model as register_model
    from jaxcost.models.training_energy import TrainingEnergy as TrainingEnergy
    from jaxcost.models.working_set import WorkingSetEnergy as WorkingSetEnergy
    from jaxcost.optimize.penalty import Choice as Choice
    from jaxcost.optimize.penalty import CostRegularizer as CostRegularizer
    from jaxcost.optimize.penalty import gate_optimizer as gate_optimizer
    from jaxcost.optimize.penalty import gates as gates
    from jaxcost.optimize.penalty import keep_measured as keep_measured
    from jaxcost.optimize.penalty import keep_within as keep_within
    from jaxcost.optimize.penalty import open_gates as open_gates
    from jaxcost.optimize.penalty import soft_width as soft_width
    from jaxcost.optimize.slimming import channel_groups as channel_groups
    from jaxcost.optimize.slimming import slim as slim
    from jaxcost.optimize.widths import ByLayer as ByLayer
    from jaxcost.optimize.widths import WidthSearch as WidthSearch
    from jaxcost.optimize.widths import search_front as search_front
    from jaxcost.optimize.widths import search_widths as search_widths
    from jaxcost.trace import count as count
    from jaxcost.trace import trace as trace
    from jaxcost.trace.budget import check as check
    from jaxcost.trace.comparison import compare as compare
    from jaxcost.trace.counts import Counts as Counts
    from jaxcost.trace.difference import diff as diff
    from jaxcost.trace.estimate import ProgramEstimate as ProgramEstimate
    from jaxcost.trace.estimate import estimate as estimate
    from jaxcost.trace.profile.imported import import_trace as import_trace
    from jaxcost.trace.roofline import roofline as roofline
    from jaxcost.trace.unsure import where_unsure as where_unsure
    from jaxcost.trace.utilization import utilization as utilization
    from jaxcost.workload import Workload as Workload
    from jaxcost.workload import cnn as cnn
    from jaxcost.workload import conv2d as conv2d
    from jaxcost.workload import dense as dense
    from jaxcost.workload import from_table as from_table
    from jaxcost.workload import mlp as mlp
    from jaxcost.workload.layer_table import read_layer_table as read_layer_table
    from jaxcost.workload.run_table import read_run_table as read_run_table
    from jaxcost.workload.runs import TrainingRun as TrainingRun
    from jaxcost.workload.runs import training_run as training_run
    from jaxcost.workload.tiles import secant as secant
    from jaxcost.workload.tiles import tiled as tiled

_HOMES = {
    "calibrate": ("Calibration", "load_calibration"),
    "calibrate.carry_over": ("carry_over",),
    "calibrate.data_sheet": ("from_data_sheet",),
    "calibrate.fit": ("FitResult", "fit_model"),
    "calibrate.tables": ("fit",),
    "calibrate.this_device": ("calibrate",),
    "device": ("Device", "MemoryLevel", "detect_device"),
    "device.data_sheets": ("known_device",),
    "measure": ("LayerSpec", "Store"),
    "measure.run": ("measure",),
    "models.alpha_flops": ("AlphaFlops",),
    "models.alpha_roofline": ("AlphaRoofline",),
    "models.base": ("CostModel", "LayerwiseCost", "parameter"),
    "models.efficiency_trend": ("EfficiencyTrend",),
    "models.registry": ("register_model",),
    "models.training_energy": ("TrainingEnergy",),
    "models.working_set": ("WorkingSetEnergy",),
    "optimize.penalty": (
        "Choice",
        "CostRegularizer",
        "gate_optimizer",
        "gates",
        "keep_measured",
        "keep_within",
        "open_gates",
        "soft_width",
    ),
    "optimize.slimming": ("channel_groups", "slim"),
    "optimize.widths": ("ByLayer", "WidthSearch", "search_front", "search_widths"),
    "trace": ("count", "trace"),
    "trace.budget": ("check",),
    "trace.comparison": ("compare",),
    "trace.counts": ("Counts",),
    "trace.difference": ("diff",),
    "trace.estimate": ("ProgramEstimate", "estimate"),
    "trace.profile.imported": ("import_trace",),
    "trace.roofline": ("roofline",),
    "trace.unsure": ("where_unsure",),
    "trace.utilization": ("utilization",),
    "workload": ("Workload", "cnn", "conv2d", "dense", "from_table", "mlp"),
    "workload.layer_table": ("read_layer_table",),
    "workload.run_table": ("read_run_table",),
    "workload.runs": ("TrainingRun", "training_run"),
    "workload.tiles": ("secant", "tiled"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_load = lazy(__name__, _HOME)
_OLD_NAMES = {"fit_table": "fit"}  # of 0.1, until 0.3

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("jaxcost")
    if name in _OLD_NAMES:
        new = _OLD_NAMES[name]
        warnings.warn(f"jaxcost.{name} is now jaxcost.{new}", DeprecationWarning, stacklevel=2)
        return __getattr__(new)
    return _load(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


class _Package(ModuleType):
    """Keeps a public name that a module shares, such as `fit`, when that module is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
old_names.install()
