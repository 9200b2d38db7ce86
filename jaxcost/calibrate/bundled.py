"""Tables measured with this package on named devices, and calibrations, which travel with it.

`data/measured/DEVICE/` has `layers.csv`, `networks.csv`, `training.csv`, as far as each was
measured, `provenance.json`, and the calibrations fitted to them: `calibration.json` (float32),
`calibration-bfloat16.json`, `calibration-training.json`. `data/fitted/NAME.json` is a calibration
fitted to a table of others, which is not ours to ship; its provenance says whose.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcost._support.messages import unknown
from jaxcost._support.published import _data_directory

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("layers", "networks", "training")
CALIBRATIONS = {"": "layers", "-bfloat16": "layers", "-training": "training"}  # and their tables


def measured_devices(folder: Path | None = None) -> list[str]:
    """The names of the devices that there are tables of."""
    return sorted(path.parent.name for path in _root(folder).glob("*/layers.csv"))


def measured(device: str, table: str = "layers", folder: Path | None = None) -> pd.DataFrame:
    """A table of a device: times in s, energies in J; numbers as numbers.

    Args:
        device: one of `measured_devices()`.
        table: one of `TABLES`.
        folder: where the devices' folders are; None: those of the package.
    Raises: ValueError: no such device, or no such table of it; the message lists those there are.
    """
    import pandas as pd

    known = measured_devices(folder)
    if device not in known:
        raise ValueError(unknown("measured device", device, known or ["none yet"]))
    path = _root(folder) / device / f"{table}.csv"
    if table not in TABLES or not path.is_file():
        there = [name for name in TABLES if path.with_name(f"{name}.csv").is_file()]
        raise ValueError(unknown(f"table of {device}", table, there))
    return pd.read_csv(path, keep_default_na=True)


def calibration_files(folder: Path | None = None) -> dict[str, Path]:
    """Calibrations by the name of their preset; none whose table is missing or another one.

    A calibration says the SHA-256 of the table it was fitted to.
    """
    found = {}
    for device in measured_devices(folder):
        for ending, table in CALIBRATIONS.items():
            path = _root(folder) / device / f"calibration{ending}.json"
            if path.is_file() and _fitted_to(path) == _sha256(path.with_name(f"{table}.csv")):
                found[f"{device}{ending}"] = path
    return found


def fitted_files(folder: Path | None = None) -> dict[str, Path]:
    """Calibrations fitted to tables of others, by the name of their preset."""
    files = (folder or _data_directory() / "fitted").glob("*.json")
    return {path.stem: path for path in sorted(files)}


def _root(folder: Path | None) -> Path:
    return folder or _data_directory() / "measured"


def _fitted_to(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["provenance"].get("table_sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
