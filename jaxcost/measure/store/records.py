"""What a store keeps, as records, and the text that stands for one in its file."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process import wire
from jaxcost.measure.process.wire import Visit


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One visit as it was stored.

    Args:
        layer, slot: what was visited, in which of the sweep's processes.
        process: the operating system's process, by the store's own number.
        visit: what came of it.
    """

    layer: LayerSpec
    slot: int
    process: int
    visit: Visit


@dataclasses.dataclass(frozen=True)
class Partition:
    """What was measured on one device with one set of versions.

    Args:
        number: in the store.
        fingerprint: what must be equal for two timings to belong together, by name.
        device: the device as its worker described it.
    """

    number: int
    fingerprint: Mapping[str, Any]
    device: Mapping[str, Any]


def layer_text(layer: LayerSpec) -> str:
    """A layer as the text that names it in a store."""
    return text(wire.layer_to_json(layer))


def text(value: Mapping[str, Any]) -> str:
    """A value as text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
