"""Measurements on disk: one SQLite file, a row an attempt, written as it is made."""

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.identity import utc_now
from jaxcost.measure.store import schema
from jaxcost.measure.store.faults import (
    DAMAGED,
    StoreError,
    StoreFullError,
    made_or_gone,
    reading,
    refuse_second_name,
    told,
)
from jaxcost.measure.store.schema import IN_MEMORY, Attempt, Partition

__all__ = ["IN_MEMORY", "Attempt", "Partition", "Store", "StoreError", "StoreFullError"]


class Store:
    """An open store; a context manager that closes it.

    Every write is one transaction, on disk when the call returns. Open one with `create` or
    `existing`, which check every row, and hold `lock` while a sweep is written.

    Attributes:
        notice: what was done to an old store on opening it, in words; empty for others.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.notice = path, ""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.text_factory = _decoded
        self._db.execute("PRAGMA foreign_keys = ON")

    @classmethod
    def create(cls, path: str | Path) -> "Store":
        """The store at `path`, made if there is none.

        Raises:
            StoreError: a file that is no store, or is damaged, or may not be written.
            StoreFullError: the disk is full; a store that was begun is gone again.
        """
        with made_or_gone(path):
            return _opened(cls, path)

    @classmethod
    def existing(cls, path: str | Path) -> "Store":
        """The store at `path`.

        Raises:
            StoreError: as `create`; and if there is none.
        """
        if not Path(path).is_file():
            raise StoreError(f"store {str(path)!r} does not exist; make one with jaxcost measure")
        return _opened(cls, path)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its journal is merged into it."""
        self._db.close()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Within it, no other process writes a sweep to this store.

        Raises:
            StoreError: another process holds it.
        """
        if str(self.path) == IN_MEMORY:
            yield
            return
        from filelock import FileLock, Timeout

        # One store, one lock, by whatever link it was opened.
        guard = FileLock(f"{os.path.realpath(self.path)}.lock")
        try:
            guard.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"store {str(self.path)!r} is being written by another process; "
                "wait for it, or give another --store"
            ) from None
        try:
            yield
        finally:
            guard.release()

    def partition(self, fingerprint: Mapping[str, Any], device: Mapping[str, Any]) -> Partition:
        """The partition of that fingerprint, begun if it is new."""
        own = _text(fingerprint)
        with self.writing():
            found = {"fingerprint": own, "device": _text(device), "created_utc": utc_now()}
            schema.insert(self._db, "partitions", found, "OR IGNORE")
        return next(p for p in self.partitions() if _text(p.fingerprint) == own)

    def partitions(self) -> list[Partition]:
        """All partitions, oldest first."""
        found = []
        for n, f, d in self.rows("SELECT id, fingerprint, device FROM partitions ORDER BY id"):
            with reading(self.path, f"partition {n}"):
                found.append(Partition(n, dict(json.loads(f)), dict(json.loads(d))))
        return found

    def add_layers(self, partition: Partition, layers: Sequence[LayerSpec]) -> None:
        """Note which layers are to be measured, in their order; those known keep their place."""
        with self.writing():
            (taken,) = self._db.execute(
                "SELECT COALESCE(MAX(position), -1) FROM layers WHERE partition_id = ?",
                (partition.number,),
            ).fetchone()
            for position, layer in enumerate(layers, taken + 1):
                spec = {"position": position, "spec": _text(layer.row())}
                row = {"partition_id": partition.number} | spec
                schema.insert(self._db, "layers", row, "OR IGNORE")

    def layers(self, partition: Partition) -> list[LayerSpec]:
        """The layers of a partition, in their order."""
        query = "SELECT id, spec FROM layers WHERE partition_id = ? ORDER BY position"
        return [self._layer(n, spec) for n, spec in self.rows(query, partition.number)]

    def _layer(self, number: int, spec: str) -> LayerSpec:
        with reading(self.path, f"layer {number}"):
            return LayerSpec(**json.loads(spec))

    def begin_process(
        self, partition: Partition, slot: int, seed: int, facts: Mapping[str, Any]
    ) -> int:
        """Note that a process has begun to measure; its number in the store.

        Args:
            slot: which of the sweep's processes it stands for, from 0.
            facts: `pid`, `host`, `boot_id`, `started_monotonic_s` and any further provenance.
        """
        own = ("pid", "host", "boot_id", "started_monotonic_s")
        row = {name: facts[name] for name in own} | {
            "partition_id": partition.number,
            "slot": slot,
            "started_utc": facts.get("started_utc") or utc_now(),
            "seed": seed,
            "provenance": _text({k: v for k, v in facts.items() if k not in own}),
        }
        with self.writing():
            return schema.insert(self._db, "processes", row)

    def add_attempt(self, process: int, layer: LayerSpec, visit: Visit, at_s: float) -> None:
        """Store one visit; `at_s` is the monotonic time of its end, in s."""
        columns = {
            "process_id": process,
            "at_utc": utc_now(),
            "at_monotonic_s": at_s,
            **{name: _column(value) for name, value in visit.to_plain().items()},
        }
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        with self.writing():
            self._db.execute(
                f"INSERT INTO attempts (layer_id, {names})"
                f" SELECT l.id, {marks} FROM layers l, processes p"
                " WHERE p.id = ? AND l.partition_id = p.partition_id AND l.spec = ?",
                (*columns.values(), process, _text(layer.row())),
            )

    def has_attempts(self) -> bool:
        """Whether anything was measured."""
        return self._db.execute("SELECT EXISTS (SELECT 1 FROM attempts)").fetchone() == (1,)

    def attempts(self, partition: Partition) -> Iterator[Attempt]:
        """Every attempt of a partition, oldest first."""
        names = [field.name for field in dataclasses.fields(Visit)]
        rows = self.rows(
            f"SELECT a.id, l.id, l.spec, p.slot, p.id, {', '.join(f'a.{n}' for n in names)}"
            " FROM attempts a"
            " JOIN layers l ON l.id = a.layer_id JOIN processes p ON p.id = a.process_id"
            " WHERE p.partition_id = ? ORDER BY a.id",
            partition.number,
        )
        for number, of, spec, slot, process, *values in rows:
            layer = self._layer(of, spec)
            with reading(self.path, f"attempt {number}"):
                fields = dict(zip(names, values))
                visit = Visit.from_plain(fields | {n: json.loads(fields[n]) for n in _JSON})
            yield Attempt(layer, slot, process, visit)

    def processes(self, partition: Partition) -> list[dict[str, Any]]:
        """The processes of a partition with their provenance, oldest first."""
        names = ("id", *schema.PROCESS)
        query = f"SELECT {', '.join(names)} FROM processes WHERE partition_id = ? ORDER BY id"
        found = []
        for values in self.rows(query, partition.number):
            row = dict(zip(names, values))
            with reading(self.path, f"process {row['id']}"):
                found.append(row | {"provenance": dict(json.loads(row["provenance"]))})
        return found

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of any query, for what this class has no method for."""
        with told(self.path):
            return self._db.execute(query, values).fetchall()

    def is_intact(self) -> bool:
        """Whether SQLite's own check of the whole file finds nothing wrong."""
        return self._db.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]

    def check(self) -> None:
        """Compare every row with its checksum, after SQLite's own check of the file.

        Raises:
            StoreError: what is not as it was written, by name.
        """
        if not self.is_intact():
            raise StoreError(f"store {str(self.path)!r}: {DAMAGED.format(where='')}")
        found = list(schema.damaged(self._db))
        if found:
            more = f" and {len(found) - 1} more" if found[1:] else ""
            words = DAMAGED.format(where=f" in {found[0]}{more}")
            raise StoreError(f"store {str(self.path)!r}: {words}")

    def settle(self) -> None:
        """Bring all that was written into the one file, so that it can be moved.

        Raises:
            StoreFullError: the disk is full.
        """
        with told(self.path):
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(f"store {str(self.path)!r}: another program holds it; wait for it")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Within it, one transaction: all of it is on disk at the end, or none.

        Raises:
            StoreFullError: the disk is full.
        """
        with told(self.path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                schema.add_checksums(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


_JSON = ("loops", "calls", "doubling", "energy", "state")  # columns that hold more than a value


def _opened(kind: type[Store], path: str | Path) -> Store:
    """A store whose file was found to be one, at the newest version of the tables."""
    refuse_second_name(path)
    with told(path), contextlib.ExitStack() as undo:
        store = undo.enter_context(kind(path))
        _check_kind(store)
        before = schema.version(store._db)
        store._db.execute("PRAGMA journal_mode = WAL")
        store._db.execute("PRAGMA synchronous = FULL")
        try:
            schema.migrate(store._db)
        except ValueError as error:
            raise StoreError(f"store {str(path)!r}: {error}") from None
        _check_in_one_view(store)
        after = schema.version(store._db)
        if 0 < before < after:
            store.notice = (
                f"store {str(path)!r} was of version {before} and is of {after} now: its rows have "
                "checksums from here on, taken of them as they were found"
            )
        undo.pop_all()
    return store


def _check_kind(store: Store) -> None:
    (tables,) = store._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    (kind,) = store._db.execute("PRAGMA application_id").fetchone()
    if tables and kind != schema.APPLICATION_ID:
        words = "it is a database of another program; give another file"
        raise StoreError(f"store {str(store.path)!r}: {words}")
    if not schema.is_whole(store._db):
        raise StoreError(f"store {str(store.path)!r}: {DAMAGED.format(where='')}")


def _check_in_one_view(store: Store) -> None:
    """Another process may be writing: rows and their checksums are read at one moment."""
    store._db.execute("BEGIN")
    store.check()
    store._db.execute("COMMIT")


def _decoded(text: bytes) -> str:
    """Damaged text is read all the same: its checksum names the row that it is in."""
    return text.decode("utf-8", "surrogateescape")


def _text(value: Any) -> str:
    """A value as text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _column(value: Any) -> Any:
    return _text(value) if isinstance(value, dict | list) else value
