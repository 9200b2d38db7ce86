"""The layers of a program under a device's roofline: what each does with a byte and in a second."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.screen import OnScreen
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.trace import ceilings, count, on_screen
from jaxcost.trace.ceilings import Ceilings
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import ProgramEstimate, estimate_counts
from jaxcost.trace.names import NO_NAME

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PREDICTED, ATTAINABLE = "predicted", "attainable"


@dataclasses.dataclass(frozen=True)
class Point:
    """A layer, all its operations and runs together.

    Attributes:
        name, op: of the layer, and of the operation in it that takes longest.
        flops: FLOPs of every kind.
        bytes: that it has to move once compiled.
        time_s: s.
        share: of the time of all, from 0 to 1.
    """

    name: str
    op: str
    flops: float
    bytes: float
    time_s: float
    share: float

    @property
    def intensity(self) -> float:
        """FLOP/B."""
        return self.flops / self.bytes if self.bytes else float("inf")

    @property
    def flops_per_s(self) -> float:
        """FLOP/s."""
        return self.flops / self.time_s if self.time_s else 0.0


@dataclasses.dataclass(frozen=True, repr=False)
class Roofline(OnScreen):
    """A program's layers under a device's ceilings.

    Attributes:
        points: the layers, those that take longest first.
        ceilings: of the device.
        kind: whether the layers' times are `predicted` by a calibration or `attainable` at most,
            by a data sheet.
        warnings: what the reader must mind.
    """

    points: tuple[Point, ...]
    ceilings: Ceilings
    kind: str
    warnings: tuple[str, ...]

    def bound_by(self, point: Point) -> str:
        """`memory` or `arithmetic`: on which side of the roof's ridge a layer lies."""
        bandwidth = next(iter(self.ceilings.bandwidths.values()), None)
        if bandwidth is None:
            return "unknown"
        return "memory" if point.intensity < self.ceilings.peak_flops / bandwidth else "arithmetic"

    def rows(self) -> list[dict[str, Any]]:
        """A dict a layer: its fields, `intensity` in FLOP/B, `flops_per_s`, and `bound_by`."""
        return [
            dataclasses.asdict(point)
            | {"intensity": point.intensity, "flops_per_s": point.flops_per_s}
            | {"bound_by": self.bound_by(point)}
            for point in self.points
        ]

    def to_frame(self) -> "pd.DataFrame":
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.roofline(self)

    def figure(self, title: str = "") -> "Figure":
        """Layers as points, their area the share of the time, under the ceilings.

        Raises: ValueError: no layer has FLOPs and bytes.
        """
        from jaxcost.figures import RoofPoint, roofline

        drawn = [
            RoofPoint(_of_several(alike), op, x, y, sum(p.share for p in alike))
            for (op, x, y), alike in _alike(self.points).items()
        ]
        if not drawn:
            raise ValueError("no layer has FLOPs and bytes; give a program that computes something")
        return roofline(
            drawn,
            peaks={self.ceilings.basis: self.ceilings.peak_flops},
            bandwidths=self.ceilings.bandwidths,
            rate=f"{self.kind} rate",
            title=title,
        )


