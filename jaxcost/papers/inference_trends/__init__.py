"""The inference-trends thesis: its tables, its efficiency lines, and the figures of its analysis.

Source: Desislavov (2021), master's thesis on compute and energy consumption of deep-learning
inference. Where it contradicts itself, what is printed stands beside what follows, and a note says
so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost.papers.inference_trends import analyses, figures, rows, tables
from jaxcost.papers.summary import Reproduction, SummaryRow, write_summary, write_tables

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["reproduce"]


def reproduce(data: str | Path | None, out: str | Path, *, download: bool = False) -> Reproduction:
    """Recompute the thesis's tables and figures into a folder: `summary.json`, CSV and PNG files.

    Args:
        data, download: taken for the sake of other papers; all that this one needs is here.
        out: the folder to write to; made if need be.

    Returns:
        The rows of `summary.json` and the files written.

    Raises:
        ValueError: `data` or `download` is given.
    """
    if data is not None or download:
        raise ValueError("inference-trends needs no data; leave out --data and --download")
    out = Path(out)
    vision, language = analyses.vision(), analyses.language()
    frames = _frames(vision, language)
    lines = tables.growths(vision, language)
    summary = _summary(frames, vision) + rows.growths(lines)
    frames["contradictions"] = _listed(
        [
            *rows.contradictions(summary),
            *rows.last_digits("Table B.1", frames["table_b_1"]),
            *rows.last_digits("Table B.3", frames["table_b_3"]),
        ]
    )
    drawn = (
        figures.compute(vision, language)
        | figures.growth(vision, language, lines)
        | figures.hardware()
        | figures.energy(vision, language)
    )
    files = write_tables(out, frames, drawn)
    return Reproduction(summary, [*files, write_summary(out / "summary.json", summary)])


def _frames(vision: DataFrame, language: DataFrame) -> dict[str, DataFrame]:
    found = {f"table_{name}": tables.found_in_a_3(name, vision) for name in ("3_1", "4_1")}
    found |= {f"table_{name}": tables.found_in_a_3(name, vision) for name in ("5_2", "5_3")}
    return found | {
        "table_5_1": tables.speedups(),
        "table_a_1": tables.table("a_1"),
        "table_a_2": tables.table("a_2"),
        "table_a_3": vision,
        "table_a_4": language,
        "table_b_1": tables.efficiencies("b_1"),
        "table_b_2": tables.table_b_2(),
        "table_b_3": tables.efficiencies("b_3"),
        "equations_a": tables.scalings(),
        "efficiency_lines": tables.lines(),
    }


def _summary(frames: dict[str, DataFrame], vision: DataFrame) -> list[SummaryRow]:
    return [
        *rows.accuracies(frames["table_3_1"], frames["table_4_1"]),
        *rows.speedups(frames["table_5_1"]),
        *rows.joules("5_2", frames["table_5_2"], vision),
        *rows.joules("5_3", frames["table_5_3"], vision),
        *rows.energy_ratio(frames["table_5_2"]),
        *rows.scalings(frames["equations_a"]),
        *rows.consistency(*(frames[f"table_b_{i}"] for i in (1, 2, 3))),
        *rows.correlations(),
        *rows.context(),
        *rows.lines(frames["efficiency_lines"]),
    ]


def _listed(found: list[SummaryRow]) -> DataFrame:
    import pandas as pd

    return pd.DataFrame([row.to_json() for row in found])
