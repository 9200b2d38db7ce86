"""Writing a file whole or not at all."""

import contextlib
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` under a temporary name, then rename it to `path`: no reader sees half a file.

    What is at `path` is treated as a shell's `>` would: a link is followed, a device, a pipe or
    this process's own output is written to and stays what it is, and a file keeps its owner and
    its permissions. Folders above it are made; on failure a file that was there is untouched.

    Raises:
        OSError: with `path` as its `filename`.
    """
    path = Path(path)
    try:
        if not _write_through(path, content):
            # Not Path.resolve: until Python 3.13 it raises RuntimeError where links go in a circle.
            with whole_file(Path(os.path.realpath(path))) as file:
                file.write(content)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
    return path


def write_text(path: str | Path, content: str) -> Path:
    """Write text in UTF-8, as `write_bytes` does."""
    return write_bytes(path, content.encode())


def write_json(path: str | Path, value: Any) -> Path:
    """Write what JSON holds, indented, as `write_bytes` does; a number that is not finite fails."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """A folder beside `folder` to write files to, which move into it when all have been written.

    After an error or an interruption `folder` is as it was, and what was written so far is gone.
    Files of the same names are replaced; others that `folder` has are left alone.
    """
    target = Path(os.path.realpath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".jaxcost-") as name:
        yield Path(name)
        for file in sorted(path for path in Path(name).rglob("*") if path.is_file()):
            place = target / file.relative_to(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder under a temporary name, which becomes `folder` when all files in it are written.

    After an error or an interruption nothing is left of it.
    """
    target = Path(os.path.realpath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix=".jaxcost-"))
    try:
        made.chmod(0o777 & ~_umask())
        yield made
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def rename_to_new(path: Path, new: Path) -> None:
    """Give a file a name that no file has, in the same file system.

    Of two processes that give the same name, one wins, and the other's file keeps its old name.

    Raises:
        FileExistsError: a file has that name, perhaps since a moment ago.
    """
    try:
        new.hardlink_to(path)  # unlike a renaming, it replaces nothing
    except FileExistsError:
        raise
    except OSError:  # a file system without links: an empty file claims the name
        os.close(os.open(new, os.O_CREAT | os.O_EXCL))
        path.replace(new)
    else:
        path.unlink()


def is_stream(path: Path) -> bool:
    """Whether `path` is there and takes what is written to it, but is no file to be replaced."""
    found = _found(path)
    return found is not None and (_own_stream(found) is not None or not _is_file(found))


def _write_through(path: Path, content: bytes) -> bool:
    """Write to what is no file to be replaced; whether that was so."""
    if not is_stream(path):
        return False
    own = _own_stream(path.stat())
    sys.stdout.flush()  # what was printed before comes before it
    handle = os.open(path, os.O_WRONLY) if own is None else os.dup(own)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file under a temporary name beside `path`, which it is renamed to when all is written.

    After an error or an interruption what was there is untouched, and what was written is gone.
    """
    before = _found(path)
    if before is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".jaxcost-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _as_before(temporary, before)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _as_before(path: Path, before: os.stat_result | None) -> None:
    """Gives a new file the owner and permissions of the old one, or those of any new file."""
    if before is None:
        # mkstemp lets only its owner read; a result is as readable as the user's other files.
        path.chmod(0o666 & ~_umask())
        return
    with contextlib.suppress(PermissionError, AttributeError):  # only root, and not on Windows
        os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_file(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)


def _own_stream(found: os.stat_result) -> int | None:
    """Standard output or error, where that is what was found: `/dev/stdout`, under any name."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
