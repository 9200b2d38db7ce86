"""The widths that are allowed: whole multiples between bounds, and the fixed ones."""

import dataclasses
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from jaxcost._support.messages import refused, shown
from jaxcost._support.sizes import count, per_layer

_CHUNK = 1 << 16
_WIDEST = 2**31 - 1  # as in tables of layers
_MOST = 1 << 22  # values of one width, which are all held


@dataclasses.dataclass(frozen=True)
class Lattice:
    """The allowed values of each width, ascending; a fixed width has one.

    Attributes:
        axes: one array of whole numbers a width.
    """

    axes: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, bounds: Sequence[Any], multiples: Any) -> "Lattice":
        """From (lower, upper) a width, and the multiples that free widths keep to.

        A set instead of a pair has the allowed widths themselves, whatever the multiples.

        Raises: ValueError: bounds that are no pairs of whole numbers of at least 1, the wrong way
            round, or with no multiple between them, or an empty set; the message names the width.
        """
        given = some("bounds", bounds, 1)
        steps = per_layer("multiples", multiples, len(given))
        return cls(
            tuple(
                _listed(i, each)
                if isinstance(each, set | frozenset)
                else _axis(i, *_pair(i, each), m)
                for i, (each, m) in enumerate(zip(given, steps))
            )
        )

    @property
    def lower(self) -> np.ndarray:
        """The least of each width, shape `(n,)`."""
        return np.array([axis[0] for axis in self.axes])

    @property
    def upper(self) -> np.ndarray:
        """The largest of each width, shape `(n,)`."""
        return np.array([axis[-1] for axis in self.axes])

    @property
    def free(self) -> list[int]:
        """The widths that have a choice."""
        return [i for i, axis in enumerate(self.axes) if len(axis) > 1]

    @property
    def size(self) -> int:
        """How many networks there are."""
        return math.prod(len(axis) for axis in self.axes)

    def places(self, widths: np.ndarray) -> np.ndarray:
        """Indices into the axes of the nearest allowed widths; shapes `(..., n)`."""
        found = np.empty(np.shape(widths), int)
        for i, axis in enumerate(self.axes):
            at = np.asarray(widths)[..., i]
            after = np.clip(np.searchsorted(axis, at), 0, len(axis) - 1)
            before = np.maximum(after - 1, 0)
            found[..., i] = np.where(at - axis[before] < axis[after] - at, before, after)
        return found

    def at(self, places: np.ndarray) -> np.ndarray:
        """Widths at indices into the axes; shapes `(..., n)`."""
        return np.stack([axis[places[..., i]] for i, axis in enumerate(self.axes)], axis=-1)

    def nearest(self, widths: np.ndarray) -> np.ndarray:
        """The allowed widths nearest to real ones, shapes `(..., n)`."""
        return self.at(self.places(widths))

    def everything(self) -> Iterator[np.ndarray]:
        """Every network, in chunks of shape `(m, n)`."""
        shape = [len(axis) for axis in self.axes]
        for start in range(0, self.size, _CHUNK):
            flat = np.arange(start, min(start + _CHUNK, self.size))
            yield self.at(np.stack(np.unravel_index(flat, shape), axis=-1))

    def draw(self, number: int, seed: int) -> np.ndarray:
        """Real widths spread over the logarithms of the bounds (Latin hypercube), `(number, n)`."""
        random = np.random.default_rng(seed)
        cells = np.stack([random.permutation(number) for _ in self.axes], axis=-1)
        share = (cells + random.random(cells.shape)) / number
        return self.lower * (self.upper / self.lower) ** share


def some(name: str, values: Any, least: int = 0) -> Sequence[Any]:
    """`values` as a list; ValueError for what is none, or has fewer than `least`."""
    listed = isinstance(values, list | tuple) or np.ndim(values) > 0
    if not listed or len(values) < least:
        raise ValueError(refused(name, values, "a list with something for each width"))
    return list(values)


def _listed(i: int, widths: Collection[Any]) -> np.ndarray:
    """The widths of a set, ascending."""
    if not 0 < len(widths) <= _MOST:
        raise ValueError(refused(f"bounds[{i}]", widths, f"1 to {_MOST:,} widths"))
    axis = np.array(sorted(count(f"bounds[{i}]", width) for width in widths))
    if axis[-1] > _WIDEST:
        raise ValueError(refused(f"bounds[{i}]", int(axis[-1]), f"widths up to {_WIDEST:,}"))
    return axis


def _pair(i: int, pair: Any) -> tuple[int, int]:
    if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
        raise ValueError(refused(f"bounds[{i}]", pair, "a pair (lower, upper)"))
    lower, upper = (count(f"bounds[{i}]", end) for end in pair)
    if lower > upper:
        allowed = f"the lower end first: ({shown(upper)}, {shown(lower)})"
        raise ValueError(refused(f"bounds[{i}]", (lower, upper), allowed))
    return lower, upper


def _axis(i: int, lower: int, upper: int, step: Any) -> np.ndarray:
    step = count("multiples", step)
    if upper > _WIDEST:
        raise ValueError(refused(f"bounds[{i}]", (lower, upper), f"widths up to {_WIDEST:,}"))
    if lower == upper:
        return np.array([lower])
    if (upper - lower) // step > _MOST:
        allowed = f"closer bounds, or multiples with at most {_MOST:,} widths between them"
        raise ValueError(refused(f"bounds[{i}]", (lower, upper), allowed))
    first, last = -(-lower // step), upper // step
    if first > last:
        allowed = f"bounds with a multiple of {shown(step)} between them"
        raise ValueError(refused(f"bounds[{i}]", (lower, upper), allowed))
    return np.arange(first, last + 1) * step
