"""Several stores in one: the measurements of a fleet, or of one machine in several nights."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcost._support.files import rename_to_new
from jaxcost.measure.store import Partition, Store, StoreError, StoreFullError, schema


def merge_stores(sources: Sequence[str | Path], out: str | Path) -> int:
    """Copies every timing of several stores into a new one; each keeps its partition.

    Timings of equal devices and versions come to stand in one partition, as those of further
    processes.

    Args:
        sources: two stores or more, all different; no timing of them is changed.
        out: the new store, which must not exist.
    Returns:
        How many attempts were copied.
    Raises:
        StoreError: a source that cannot be read; one process that is in two of them; devices
            that call themselves equal and are not. Nothing is then written.
        StoreFullError: the disk is full. Nothing is then left behind.
    """
    if Path(out).exists():
        raise StoreError(_taken(out))
    place = Path(os.path.realpath(out))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".jaxcost-") as folder:
        partial = Path(folder) / "merged.db"
        try:
            with Store.create(partial) as target:
                copied = sum(_copy(path, target) for path in sources)
                target.settle()
            rename_to_new(partial, place)
        except StoreFullError as error:  # it names a file that nobody asked for
            raise StoreFullError(str(error).replace(str(partial), str(out))) from None
        except FileExistsError:
            raise StoreError(_taken(out)) from None
    return copied


def _taken(out: str | Path) -> str:
    return f"store {str(out)!r} exists; give the name of a new file"


def _copy(path: str | Path, target: Store) -> int:
    with Store.existing(path) as source:
        return sum(_copy_partition(path, source, part, target) for part in source.partitions())


def _copy_partition(path: str | Path, source: Store, part: Partition, target: Store) -> int:
    place = target.partition(part.fingerprint, part.device)
    if place.device != part.device:
        name = next(n for n in part.device if part.device[n] != place.device.get(n))
        raise StoreError(
            f"store {str(path)!r}: device {part.device.get('name')!r} has {name} = "
            f"{part.device[name]!r}, elsewhere {place.device.get(name)!r}; merge it apart"
        )
    target.add_layers(place, source.layers(part))
    copied = 0
    names = ", ".join(schema.PROCESS)
    for number, *values in source.rows(
        f"SELECT id, {names} FROM processes WHERE partition_id = ?", part.number
    ):
        process = dict(zip(schema.PROCESS, values))
        copied += _copy_process(path, source, target, place, number, process)
    return copied


def _copy_process(
    path: str | Path,
    source: Store,
    target: Store,
    place: Partition,
    number: int,
    process: dict[str, Any],
) -> int:
    same = ("pid", "host", "boot_id", "started_monotonic_s")
    query = f"SELECT 1 FROM processes WHERE {' AND '.join(f'{name} = ?' for name in same)}"
    if target.rows(query, *(process[name] for name in same)):
        raise StoreError(
            f"store {str(path)!r}: process {process['pid']} of {process['host']} is in another "
            "store, too; give each store once"
        )
    names, marks = ", ".join(schema.ATTEMPT), ", ".join("?" * len(schema.ATTEMPT))
    rows = source.rows(
        f"SELECT {names}, l.spec FROM attempts a JOIN layers l ON l.id = a.layer_id"
        " WHERE a.process_id = ? ORDER BY a.id",
        number,
    )
    with target.writing() as db:
        own = schema.insert(db, "processes", {"partition_id": place.number, **process})
        db.executemany(
            f"INSERT INTO attempts (layer_id, process_id, {names}) SELECT id, {own}, {marks}"
            f" FROM layers WHERE partition_id = {place.number} AND spec = ?",
            rows,
        )
    return len(rows)
