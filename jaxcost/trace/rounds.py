"""What to measure in the next round, so that a program's interval becomes narrow enough."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

from jaxcost.measure.designs.presets import PROGRAM
from jaxcost.measure.layers import LayerSpec
from jaxcost.trace.unsure_layers import Unsure

_FACTORS = (0.5, 2)  # of a width: far enough to tell of other widths, near enough to be alike


def next_round(
    found: Unsure, tried: Collection[LayerSpec], *, dtype: str, most: int
) -> list[LayerSpec]:
    """The program's own layers that were not tried, then neighbours of them, the worst first.

    Args:
        found: as from `jaxcost.where_unsure`.
        tried: layers that were measured, or could not be.
        dtype: the precision that is measured in, keyword-only.
        most: of layers, keyword-only.
    """
    known = {_sizes(layer) for layer in tried}
    own = [layer for layer in found.to_measure() if layer.dtype == dtype]
    around = [other for layer in own for other in neighbours(layer)]
    new = dict.fromkeys(layer for layer in map(_sizes, [*own, *around]) if layer not in known)
    return list(new)[:most]


def neighbours(layer: LayerSpec) -> list[LayerSpec]:
    """The same layer with half and with twice as many channels in, and out; those that exist."""
    return list(dict.fromkeys(_scaled(layer)))


def _scaled(layer: LayerSpec) -> Iterator[LayerSpec]:
    depthwise = layer.groups > 1 and layer.groups == layer.c_in == layer.c_out
    for names in [("c_in", "c_out", "groups")] if depthwise else [("c_in",), ("c_out",)]:
        for factor in _FACTORS:
            sizes: dict[str, Any] = {name: int(getattr(layer, name) * factor) for name in names}
            try:
                yield dataclasses.replace(layer, **sizes)
            except ValueError:  # no whole channels in each group, or none at all
                continue


def _sizes(layer: LayerSpec) -> LayerSpec:
    """The layer without the labels of the sweep that it was measured in."""
    return dataclasses.replace(layer, sweep=PROGRAM, line=0)
