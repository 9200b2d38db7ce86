"""The module names of 0.1 still import what they did, and say what it is called now."""

import importlib
import subprocess
import sys
import warnings

import pytest

from jaxcost._support.old_names import _NEW, new_name


@pytest.mark.parametrize("old", [*_NEW, "search.optuna_study", "fit.folds", "cli.errors"])
def test_an_old_name_is_the_module_itself(old):
    new = importlib.import_module(f"jaxcost.{new_name(old)}")
    spec = new.__spec__
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module(f"jaxcost.{old}".rpartition(".")[0])
    sys.modules.pop(f"jaxcost.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"jaxcost.{old} is now {new.__name__}"):
        found = importlib.import_module(f"jaxcost.{old}")
    assert found is new
    assert new.__spec__ is spec


def test_a_script_of_before_runs_and_is_warned():
    code = (
        "from jaxcost.table import read_layer_table\n"
        "from jaxcost.search.optuna_study import OptunaObjective\n"
        "import jaxcost, jaxcost.fit\n"
        "print(OptunaObjective.__module__, jaxcost.fit.__module__)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [
        "jaxcost.optimize.widths.optuna_study",
        "jaxcost.calibrate.tables",
    ]
    assert "<string>:1: DeprecationWarning: jaxcost.table is now jaxcost.workload" in ended.stderr


def test_names_that_stayed_are_left_alone():
    assert new_name("trace.counts") is None
    assert new_name("models.alpha_flops") is None
