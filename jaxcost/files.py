"""Writing a file whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` under a temporary name, then rename it to `path`: no reader sees half a file.

    Folders above it are made; on failure the file that was there before is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets only its owner read; a result is as readable as the user's other files.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    return path


def write_text(path: str | Path, content: str) -> Path:
    """Write text in UTF-8, as `write_bytes` does."""
    return write_bytes(path, content.encode())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
