"""Options that several commands share, and checking where their outputs go before the work."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from jaxcost._support.files import is_stream


def _seed(text: str) -> int:
    number = int(text) if str(text).isdecimal() else -1
    if not 0 <= number < 2**31:
        raise typer.BadParameter(f"{text!r}; give a whole number from 0 to 2147483647")
    return number


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise typer.BadParameter(f"{text!r}; give a number of minutes above 0")
    return number


def _share(text: str) -> float:
    given = str(text).strip()
    try:
        number = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise typer.BadParameter(f"{text!r}; give a share such as 5% or 0.05")
    return number


Seed = Annotated[
    int, typer.Option(metavar="N", parser=_seed, help="Of every random draw; a whole number.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES", parser=_minutes, help="Time for measuring, instead of the preset's own."
    ),
]


Until = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", parser=_share,
        help="Go on until half the interval of --for's latency is at most this, such as 5%.",
    ),
]  # fmt: skip


StartFrom = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="CALIBRATION",
        help="Start from another device's calibration, a file or a preset's name: few layers do.",
    ),
]  # fmt: skip


def check_outputs(outputs: dict[str, Path | None], inputs: Iterable[Path] = ()) -> None:
    """Refuse outputs that cannot be written or would destroy an input or one another.

    Args:
        outputs: by option, such as `--out`; None is not written.
        inputs: files that are read.

    Raises:
        ValueError: one line that names the option, the path and the way out.
    """
    taken = {os.path.realpath(path): f"the input {path}" for path in inputs}
    for option, path in outputs.items():
        if path is None or is_stream(path):
            continue
        if path.is_dir():
            raise ValueError(f"{option} = {str(path)!r} is a folder; give the name of a file")
        target = os.path.realpath(path)
        check_folder(option, path, Path(target).parent)
        other = taken.setdefault(target, f"that of {option}")
        if other != f"that of {option}":
            raise ValueError(f"{option} = {str(path)!r} is the same file as {other}; give another")


def check_folder(option: str, path: Path, folder: Path) -> None:
    """Refuse a folder that is none or may not be written to; one that is not there can be made."""
    nearest = next(above for above in (folder, *folder.parents) if above.exists())
    named = f"{option} = {str(path)!r}: {nearest}"
    if not nearest.is_dir():
        raise ValueError(f"{named} is a file; give another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"{named} is not writable; give another folder")
