"""What the documents say of the zoo is what its tables hold."""

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "overview.md"


def test_latency_of_unseen_models_is_as_the_page_says():
    table = pd.read_csv(ROOT / "experiments" / "zoo" / "model_zoo.csv")
    unseen = table[~table.fitted_to]
    error = (unseen.predicted_s / unseen.time_s - 1).abs()
    inside = unseen.time_s.between(unseen.predicted_lo_s, unseen.predicted_hi_s).mean()
    words = PAGE.read_text(encoding="utf-8")
    assert f"{len(unseen)} programs of {unseen.model.nunique()} models" in words
    assert f"({inside:.0%}".replace("%", " %") + " inside their 90 % interval)" in words
    assert f"| **{100 * error.median():.1f} %** |" in words
    assert set(unseen.batch) == {1, 8}


def test_counts_agree_with_table_a_3_as_the_page_says():
    table = pd.read_csv(ROOT / "experiments" / "zoo" / "zoo_counts.csv")
    part = table[(table.table == "A.3") & ~table.model.str.contains(",")]
    plain, explained = ((part[c] - 1).abs() for c in ("ratio", "explained_ratio"))
    words = PAGE.read_text(encoding="utf-8")
    said = f"{(plain <= 0.02).sum()} of {len(part)} models of keras.applications are within 2 % as"
    assert said in words
    assert (explained <= 0.02).sum() == 18
    assert plain.max() < 0.06
    assert table.unknown.sum() == 0


def test_training_steps_are_as_the_pages_say():
    table = pd.read_csv(ROOT / "experiments" / "zoo" / "training_steps.csv")
    ratio = table.step_s / table.step_estimated_s
    said = f"{ratio.min():.2f} to {ratio.max():.2f} times"
    named = ("results/overview.md", "tutorials/model-cost.md", "concepts/fusion.md")
    for page in (ROOT / "docs" / name for name in named):
        assert said in " ".join(page.read_text(encoding="utf-8").split())
    error = f"| {100 * (1 / ratio - 1).abs().median():.0f} % (median) |"
    row = f"| training steps of {len(table)} models on a CPU | single layers {error}"
    assert row in (ROOT / "README.md").read_text(encoding="utf-8")
