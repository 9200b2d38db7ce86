"""Tables in Parquet, a file or a folder of part files: a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ROWS = 2**18  # of a batch: 15 columns of it are 30 MB
_MOST_BITS = 62  # of a number that a row is known by
_INSTALL = "Parquet needs pyarrow; pip install 'jaxcost[parquet]'"


def is_parquet(path: Path) -> bool:
    """Whether a table is read as Parquet: a folder, or a file whose name says so."""
    return path.is_dir() or path.suffix == ".parquet"


def parts_of(path: Path) -> list[Path]:
    """The files of a table, in the order of their names.

    Raises: ValueError: a folder without any, or no pyarrow.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ValueError(f"{path}: {_INSTALL}") from None
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.glob("*.parquet") if p.is_file() and p.name[0] not in "._")
    if not found:
        raise ValueError(f"{path}: no file in this folder is called *.parquet; give one with parts")
    return found


def opened(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`; ValueError where it is none."""
    from pyarrow.lib import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False)  # else whole groups of rows are held
    except ArrowException as error:
        reason = str(error).partition(". ")[0]
        raise ValueError(f"{path}: no Parquet file ({reason}); give one") from None


def batches(path: Path, file: Any) -> Iterator[tuple[int, Any]]:
    """The rows of an open file as tables of `pyarrow`, each with the number of its first row.

    Raises: ValueError: a file that is damaged.
    """
    import pyarrow as pa

    first = 1
    try:
        for batch in file.iter_batches(ROWS):
            yield first, pa.Table.from_batches([batch])
            first += len(batch)
    except (pa.lib.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: damaged after row {first - 1} ({error}); write it anew"
        ) from None


class Keys:
    """Rows as whole numbers, equal where all columns are.

    Attributes: since: raised whenever numbers given before no longer hold.
    """

    def __init__(self) -> None:
        self.since = 0
        self._values: list[pd.Index] = []
        self._bits: list[int] = []

    def of(self, frame: "pd.DataFrame") -> np.ndarray:
        """The number of each row, shape `(rows,)`; of further batches with the same columns."""
        import pandas as pd

        self._values = self._values or [pd.Index([])] * frame.shape[1]
        codes = [self._codes(i, frame.iloc[:, i]) for i in range(frame.shape[1])]
        bits = [len(values).bit_length() for values in self._values]
        if not self._bits or any(need > held for need, held in zip(bits, self._bits)):
            self._bits = [need + 1 for need in bits]  # room for as many again
            self.since += 1
        key, used = np.zeros(len(frame), np.int64), 0
        for code, held in zip(codes, self._bits):
            if used + held > _MOST_BITS:  # numbers of this batch alone
                key, used = pd.factorize(key)[0], len(frame).bit_length()
                self.since += 1
            key, used = key << held | code, used + held
        return key

    def _codes(self, place: int, column: "pd.Series") -> np.ndarray:
        """Which of the values of a column each row has, those that are new added to them."""
        import pandas as pd

        own, values = pd.factorize(column, use_na_sentinel=False)
        known = self._values[place]
        if len(known) > ROWS:
            known, self._bits = pd.Index([]), []
        found = known.get_indexer(values)
        found[found < 0] = len(known) + np.arange((found < 0).sum())
        self._values[place] = known.append(pd.Index(values)[found >= len(known)])
        return found[own]
