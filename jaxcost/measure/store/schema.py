"""The tables of a store, what their rows are here, and the steps from each version to the next.

Beside the rows a checksum of each is kept, so that what was not written so is found.
"""

import contextlib
import dataclasses
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec

# "jaxc": tells a store from any other SQLite file.
APPLICATION_ID = 0x6A617863
IN_MEMORY = ":memory:"

_FIRST = """
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    created_utc TEXT NOT NULL
);
CREATE TABLE layers (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partitions (id),
    position INTEGER NOT NULL,
    spec TEXT NOT NULL,
    UNIQUE (partition_id, spec)
);
CREATE TABLE processes (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partitions (id),
    slot INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    started_utc TEXT NOT NULL,
    started_monotonic_s REAL NOT NULL,
    seed INTEGER NOT NULL,
    provenance TEXT NOT NULL
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    process_id INTEGER NOT NULL REFERENCES processes (id),
    layer_id INTEGER NOT NULL REFERENCES layers (id),
    status TEXT NOT NULL,
    error TEXT NOT NULL,
    at_utc TEXT NOT NULL,
    at_monotonic_s REAL NOT NULL,
    wall_s REAL,
    compile_s REAL,
    memory_bytes INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    work TEXT,
    hlo_hash TEXT NOT NULL,
    settled INTEGER NOT NULL,
    loops TEXT NOT NULL,
    calls TEXT NOT NULL,
    doubling TEXT NOT NULL,
    energy TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE INDEX attempts_by_layer ON attempts (layer_id);
"""

# A table of its own, not a column: a row that is lost is missed, too.
_CHECKSUMS = """
CREATE TABLE checksums (
    record TEXT NOT NULL,
    number INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (record, number)
) WITHOUT ROWID
"""
_RECORDS = {
    "partition": "partitions",
    "layer": "layers",
    "process": "processes",
    "attempt": "attempts",
}
# The columns that a merge copies, besides those by which rows name one another.
_PROCESS = "slot pid host boot_id started_utc started_monotonic_s seed provenance"
PROCESS = tuple(_PROCESS.split())
ATTEMPT = ("at_utc", "at_monotonic_s", *(field.name for field in dataclasses.fields(Visit)))


class Attempt(NamedTuple):
    """One visit as it was stored: to which layer, and by whom.

    Args:
        slot: which of the sweep's processes.
        process: the operating system's process, by the store's own number.
    """

    layer: LayerSpec
    slot: int
    process: int
    visit: Visit


@dataclasses.dataclass(frozen=True)
class Partition:
    """What was measured on one device with one set of versions.

    Args:
        number: in the store.
        fingerprint: what must be equal for two timings to belong together, by name.
        device: the device as its worker described it.
    """

    number: int
    fingerprint: Mapping[str, Any]
    device: Mapping[str, Any]


Migration = Callable[[sqlite3.Connection], None]


def _create(connection: sqlite3.Connection) -> None:
    for statement in _FIRST.split(";"):
        connection.execute(statement)


def _begin_checksums(connection: sqlite3.Connection) -> None:
    connection.execute(_CHECKSUMS)
    add_checksums(connection)


# The step at position n leads from version n to n + 1. Never change one that was released.
MIGRATIONS: Sequence[Migration] = (_create, _begin_checksums)


def version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 where there are none."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def is_whole(connection: sqlite3.Connection) -> bool:
    """Whether the tables are to the letter those of the version that the file claims."""
    at, newest = version(connection), len(MIGRATIONS)
    if at > newest:  # `migrate` has words for it
        return True
    known, found = _tables_of(newest), _tables(connection)
    return {name: found[name] for name in known if name in found} == _tables_of(at)


def _tables_of(number: int) -> dict[str, tuple[str, ...]]:
    """The tables of an empty store of that version."""
    with contextlib.closing(sqlite3.connect(IN_MEMORY, isolation_level=None)) as connection:
        for step in MIGRATIONS[:number]:
            step(connection)
        return _tables(connection)


def _tables(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """What defines each table and index, by name."""
    rows = connection.execute("SELECT name, type, tbl_name, sql FROM sqlite_master")
    return {name: tuple(defined) for name, *defined in rows}


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables up to the newest version, each step whole or not at all.

    Raises:
        ValueError: a version newer than this program knows.
    """
    at = version(connection)
    if at > len(steps):
        raise ValueError(
            f"schema version {at} is newer than {len(steps)}, the newest known here; update jaxcost"
        )
    while version(connection) < len(steps):
        connection.execute("BEGIN IMMEDIATE")
        try:
            number = version(connection)  # another process may have been first
            if number < len(steps):
                steps[number](connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def insert(
    connection: sqlite3.Connection, table: str, row: Mapping[str, Any], otherwise: str = ""
) -> int:
    """A new row by its columns; its number. `otherwise` is SQL for what cannot be inserted."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    query = f"INSERT {otherwise} INTO {table} ({names}) VALUES ({marks})"
    return connection.execute(query, tuple(row.values())).lastrowid or 0


def add_checksums(connection: sqlite3.Connection) -> None:
    """Note the checksums of the rows that came since the last time; rows never change."""
    for record, table in _RECORDS.items():
        rows = connection.execute(
            f"SELECT * FROM {table} WHERE id >"
            " (SELECT COALESCE(MAX(number), 0) FROM checksums WHERE record = ?)",
            (record,),
        )
        connection.executemany(
            "INSERT INTO checksums (record, number, checksum) VALUES (?, ?, ?)",
            [(record, row[0], _checksum(row)) for row in rows],
        )


def damaged(connection: sqlite3.Connection) -> Iterator[str]:
    """The records that are not as they were written, as `attempt 7`; those that are lost, too."""
    for record, table in _RECORDS.items():
        noted = dict(
            connection.execute("SELECT number, checksum FROM checksums WHERE record = ?", (record,))
        )
        found = {row[0]: _checksum(row) for row in connection.execute(f"SELECT * FROM {table}")}
        differ = [n for n in noted.keys() | found.keys() if noted.get(n) != found.get(n)]
        yield from (f"{record} {number}" for number in sorted(differ, key=str))


def _checksum(row: tuple[Any, ...]) -> int:
    """CRC-32 of the row's values and their types, as Python writes them in ASCII."""
    return zlib.crc32(ascii(row).encode("ascii"))
