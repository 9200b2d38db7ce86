"""Compiled programs of a fit, kept on disk: the next fit of the same sizes starts at once."""

import hashlib
import os
import platform
from pathlib import Path

_LEAST_S = 0.0  # single operations, too: a fit compiles a hundred of them
_MOST_BYTES = 64 << 20


def keep_compilations() -> None:
    """From now on JAX keeps what it compiles in the user's cache folder; a full one begins anew.

    Where the user has chosen a folder for JAX, or the cache folder cannot be written, all stays
    as it is. Programs are for one kind of processor; each kind that shares the folder has its own.
    """
    import jax

    folder = cache_folder()
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if chosen or not _writable(folder):
        return
    _begin_anew_if_full(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_S)


def _begin_anew_if_full(folder: Path) -> None:
    """Once a command: JAX's own bound looks at every file for each that it adds."""
    programs = list(folder.glob("*-cache"))
    try:
        if sum(path.stat().st_size for path in programs) > _MOST_BYTES:
            for path in programs:
                path.unlink(missing_ok=True)
    except OSError:  # another command does the same
        return


def cache_folder() -> Path:
    """Where programs for this processor go: in $XDG_CACHE_HOME, by default ~/.cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "jaxcost" / f"{platform.machine()}-{_processor()}"


def _processor() -> str:
    """What tells apart processors that cannot run each other's programs."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    able = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return hashlib.sha256(able.encode()).hexdigest()[:12]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
