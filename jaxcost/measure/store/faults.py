"""What can be wrong with a store's file, in one line: whose fault it is, and the way out."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from jaxcost.measure.store.schema import IN_MEMORY


class StoreError(ValueError):
    """A store that cannot be used: the line says why and the way out."""


class StoreFullError(OSError):
    """The disk would not take another row; those written before are intact."""


DAMAGED = "it is damaged{where}; restore a copy, or give another file"
SIDE_FILES = ("-wal", "-shm", "-journal")  # of SQLite, beside the store's own
_WORDS = {
    "SQLITE_READONLY": "it cannot be written here; give another file",
    "SQLITE_CANTOPEN": "it cannot be written here; give another file",
    "SQLITE_PERM": "it cannot be written here; give another file",
    "SQLITE_BUSY": "another program holds it; wait for it, or give another file",
    "SQLITE_LOCKED": "another program holds it; wait for it, or give another file",
}


@contextlib.contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Within it, what SQLite says of the store at `path` becomes one line.

    Raises:
        StoreFullError: the disk is full, or fails.
        StoreError: anything else.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter in words of its own
        kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        if kind in ("SQLITE_FULL", "SQLITE_IOERR"):
            raise _full(path, str(error)) from None
        words = _WORDS.get(kind, DAMAGED.format(where=" or no store at all"))
        raise StoreError(f"store {str(path)!r}: {words}") from None


@contextlib.contextmanager
def reading(path: str | Path, record: str) -> Iterator[None]:
    """Within it, a row of the store at `path` that makes no sense is named, as `attempt 7`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError):
        words = DAMAGED.format(where=f" in {record}")
        raise StoreError(f"store {str(path)!r}: {words}") from None


def refuse_second_name(path: str | Path) -> None:
    """SQLite finds a file's journal by its name: by two hard links, one undoes the other."""
    try:
        names = Path(path).stat().st_nlink
    except OSError:
        return
    if names > 1:
        raise StoreError(
            f"store {str(path)!r} has {names} names (hard links), and a second one may be in use; "
            "copy it and give the copy, or delete the other name"
        )


@contextlib.contextmanager
def made_or_gone(path: str | Path) -> Iterator[None]:
    """A file that is made within it is gone again if it does not become a store.

    One that was there and empty is so again.
    """
    made = _is_new(path)
    empty = made or (Path(path).is_file() and Path(path).stat().st_size == 0)
    try:
        yield
    except BaseException:
        if empty:
            for ending in SIDE_FILES:
                Path(f"{path}{ending}").unlink(missing_ok=True)
            os.truncate(path, 0)
        if made:
            Path(path).unlink()
        raise


def _is_new(path: str | Path) -> bool:
    """Makes an empty file where there is none; whether it did."""
    if str(path) == IN_MEMORY:
        return False
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path, os.strerror(error.errno)) from None
        return False
    return True


def _full(path: str | Path, reason: str) -> StoreFullError:
    """The error for a disk that takes no more."""
    return StoreFullError(
        f"store {str(path)!r}: the disk is full or fails ({reason}); "
        "what was stored is kept: free space and try again; a sweep goes on with --resume"
    )
