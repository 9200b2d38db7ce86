import os
from pathlib import Path

import pytest

from jaxcost.app.cli.options import check_outputs


def test_a_folder_that_is_not_there_can_be_made(tmp_path):
    check_outputs({"--out": tmp_path / "a" / "b" / "c.json", "--report": None})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"^--out = '.*' is a folder; give the name of a file$"):
        check_outputs({"--out": tmp_path})


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^--out = .*file is a file; give another folder$"):
        check_outputs({"--out": tmp_path / "file" / "a" / "c.json"})


def test_a_folder_may_be_closed_to_us(tmp_path, monkeypatch):
    # The owner of a test run may be root, whom no permission stops.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=r"^--out = .* is not writable; give another folder$"):
        check_outputs({"--out": tmp_path / "c.json"})


def test_an_input_is_not_overwritten_under_any_name(tmp_path, monkeypatch):
    table = tmp_path / "t.csv"
    table.touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"is the same file as the input .*t\.csv; give another$"):
        check_outputs({"--out": tmp_path / "x" / ".." / "t.csv"}, [table.relative_to(tmp_path)])


def test_two_outputs_are_two_files(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(ValueError, match=r"^--report = .* is the same file as that of --out; give"):
        check_outputs({"--out": path, "--report": path})


def test_what_is_no_file_may_be_given_twice_and_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as of /dev for most users
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    for path in (os.devnull, tmp_path / "pipe", link):
        check_outputs({"--out": Path(path), "--report": Path(path)})


def test_the_folder_that_counts_is_that_of_a_links_target(tmp_path):
    (tmp_path / "file").touch()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file" / "c.json")
    with pytest.raises(
        ValueError, match=r"^--out = .*link': .*file is a file; give another folder"
    ):
        check_outputs({"--out": link})


def test_outputs_that_are_one_file_through_a_link_are_found(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match=r"^--report = .* is the same file as that of --out"):
        check_outputs({"--out": tmp_path / "a", "--report": tmp_path / "link"})


@pytest.mark.parametrize("seed", ["-1", "x", "0.5", "2147483648", ""])
def test_a_seed_is_a_whole_number(refuses, table, seed):
    line = refuses("fit", table, "--out", "c.json", "--seed", seed)
    assert f"'--seed': {seed!r}; give a whole number from 0 to 2147483647" in line


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "x"])
def test_a_budget_is_above_zero(refuses, budget):
    line = refuses("calibrate", "--budget", budget)
    assert f"'--budget': {budget!r}; give a number of minutes above 0" in line
