import json

import pytest

from jaxcost.app.report.budget import limits
from jaxcost.trace.budget import BudgetCheck, Judged

MODEL = """
import jax, jax.numpy as jnp

first, second = jnp.ones((64, 32)), jnp.ones((32, 10))

def network(x):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ first)
    with jax.named_scope("second"):
        return y @ second

def build():
    return network

def looping(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c * 2, x)
"""
GIVEN = ("checked_models:network", "--input", "f32[8,64]")


@pytest.fixture(autouse=True)
def _model(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("models")
    (folder / "checked_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "checked_models", raising=False)


@pytest.fixture
def budget(tmp_path):
    def write(text):
        (tmp_path / "budget.toml").write_text(text)
        return "--budget", tmp_path / "budget.toml"

    return write


def test_a_budget_that_is_kept_is_status_0(jaxcost, budget):
    outcome = jaxcost("check", *GIVEN, *budget('flops = "1 MFLOP"\nlatency_s = 1.0'),
                      "--calibration", "quadro-t2000", "--allow-unknown")  # fmt: skip
    assert (outcome.status, outcome.err) == (0, "")
    assert "within" in outcome.out
    assert "Not within the budget" not in outcome.out


def test_what_is_over_is_status_3_with_a_line_each(jaxcost, budget, tmp_path):
    limits = budget('flops = "10 kFLOP"\nparameters = 5000\nmacs = 1')
    outcome = jaxcost("check", *GIVEN, *limits, "--json", tmp_path / "v.json")
    assert (outcome.status, outcome.err) == (3, "")
    lines = outcome.out.split("Not within the budget\n")[1].splitlines()
    assert lines[0] == (
        "flops: 37.9 kFLOP, over 10.0 kFLOP by 279 %; most in first 86.5 %, second 13.5 %"
    )
    assert lines[1].startswith("macs: 18.9 kMAC, over 1.00 MAC")
    record = json.loads((tmp_path / "v.json").read_text())
    assert [one["name"] for one in record["limits"]] == ["flops", "parameters", "macs"]
    assert record["passed"] is False


def test_a_model_is_built_and_a_step_counted(jaxcost, budget):
    given = ("checked_models:build", "--call", "--input", "f32[8,64]", *budget("flops = 40_000"))
    assert jaxcost("check", *given).status == 0
    assert jaxcost("check", *given, "--step", "adam").status == 3
    assert jaxcost("check", *given, "--backward").status == 3


def test_what_is_unknown_is_status_3_unless_allowed(jaxcost, budget):
    given = ("checked_models:looping", "--input", "f32[8,64]", *budget("bytes_moved = 1e9"))
    outcome = jaxcost("check", *given)
    assert outcome.status == 3
    assert "not known to be within 954 MiB; how often a while loop runs" in outcome.out
    assert jaxcost("check", *given, "--trips", 4).status == 0
    assert jaxcost("check", *given, "--allow-unknown").status == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flop = 1", "did you mean 'flops'?"),
        ("flops = -1", "flops = -1 is not allowed"),
        ("flops = nan", "flops = nan is not allowed"),
        ('flops = "1 s"', "flops = '1 s' is not allowed"),
        ("latency_s = 1", "latency_s = 1 needs a calibration"),
        ("", "has no limit"),
        ("flops", "is not TOML"),
    ],
)
def test_a_bad_budget_is_one_line(refuses, budget, text, words):
    assert words in refuses("check", *GIVEN, *budget(text))


def test_a_budget_that_is_not_there_is_one_line(refuses, tmp_path):
    line = refuses("check", *GIVEN, "--budget", tmp_path / "none.toml")
    assert "none.toml cannot be read" in line


def test_the_budget_is_not_written_over(refuses, budget):
    option, path = budget("flops = 1")
    assert "is the same file as the input" in refuses("check", *GIVEN, option, path, "--json", path)


def test_a_limit_is_a_row_with_its_verdict():
    judged = (
        Judged("flops", 2e9, 1e9, None, "within", "", {}),
        Judged("latency_s", 2e-3, 1e-3, (5e-4, 3e-3), "unknown", "some", {}),
    )
    assert limits(BudgetCheck(judged, ())).rows == (
        ("flops", "2.00 GFLOP", "1.00 GFLOP", "–", "50 %", "within"),
        ("latency_s", "2.00 ms", "≥ 1.00 ms", "0.500 to 3.00 ms", "50 %", "unknown, uncertain"),
    )
