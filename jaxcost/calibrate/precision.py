"""In which precision a calibration was measured, and what is said of pricing another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxcost._support.messages import RowError
from jaxcost._support.sizes import is_traced
from jaxcost.calibrate.fitted import Fitted
from jaxcost.models.base import LayerwiseCost
from jaxcost.workload import Workload, counts
from jaxcost.workload.layer_table import ITEM_BYTES
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd


def check_rows(models: Mapping[str, Fitted], dtypes: "pd.Series") -> None:
    """RowError for the first row of a table of layers in another precision than was measured."""
    for fitted in models.values():
        others = np.flatnonzero(dtypes != fitted.dtype)
        if fitted.dtype is None or not len(others):
            continue
        first = dtypes.iloc[others[0]]
        raise RowError(
            int(others[0]),
            f"dtype is {first}, but the calibration was measured in {fitted.dtype}; keep only such "
            f"rows with --dtype {fitted.dtype}, or make another with "
            f"jaxcost calibrate --dtype {first}",
        )


def unsaid(models: Mapping[str, Fitted]) -> list[str]:
    """A line where a calibration of layers does not say in which precision it was measured."""
    if all(f.dtype or not isinstance(f.model, LayerwiseCost) for f in models.values()):
        return []
    line = (
        "the calibration does not say in which precision it was measured, so that of what it "
        "prices is not checked; fit or calibrate again"
    )
    return [line]


def other_items(fitted: Fitted, workload: Workload | TrainingRun) -> list[str]:
    """A line where layers have items of another size than what was measured.

    Sizes that JAX is tracing are not known and pass; so do float16 for bfloat16, of equal size.
    """
    layers = workload.workload if isinstance(workload, TrainingRun) else workload
    if fitted.dtype is None or is_traced(*jax.tree.leaves(layers)):
        return []
    with jax.ensure_compile_time_eval():  # what a traced function is closed over is known
        sizes, macs = np.asarray(layers.item_bytes), np.asarray(layers.repeat * counts.macs(layers))
    others = (macs > 0) & (sizes != ITEM_BYTES[fitted.dtype])
    if not others.any():
        return []
    line = (
        f"{int(others.sum())} of {int((macs > 0).sum())} layers have items of "
        f"{sizes[others][0]:g} bytes, but the calibration was measured in {fitted.dtype} "
        f"({ITEM_BYTES[fitted.dtype]} bytes): their cost is that of {fitted.dtype}; "
        "make another with jaxcost calibrate --dtype"
    )
    return [line]
