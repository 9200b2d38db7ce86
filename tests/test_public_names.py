"""The public names: all there, all lazy, and all that examples and experiments need."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import jaxcost

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(p for folder in ("examples", "experiments") for p in (ROOT / folder).rglob("*.py"))
SHADOWED = {"calibrate", "measure"}  # functions of jaxcost hide the rooms of the same name
HIDDEN = {"_support", "app"}


@pytest.mark.parametrize("name", jaxcost.__all__)
def test_every_public_name_is_there(name):
    assert getattr(jaxcost, name).__name__ == name
    assert name in dir(jaxcost)


def test_importing_costs_nothing_before_use():
    code = "import jaxcost, sys; print([m for m in ('jax', 'numpy', 'pandas') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_using_a_workload_loads_nothing_heavy():
    code = "import sys, jaxcost; jaxcost.mlp; print({'pandas', 'matplotlib'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout.strip(), result.stderr) == ("set()", "")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'wrkload'"):
        jaxcost.wrkload  # noqa: B018


def test_a_name_that_a_module_shares_stays_public(monkeypatch):
    monkeypatch.setitem(jaxcost._HOME, "counts", "workload")
    before = jaxcost.__dict__.get("counts")
    jaxcost.counts = type(sys)("jaxcost.counts")
    assert jaxcost.__dict__.get("counts") is before


def rooms():
    """The packages from which users import: rooms, and the room of each paper."""
    package = ROOT / "jaxcost"
    found = {p.parent.name for p in package.glob("*/__init__.py")} - HIDDEN
    papers = {f"papers.{p.parent.name}" for p in (package / "papers").glob("*/__init__.py")}
    return {f"jaxcost.{name}" for name in found | papers}


def not_public(text):
    """What a program takes from jaxcost that is no public name, in words."""
    wrong, modules = [], {}
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in (a for a in node.names if a.name.split(".")[0] == "jaxcost"):
                modules[alias.asname or alias.name] = alias.name
                wrong += [] if alias.name == "jaxcost" else [f"import {alias.name}"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxcost":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in rooms() and alias.name not in SHADOWED:
                    modules[alias.asname or alias.name] = whole
                elif not is_public(node.module, alias.name):
                    wrong.append(f"from {node.module} import {alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module and not is_public(module, node.attr):
                wrong.append(f"{module}.{node.attr}")
    return wrong


def is_public(module, name):
    """Whether `module` is jaxcost or a room, and offers `name`."""
    offered = module == "jaxcost" or module in rooms()
    return offered and (name in import_module(module).__all__ or name == "__version__")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_examples_and_experiments_need_public_names_alone(path):
    assert not_public(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("from jaxcost.calibrate.fit.problem import Problem", 1),
        ("from jaxcost.calibrate import fit_correction", 1),
        ("from jaxcost._support.files import write_text", 1),
        ("def f():\n    import jaxcost.measure.run as run", 1),
        ("import jaxcost as jc\njc.workload.counts.flops, jc.mlp", 1),
        ("from jaxcost import figures\nfigures.bars, figures.scatter_plot", 1),
        ("from jaxcost import measure, calibrate\nmeasure('quick')", 0),
        ("from jaxcost.workload import counts\nfrom jaxcost.papers.butter_e import energies", 0),
    ],
)
def test_what_is_no_public_name_is_found(text, wrong):
    assert len(not_public(text)) == wrong


@pytest.mark.parametrize("room", sorted(rooms()))
def test_a_room_has_what_it_offers(room):
    module = import_module(room)
    for name in module.__all__:
        assert not name.startswith("_")
        assert getattr(module, name) is not None
    with pytest.raises((AttributeError, ImportError), match="no_such_name"):
        getattr(module, "no_such_name")  # noqa: B009
