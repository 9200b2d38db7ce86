"""Imports run one way, from the records to the command line, as the design says."""

import ast
from pathlib import Path

import pytest

import jaxcost

PACKAGE = Path(jaxcost.__file__).parent

# A room may import from those above its own, and from itself.
ORDER = [
    {"_support"},
    {"workload"},
    {"device"},
    {"models", "measure"},
    {"calibrate", "figures"},
    {"trace"},
    {"optimize"},
    {"papers"},
    {"app"},
    {"__init__", "__main__"},
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
    assert own in RANK, f"{own} is no room: put it into one of {sorted(RANK)}"
    for name in imported(path):
        other = name.split(".")[0]
        assert other == own or RANK[other] < RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_the_base_of_the_models_is_known_to_what_fits_and_optimises(path):
    if module_of(path).startswith(("calibrate.fit.", "optimize")):
        models = [name for name in imported(path) if name.startswith("models")]
        known = ("models.base", "models.residency", "models.spills")
        assert all(name.startswith(known) for name in models), models


def test_a_wrong_import_is_found(tmp_path):
    wrong = tmp_path / "counts.py"
    wrong.write_text("def f():\n    from jaxcost.models.base import CostModel\n")
    assert list(imported(wrong)) == ["models.base.CostModel"]
    assert RANK["models"] > RANK["workload"]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_has_one_idea_and_a_function_fits_on_a_page(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 90, node.name
