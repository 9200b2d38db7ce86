"""What was fitted on one screen: models, how far off they are, and their parameters."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jaxcost._support import text

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.calibrate.fit import FitResult
    from jaxcost.calibrate.fit.identify import Estimate
    from jaxcost.calibrate.fitted import Fitted

# How the rows were predicted that an error is of.
WAYS = {
    "in_sample": "in sample",
    "rows": "rows left out",
    "sweeps": "sweeps left out",
    "held_out": "held out",
    "as_printed": "as printed",
}
_SHOWN = ("held_out", "rows", "as_printed")  # the first that is known


def parameters(models: "Mapping[str, Fitted]") -> "pd.DataFrame":
    """A row a parameter of each target and sort of layers, with its 90 % interval."""
    import pandas as pd

    rows = [
        {"target": target, "of": sort, "model": part.name} | row
        for target, fitted in models.items()
        for sort, part in fitted.parts.items()
        for row in estimated(part.estimates)
    ]
    return pd.DataFrame(rows)


def estimated(parameters: "Iterable[Estimate]") -> list[dict[str, Any]]:
    """A row a parameter, with its 90 % interval."""
    return [
        {"parameter": e.name, "value": e.value, "lower": e.lower, "upper": e.upper}
        | {"unit": e.unit, "determined": e.determined, "meaning": e.doc}
        for e in parameters
    ]


def models(of: "Mapping[str, Fitted]") -> "tuple[list[str], pd.DataFrame]":
    """A line a target and sort of layers, and their parameters as text."""
    import pandas as pd

    lines = [
        f"{target}, {sort}: {part.name} in {part.dtype or 'a precision not recorded'}{_error(part)}"
        for target, fitted in of.items()
        for sort, part in fitted.parts.items()
    ]
    found = parameters(of).to_dict("records")
    rows = [{"of": row["of"]} | _cells(row) for row in found]
    return [*lines, *_undetermined(found)], pd.DataFrame(rows)


def fit(of: "FitResult") -> "tuple[list[str], pd.DataFrame]":
    """The errors and the warnings of a fit in lines, and its parameters as text."""
    import pandas as pd

    lines = [f"Fit of {type(of.model).__name__}, in {of.model.unit}"]
    lines += [f"{WAYS[way]}: {found}" for way, found in of.errors.items()]
    rows = estimated(of.estimates)
    many = len(of.warnings)
    warned = [f"{text.count(many, 'warning')}: see warnings"] if many else []
    return [*lines, *_undetermined(rows), *warned], pd.DataFrame(map(_cells, rows))


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """A parameter as text: * where the data do not determine it."""
    (value, lower, upper), unit = text.scaled(row["unit"], row["value"], row["lower"], row["upper"])
    ends = text.NONE if row["lower"] == row["upper"] else f"{lower} to {upper}"
    known = "" if row["determined"] else " *"
    of_row = {"parameter": row["parameter"] + known, "value": value}
    return of_row | {"90 % interval": ends, "unit": unit}


def _undetermined(rows: list[dict[str, Any]]) -> list[str]:
    return [] if all(row["determined"] for row in rows) else ["* not determined by the data"]


def _error(part: "Fitted") -> str:
    """The median error of layers that the fit had not seen, as far as it is known."""
    for way in _SHOWN:
        if way in part.errors:
            median = text.error(part.errors[way].median_absolute)
            return f", median error {median} ({WAYS[way]})"
    return ""
