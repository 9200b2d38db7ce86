"""`jaxcost predict` on Parquet: a batch of rows at a time, and each distinct row priced once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jaxcost.app.cli.options import check_folder, check_outputs
from jaxcost.app.cli.runs import of_device
from jaxcost.app.cli.selecting import rows_to_predict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from jaxcost.app.cli.predict import Asked
    from jaxcost.app.cli.predict_summary import Summary
    from jaxcost.calibrate import Calibration

_KNOWN = 2**19  # distinct rows that are remembered
_PIECE, _SMALL = 2**14, 2**11  # rows priced at a time
_COMPARED = 2**18  # rows at most that are compared with what was measured


def check_parquet(table: Path, out: Path) -> None:
    """Refuse an output that is of another kind than the table, or that is there and is a folder."""
    from jaxcost.workload.parquet import parts_of

    parts = parts_of(table)
    if not table.is_dir():
        check_outputs({"--out": out}, parts)
        if out.suffix != ".parquet":
            raise ValueError(f"--out = {str(out)!r}: the table is Parquet; give NAME.parquet")
        return
    check_folder("--out", out, out.parent)
    if out.exists():
        raise ValueError(
            f"--out = {str(out)!r} is there, and parts of another table would mix with these; "
            "give a folder that is not"
        )


def predict_parquet(
    calibration: "Calibration", summary: "Summary", table: Path, out: Path, asked: "Asked"
) -> tuple["pd.DataFrame", str]:
    """Writes the table with its predictions, whole or not at all.

    Returns: rows with a measurement and their predictions, and in words which of all they are.
    """
    from jaxcost._support.files import new_folder, whole_file
    from jaxcost.workload.parquet import parts_of

    rows = _Rows(calibration, summary, asked)
    if table.is_dir():
        with new_folder(out) as folder:
            for part in parts_of(table):
                with (folder / part.name).open("wb") as sink:
                    rows.predict(part, sink)
            rows.check(table)
    else:
        with whole_file(out) as sink:
            rows.predict(table, sink)
            rows.check(table)
    return rows.compared()


class _Rows:
    """Rows of a table, priced as they come; what is equal in all that says what it is, once."""

    def __init__(self, calibration: "Calibration", summary: "Summary", asked: "Asked") -> None:
        from jaxcost.workload import layer_table, run_table

        self._summary, self._asked, self._calibration = summary, asked, calibration
        self.of_runs = run_table.RUN_TARGET in calibration.models
        self._saying = {*(run_table if self.of_runs else layer_table).SAYING, "device"}
        self._added = [f"predicted_{t}{e}" for t in calibration.models for e in ("", "_lo", "_hi")]
        self._sample = _Sample()
        self._wanted = {"device": asked.device, "dtype": asked.dtype}
        self._seen: dict[str, set[str]] = {column: set() for column in self._wanted}
        self._names: list[str] = []
        self._forget()

    def _forget(self) -> None:
        import numpy as np
        import pandas as pd

        self._known = pd.Index([], dtype=np.int64)  # keys of rows, in the order of what follows
        self._prices = np.zeros((0, len(self._added)))
        self._kept = np.zeros(0, bool)
        # Of those that lie outside what was measured, by their place: operation and words.
        self._outside: dict[int, tuple[str, list[str]]] = {}

    def predict(self, part: Path, sink: BinaryIO) -> None:
        """Writes one file with its predictions."""
        from pyarrow.parquet import ParquetWriter

        from jaxcost.workload.parquet import batches, opened

        with opened(part) as file:
            empty = file.schema_arrow.empty_table()
            schema = self._beside(empty, self._prices[:0]).schema
            with ParquetWriter(sink, schema) as writer, ThreadPoolExecutor(1) as beside:
                written = beside.submit(lambda: None)
                for first, rows in batches(part, file):
                    kept, prices = self._batch(part, first, rows)
                    full = self._beside(rows.filter(kept), prices)
                    written.result()
                    written = beside.submit(writer.write_table, full)
                written.result()

    def _beside(self, rows: Any, prices: "np.ndarray") -> Any:
        import pyarrow as pa

        for name, values in zip(self._added, prices.T):
            place = rows.schema.get_field_index(name)
            column = (name, pa.array(values, pa.float64()))
            rows = rows.append_column(*column) if place < 0 else rows.set_column(place, *column)
        return rows

    def _batch(self, part: Path, first: int, rows: Any) -> tuple["np.ndarray", "np.ndarray"]:
        """Which of the rows are predicted, and the numbers added to these."""
        import numpy as np

        from jaxcost.app.cli.predict_summary import measured_in

        frame = self._read(part, rows)
        saying = [name for name in frame if str(name).lower() in self._saying]
        places = self._places(frame, saying, part, first)
        kept = self._kept[places]
        frame, places, numbers = frame[kept], places[kept], first + np.flatnonzero(kept)

        def name(row: int) -> str:
            return f"{part}, row {numbers[row]}"

        self._summary.rows += len(places)
        self._tell_outside(places, name)
        found = {t: measured_in(frame, t) for t in self._summary.unread if t in frame}
        for target, measured in found.items():
            self._summary.unread[target].add(frame[target], measured, name)
        if found:
            some = np.isfinite(list(found.values())).any(axis=0)
            columns = dict(zip(self._added, self._prices[places].T))
            self._sample.add(frame[[*saying, *found]].assign(**columns)[some])
        return kept, self._prices[places]

    def _tell_outside(self, places: "np.ndarray", name: Callable[[int], str]) -> None:
        """Tells of the rows at these places that lie outside what was measured."""
        import numpy as np

        outside = np.zeros(len(self._known), bool)
        outside[list(self._outside)] = True
        rows = np.flatnonzero(outside[places])
        each, first, times = np.unique(places[rows], return_index=True, return_counts=True)
        lines: dict[str, list[int]] = {}
        for i in np.argsort(first):
            for words in self._outside[each[i]][1]:
                lines.setdefault(words, []).append(i)
        self._summary.outside.add(
            lines, times, lambda i: f"{name(rows[first[i]])} ({self._outside[each[i]][0]})"
        )

    def _read(self, part: Path, rows: Any) -> "pd.DataFrame":
        """The columns that matter, as asked; of others the names, by which typing errors show."""
        from jaxcost.app.cli.predict import check_kind
        from jaxcost.workload.cells import Where
        from jaxcost.workload.layer_table import named

        asked, targets = self._asked.columns, tuple(self._summary.unread)
        new = dict(asked.rename)
        read = {*self._saying, *targets, *map(str.lower, filter(None, (asked.time, asked.energy)))}
        names = [n for n in rows.column_names if new.get(n, n).lower() in read]
        frame = rows.select(names).to_pandas(ignore_metadata=True)
        others = dict.fromkeys(n for n in rows.column_names if n not in names)
        frame = asked.of(frame.assign(**others), str(part))
        check_kind(frame, self.of_runs, part, self._asked)
        return named(frame, ("device", *targets), Where(str(part), None, frame.index))

    def _places(
        self, frame: "pd.DataFrame", saying: list[str], part: Path, first: int
    ) -> "np.ndarray":
        """Where each row's like stands among those that are known, after new ones are priced."""
        import numpy as np
        import pandas as pd

        from jaxcost.workload.parquet import Keys

        if saying != self._names:
            self._names, self._keys, self._since = saying, Keys(), 0
        keys = self._keys.of(frame[saying])
        if self._since != self._keys.since:
            self._since = self._keys.since
            self._forget()
        places = self._known.get_indexer(keys)
        missing = np.flatnonzero(places < 0)
        like, new = pd.factorize(keys[missing])
        if len(self._known) + len(new) > max(_KNOWN, len(new)):
            self._forget()
            return self._places(frame, saying, part, first)
        if len(missing):
            at = missing[np.flatnonzero(np.diff(np.maximum.accumulate(like), prepend=-1))]
            places[missing] = len(self._known) + like
            self._add(frame.iloc[at], part, first + at)
            self._known = self._known.append(pd.Index(new))
        return places

    def _add(self, frame: "pd.DataFrame", part: Path, numbers: "np.ndarray") -> None:
        """Prices rows that are not known, of which `numbers` are those in their file."""
        import numpy as np

        from jaxcost.app.cli.predict_summary import places_outside

        frame = frame.assign(**dict.fromkeys(n for n in frame if n not in self._names))
        layers = self._validated(frame, part, numbers)
        kept, known = np.ones(len(layers), bool), len(self._prices)
        for column in set(self._wanted) & set(layers):
            names, wanted = layers[column].astype(str), self._wanted[column]
            self._seen[column] |= set(names)
            kept &= (names == wanted).to_numpy() | (wanted is None)
        prices = np.full((len(layers), len(self._added)), np.nan)
        for rows in _pieces(np.flatnonzero(kept)):
            some = layers.iloc[rows]
            called = [f"{part}, row {number}" for number in numbers[rows]]
            found = self._summary.predicted(some, part, called.__getitem__)
            prices[rows] = found.to_numpy()
            outside = {} if self.of_runs else places_outside(self._calibration, some)
            for words, lines in outside.items():
                for row in dict.fromkeys(rows[lines].tolist()):
                    held = self._outside.setdefault(known + row, (str(layers["op"].iloc[row]), []))
                    held[1].append(words)
        self._prices = np.concatenate([self._prices, prices])
        self._kept = np.concatenate([self._kept, kept])

    def _validated(
        self, frame: "pd.DataFrame", part: Path, numbers: "np.ndarray"
    ) -> "pd.DataFrame":
        from jaxcost.workload import layer_table, run_table
        from jaxcost.workload.cells import Where

        where = Where(str(part), None, numbers, whole=False)
        if self.of_runs:
            return run_table.validated(frame, False, where)
        return layer_table.validated(frame, None, where)

    def check(self, table: Path) -> None:
        """ValueError where there is no row that was asked for, or none at all."""
        import pandas as pd

        for column, names in self._seen.items():
            seen = pd.DataFrame({column: sorted(names)} if names else {"op": []})
            asked = {c: self._wanted[c] if c == column else None for c in self._wanted}
            if self.of_runs:
                of_device(seen, asked["device"], table)
            else:
                rows_to_predict(seen, **asked, source=table)
        if not self._summary.rows:
            raise ValueError(f"{table} has no rows to predict; give at least one")

    def compared(self) -> tuple["pd.DataFrame", str]:
        """Measured rows with their predictions, and in words which of all they are."""
        import numpy as np
        import pandas as pd

        frame = self._sample.frame()
        if frame is None:
            return pd.DataFrame(), ""
        step = self._sample.step
        every = "" if step == 1 else f" (of every {step} rows measured the first)"
        return self._validated(frame, Path("table"), np.arange(len(frame))), every


def _pieces(rows: "np.ndarray") -> Iterator["np.ndarray"]:
    """Rows in parts of two lengths, the last filled up: what is compiled is so for these alone."""
    import numpy as np

    large = len(rows) // _PIECE * _PIECE
    yield from rows[:large].reshape(-1, _PIECE)
    few = rows[large:]
    more = -len(few) % _SMALL
    yield from np.append(few, few[:1].repeat(more)).reshape(-1, _SMALL)


class _Sample:
    """At most so many of a table's rows, evenly over all of it, however many come."""

    def __init__(self) -> None:
        self.step = 1
        self._rows = 0
        self._parts: list[pd.DataFrame] = []

    def add(self, frame: "pd.DataFrame") -> None:
        """Adds rows, of which it holds every `step`-th."""
        import pandas as pd

        self._parts.append(frame.iloc[-self._rows % self.step :: self.step])
        self._rows += len(frame)
        while sum(map(len, self._parts)) > _COMPARED:
            self._parts, self.step = [pd.concat(self._parts).iloc[::2]], 2 * self.step

    def frame(self) -> "pd.DataFrame | None":
        """Those rows; None without any."""
        import pandas as pd

        return pd.concat(self._parts, ignore_index=True) if any(map(len, self._parts)) else None
