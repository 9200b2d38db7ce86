"""The fixture that pytest finds of jaxcost, in a pytest of its own, as a user's is."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import jax.numpy as jnp

X, W = jnp.ones((8, 64)), jnp.ones((64, 32))  # 2 * 8 * 64 * 32 = 32,768 FLOPs

def test_kept(jaxcost_check):
    found = jaxcost_check(jnp.dot, X, W, budget={"flops": 32768})
    assert found.passed

def test_over(jaxcost_check):
    jaxcost_check(jnp.dot, X, W, budget={"flops": 32767, "macs": 16384})

def test_wrong(jaxcost_check):
    jaxcost_check(jnp.dot, X, W, budget={"flop": 1})
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_budget.py").write_text(TESTS)
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    plugin = entry["pytest11"]["jaxcost"]
    command = ["-m", "pytest", "-p", plugin, "--rootdir", ".", "-c", os.devnull]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True
    )
    return found.stdout


def test_a_budget_that_is_exceeded_fails_with_a_line_a_limit(ran):
    assert "2 failed, 1 passed" in ran
    assert "Not within the budget: 1 of 2 limits not kept" in ran
    assert "flops: 32.8 kFLOP, over 32.8 kFLOP by 0.0 %; most in (no name) dense 100 %" in ran
    assert "macs: 16.4 kMAC, within 16.4 kMAC" in ran


def test_a_bad_budget_is_an_error_with_the_way_out(ran):
    assert "ValueError: budget: limit 'flop' is not known; did you mean 'flops'" in ran


def test_the_failure_points_at_the_users_line(ran):
    assert "test_budget.py:11: Failed" in ran
    assert "pytest_plugin.py" not in ran.split("test_wrong")[0]


def test_pytest_starts_as_quickly_as_without_it():
    code = (
        "import sys, pytest; before = set(sys.modules); import jaxcost.app.pytest_plugin;"
        "print([m for m in set(sys.modules) - before if not m.startswith('jaxcost')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")
