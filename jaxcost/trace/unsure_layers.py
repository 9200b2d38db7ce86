"""What widens the interval of a program's latency, layer by layer: records of it, and rows."""

import dataclasses
from typing import TYPE_CHECKING, Any

from jaxcost.measure.layers import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

LIKE, BETWEEN, BEYOND, UNLIKE = (
    "like those measured",
    "between those measured",
    "beyond the sizes measured",
    "unlike anything measured",
)
WITHIN = "part of a program"  # no layer by itself, and in no table
UNKNOWN = "not recorded"


@dataclasses.dataclass(frozen=True)
class Ends:
    """A 90 % interval of the program's latency, in s."""

    lower: float
    upper: float

    @property
    def half_width(self) -> float:
        """Half the interval, in s."""
        return (self.upper - self.lower) / 2


@dataclasses.dataclass(frozen=True)
class UnsureLayer:
    """A layer of the program, all that are equal to it together.

    Attributes:
        layer: as it is to be measured; None: no row of a table is like it.
        op, names: its operation, and what the program calls its occurrences, each once.
        occurrences: how often it runs.
        latency_s, latency_s_lo, latency_s_hi: of one occurrence, with its 90 % interval, in s.
        share: of the program's latency, all occurrences, from 0 to 1.
        known: how like those measured it is: one of the words above.
        beyond: in words, which of its sizes are beyond those measured.
        own_s: how much narrower the program's half-width would be were it known exactly, in s.
        measured: what the program's interval would be were it measured; as it is where it cannot.
    """

    layer: LayerSpec | None
    op: str
    names: tuple[str, ...]
    occurrences: float
    latency_s: float
    latency_s_lo: float
    latency_s_hi: float
    share: float
    known: str
    beyond: str
    own_s: float
    measured: Ends


@dataclasses.dataclass(frozen=True)
class Unsure:
    """What widens the interval of a program's latency, the layers to be measured first on top.

    Attributes:
        latency_s, interval: of one run of the program, in s.
        all_measured: what its interval would be were all layers measured that can be.
        layers: by how much measuring each would narrow the interval, then by `own_s`.
        warnings: what the reader must mind.
    """

    latency_s: float
    interval: Ends
    all_measured: Ends
    layers: tuple[UnsureLayer, ...]
    warnings: tuple[str, ...]

    @property
    def half_width(self) -> float:
        """Half the program's 90 % interval, as a share of its latency."""
        return self.share(self.interval)

    def share(self, ends: Ends) -> float:
        """The half-width of an interval as a share of the program's latency."""
        return ends.half_width / self.latency_s if self.latency_s else 0.0

    def to_measure(self) -> list[LayerSpec]:
        """The layers that can be measured, those that narrow most first."""
        return [row.layer for row in self.layers if row.layer is not None]

    def table(self) -> "pd.DataFrame":
        """The same as a table of layers, as `jaxcost.measure` takes it, with what is known."""
        import pandas as pd

        rows = [row.layer.row() | self._told(row) for row in self.layers if row.layer is not None]
        return pd.DataFrame(rows)

    def rows(self) -> list[dict[str, Any]]:
        """A dict a layer, its sizes among them (None where it cannot be measured); in s."""
        return [
            {"op": row.op, "layer": row.layer and _sizes(row.layer)} | self._told(row)
            for row in self.layers
        ]

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "latency_s": self.latency_s,
            "latency_s_lo": self.interval.lower,
            "latency_s_hi": self.interval.upper,
            "half_width": self.half_width,
            "half_width_if_all_measured": self.share(self.all_measured),
            "layers": self.rows(),
            "warnings": list(self.warnings),
        }

    def _told(self, row: UnsureLayer) -> dict[str, Any]:
        return {
            "name": " ".join(row.names),
            "occurrences": row.occurrences,
            "predicted_time_s": row.latency_s,
            "predicted_time_s_lo": row.latency_s_lo,
            "predicted_time_s_hi": row.latency_s_hi,
            "share": row.share,
            "known": row.known,
            "beyond": row.beyond,
            "own_half_width_s": row.own_s,
            "program_lo_if_measured_s": row.measured.lower,
            "program_hi_if_measured_s": row.measured.upper,
        }


def _sizes(layer: LayerSpec) -> dict[str, Any]:
    row = layer.row()
    return {name: row[name] for name in row if name not in ("sweep", "line")}
