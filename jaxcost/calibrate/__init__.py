"""What was learnt of one device: `Calibration`, loaded from a file or a preset."""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Array, Float

from jaxcost._support.lazy import lazy
from jaxcost._support.precision import double_precision
from jaxcost._support.screen import OnScreen
from jaxcost.calibrate import on_screen, precision
from jaxcost.calibrate.correction import cross_validate_correction
from jaxcost.calibrate.features import features
from jaxcost.calibrate.fit import Accuracy
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import Intervals, calibrate_intervals
from jaxcost.calibrate.outside import OutsideWarning, lines_outside, other_devices
from jaxcost.calibrate.unpriced import unpriced
from jaxcost.device import Device
from jaxcost.models.base import CostModel
from jaxcost.models.residency import Temperature
from jaxcost.workload import Workload
from jaxcost.workload.builders import from_valid
from jaxcost.workload.layer_table import validate_layers
from jaxcost.workload.run_table import RUN_TARGET, runs_from_table
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.calibrate.features import SORTS as SORTS
    from jaxcost.calibrate.held_out import evaluate as evaluate
    from jaxcost.calibrate.held_out import hold_out as hold_out

__all__ = [
    "SORTS",
    "Accuracy",
    "Calibration",
    "Fitted",
    "Intervals",
    "calibrate_intervals",
    "cross_validate_correction",
    "evaluate",
    "features",
    "hold_out",
    "load_calibration",
]

__getattr__ = lazy(__name__, {"SORTS": "features", "evaluate": "held_out", "hold_out": "held_out"})

UNITS = {"time_s": "s", "energy_j": "J", RUN_TARGET: "J"}


