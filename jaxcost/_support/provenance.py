"""Where a calibration comes from: versions, date, machine, and the table it was fitted on."""

import datetime
import hashlib
import importlib.metadata
import platform
from typing import Any

_PACKAGES = ("jaxcost", "jax", "jaxlib", "numpy")


def provenance(table: str, content: bytes, **more: Any) -> dict[str, Any]:
    """What a calibration file says of its making; reads the clock and the host's name.

    Args:
        table: the name of the table that was fitted.
        content: its bytes, of which the SHA-256 is kept.
        more: further facts, such as the seed.
    """
    now = datetime.datetime.now(datetime.UTC)
    return {
        **{name: version_of(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "date_utc": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": platform.node(),
        "system": platform.platform(),
        "table": table,
        "table_sha256": hashlib.sha256(content).hexdigest(),
        **more,
    }


def version_of(package: str) -> str:
    """The version of an installed package, or that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"  # run from a checkout
