"""Which rows and columns of a table a command takes, and on what hardware they were measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.workload.columns import Columns

Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="Only the rows in this precision, such as float32; of a table without such a "
        "column, the precision of all.",
    ),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The column of times, in the unit its name ends in: latency_ms."
    ),
]
EnergyColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The column of energies, in the unit its name ends in: energy_mJ."
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW", help="Read column OLD as NEW; may be given again."),
]


def columns_asked(
    rename: list[str] | None,
    time_column: str | None,
    energy_column: str | None = None,
    dtype: str | None = None,
) -> "Columns":
    """How `--rename`, `--time-column`, `--energy-column` and `--dtype` say to read columns."""
    from jaxcost._support.messages import refused
    from jaxcost.workload.columns import Columns

    pairs = [pair.partition("=") for pair in rename or []]
    for old, equals, new in pairs:
        if not (old and equals and new):
            raise ValueError(refused("--rename", old + equals + new, "OLD=NEW, two columns' names"))
    names = tuple((old.strip(), new.strip()) for old, _, new in pairs)
    return Columns(names, time_column, energy_column, dtype)


def rows_to_predict(
    frame: "pd.DataFrame", device: str | None, dtype: str | None, source: Path
) -> "pd.DataFrame":
    """The rows of the device and the precision that are asked for; all where none is."""
    from jaxcost.workload.selection import one_of

    for column, wanted in (("device", device), ("dtype", dtype)):
        if wanted is not None and column not in frame:
            raise ValueError(f"{source} has no column {column!r}; leave out --{column}")
        if wanted is not None:
            frame = one_of(frame, column, wanted, str(source))
    return frame