@dataclasses.dataclass(frozen=True, repr=False)
class Calibration(OnScreen):
    """A device, the models fitted to it by target (`time_s`, `energy_j`), and where they come from.

    Example:
        >>> import jax, jax.numpy as jnp, jaxcost as jc
        >>> calibration = jc.load_calibration("quadro-t2000")
        >>> def latency(hidden):
        ...     widths = jnp.concatenate([jnp.array([784.0]), hidden, jnp.array([10.0])])
        ...     return calibration.latency(jc.mlp(widths, batch=32))
        >>> jax.grad(latency)(jnp.array([512.0, 256.0])).shape       # seconds per unit of width
        (2,)
    """

    device: Device
    models: dict[str, Fitted]
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)

    def latency(
        self, workload: Workload, *, temperature: Temperature | None = None
    ) -> Float[Array, ""]:
        """Latency of a network, in seconds: the sum over its layers; differentiable.

        Args: temperature: as for `energy`, keyword-only.
        Warns: UserWarning: layers of another precision than was measured, or one not recorded;
            layers outside what was measured, or without a price. Of sizes that JAX is tracing,
            nothing is known.
        Raises: ValueError: the calibration was not fitted to times.
        """
        return self._cost("time_s", workload, temperature)

    def energy(
        self, workload: Workload | TrainingRun, *, temperature: Temperature | None = None
    ) -> Float[Array, ""]:
        """Energy of one forward pass of a network, in joules; differentiable.

        Of a `TrainingRun`, that of one epoch; this takes a calibration fitted to training runs.

        Args:
            temperature: at which the steps of cache levels are smoothed, >= 0, keyword-only; may be
                traced, as a search lets it fall. 0 is exact, None the model's own. A model without
                steps is the same at every temperature.
        Warns: UserWarning: as `latency`.
        Raises: ValueError: the calibration was not fitted to energies, or not to those of training.
        """
        only_runs = RUN_TARGET in self.models and "energy_j" not in self.models
        of_runs = only_runs or isinstance(workload, TrainingRun)
        return self._cost(RUN_TARGET if of_runs else "energy_j", workload, temperature)

    def predict(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The table of layers or runs with predictions and their 90 % intervals beside it.

        Args: frame: as from `jaxcost.workload.layer_table.read_layer_table` or, for a calibration
            of training runs, `jaxcost.workload.run_table.read_run_table`.
        Returns: a copy; for each target T the columns predicted_T, predicted_T_lo, predicted_T_hi,
            in the target's unit.
        Computed in float64.

        Warns: UserWarning: layers lie outside what was measured, one warning with a line for each;
            rows are of another device; columns of the table are replaced; the calibration does not
            say in which precision it was measured.
        Raises: ValueError: rows that are no layers, in another precision than was measured, or for
            which a model has no price.
        """
        of_runs = RUN_TARGET in self.models
        rows: Any
        with double_precision():
            if of_runs:
                rows = runs_from_table(frame)
            else:
                layers = validate_layers(frame)
                rows = from_valid(layers)
                precision.check_rows(self.models, layers["dtype"])
                _warn(precision.unsaid(self.models), depth=3)
            found = {target: f.interval(rows, self.device) for target, f in self.models.items()}
            if not of_runs:
                ops = layers["op"]
                lines = lines_outside(
                    rows, self.models.values(), lambda i: f"row {i + 1} ({ops.iloc[i]})"
                )
                _warn(["; ".join(lines)] if lines else [], OutsideWarning, depth=3)
        _warn(other_devices(frame, self.device, list(self.models)), depth=3)
        added = {
            f"predicted_{target}{suffix}": values
            for target, ends in found.items()
            for suffix, values in zip(("", "_lo", "_hi"), ends, strict=True)
        }
        if own := [name for name in added if name in frame]:
            line = f"the table's own {', '.join(own)} are replaced; rename what is to be kept"
            _warn([line], depth=3)
        return frame.assign(**added)

    def outside(self, workload: Workload) -> list[str]:
        """What of a network's layers lies outside what was measured, a line for all of which the
        same is said; empty where nothing does.

        `latency` and `energy` warn of such layers, but not where they are differentiated, since
        sizes are not known then. Ask of what a search or a training has found.

        Args: workload: of concrete sizes.
        """
        return lines_outside(workload, self.models.values(), lambda row: f"row {row + 1}")

    def to_frame(self) -> "pd.DataFrame":
        """The parameters as a table, one a row, with their 90 % intervals and units."""
        return on_screen.parameters(self.models)

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        lines, table = on_screen.models(self.models)
        return [f"Calibration of {self.device.kind or self.device.name}", *lines], table

    @property
    def unmeasured(self) -> list[str]:
        """A line where nothing was measured on the device itself, as `jaxcost.carry_over` says."""
        if "carried_over_from" not in self.provenance:
            return []
        return [line for fitted in self.models.values() for line in fitted.warnings[:1]]

    def save(self, path: str | Path) -> None:
        """Writes the calibration as JSON, whole or not at all."""
        from jaxcost._support.files import write_text
        from jaxcost.calibrate.schema import dump

        write_text(path, dump(self))

    def _cost(
        self, target: str, workload: Workload | TrainingRun, temperature: Temperature | None
    ) -> Float[Array, ""]:
        fitted = self._of(target)
        _warn([*precision.unsaid({target: fitted}), *precision.other_items(fitted, workload)])
        if isinstance(workload, Workload):
            _warn(unpriced(fitted, workload, self.device))
            lines = lines_outside(workload, [fitted], lambda row: f"layer {row + 1}")
            _warn(["; ".join(lines)] if lines else [], OutsideWarning)
        return fitted.cost(workload, self.device, temperature)

    def _of(self, target: str) -> Fitted:
        if target not in self.models:
            known = ", ".join(self.models)
            raise ValueError(
                f"the calibration of {self.device.name} has no {target}, only {known}; "
                f"fit one from a table with that column: jaxcost fit TABLE.csv --target {target}"
            )
        return self.models[target]


def _warn(lines: list[str], category: type[UserWarning] = UserWarning, depth: int = 4) -> None:
    for line in lines:
        warnings.warn(line, category, stacklevel=depth)


def load_calibration(
    path_or_preset: str | Path, models: Sequence[type[CostModel]] = ()
) -> Calibration:
    """A calibration from a JSON file, or a preset by its name.

    Args: models: classes of one's own that it may have been fitted with, as `register_model`.
    Raises: ValueError: neither a file nor a preset, or a file that is damaged or of a newer
        version; the message names the file, the place in it and what is wrong there.
    Example:
        >>> load_calibration("quadro-t2000").models["time_s"].name
        'alpha-flops'
    """
    from jaxcost._support.messages import unknown
    from jaxcost.calibrate.presets import PRESETS, preset
    from jaxcost.calibrate.schema import load
    from jaxcost.models.registry import register_model

    for model in models:
        register_model(model)
    if str(path_or_preset) in PRESETS:
        return preset(str(path_or_preset))
    path = Path(path_or_preset)
    if not path.exists():
        kind = "no file, and calibration preset"
        raise ValueError(unknown(kind, str(path_or_preset), PRESETS))
    return load(path)
