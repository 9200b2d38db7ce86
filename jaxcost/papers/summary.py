"""What a reproduction writes: rows of published beside reproduced, and the files next to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcost._support.files import write_text
from jaxcost.figures import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class SummaryRow:
    """One quantity of a paper beside what we get for it; SI units, named in `quantity`.

    Args:
        source: begins with the paper's own label, such as `Table 3a (2), printed parameters`.
        quantity: name with its unit, such as `time_s`.
        published: as printed; None where the paper prints none.
        reproduced: ours; None where it cannot be had, for the reason in `note`.
        note: what a reader must know to compare the two.
    """

    source: str
    quantity: str
    published: float | None
    reproduced: float | None
    note: str = ""

    @property
    def relative_error(self) -> float | None:
        """Reproduced over published, minus 1; None where either is missing or published is 0."""
        if not self.published or self.reproduced is None:
            return None
        return self.reproduced / self.published - 1

    def to_json(self) -> dict[str, Any]:
        """The row as `summary.json` holds it, to the seven digits that single precision has."""
        row = replace(self, reproduced=_rounded(self.reproduced))
        record = asdict(row)
        note = record.pop("note")
        return {**record, "relative_error": _rounded(row.relative_error), "note": note}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


@dataclass(frozen=True)
class Reproduction:
    """What reproducing a paper gave: rows of `summary.json`, files written, what is missing."""

    rows: Sequence[SummaryRow]
    files: Sequence[Path] = field(default_factory=tuple)
    missing: Sequence[str] = field(default_factory=tuple)


def write_summary(path: str | Path, rows: Sequence[SummaryRow]) -> Path:
    """Write rows to `path` as JSON: a list of `{source, quantity, published, reproduced, ...}`."""
    records = [row.to_json() for row in rows]
    text = json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, f"{text}\n")


def write_tables(out: Path, frames: dict[str, DataFrame], drawn: dict[str, Figure]) -> list[Path]:
    """Write tables as CSV and figures as PNG, by their names, into a folder."""
    csv = {name: frame.to_csv(index=False, float_format="%.9g") for name, frame in frames.items()}
    files = [write_text(out / f"{name}.csv", text) for name, text in csv.items()]
    return files + [save(figure, out / f"{name}.png") for name, figure in drawn.items()]
