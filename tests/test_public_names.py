"""The public names: all there, all lazy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxcost

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


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


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_need_the_public_names_alone(path):
    imported = re.findall(r"^\s*(?:from|import) (jaxcost\S*)", path.read_text("utf-8"), re.M)
    assert set(imported) <= {"jaxcost"}
