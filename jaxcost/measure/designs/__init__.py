"""Which layers are measured: the sweeps by name, and a user's own from a file.

Nothing here wakes a device.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxcost._support.messages import refused, unknown
from jaxcost.measure.designs.other_sweeps import OTHER_SWEEPS, other_sweep
from jaxcost.measure.designs.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.designs.presets import PRESETS, preset
from jaxcost.measure.designs.space_filling import space_filling
from jaxcost.measure.layers import DTYPE_BYTES, LayerSpec, layers_from_frame
from jaxcost.workload.layer_table import read_layer_table, read_text

SWEEPS = {
    **{name: f"{words} (α-FLOPs paper)" for name, words in PAPER_SWEEPS.items()},
    **OTHER_SWEEPS,
    "space_filling": "even in the logarithm of every size, as far as the memory goes",
    **PRESETS,
}


def check_sweep(name_or_path: str, dtypes: Sequence[str]) -> None:
    """Refuses what cannot be measured, before anything is.

    Args:
        name_or_path: one of `SWEEPS`, or a layer table in a file that ends in .csv.
        dtypes: as for `sweep_layers`.
    Raises:
        ValueError: one line: an unknown sweep or dtype, with the nearest known one; of a file the
            line, the field, its value and what is allowed.
    """
    for dtype in dtypes:
        if dtype not in DTYPE_BYTES:
            raise ValueError(unknown("dtype", dtype, DTYPE_BYTES))
    if _is_file(name_or_path):
        found = [layer.dtype for layer in _layers_in(Path(name_or_path))]
    elif name_or_path in SWEEPS:
        found = []
    else:
        line = unknown("sweep", name_or_path, SWEEPS)
        raise ValueError(f"{line}; or give a table of layers that ends in .csv")
    if "float64" in (dtypes or found):
        _check_float64()


def sweep_layers(
    name_or_path: str, platform: str, dtypes: Sequence[str], memory_bytes: float | None = None
) -> list[LayerSpec]:
    """The layers of a sweep, each once.

    Args:
        name_or_path: one of `SWEEPS`, or a layer table in a file that ends in .csv.
        platform: JAX's name of the device's kind; some sweeps are larger on others than "cpu".
        dtypes: every layer in each of them; empty: float32, or what the file says.
        memory_bytes: of the device, in bytes, where it is known.
    Raises:
        ValueError: as `check_sweep`.
    """
    check_sweep(name_or_path, dtypes)
    layers = _layers(name_or_path, platform, memory_bytes)
    if dtypes:
        layers = [
            dataclasses.replace(layer, dtype=dtype)
            for dtype in dict.fromkeys(dtypes)
            for layer in layers
        ]
    return list(dict.fromkeys(layers))


def _layers(name: str, platform: str, memory_bytes: float | None) -> list[LayerSpec]:
    if _is_file(name):
        return _layers_in(Path(name))
    if name in PAPER_SWEEPS:
        return paper_sweep(name)
    if name in OTHER_SWEEPS:
        return other_sweep(name, platform)
    return (
        preset(name, platform).layers if name in PRESETS else space_filling(platform, memory_bytes)
    )


def _is_file(name: str) -> bool:
    return name not in SWEEPS and (Path(name).suffix.lower() == ".csv" or Path(name).is_file())


def _layers_in(path: Path) -> list[LayerSpec]:
    """The layers of a table; a `sweep` that it does not have is the file's name."""
    frame = read_layer_table(path)
    if "sweep" not in frame:
        frame["sweep"] = path.stem
    if "line" in frame:
        frame["line"] = [int(text) if text.isdecimal() else text for text in frame["line"]]
    _, lines = read_text(path)
    return layers_from_frame(frame, lambda position: f"{path}, line {lines[position]}")


def _check_float64() -> None:
    import jax

    if not jax.config.read("jax_enable_x64"):
        allowed = "another dtype, or set JAX_ENABLE_X64=1"
        raise ValueError(refused("dtype", "float64", allowed))
