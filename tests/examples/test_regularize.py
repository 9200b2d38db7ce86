"""Each framework's example, shortened: the budget is met, and the smaller network still works."""

import importlib
import sys
from pathlib import Path

import jax
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.filterwarnings("ignore")  # frameworks warn of each other's deprecations
@pytest.mark.parametrize(
    ("name", "package"),
    [("equinox", "equinox"), ("flax_nnx", "flax"), ("keras", "keras")],
)
def test_a_network_is_trained_to_its_budget_and_made_smaller(name, package, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for needed in ("sklearn", package):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("digits", None)
    example = importlib.import_module(f"regularize_{name}")
    with jax.numpy_rank_promotion("allow"):  # as frameworks themselves do
        found = example.main(steps=400)
    digits = sys.modules["digits"]
    assert 0.9 * digits.BUDGET < found["latency_s"] <= digits.BUDGET
    assert found["accuracy"] > 0.9
    assert "accuracy" in capsys.readouterr().out
