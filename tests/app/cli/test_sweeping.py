"""Where a calibration's store is while it is measured, and what becomes of it."""

import contextlib
import os
from pathlib import Path

import pytest

from jaxcost.app.cli.sweeping import store_path
from jaxcost.measure import LayerSpec, Store, StoreFullError
from jaxcost.measure.clock.visit import Visit

LAYER = LayerSpec(op="dense", c_in=8, c_out=8, sweep="s")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, which is empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def measured(path):
    """An open store with one visit."""
    store = Store.create(path)
    part = store.partition({"platform": "cpu"}, {})
    store.add_layers(part, [LAYER])
    facts = {"pid": 1, "host": "h", "boot_id": "b", "started_monotonic_s": 0.0}
    store.add_attempt(store.begin_process(part, 0, 0, facts), LAYER, Visit(), 0.0)
    return store


def stopped(out, work):
    """What is said where the work on a store for `out` ends in an error."""

    def run():
        with store_path(None, Path(out)) as path:
            work(path)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop") as error:
        run()
    return getattr(error.value, "__notes__", [])


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/null", "link", "pipe"])
def test_a_store_is_never_put_beside_a_device(here, tmp_path, out):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to("/dev/stdout")
    os.mkfifo(elsewhere / "pipe")
    before = [sorted(folder.iterdir()) for folder in (Path("/dev"), elsewhere)]
    with store_path(None, elsewhere / out) as path:
        assert path.parent == here
    assert list(here.iterdir()) == []
    kept = here / "calibration.measurements.db"
    words = f"what was measured is in {kept}; go on with --store {kept} --resume"
    assert stopped(elsewhere / out, lambda path: measured(path).close()) == [words]
    assert list(here.iterdir()) == [kept]
    assert [sorted(folder.iterdir()) for folder in (Path("/dev"), elsewhere)] == before


def test_on_a_full_disk_what_was_measured_is_kept_with_its_journal(here, largest_file):
    """SQLite says nothing where it could not bring the journal into the file."""

    def work(path):
        store = measured(path)
        limit.enter_context(largest_file(4096))
        store.close()

    with contextlib.ExitStack() as limit:
        (words,) = stopped("c.json", work)
    assert "what was measured is in" in words
    with Store.existing(here / "c.measurements.db") as store:
        assert len(list(store.attempts(*store.partitions()))) == 1
    assert [path.name for path in here.iterdir()] == ["c.measurements.db"]


def test_on_a_full_disk_nothing_is_kept_of_a_store_that_was_never_made(here, largest_file):
    def work(path):
        limit.enter_context(largest_file(5000))
        with pytest.raises(StoreFullError):
            Store.create(path)

    with contextlib.ExitStack() as limit:
        assert stopped("c.json", work) == []
    assert list(here.iterdir()) == []
