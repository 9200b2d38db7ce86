"""Python calls with something odd where a number belongs."""

import math
from pathlib import Path
from random import Random
from typing import Any

import draws
import jax
import jax.numpy as jnp
import numpy as np

import jaxcost as jc
from jaxcost.calibrate.data_sheet import from_data_sheet

_CONV = {"in_h": 8, "in_w": 8, "c_in": 4, "c_out": 4, "k_h": 3, "k_w": 3, "batch": 2, "stride": 1,
         "groups": 1, "dilation": 1, "item_bytes": 4, "repeat": 1}  # fmt: skip
_RUN = {"n_observations": 600, "n_features": 20, "n_labels": 2, "batch_size": 8}
_SEARCH = {"starts": 2, "steps": 2, "learning_rate": 0.1, "seed": 0, "multiples": 1, "tiles": ()}
_LEVEL = {"bytes_per_unit": 1024, "units": 2}
_OPTIONAL = ("n_features", "n_labels")
_ZERO = ("repeat", "seed")


def draw(random: Random, folder: Path) -> draws.Input:
    """One of the calls with one odd argument."""
    del folder
    call, given = random.choice(_CALLS)
    name, odd = random.choice(list(given)), draws.object_(random)
    arguments = given | {name: odd}
    must_fail = not _may_be(name, odd)
    return draws.Input(f"{call.__name__}({name}={odd!r})", lambda: call(**arguments), must_fail)


def _may_be(name: str, odd: Any) -> bool:
    """Whether a reader could call it a size: a number, or numbers, above 0."""
    if odd is None:
        return name in _OPTIONAL
    if name == "tiles" or (name == "multiples" and isinstance(odd, list)):
        return isinstance(odd, list | tuple) and all(_may_be("tile", o) for o in odd)
    values = odd if isinstance(odd, list) else [odd]
    return bool(values) and all(_is_size(name, value) for value in values)


def _is_size(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return False
    try:
        return math.isfinite(value) and (value >= 0 if name in _ZERO else value > 0)
    except OverflowError:
        return False


def conv2d(**given: Any) -> Any:
    latency = jc.load_calibration("quadro-t2000").latency(jc.conv2d(**given))
    return latency if not _is_nothing(given["repeat"]) else ()


def training_run(**given: Any) -> Any:
    return jc.load_calibration("butter-e-gpu").energy(jc.training_run([20, 8, 2], **given))


def search_widths(**given: Any) -> Any:
    return jc.search_widths(jnp.sum, [(1, 3), (2, 2)], **given).cost


def tiled(**given: Any) -> Any:
    return jc.tiled(65.0, given["tile"])


def tiled_in_jit(**given: Any) -> Any:
    return jax.jit(lambda x: jc.tiled(x, given["tile"]))(65.0)


def memory_level(**given: Any) -> Any:
    return jc.MemoryLevel(**given).capacity


def data_sheet(**given: Any) -> Any:
    return from_data_sheet(given["flops"], "v100", assume_peak=given["assume_peak"]).latency


def _is_nothing(repeat: Any) -> bool:
    return isinstance(repeat, int | float) and repeat == 0


_CALLS = (
    (conv2d, _CONV),
    (training_run, _RUN),
    (search_widths, _SEARCH),
    (tiled, {"tile": 64}),
    (tiled_in_jit, {"tile": 64}),
    (memory_level, _LEVEL),
    (data_sheet, {"flops": 1e9, "assume_peak": 0.5}),
)
