"""JSON as the standard has it, laid out for people."""

import json
import math
from typing import Any

from jaxcost._support.messages import shown


def read(text: str) -> Any:
    """What a text says; ValueError for a number that is not finite, or a key given twice."""
    return json.loads(
        text, parse_constant=_no_constant, parse_float=_number, object_pairs_hook=_object
    )


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_constant(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} stands twice in one object")
    return found


def indented(value: Any, depth: int = 0) -> str:
    """JSON in which a list of numbers stands on one line, and everything else is indented."""
    pad, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(k)}: {indented(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{pad}}}"
    if isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
        return "[\n" + ",\n".join(inner + indented(v, depth + 1) for v in value) + f"\n{pad}]"
    return json.dumps(value, allow_nan=False)