def roofline(
    fn: Any,
    *args: Any,
    calibration: Calibration | str | None = None,
    device: str | None = None,
    precision: str | None = None,
    **kwargs: Any,
) -> Roofline:
    """The layers of a JAX callable or model under a device's roofline; nothing is run.

    A layer's FLOPs are those of every kind, its bytes those that a compiled program has to move.

    Args:
        fn, args, kwargs: as `jaxcost.count` takes them, `backward`, `step` and `trips`, too.
        calibration: one that was loaded, a file, or a preset: times are predicted, and ceilings as
            measured; keyword-only.
        device: instead, one with a data sheet, such as `h100-sxm`: times are the least that its
            peak and bandwidth allow; keyword-only.
        precision: of the data sheet, such as `bf16`; None: that in which most of the products are
            multiplied; keyword-only.
    Returns: a `Roofline`; `.figure()` draws it.
    Raises: ValueError: not one of calibration and device; one without a rate; or what
        `jaxcost.count` and `jaxcost.estimate` raise.
    Source: Williams, Waterman, Patterson (2009), Roofline.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x = jnp.ones((4096, 4096), jnp.bfloat16)
        >>> found = jc.roofline(jnp.dot, x, x, calibration="h100-sxm")
        >>> (point,) = found.points
        >>> f"{point.intensity:.0f} FLOP/B", found.bound_by(point)
        ('1365 FLOP/B', 'arithmetic')
    """
    if (calibration is None) == (device is None):
        raise ValueError("give one of calibration and device, which the layers are held against")
    found = count(fn, *args, **kwargs)
    if device is not None:
        dtype, _ = ceilings.main_dtype(found)
        of = ceilings.of_data_sheet(device, dtype, precision)
        times, warnings = _attainable(found, of), found.warnings
        return _under(found, times, of, ATTAINABLE, warnings)
    loaded = load_calibration(calibration) if isinstance(calibration, str) else calibration
    assert loaded is not None
    of = ceilings.of_calibration(loaded)
    return of_estimate(estimate_counts(found, loaded), of)


def of_estimate(found: ProgramEstimate, of: Ceilings) -> Roofline:
    """The layers of a program that was estimated, under the ceilings of its calibration."""
    return _under(found.counts, found.costs["latency_s"].each, of, PREDICTED, found.warnings)


def _under(
    found: Counts, times: np.ndarray, of: Ceilings, kind: str, warnings: tuple[str, ...]
) -> Roofline:
    points = _points(found, times)
    unseen = sum(point.share for point in points if not point.flops)
    if unseen:
        line = f"{unseen:.0%} of the time is of layers that move bytes and compute nothing"
        warnings = (*warnings, f"{line}: a roofline has no place for them")
    return Roofline(points, of, kind, warnings)


def _attainable(found: Counts, of: Ceilings) -> np.ndarray:
    """The least time that each operation takes, once, in s, `(operations,)`."""
    computed = np.array([_computed(o) for o in found.operations]) / of.peak_flops
    bandwidth = next(iter(of.bandwidths.values()), np.inf)
    return np.maximum(computed, found.bytes_left() / bandwidth)


def _computed(operation: Any) -> float:
    """FLOPs of every kind, once."""
    return float(operation.flops + operation.elementwise_flops + operation.transcendentals)


def _alike(points: Sequence[Point]) -> dict[tuple[str, float, float], list[Point]]:
    """Points that can be drawn, those of one kind of operation at one place together."""
    found: dict[tuple[str, float, float], list[Point]] = {}
    for point in points:
        if point.flops and point.bytes and point.time_s:
            place = (f"{value:.1e}" for value in (point.intensity, point.flops_per_s))
            x, y = map(float, place)
            found.setdefault((point.op, x, y), []).append(point)
    return found


def _of_several(points: Sequence[Point]) -> str:
    """The name of points drawn as one."""
    more = len(points) - 1
    return points[0].name + (f" and {more} alike" if more else "")


def _points(found: Counts, times: np.ndarray) -> tuple[Point, ...]:
    """A point a layer, those that take longest first."""
    each: dict[str, list[tuple[float, float, float, str]]] = {}
    for operation, once, moved in zip(found.operations, times, found.bytes_left()):
        many, name = operation.repeat, operation.name or f"{NO_NAME} {operation.op}"
        row = (many * once, many * _computed(operation), many * moved, operation.op)
        each.setdefault(name, []).append(row)
    total = sum(row[0] for rows in each.values() for row in rows) or 1.0
    points = []
    for name, rows in each.items():
        time_s, flops, moved = map(float, np.sum([row[:3] for row in rows], axis=0))
        points.append(Point(name, max(rows)[3], flops, moved, time_s, time_s / total))
    return tuple(sorted(points, key=lambda point: -point.time_s))
