"""The GitHub action: its script calls the command with what the inputs say, and ends as it ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
CHECK = ACTION["runs"]["steps"][1]
GIVEN = re.compile(r"\$\{\{ (?:inputs\.(\w+)|[^}]*) \}\}")


@pytest.fixture
def runs(tmp_path):
    """Runs the script as GitHub does, with these inputs; its status, and what it left."""

    def call(**given):
        (tmp_path / "models.py").write_text("def net(x, w):\n    return x @ w\n")
        (tmp_path / "budget.toml").write_text("flops = 40_000\n")
        inputs = {name: str(of.get("default", "")) for name, of in ACTION["inputs"].items()} | given
        env = {
            name: GIVEN.sub(lambda m: inputs.get(m[1], ""), v) for name, v in CHECK["env"].items()
        }
        files = {f"GITHUB_{name}": str(tmp_path / name) for name in ("OUTPUT", "STEP_SUMMARY")}
        env |= files | {"VERDICTS": str(tmp_path / "verdicts.json"), "PYTHONPATH": str(ROOT)}
        folder = Path(sys.executable).parent
        env["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", CHECK["run"]]
        done = subprocess.run(
            shell, cwd=tmp_path, env=os.environ | env, capture_output=True, text=True
        )
        return (
            done.returncode,
            done.stdout,
            {p.name: p.read_text() for p in tmp_path.iterdir() if p.is_file()},
        )

    return call


def test_a_budget_that_is_kept_passes(runs):
    status, out, files = runs(model="models:net", inputs="f32[8,64] f32[64,32]")
    assert status == 0
    assert '"passed": true' in files["verdicts.json"]
    assert files["STEP_SUMMARY"] == f"```\n{out}```\n"


def test_one_that_is_not_fails_with_the_line_in_the_summary(runs):
    given = {"model": "models:net", "inputs": "f32[8,64] f32[64,32]", "options": "--backward"}
    status, _, files = runs(**given)
    assert status == 3
    assert "over 40.0 kFLOP" in files["STEP_SUMMARY"]
    assert files["STEP_SUMMARY"].endswith("```\n")
    assert files["OUTPUT"].startswith("verdicts=")


def test_bad_input_fails_as_such_and_no_input_is_run_as_a_command(runs):
    status, _, files = runs(model="models:net; touch made", inputs="f32[8,64]")
    assert status == 2
    assert "made" not in files
    assert "jaxcost: " in files["STEP_SUMMARY"]


def test_every_input_is_read_and_has_a_description():
    read = {
        m[1]
        for step in ACTION["runs"]["steps"]
        for v in step["env"].values()
        for m in GIVEN.finditer(v)
    }
    assert set(ACTION["inputs"]) - read == {"install"}
    assert all(of["description"] for of in ACTION["inputs"].values())
    assert "inputs.install || github.action_path" in ACTION["runs"]["steps"][0]["env"]["SOURCE"]
    assert not any("${{" in step["run"] for step in ACTION["runs"]["steps"])
