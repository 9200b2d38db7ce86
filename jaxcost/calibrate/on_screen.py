"""What was fitted on one screen: models, how far off they are, and their parameters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jaxcost._support import text

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.calibrate.fitted import Fitted

_SHOWN = {"held_out": "held out", "rows": "rows left out", "as_printed": "as printed"}


def parameters(models: "Mapping[str, Fitted]") -> "pd.DataFrame":
    """A row a parameter of each target and sort of layers, with its 90 % interval."""
    import pandas as pd

    rows = [
        {"target": target, "of": sort, "model": part.name, "parameter": e.name, "value": e.value}
        | {"lower": e.lower, "upper": e.upper, "unit": e.unit}
        | {"determined": e.determined, "meaning": e.doc}
        for target, fitted in models.items()
        for sort, part in fitted.parts.items()
        for e in part.estimates
    ]
    return pd.DataFrame(rows)


def models(of: "Mapping[str, Fitted]") -> "tuple[list[str], pd.DataFrame]":
    """A line a target and sort of layers, and their parameters as text."""
    import pandas as pd

    lines = [
        f"{target}, {sort}: {part.name} in {part.dtype or 'a precision not recorded'}{_error(part)}"
        for target, fitted in of.items()
        for sort, part in fitted.parts.items()
    ]
    rows = []
    for row in parameters(of).to_dict("records"):
        (value, lower, upper), unit = text.scaled(
            row["unit"], row["value"], row["lower"], row["upper"]
        )
        known = "" if row["determined"] else " *"
        of_row = {"of": row["of"], "parameter": row["parameter"] + known, "value": value}
        ends = text.NONE if row["lower"] == row["upper"] else f"{lower} to {upper}"
        rows.append(of_row | {"90 % interval": ends, "unit": unit})
    if any(row["parameter"].endswith(" *") for row in rows):
        lines.append("* not determined by the data")
    return lines, pd.DataFrame(rows)


def _error(part: "Fitted") -> str:
    """The median error of layers that the fit had not seen, as far as it is known."""
    for way, words in _SHOWN.items():
        if way in part.errors:
            median = text.error(part.errors[way].median_absolute)
            return f", median error {median} ({words})"
    return ""
