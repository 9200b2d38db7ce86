"""Running a command so that whatever goes wrong ends in one line and the right exit status."""

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from jaxcost._support.messages import printable
from jaxcost.app.cli.estimate import in_new_words
from jaxcost.app.cli.interrupts import Interrupts

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
_BAD_PATHS = {
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR),
    *(errno.EISDIR, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST),
}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class RunError(Exception):
    """A failure at run time that is nobody's bad input; its text is the line that is shown."""


class InterruptedRunError(Exception):
    """An interrupt of which more is to be said than that it came."""


def run(arguments: Sequence[str]) -> int:
    """Run one command, and return its exit status; a failure is one line on standard error."""
    _write_any_text()
    try:
        with Interrupts():
            words = in_new_words(list(arguments))
            status = _command().main(words, prog_name="jaxcost", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        if _is_broken_pipe(error):
            _discard_output()
            return FAILED
        return _report(error)
    if status == INTERRUPTED:  # typer's answer to Ctrl-C
        return _report(KeyboardInterrupt())
    return status if isinstance(status, int) else 0


def _command() -> Any:
    """The commands, past typer's own entry point, which would format errors in its own way."""
    import typer

    from jaxcost.app.cli.app import app

    return typer.main.get_command(app)


def _report(error: BaseException) -> int:
    if os.environ.get("JAXCOST_TRACEBACK"):
        traceback.print_exception(error)
    status, line = explain(error)
    line = "; ".join([line, *getattr(error, "__notes__", ())])
    print(f"jaxcost: {printable(' '.join(line.split()))}", file=sys.stderr)
    return status


def explain(error: BaseException) -> tuple[int, str]:
    """The exit status for an exception, and what to say of it."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED, "interrupted; no file was left half-written"
    if isinstance(error, InterruptedRunError):
        return INTERRUPTED, str(error)
    if hasattr(error, "format_message"):
        return REFUSED, _usage(error)
    if isinstance(error, ValueError):
        return REFUSED, str(error)
    if isinstance(error, SystemExit):  # the commands' own never come here
        return REFUSED, f"the program was ended by the model's code ({_first_line(error)})"
    if isinstance(error, RunError | ConnectionError):
        return FAILED, str(error)
    if isinstance(error, OSError):
        return REFUSED if error.errno in _BAD_PATHS else FAILED, _system(error)
    if isinstance(error, MemoryError):
        return FAILED, "out of memory; use a smaller table or preset"
    return FAILED, _unforeseen(error)


def _usage(error: BaseException) -> str:
    """typer's words for a wrong option, and where to look them up."""
    message = str(error.format_message()).strip().rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "jaxcost"
    return f"{message} (see {path} --help)"


def _system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in _DISK_FULL:
        reason += "; nothing there was changed: free space, or write elsewhere"
    return f"{error.filename}: {reason}" if error.filename else reason


def _unforeseen(error: BaseException) -> str:
    return f"{_first_line(error)} (JAXCOST_TRACEBACK=1 shows where)"


def _first_line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def _write_any_text() -> None:
    """What a terminal's encoding lacks, such as × in ASCII, is written out and no failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _is_broken_pipe(error: BaseException) -> bool:
    """Whether the reader has gone; typer makes of it a SystemExit."""
    return isinstance(
        error.__context__ if isinstance(error, SystemExit) else error, BrokenPipeError
    )


def _discard_output() -> None:
    """Whoever read our output has gone: what is left of it goes nowhere, without complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
