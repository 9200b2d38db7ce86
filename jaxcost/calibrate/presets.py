"""Calibrations that come with the package, by name."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from jaxcost._support.messages import unknown
from jaxcost.calibrate import Calibration
from jaxcost.calibrate.bundled import calibration_files, fitted_files
from jaxcost.calibrate.fit import Accuracy, Estimate
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import Intervals
from jaxcost.device import device
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.base import CostModel, Parameter, parameters_of
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.workload.run_table import RUN_TARGET

# On the 439 of the authors' 721 measurements that were at hand, with the printed parameters
# (`jaxcost reproduce alpha-flops`); on all 721 the mean is 21.6 %, the median 12.7 %. The half
# width is the 90 % quantile of |ln(observed / predicted)| on those rows.
_PRINTED_ACCURACY = Accuracy(
    rows=439, mean_absolute=0.234, median_absolute=0.132, within_10_percent=0.346, bias=-0.063
)
_PRINTED_HALF_WIDTH = 0.66

# On the 34 settings of the authors' isoline figure that were at hand
# (`jaxcost reproduce butter-e`): device, 90 % quantile of |ln(observed / predicted)|, errors.
_BUTTER_E = {
    "cpu": (
        "eagle-cpu",
        0.534,
        Accuracy(34, 0.217, 0.194, 0.412, 0.046),
    ),
    "gpu": (
        "eagle-gpu",
        0.0559,
        Accuracy(34, 0.027, 0.021, 0.971, -0.007),
    ),
}


def preset(name: str) -> Calibration:
    """The calibration called `name`.

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    """
    if name not in PRESETS:
        raise ValueError(unknown("calibration preset", name, PRESETS))
    return PRESETS[name]()


def _quadro_t2000() -> Calibration:
    model = AlphaFlops.quadro_t2000()
    fitted = Fitted(
        name="alpha-flops",
        model=model,
        intervals=Intervals(_PRINTED_HALF_WIDTH),
        estimates=tuple(_printed(model, p) for p in parameters_of(model)),
        covariance=np.zeros((0, 0)),
        singular_values=np.zeros(0),
        errors={"as_printed": _PRINTED_ACCURACY},
        model_errors={"as_printed": _PRINTED_ACCURACY},
        baselines={},
        warnings=("printed in the paper without intervals; no floor: far too small below 0.2 ms",),
        dtype="float32",
    )
    source = (
        "Asperti, Evangelista, Marzolla (2021), Dissecting FLOPs along input dimensions for "
        "GreenAI cost estimations, section 5; scale from the authors' plotting script"
    )
    return Calibration(device("quadro-t2000"), {"time_s": fitted}, {"source": source})


def _butter_e(hardware: Literal["cpu", "gpu"]) -> Calibration:
    model = WorkingSetEnergy.butter_e(hardware)
    name, half_width, accuracy = _BUTTER_E[hardware]
    charged = "whole" if model.data_set == "whole" else "by the batch"
    fitted = Fitted(
        name="working-set",
        model=model,
        intervals=Intervals(half_width),
        estimates=tuple(_printed(model, p) for p in parameters_of(model)),
        covariance=np.zeros((0, 0)),
        singular_values=np.zeros(0),
        errors={"as_printed": accuracy},
        model_errors={"as_printed": accuracy},
        baselines={},
        warnings=(
            "printed without intervals; zeros are a sign of what the data did not determine",
            "printed with units wrong by the 3,000 epochs of a run; here they are corrected",
        ),
        dtype="float32",
    )
    source = (
        "Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural "
        "networks, table 4; all but k_e divided by 3,000, "
        f"the data set charged {charged}"
    )
    return Calibration(device(name), {RUN_TARGET: fitted}, {"source": source})


def _printed(model: CostModel, p: Parameter) -> Estimate:
    value = float(getattr(model, p.name))
    return Estimate(p.name, value, value, value, p.unit, p.doc, determined=True)


def _measured(path: Path) -> Calibration:
    from jaxcost.calibrate.schema import load

    found = load(path)
    source = f"measured with this package; data/measured/{path.parent.name}"
    return dataclasses.replace(found, provenance={"source": source, **found.provenance})


def _fitted_to_others(path: Path) -> Calibration:
    from jaxcost.calibrate.schema import load

    return load(path)


PRESETS: dict[str, Callable[[], Calibration]] = {
    "quadro-t2000": _quadro_t2000,
    "butter-e-cpu": lambda: _butter_e("cpu"),
    "butter-e-gpu": lambda: _butter_e("gpu"),
    # Devices measured with this package: as many as there are tables of.
    **{name: functools.partial(_measured, path) for name, path in calibration_files().items()},
    # Accelerators that others measured (`experiments/accuracy/bundle.py`).
    **{name: functools.partial(_fitted_to_others, path) for name, path in fitted_files().items()},
}
