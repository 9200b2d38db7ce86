"""Imports run one way, from the records to the command line, as the design says."""

import ast
from pathlib import Path

import pytest

import jaxcost

PACKAGE = Path(jaxcost.__file__).parent

# A module may import from the groups above its own, and from its own package.
ORDER = [
    {
        "messages",
        "problems",
        "files",
        "precision",
        "item_sizes",
        "cuda_driver",
        "fusion",
        "dialects",
        "provenance",
    },
    {"dates", "nvml", "selection", "columns"},
    {"sizes", "memory_bound", "detect"},
    {"steps"},
    {"table"},
    {"workload", "device"},
    {"counts", "device_facts", "runs", "shapes"},
    {"working_sets", "run_table"},
    {"datasets"},
    {"spills", "data_sheets"},
    {"models", "measure"},
    {"fit", "likelihood"},
    {"correction", "intervals"},
    {"trends"},
    {"calibration"},
    {"search", "regularize", "trace", "efficiency"},
    {"estimates", "whole_program"},
    {"traced_estimate"},
    {"plots"},
    {"report", "reproduce"},
    {"cli"},
    {"__main__", "__init__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path):
    """The modules of the package that a file imports anywhere in it, without the package's name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (n.removeprefix("jaxcost.") for n in names if n.startswith("jaxcost."))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_one_way(path):
    own = module_of(path).split(".")[0]
    assert own in RANK, f"{own} is not in ORDER: say where it belongs"
    for name in imported(path):
        other = name.split(".")[0]
        assert other == own or RANK[other] < RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_the_base_of_the_models_is_known_below_calibration(path):
    if module_of(path).split(".")[0] in ("fit", "search", "regularize"):
        models = [name for name in imported(path) if name.startswith("models")]
        assert all(name.startswith("models.base") for name in models), models


def test_a_wrong_import_is_found(tmp_path):
    wrong = tmp_path / "counts.py"
    wrong.write_text("def f():\n    from jaxcost.models.base import CostModel\n")
    assert list(imported(wrong)) == ["models.base.CostModel"]
    assert RANK["models"] > RANK["counts"]
