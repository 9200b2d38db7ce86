"""A store as the table that is published: times, energies, clocks, and what they come from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.results import collect
from jaxcost.measure.store import Partition, Store

if TYPE_CHECKING:
    import pandas as pd

_ENERGY = {
    "energy_j": "energy_j",
    "energy_reason": "reason",
    "power_w": "power_w",
    "idle_power_w": "idle_power_w",
    "window_s": "window_s",
    "meter": "meter",
}
_STATE = ("sm_clock_hz", "memory_clock_hz", "temperature_c", "power_limit_w")
_VERSIONS = ("driver", "jax", "jaxlib", "xla_flags")


def export_table(
    store: Store, partition: Partition, rules: TimingRules | None = None
) -> "pd.DataFrame":
    """Every layer of a partition, one row each, times in s, energies in J, clocks in Hz.

    `energy_reason` says why an energy is empty: it is "not asked for" where none was to be read.
    Clocks and temperature are those after the layer's last visit.

    Args: rules: what makes a time noisy.
    """
    frame = collect(store, partition, rules).to_frame()
    last: dict[LayerSpec, dict[str, Any]] = {}
    for attempt in store.attempts(partition):
        row = last.setdefault(attempt.layer, {"energy_reason": "not asked for"})
        row |= _energy(attempt.visit.energy) | _state(attempt.visit.state)
    layers = [layer for layer in store.layers(partition) if layer.sweep != "probe"]
    for column in (*_ENERGY, *_STATE, "throttle_reasons"):
        frame[column] = [last.get(layer, {}).get(column) for layer in layers]
    frame["device"] = partition.device.get("name")
    for name in _VERSIONS:
        frame[name] = partition.fingerprint.get(name)
    return frame


def _energy(read: Mapping[str, Any]) -> dict[str, Any]:
    if not read:
        return {}
    return {column: read.get(name) for column, name in _ENERGY.items()} | {
        "energy_reason": read.get("reason", "")
    }


def _state(read: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: read[name] for name in _STATE if name in read}
    if "throttle_reasons" in read:
        found["throttle_reasons"] = " ".join(read["throttle_reasons"])
    return found
