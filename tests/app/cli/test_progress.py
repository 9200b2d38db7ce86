import io

import pytest
from rich.console import Console

from jaxcost.app.cli import show
from jaxcost.app.cli.progress import measuring, working
from jaxcost.measure import LayerSpec, Progress

LAYER = LayerSpec(op="dense", c_in=8, c_out=8)


def _console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def _run(console, steps=50):
    with measuring(console) as progress:
        for done in range(1, steps + 1):
            progress(Progress(done, steps, float(done), 2.0 * (steps - done), LAYER))
    return console.file.getvalue()


def test_elsewhere_it_is_a_plain_line_for_each_tenth():
    lines = _run(_console(False)).splitlines()
    assert lines[0] == "measuring: 2 %, about 1 min 38 s left"
    assert 9 <= len(lines) <= 11
    assert lines[-1].startswith("measuring: 9")
    assert not any(set(line) & set("\r\x1b") for line in lines)


def test_on_a_terminal_it_is_a_bar_with_the_time_left():
    written = _run(_console(True))
    assert "━" in written
    assert "about 1 min 20 s left" in written
    assert "measuring" in written


def test_the_bar_is_drawn_by_no_thread(monkeypatch):
    # A thread that redraws would disturb what is being timed.
    import threading

    started = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self))
    _run(_console(True))
    assert started == []


@pytest.mark.parametrize("terminal", [False, True])
def test_what_takes_a_while_is_named(terminal):
    console = _console(terminal)
    with working(console, "fitting"):
        pass
    assert "fitting" in console.file.getvalue()


def test_in_a_notebook_it_is_plain_lines(monkeypatch, capsys):
    # Jupyter sets this for what its cells run: rich then takes any stream for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = show.console()
    assert console.is_terminal
    with working(console, "fitting"):
        pass
    assert capsys.readouterr().out == "fitting\n"
