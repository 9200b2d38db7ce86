"""`jaxcost export` and `jaxcost merge`: what is done with stores after measuring."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import check_outputs

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.measure import Store
    from jaxcost.measure.store import Partition

_ENDINGS = (".csv", ".parquet")


def export(
    store: Annotated[Path, typer.Argument(metavar="STORE.db", help="The store to read.")],
    out: Annotated[
        Path, typer.Option(metavar="TABLE.csv|.parquet", help="Where the table of layers goes.")
    ],
    partition: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which device and version, where the store has several."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Layers without a time, too; `status` says why.")
    ] = False,
) -> None:
    """Write what a store holds as a table of layers, one row a layer.

    Times in s and, where they were asked for, energies in J; an energy that is missing has its
    reason beside it.

    \b
    Example:
      jaxcost export measurements.db --out layers.csv
      jaxcost fit layers.csv --out calibration.json
    """
    from jaxcost.app.cli import show
    from jaxcost.measure import Store
    from jaxcost.measure.results import export_table

    if out.suffix not in _ENDINGS:
        raise ValueError(
            f"--out = {str(out)!r} ends in neither .csv nor .parquet; give one of them"
        )
    check_outputs({"--out": out}, [store])
    with Store.existing(store) as opened:
        frame, notice = export_table(opened, _chosen(opened, partition)), opened.notice
    timed = frame["time_s"].notna()
    write_table(frame if every else frame[timed], out)
    console = show.console()
    show.notices(console, [notice])
    left = "" if every or timed.all() else "; the others are left out (--all writes them, too)"
    show.line(console, f"{int(timed.sum())} of {len(frame)} layers have a time{left}")
    show.written(console, [out])


def merge(
    stores: Annotated[list[Path], typer.Argument(metavar="STORE.db...", help="What to merge.")],
    out: Annotated[Path, typer.Option(metavar="FILE.db", help="The new store.")],
) -> None:
    """Merge several stores into a new one; equal devices and versions come together.

    \b
    Example:
      jaxcost merge node1.db node2.db --out fleet.db
    """
    from jaxcost.app.cli import show
    from jaxcost.measure import Store, merge_stores

    if len(stores) < 2:
        raise ValueError("1 store is nothing to merge; give at least two")
    check_outputs({"--out": out}, stores)
    console = show.console()
    for path in stores:
        with Store.existing(path) as opened:
            show.notices(console, [opened.notice])
    copied = merge_stores(stores, out)
    show.line(console, f"{copied} timings of {len(stores)} stores")
    show.written(console, [out])


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table as its ending says, whole or not at all.

    Raises:
        ValueError: Parquet without pyarrow.
    """
    from jaxcost._support.files import write_bytes, write_text

    if path.suffix == ".csv":
        write_text(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"))
        return
    try:
        content = frame.to_parquet(index=False)
    except ImportError:
        raise ValueError(
            f"--out = {str(path)!r}: Parquet needs pyarrow; pip install 'jaxcost[parquet]'"
        ) from None
    write_bytes(path, content)


def _chosen(store: "Store", number: int | None) -> "Partition":
    """The partition asked for, or the only one."""
    found = {part.number: part for part in store.partitions()}
    if not found:
        raise ValueError(f"store {str(store.path)!r} is empty; measure something first")
    if number is None and len(found) == 1:
        return next(iter(found.values()))
    if number in found:
        return found[number]
    known = "; ".join(f"{n}: {_in_words(part)}" for n, part in found.items())
    raise ValueError(f"--partition = {number} is none of those in the store; choose from {known}")


def _in_words(part: "Partition") -> str:
    versions = {name: part.fingerprint.get(name) for name in ("jax", "jaxlib")}
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{part.device.get('kind') or part.device.get('name')} ({words})"
