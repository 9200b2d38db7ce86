"""A small table on disk that grows by whole rows: measurements too few to need a store."""

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """A file that is there whole or, where writing fails, as it was before; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Ledger:
    """Rows of one CSV file; each is on disk when `append` returns, and no reader sees half of one.

    Args: path: made with the first row.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def rows(self) -> list[dict[str, str]]:
        """All rows, as text; none where there is no file.

        Raises: ValueError: a file that is no such table.
        """
        if not self.path.is_file():
            return []
        reader = csv.DictReader(io.StringIO(self.path.read_text(encoding="utf-8")))
        rows = list(reader)
        for number, row in enumerate(rows, 2):
            if None in row or None in row.values():
                raise ValueError(
                    f"{self.path}, line {number}: a row of another length than the header's; "
                    "restore a copy, or give another folder"
                )
        return rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; None and NaN are empty.

        Raises: ValueError: other columns than those of the file.
        """
        rows: list[Mapping[str, Any]] = [*self.rows()]
        if rows and list(rows[0]) != list(row):
            raise ValueError(f"{self.path} has other columns than {', '.join(row)}; move it away")
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, {name: _plain(value) for name, value in row.items()}])
        write_whole(self.path, buffer.getvalue())

    def has(self, row: Mapping[str, Any], columns: Sequence[str]) -> bool:
        """Whether a row with the same values in these columns is there."""
        wanted = [str(_plain(row[name])) for name in columns]
        return any([one.get(name) for name in columns] == wanted for one in self.rows())


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value
