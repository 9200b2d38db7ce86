"""Counts and estimates as JSON holds them, read back from the files that commands wrote."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AllowInfNan, BaseModel, Field, ValidationError

from jaxcost._support.messages import shown
from jaxcost._support.strict_json import read

_Number = Annotated[float, Field(strict=True, ge=0), AllowInfNan(False)]
_WAY_OUT = "give what `jaxcost count --json` or `jaxcost estimate --json` wrote"


class _Counted(BaseModel):
    flops: _Number
    macs: _Number
    parameters: _Number
    bytes_moved: _Number
    latency_s: _Number | None = None
    energy_j: _Number | None = None


class _Row(_Counted):
    name: str
    op: str
    repeat: _Number


class _Saved(_Counted):
    peak_bytes: _Number | None = None
    latency_s_lo: _Number | None = None
    latency_s_hi: _Number | None = None
    energy_j_lo: _Number | None = None
    energy_j_hi: _Number | None = None
    unknown: list[dict[str, Any]]
    layers: list[_Row]


def read_saved(path: str | Path) -> dict[str, Any]:
    """The record in a file, as `Counts.record` or `ProgramEstimate.record` gave it; what it lacks
    is None.

    Raises: ValueError: no such record; the message names the file and what is wrong there.
    """
    try:
        content = read(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path}, {place}: not JSON ({error.msg}); {_WAY_OUT}") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); {_WAY_OUT}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); {_WAY_OUT}") from None
    return saved(content, str(path))


def saved(record: Any, source: str = "the record") -> dict[str, Any]:
    """The same of a record that is at hand; `source` is what messages begin with."""
    try:
        return _Saved.model_validate(record).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        value = "" if isinstance(first["input"], dict | list) else f" = {shown(first['input'])}"
        raise ValueError(f"{source}: {place}{value}: {first['msg']}; {_WAY_OUT}") from None
