"""What a report and the terminal show: a calibration beside the layers it was made from."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support import text
from jaxcost._support.precision import double_precision
from jaxcost.app.report.layers import describe, kinds
from jaxcost.calibrate import Calibration
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fitted import Fitted
from jaxcost.workload import from_table

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Study:
    """A calibration, and the layers that were measured for it.

    Attributes:
        calibration: what was fitted.
        target: the measured column, `time_s` or `energy_j`.
        table: one row a layer: the columns of the table of layers, and
            `kind`, `sizes`: in words;
            `measured`, `predicted`, `lower`, `upper`: s or J; the last two bound the 90 % interval;
            `unseen`: the prediction of a fit that had not seen the layer, NaN where there is none;
            `held_out`: whether the calibration itself had not seen it.
        unmeasured: layers that are not fitted: `sizes`, `status`, `error`; None where the table is
            not of our measuring.
        facts: what else is worth knowing of the measurement, by name.
    """

    calibration: Calibration
    target: str
    table: "pd.DataFrame"
    unmeasured: "pd.DataFrame | None" = None
    facts: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        calibration: Calibration,
        target: str,
        layers: "pd.DataFrame",
        *,
        held_out: np.ndarray | None = None,
        unseen: np.ndarray | None = None,
        unmeasured: "pd.DataFrame | None" = None,
        facts: dict[str, str] | None = None,
    ) -> "Study":
        """The study of a table of measured layers, with its predictions.

        Args:
            layers: as from `jaxcost.workload.layer_table.read_layer_table`, with the column
                `target`.
            held_out: shape `(rows,)`, keyword-only; None where the calibration saw every row.
            unseen: shape `(rows,)`, keyword-only; None: what is predicted, where it is held out.
            unmeasured, facts: see the attributes, keyword-only.
        """
        fitted = calibration.models[target]
        with double_precision():
            ends = fitted.interval(from_table(layers), calibration.device)
        predicted, lower, upper = ends
        held = np.zeros(len(layers), bool) if held_out is None else held_out
        table = layers.assign(
            kind=kinds(layers),
            sizes=[describe(layer) for layer in layers.to_dict("records")],
            measured=layers[target].to_numpy(float),
            predicted=predicted,
            lower=lower,
            upper=upper,
            unseen=np.where(held, predicted, np.nan) if unseen is None else unseen,
            held_out=held,
        )
        return cls(calibration, target, table, unmeasured, facts or {})

    @property
    def fitted(self) -> Fitted:
        """What the calibration knows of the target."""
        return self.calibration.models[self.target]

    @property
    def held_out(self) -> "pd.DataFrame":
        """The rows of the table that the calibration had not seen."""
        return self.table[self.table["held_out"]]

    @property
    def coverage(self) -> float | None:
        """Share of held-out layers within their 90 % interval; None without such layers."""
        rows = self.held_out
        inside = (rows["lower"] <= rows["measured"]) & (rows["measured"] <= rows["upper"])
        weights = repeats_of(rows).weights if len(rows) else None
        return float(np.average(inside, weights=weights)) if len(rows) else None


def repeats_of(table: "pd.DataFrame") -> Repeats:
    """Which rows of a table of layers measured the same one."""
    return Repeats.of(from_table(table))


def in_words(table: "pd.DataFrame") -> str:
    """How many layers a table has, and how many rows where these are more."""
    return text.of_rows(repeats_of(table).layers, len(table), "layer")
