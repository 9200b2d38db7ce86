"""The distinct layers of a program, and what its interval becomes when one of them is measured."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.outside import parts_of
from jaxcost.measure.layers import LayerSpec
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import sizes_outside
from jaxcost.trace.to_measure import layer_of
from jaxcost.trace.unsure_layers import (
    BETWEEN,
    BEYOND,
    LIKE,
    UNKNOWN,
    UNLIKE,
    WITHIN,
    Ends,
    UnsureLayer,
)
from jaxcost.trace.whole_program import Priced


@dataclasses.dataclass(frozen=True)
class Known:
    """Of each row how like those measured it is, in words; and its reach were it measured."""

    words: list[str]
    beyond: dict[int, str]
    measured: np.ndarray


def known_of(found: Counts, fitted: Fitted, priced: Priced) -> Known:
    """How like those measured each row of a program is, and its reach were it measured.

    Args: priced: the rows, as from `Priced.of` of the same program and fit.
    """
    beyond = sizes_outside(found, fitted)
    measured, words = priced.reach.copy(), [WITHIN] * len(priced.layers)
    layers = [layer_of(o) if _is_product(o) else None for o in found.operations]
    can = np.array([layer is not None for layer in layers] + [False] * priced.laid_out)
    for part, holds in parts_of(priced.layers, fitted):
        unlike = part.unlike(priced.layers)
        measured = np.where(holds & can, part.intervals.reach(np.zeros(len(can))), measured)
        for row in np.flatnonzero(holds):
            if row < len(layers) and _is_product(found.operations[row]):
                novel = priced.novelty[row] > part.intervals.usual
                words[row] = _word(part, bool(unlike[row]), row in beyond, bool(novel))
    return Known(words, beyond, np.minimum(measured, priced.reach))


def _is_product(operation: Any) -> bool:
    return operation.work.sizes is not None and operation.macs > 0


def _word(part: Fitted, unlike: bool, beyond: bool, novel: bool) -> str:
    if unlike:
        return UNLIKE
    if part.correction is None:
        return UNKNOWN
    return BEYOND if beyond else BETWEEN if novel else LIKE


class Ranked:
    """The distinct layers of a program, and what its interval becomes when one is known better."""

    def __init__(self, found: Counts, priced: Priced, known: Known):
        self.found, self.priced, self.known = found, priced, known

    def ends(self, reach: np.ndarray) -> Ends:
        """The program's interval with rows of such a reach."""
        below, above = self.priced.off(reach)
        return Ends(self.priced.total - below, self.priced.total + above)

    def layers(self) -> list[UnsureLayer]:
        """A record a distinct layer, in the program's order, then one a family of operations."""
        places: dict[Any, list[int]] = {}
        for place, operation in enumerate(self.found.operations):
            layer = layer_of(operation) if _is_product(operation) else None
            sizes = (operation.inputs, operation.dtype) if _is_product(operation) else ()
            places.setdefault((layer, operation.op, () if layer else sizes), []).append(place)
        laid_out = range(len(self.found.operations), len(self.priced.layers))
        records = [self._record(layer, op, at) for (layer, op, _), at in places.items()]
        return [*records, *([self._record(None, "layout", laid_out)] if laid_out else [])]

    def _record(self, layer: LayerSpec | None, op: str, places: Sequence[int]) -> UnsureLayer:
        priced, at = self.priced, np.array(places)
        many, reach = priced.repeat[at], priced.reach[at]
        costs = many * priced.each[at]
        runs = float(many.sum())
        once = 1 / max(runs, 1e-300)
        operations = self.found.operations
        names = [operations[i].name for i in places if i < len(operations)]
        exact, measured = (self._with(at, x) for x in (np.zeros(len(at)), self.known.measured[at]))
        return UnsureLayer(
            layer=layer,
            op=layer.op if layer else op,
            names=tuple(dict.fromkeys(filter(None, names))),
            occurrences=runs,
            latency_s=float(costs.sum()) * once,
            latency_s_lo=float((costs * np.exp(-reach)).sum()) * once,
            latency_s_hi=float((costs * np.exp(reach)).sum()) * once,
            share=float(costs.sum()) / priced.total,
            known=self.known.words[places[0]],
            beyond=self.known.beyond.get(places[0], ""),
            own_s=self.ends(priced.reach).half_width - exact.half_width,
            measured=measured,
        )

    def _with(self, places: np.ndarray, reach: np.ndarray) -> Ends:
        changed = self.priced.reach.copy()
        changed[places] = reach
        return self.ends(changed)
