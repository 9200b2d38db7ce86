"""Limits on a program, from a TOML file or a dict: numbers in SI units, or text with a unit."""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcost._support.messages import refused, unknown
from jaxcost._support.text import quantity, storage

UNITS = {
    "flops": "FLOP", "macs": "MAC", "parameters": "", "bytes_moved": "B", "peak_bytes": "B",
    "latency_s": "s", "energy_j": "J",
}  # fmt: skip
COSTS = ("latency_s", "energy_j")
_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0}
_PREFIXES |= {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def in_words(name: str, value: float) -> str:
    """A value of a limit's quantity as a person reads it, such as `4.10 GFLOP` or `1 GiB`."""
    if name == "parameters":
        return f"{value:,.0f}"
    return storage(value) if UNITS[name] == "B" else quantity(value, UNITS[name])


def read_limits(path: str | Path) -> dict[str, float]:
    """The limits in a TOML file, in the units of their names.

    Raises: ValueError: no TOML, an unknown limit, or one that is no number above 0; the message
        names the file, the limit and the way out.
    """
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML ({error}); write lines like flops = 4.1e9") from None
    return limits_of(given, str(path))


def limits_of(given: Mapping[str, Any], source: str) -> dict[str, float]:
    """The same from a dict; `source` is what the messages begin with."""
    if not given:
        raise ValueError(f"{source} has no limit; write one of: {', '.join(UNITS)}")
    return {name: _limit(name, value, source) for name, value in given.items()}


def _limit(name: str, value: Any, source: str) -> float:
    if name not in UNITS:
        raise ValueError(f"{source}: {unknown('limit', name, UNITS)}")
    number = _with_unit(value, UNITS[name]) if isinstance(value, str) else _number(value)
    if not 0 < number < math.inf:
        unit = UNITS[name]
        example = "2 m" if unit in ("s", "J") else "1.5 M"
        allowed = f'a finite number above 0, or text like "{example}{unit}"'
        raise ValueError(f"{source}: {refused(name, value, allowed)}")
    return number


def _number(value: Any) -> float:
    """A number as a float; NaN of what is none, and of what no float holds."""
    try:
        return float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        return math.nan


def _with_unit(text: str, unit: str) -> float:
    """What text like `4.1 GFLOP` says; NaN where it is none in this unit."""
    prefixes = _PREFIXES | (_BINARY if unit == "B" else {})
    found = re.fullmatch(r"\s*([-+.\deE_]+)\s*(\D*?)\s*", text)
    if found is None or not found[2].endswith(unit):
        return math.nan
    size = prefixes.get(found[2].removesuffix(unit) if unit else found[2])
    try:
        return math.nan if size is None else float(found[1]) * size
    except ValueError:
        return math.nan
