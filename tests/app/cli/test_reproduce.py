import json

import pytest

from jaxcost.papers import PAPERS, Reproduction, SummaryRow


@pytest.fixture
def paper(monkeypatch):
    """A paper that takes no time: what it was called with, and two rows."""
    calls = []

    def reproduce(data, out, *, download=False):
        calls.append((data, download))
        out.mkdir(exist_ok=True)
        rows = [
            SummaryRow("Table 1 (a)", "time_s", 2.0, 2.1),
            SummaryRow("Figure 2", "figure", None, None, "lost"),
        ]
        files = [out / "a.png", out / "b.png", out / "t.csv", out / "summary.json"]
        for file in files:
            file.write_text("new")
        return Reproduction(rows, files, ["Figure 2: lost"])

    monkeypatch.setitem(PAPERS, "alpha-flops", reproduce)
    return calls


def test_published_stands_beside_reproduced(jaxcost, paper, tmp_path):
    outcome = jaxcost("reproduce", "alpha-flops", "--out", tmp_path / "o")
    assert (outcome.status, outcome.err) == (0, "")
    (row,) = (line for line in outcome.out.splitlines() if line.startswith("Table 1 (a)"))
    assert row.split() == ["Table", "1", "(a)", "time_s", "2", "2.1", "+5.0", "%"]
    assert "! Figure 2: lost" in outcome.out
    assert "(2 rows), 1 tables and 2 figures" in outcome.out
    assert paper == [(None, False)]
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["a.png", "b.png", "summary.json", "t.csv"]


def test_data_and_download_are_handed_on(jaxcost, paper, tmp_path):
    jaxcost("reproduce", "alpha-flops", "--out", tmp_path, "--data", tmp_path, "--download")
    assert paper == [(tmp_path, True)]


def test_an_unknown_paper_is_refused(refuses, tmp_path):
    line = refuses("reproduce", "alpha-flop", "--out", tmp_path / "o")
    assert line.startswith("paper 'alpha-flop' is not known; did you mean 'alpha-flops'?")


def test_data_that_are_not_there_are_refused(refuses, tmp_path):
    line = refuses("reproduce", "alpha-flops", "--data", tmp_path / "no", "--out", tmp_path / "o")
    assert "does not exist; give the folder or file" in line
    assert "--download" in line


def test_a_file_is_no_folder_to_write_to(refuses, tmp_path):
    (tmp_path / "o").touch()
    assert "is a file; give another folder" in refuses(
        "reproduce", "alpha-flops", "--out", tmp_path / "o"
    )


def test_no_network_is_a_failure(refuses, tmp_path, monkeypatch):
    def offline(data, out, *, download=False):
        raise ConnectionError("cannot download; copy the file")

    monkeypatch.setitem(PAPERS, "alpha-flops", offline)
    arguments = ("reproduce", "alpha-flops", "--out", tmp_path / "o", "--download")
    assert refuses(*arguments, status=1) == "cannot download; copy the file"


@pytest.mark.parametrize("stop", [ValueError("column x is missing; add it"), KeyboardInterrupt()])
def test_a_folder_gets_everything_or_nothing(jaxcost, paper, tmp_path, monkeypatch, stop):
    def halfway(data, out, *, download=False):
        out.mkdir(exist_ok=True)
        (out / "a.png").write_text("half")
        raise stop

    before = tmp_path / "before"
    before.mkdir()
    (before / "a.png").write_text("old")
    monkeypatch.setitem(PAPERS, "butter-e", halfway)
    for out in (before, tmp_path / "new"):
        outcome = jaxcost("reproduce", "all", "--out", out, "--data", tmp_path)
        assert outcome.status == (2 if isinstance(stop, ValueError) else 130)
    assert [path.name for path in tmp_path.rglob("*")] == ["before", "a.png"]
    assert (before / "a.png").read_text() == "old"


def test_files_of_the_same_names_are_replaced_and_others_left(jaxcost, paper, tmp_path):
    for name in ("a.png", "mine.txt"):
        (tmp_path / name).write_text("old")
    assert jaxcost("reproduce", "alpha-flops", "--out", tmp_path).status == 0
    assert (tmp_path / "a.png").read_text() == "new"
    assert (tmp_path / "mine.txt").read_text() == "old"


def test_data_are_given_to_the_papers_that_take_them(jaxcost, paper, tmp_path, monkeypatch):
    """Of the three, the thesis is recomputed indeed: it needs no data, and refuses them."""
    monkeypatch.setitem(PAPERS, "butter-e", PAPERS["alpha-flops"])
    outcome = jaxcost("reproduce", "all", "--data", tmp_path, "--out", tmp_path / "papers")
    assert (outcome.status, outcome.err) == (0, "")
    assert paper == [(tmp_path, False)] * 2
    every = json.loads((tmp_path / "papers" / "summary.json").read_text(encoding="utf-8"))
    thesis = tmp_path / "papers" / "inference-trends" / "summary.json"
    assert [row["source"] for row in every[:4]] == ["Table 1 (a)", "Figure 2"] * 2
    assert every[4:] == json.loads(thesis.read_text(encoding="utf-8"))


def test_the_paper_itself(jaxcost, tmp_path):
    outcome = jaxcost("reproduce", "alpha-flops", "--out", tmp_path)
    assert outcome.status == 0
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert f"({len(summary)} rows)" in outcome.out
    assert "Table 3a (2), implied parameters" in outcome.out
