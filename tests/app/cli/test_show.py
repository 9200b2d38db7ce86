import io

import pytest
from rich.console import Console

from jaxcost.app.cli import show
from jaxcost.app.report.tables import Table

TABLE = Table(("name", "n"), (("a", "1"), ("b" * 30, "20")), (False, True), note="Numbers.")


@pytest.fixture
def plain():
    return Console(file=io.StringIO(), force_terminal=False, width=60)


def _lines(console):
    return console.file.getvalue().splitlines()


def test_a_table_is_aligned_without_trailing_spaces(plain):
    show.table(plain, TABLE)
    assert _lines(plain) == [
        "name                               n",
        "a                                  1",
        "b" * 30 + "    20",
        "Numbers.",
    ]


def test_names_are_shown_as_they_are(capsys):
    out = show.console()
    show.line(out, "wrote [bold]x[/bold] :smile: 12 " + "long/" * 60)
    printed = capsys.readouterr().out
    assert printed == "wrote [bold]x[/bold] :smile: 12 " + "long/" * 60 + "\n"


def test_the_width_of_a_pipe_may_be_chosen(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert show.console().width == 110
    monkeypatch.setenv("COLUMNS", "77")
    assert show.console().width == 77


def test_warnings_are_a_point_each_and_none_is_nothing(plain):
    show.warnings(plain, [])
    assert _lines(plain) == []
    show.warnings(plain, ["first", "second " * 15])
    lines = _lines(plain)
    assert lines[1:3] == ["Warnings", "! first"]
    assert lines[3].startswith("! second")
    assert lines[4].startswith("  second")


def test_a_terminal_is_shown_the_strong_row_in_bold():
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system="standard")
    show.table(console, Table(("a",), (("x",), ("y",)), (False,), strong=1))
    assert "\x1b[1my" in console.file.getvalue()
    assert "\x1b[1mx" not in console.file.getvalue()


def test_terminal_escapes_are_written_out_wherever_they_come_from(plain):
    evil = "\x1b]0;title\x07\x1b[2J"
    show.title(plain, evil)
    show.line(plain, evil)
    show.warnings(plain, [evil])
    show.table(plain, Table((evil,), ((evil,),), (False,), note=evil))
    printed = plain.file.getvalue()
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert printed.count("x1b[2J") == 6
