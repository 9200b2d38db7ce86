"""What counts as a failure: a reader would call the answer wrong, or the refusal no help."""

import contextlib
import io
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import jax
import numpy as np
from draws import Input

from jaxcost.app.cli.errors import run

_OURS = (ValueError, TypeError)
_LONGEST = 1000  # characters of a refusal


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def command(*words: object) -> Ended:
    """Runs a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run([str(word) for word in words])
    return Ended(status, out.getvalue(), err.getvalue())


def fault(tried: Input) -> str | None:
    """What is wrong with how the input was answered; None: nothing."""
    try:
        answer = tried.call()
    except _OURS as error:
        return _of_refusal(str(error))
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    if isinstance(answer, Ended):
        if answer.status not in (0, 2) or "Traceback" in answer.out + answer.err:
            return f"status {answer.status}: {answer.err[-300:]}"
        if answer.status == 2:
            return _of_refusal(answer.err.rstrip("\n"))
    elif (bad := _of_numbers(answer)) is not None:
        return bad
    return "was accepted" if tried.must_fail else None


def is_count(cell: str) -> bool:
    """Whether a reader takes a cell for a whole number of at least 1, blanks and tabs around it."""
    if not re.fullmatch(r"[\d.eE+]+", cell.strip(" \t"), re.ASCII):
        return False
    try:
        number = Decimal(cell.strip(" \t"))
    except InvalidOperation:
        return False
    return number.is_finite() and number >= 1 and number == number.to_integral_value()


def _of_refusal(line: str) -> str | None:
    if not line.strip():
        return "a refusal without words"
    if "\n" in line or len(line) > _LONGEST:
        return f"a refusal of several lines or of {len(line)} characters: {line[:200]!r}"
    return None


def _of_numbers(answer: Any) -> str | None:
    """A cost is a finite number above 0."""
    for leaf in jax.tree.leaves(answer):
        if not all(math.isfinite(x) and x > 0 for x in np.ravel(np.asarray(leaf, float))):
            return f"gave {leaf}"
    return None
