"""Odd values, as they come from spreadsheets, other programs and mistyped calls."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np


class Input(NamedTuple):
    """Something to be tried: what it is, in words, and how; `must_fail` where it makes no sense."""

    words: str
    call: Callable[[], Any]
    must_fail: bool


Draw = Callable[[Random, Path], Input]

TEXTS = (
    *("", " ", "NA", "nan", "inf", "-inf", "None", "true", "x", "0", "-0", "-1", "1.5", "1e400"),
    *(
        "1e-400",
        "9" * 30,
        "1_000",
        "1,000",
        "1 000",
        "0x10",
        "٣",
        "½",
        "8 ms",
        "\x1b[31m",
        "\u202e",
    ),
    *("=1+1", "1;2", "'8'", "\ufeff8", "4", "8.0", " 16 ", "1e3", "2147483647", "2147483648"),
)
OBJECTS = (
    *(None, True, False, "3", "", b"3", [], [2], [2, "x"], {}, {"a": 1}, object(), 1j, "many"),
    *(0, -1, 1.5, float("nan"), float("inf"), -float("inf"), 10**400, 1e300, 1e-300, 2**31, 3),
    *(np.array("3"), np.array([1.0, np.nan]), np.float32("nan"), np.bool_(True), np.int8(4)),
)


def text(random: Random) -> str:
    """One of `TEXTS`, or characters at random."""
    if random.random() < 0.8:
        return random.choice(TEXTS)
    return "".join(
        chr(random.choice((9, 32, 44, 46, 48, 49, 57, 101, 233, 0x4E00))) for _ in "1234"
    )


def object_(random: Random) -> Any:
    """What is given where a number belongs."""
    return random.choice(OBJECTS)
