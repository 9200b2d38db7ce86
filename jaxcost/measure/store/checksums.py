"""A checksum of every row of a store, kept beside the rows: what was not written so is found."""

import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any

# A table of its own, not a column: a row that is lost is missed, too.
TABLE = """
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


def add(connection: sqlite3.Connection) -> None:
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
