"""What `calibrate` and `measure` share: the device, the sweep, and what is said of both."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost._support.files import is_stream
from jaxcost.app.cli.errors import InterruptedRunError, RunError

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.device import Device
    from jaxcost.measure import LayerSpec, Measurements, SweepPlan


def announce(
    console: "Console", device: "Device", title: str, layers: int, plan: "SweepPlan"
) -> None:
    """The device, and how much is to be measured on it."""
    from jaxcost._support.text import count, duration
    from jaxcost.app.cli import show

    units = "core" if device.platform == "cpu" else "multiprocessor"
    number = device.compute_units
    size = "" if number is None else f", {count(int(number), units)}"
    show.line(console, f"{device.kind or device.name} ({device.platform}{size})", style="bold")
    runs = "" if plan.processes == 1 else f" in {plan.processes} processes"
    limit = "" if plan.budget_s == float("inf") else f", at most {duration(plan.budget_s)}"
    show.line(console, f"{title}: {count(layers, 'layer')}{runs}{limit}")


def sweep_into(
    console: "Console",
    path: Path,
    layers: Sequence["LayerSpec"],
    plan: "SweepPlan",
    resume: bool,
    *,
    also: Sequence["LayerSpec"] = (),
) -> "Measurements":
    """Measures into a store, with a progress bar; `also` as of `measure_into`.

    Raises:
        RunError: the sweep could not go on; the store keeps what there is.
    """
    from jaxcost.app.cli import show
    from jaxcost.app.cli.progress import measuring
    from jaxcost.measure import (
        StoreFullError,
        SweepStoppedError,
        WorkerDiedError,
        WorkerHungError,
        measure_into,
    )

    stopped = (SweepStoppedError, StoreFullError, WorkerDiedError, WorkerHungError)
    try:
        with measuring(console) as progress:
            measured, sweep = measure_into(
                path, layers, plan, resume=resume, also=also, progress=progress
            )
    except stopped as error:
        raise RunError(str(error)) from None
    other = "the store had another device or version: this is a new partition of it"
    show.notices(console, [sweep.store.notice, other if sweep.new_partition else ""])
    return measured


@contextlib.contextmanager
def store_path(given: Path | None, beside: Path) -> Iterator[Path]:
    """The store that was asked for, or one that is kept only if what follows fails."""
    if given is not None:
        try:
            yield given
        except KeyboardInterrupt:
            words = f"what was measured is in {given}; go on with --resume"
            raise InterruptedRunError(f"interrupted; {words}") from None
        return
    beside = _file_beside(beside)
    beside.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.stem}-", suffix=".db")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    except BaseException as error:
        if _is_worth_keeping(path):
            kept = _free_name(beside)
            for ending in ("-wal", ""):  # on a full disk not all of it came into the one file
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{path}{ending}").replace(f"{kept}{ending}")
            words = f"what was measured is in {kept}; go on with --store {kept} --resume"
            if isinstance(error, KeyboardInterrupt):
                raise InterruptedRunError(f"interrupted; {words}") from None
            error.add_note(words)
        raise
    finally:
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink(missing_ok=True)


def _file_beside(out: Path) -> Path:
    """The result's file, to put others beside it; for a device or a pipe, one in this folder."""
    return (Path("calibration.json") if is_stream(out) else out).absolute()


def _free_name(beside: Path) -> Path:
    """A name for the store that no earlier one has."""
    numbers = ("", *(f"-{n}" for n in range(2, 1000)))
    names = (beside.with_suffix(f".measurements{number}.db") for number in numbers)
    return next(name for name in names if not name.exists())


def _is_worth_keeping(path: Path) -> bool:
    from jaxcost.measure import Store, StoreFullError

    if not path.stat().st_size:
        return False
    try:
        with Store.existing(path) as store:
            return store.has_attempts()
    except StoreFullError:  # too full even to look
        return True
    except ValueError:
        return False
