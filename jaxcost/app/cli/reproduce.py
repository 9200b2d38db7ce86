"""`jaxcost reproduce`: a paper's tables and figures, computed again."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import check_folder

if TYPE_CHECKING:
    from jaxcost.app.report.tables import Table
    from jaxcost.papers import Reproduction


def reproduce(
    paper: Annotated[
        str,
        typer.Argument(metavar="alpha-flops|butter-e|inference-trends|all", help="Which paper."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder for tables, figures, summary.json.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The authors' measurements: a folder or the file itself."),
    ] = None,
    download: Annotated[
        bool,
        typer.Option("--download", help="Download the measurements from their public repository."),
    ] = False,
) -> None:
    """Recompute a paper's tables and figures: summary.json, CSV and PNG files.

    Without --data or --download, of alpha-flops only what needs no measurements; inference-trends
    needs none.

    \b
    Example:
      jaxcost reproduce alpha-flops --data datasets --out alpha-flops
      jaxcost reproduce inference-trends --out trends
      jaxcost reproduce butter-e --data datasets --out butter-e
      jaxcost reproduce all --data datasets --out papers
    """
    from jaxcost._support.messages import unknown
    from jaxcost.app.cli import show
    from jaxcost.app.cli.progress import working
    from jaxcost.papers import PAPERS

    if paper not in (*PAPERS, "all"):
        raise ValueError(unknown("paper", paper, [*PAPERS, "all"]))
    check_folder("--out", out, out.absolute())
    if data is not None and not data.exists():
        raise ValueError(
            f"--data = {str(data)!r} does not exist; give the folder or file with the authors' "
            "measurements, or --download to fetch them"
        )
    console = show.console()
    with working(console, f"computing {paper}"):
        found = _recomputed(paper, data, out, download)
    show.title(console, "Published beside reproduced")
    show.table(console, _published(found))
    if (others := _unpublished(found)).rows:
        show.title(console, "Found beyond what is published")
        show.table(console, others)
    if found.missing:
        show.warnings(console, found.missing)
    figures = sum(path.suffix == ".png" for path in found.files)
    rows, tables = len(found.rows), sum(path.suffix == ".csv" for path in found.files)
    console.print()
    show.line(
        console,
        f"Wrote {out / 'summary.json'} ({rows} rows), {tables} tables and {figures} figures beside",
    )


def _recomputed(paper: str, data: Path | None, out: Path, download: bool) -> "Reproduction":
    """One paper in its folder, or each in a folder of its own with a summary of all above.

    The folder gets everything or nothing.
    """
    from jaxcost._support.files import whole_folder
    from jaxcost.papers import PAPERS

    with whole_folder(out) as place:
        if paper == "all":
            found = _all_papers(data, place, download)
        else:
            found = PAPERS[paper](data, place, download=download)
    return dataclasses.replace(found, files=[out / f.relative_to(place) for f in found.files])


def _all_papers(data: Path | None, out: Path, download: bool) -> "Reproduction":
    from jaxcost.papers import PAPERS, WITHOUT_DATA, Reproduction, write_summary

    each = []
    for name, recompute in PAPERS.items():
        given = (None, False) if name in WITHOUT_DATA else (data, download)
        each.append(recompute(given[0], out / name, download=given[1]))
    found = Reproduction(
        rows=[row for one in each for row in one.rows],
        files=[path for one in each for path in one.files],
        missing=[line for one in each for line in one.missing],
    )
    write_summary(out / "summary.json", found.rows)
    return found


def _published(found: "Reproduction") -> "Table":
    """The rows that have both a published and a reproduced number; notes are in the summary."""
    from jaxcost._support import text
    from jaxcost.app.report.tables import Table

    both = [row for row in found.rows if row.relative_error is not None]
    return Table(
        ("source", "quantity", "published", "reproduced", "difference"),
        tuple(
            (
                row.source, row.quantity, _number(row.published), _number(row.reproduced),
                text.signed(row.relative_error or 0.0),
            )
            for row in both
        ),
        (False, False, True, True, True),
        note="Why numbers differ stands in the notes of summary.json.",
    )  # fmt: skip


def _unpublished(found: "Reproduction") -> "Table":
    """The rows for which the paper prints no number."""
    from jaxcost.app.report.tables import Table

    ours = [row for row in found.rows if row.published is None and row.reproduced is not None]
    return Table(
        ("source", "quantity", "found"),
        tuple((row.source, row.quantity, _number(row.reproduced)) for row in ours),
        (False, False, True),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
