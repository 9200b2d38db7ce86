"""Modules by the names that they had in 0.1: imported as before, with a warning, until 0.3."""

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MOVED = {
    "_support": "dates files messages precision problems provenance sizes",
    "workload": "columns counts dialects item_sizes memory_bound run_table runs selection",
    "device": "cuda_driver data_sheets detect nvml",
    "calibrate": "correction fit intervals likelihood trends",
    "trace": "whole_program",
    "app": "cli report",
}
_RENAMED = {
    "table": "workload.layer_table",
    "steps": "workload.tiles",
    "fusion": "workload.left_once_fused",
    "shapes": "workload.families",
    "device_facts": "device.facts",
    "working_sets": "models.residency",
    "spills": "models.spills",
    "calibration": "calibrate",
    "estimates": "calibrate.data_sheet",
    "traced_estimate": "trace.estimate",
    "search": "optimize.widths",
    "search.problem": "optimize.problem",
    "search.lattice": "optimize.lattice",
    "search.plateaus": "optimize.plateaus",
    "search.front": "optimize.front",
    "report.search": "optimize.figure",
    "report.text": "_support.text",
    "regularize": "optimize.penalty",
    "plots": "figures",
    "reproduce": "papers",
    "datasets": "papers.data",
    "datasets.papers": "_support.published",
    "datasets.measured": "calibrate.bundled",
    "datasets.download": "papers.download",
    "datasets.alpha_flops_data": "papers.alpha_flops.data",
    "datasets.array_pickle": "papers.alpha_flops.array_pickle",
    "datasets.butter_e": "papers.butter_e.data",
    "datasets.butter_e_filters": "papers.butter_e.filters",
    "efficiency": "papers.butter_e.efficiency",
}
_NEW = {old: f"{room}.{old}" for room, names in _MOVED.items() for old in names.split()} | _RENAMED


def new_name(old: str) -> str | None:
    """What a module of 0.1 is called now, both without `jaxcost.`; None: as it was."""
    rest = ""
    while old:
        if old in _NEW:
            return _NEW[old] + rest
        old, _, last = old.rpartition(".")
        rest = f".{last}{rest}"
    return None


class OldNames:
    """Finds and loads modules by their old names; put before the finder that looks into folders,
    which would load the module of an old package again under its old name.

    Not derived from `importlib.abc`, which imports much before the command has made sure that no
    file in the current folder is taken for a module.
    """

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of a module of jaxcost that has another name now."""
        if not name.startswith("jaxcost.") or new_name(name.removeprefix("jaxcost.")) is None:
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, under its new name."""
        new = f"jaxcost.{new_name(spec.name.removeprefix('jaxcost.'))}"
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run. The import system has changed its spec, which is put back."""
        module.__spec__ = self._specs.pop(module.__spec__.name)  # type: ignore[union-attr]


def install() -> None:
    """Makes the old names importable."""
    sys.meta_path.insert(0, OldNames())
