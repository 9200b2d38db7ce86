"""A device as plain values, for files and for other processes, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxcost.device import Device, MemoryLevel

_NO_NUMBERS = ("name", "memory", "platform", "kind")
NUMBERS = tuple(f.name for f in dataclasses.fields(Device) if f.name not in _NO_NUMBERS)


def to_facts(device: Device) -> dict[str, Any]:
    """The device as plain values in SI units; what is unknown is None."""
    known = {name: getattr(device, name) for name in NUMBERS}
    memory = [
        {"name": m.name, "bytes_per_unit": float(m.bytes_per_unit), "units": float(m.units)}
        for m in device.memory
    ]
    names = {"name": device.name, "platform": device.platform, "kind": device.kind}
    numbers = {name: None if value is None else float(value) for name, value in known.items()}
    return names | {"memory": memory} | numbers


def from_facts(facts: Mapping[str, Any]) -> Device:
    """The device that `to_facts` was given."""
    memory = tuple(MemoryLevel(**level) for level in facts["memory"])
    return Device(**{**facts, "memory": memory})
