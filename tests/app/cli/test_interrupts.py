import gc
import os
import signal
import sys
import threading
import time
import types
from importlib import import_module

import pytest

from jaxcost.app.cli.interrupts import Interrupts
from jaxcost.measure import run as measure_run


def _wait():
    for _ in range(1000):
        time.sleep(0.01)


def _run(work):
    with Interrupts():
        work()


def _interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    _wait()


class _Swallows:
    """As a callback of the garbage collector does: what it raises, Python prints and forgets."""

    def __del__(self):
        raise KeyboardInterrupt


def _swallow():
    lost = _Swallows()
    del lost
    gc.collect()
    _wait()


def _hold_up():
    try:
        _interrupt()
    finally:
        threading.Event().wait(60)  # as a pool waits for its threads
        pytest.fail("the wait was not interrupted")


@pytest.mark.parametrize("work", [_interrupt, _swallow, _hold_up])
def test_an_interrupt_ends_the_block_whatever_it_meets(work):
    with pytest.raises(KeyboardInterrupt):
        _run(work)


def test_afterwards_all_is_as_before():
    hook, handler = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != handler
    assert (sys.unraisablehook, signal.getsignal(signal.SIGINT)) == (hook, handler)


def test_other_failures_that_python_swallows_are_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    with Interrupts():
        sys.unraisablehook(types.SimpleNamespace(exc_type=ValueError))
    assert [lost.exc_type for lost in shown] == [ValueError]


def test_another_thread_than_the_main_one_may_run_commands():
    done = []

    def work():
        with Interrupts():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_an_interrupt(number):
    with pytest.raises(KeyboardInterrupt):
        _run(lambda: (os.kill(os.getpid(), number), _wait()))


def test_a_request_that_is_ignored_stays_ignored():
    """As of what is started with nohup."""
    went_on = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _run(lambda: (os.kill(os.getpid(), signal.SIGHUP), time.sleep(0.1), went_on.append(True)))
        assert went_on == [True]
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_ends_a_sweep_is_told_where_its_timings_are(jaxcost, tmp_path, monkeypatch, number):
    from jaxcost.device import detect_device

    def measured(*_, **__):
        os.kill(os.getpid(), number)
        _wait()

    monkeypatch.setattr(measure_run, "look", lambda: (detect_device(), "cpu"))
    monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", measured)
    store = tmp_path / "m.db"
    outcome = jaxcost("measure", "--sweep", "increasing_batch", "--store", store)
    assert outcome.status == 130
    assert outcome.err.endswith(f"what was measured is in {store}; go on with --resume\n")
    assert list(tmp_path.iterdir()) == []
