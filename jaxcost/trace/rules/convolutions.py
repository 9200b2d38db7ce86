"""Convolutions in one to three dimensions: grouped, depthwise, dilated, strided, transposed.

macs = out batch * out channels * channels of a group * (pairs of a position and a tap)

Every tap counts at every position of the smaller image, also where it lies in the padding: of a
forward convolution that is the output, as papers count; of a transposed one, and of the gradient
by an input, which is one, the input. So of padding beyond what keeps the size no tap counts, and
either gradient counts as the forward pass. Its sizes are those of the forward convolution.
"""

import dataclasses
import math
from collections.abc import Sequence

from jaxcost.trace.rules.products import product
from jaxcost.trace.work import Site, Work, counted, shape
from jaxcost.workload.gradients import BY_INPUT, BY_WEIGHTS


@dataclasses.dataclass(frozen=True)
class _Found:
    """A convolution as JAX wrote it: extents along its axes, and channels; groups of either kind.

    `inside`, `taps` and `places` are of the first operand, the second and the result.
    """

    inside: list[int]
    taps: list[int]
    places: list[int]
    batch: int
    c_out: int
    of_group: int
    groups: int
    by_weights: bool

    @classmethod
    def of(cls, site: Site) -> "_Found":
        numbers = site.params["dimension_numbers"]
        left, kernel, out = (shape(aval) for aval in (*site.inputs[:2], site.outputs[0]))
        return cls(
            inside=[left[axis] for axis in numbers.lhs_spec[2:]],
            taps=[kernel[axis] for axis in numbers.rhs_spec[2:]],
            places=[out[axis] for axis in numbers.out_spec[2:]],
            batch=out[numbers.out_spec[0]],
            c_out=out[numbers.out_spec[1]],
            of_group=kernel[numbers.rhs_spec[1]],
            groups=site.params["feature_group_count"] * site.params["batch_group_count"],
            # JAX writes it with batch and channels exchanged, so that the batch comes second.
            by_weights=numbers.lhs_spec[0] > numbers.lhs_spec[1],
        )

    def pairs(self) -> list[int]:
        """Of a position and a tap, along each axis."""
        extents = zip(self.inside, self.taps, self.places)
        if self.by_weights:
            return [places * min(inside, taps) for inside, taps, places in extents]
        return [taps * min(inside, places) for inside, taps, places in extents]


@counted("conv2d", "conv_general_dilated")
def _convolution(site: Site) -> Work:
    found = _Found.of(site)
    if found.by_weights:
        sizes = _by_weights(found) | {"dilation": _largest(site, "window_strides")}
    elif site.flipped or _largest(site, "lhs_dilation") > 1:
        sizes = _by_input(found) | {"dilation": _largest(site, "rhs_dilation")}
    else:
        sizes = _forward(found) | {"dilation": _largest(site, "rhs_dilation")}
    sizes |= {"groups": float(found.groups), "is_dense": 0.0}
    macs = float(found.batch * found.c_out * found.of_group * math.prod(found.pairs()))
    return product(site, macs, sizes, "conv2d")


def _forward(found: _Found) -> dict[str, float]:
    channels = {"c_in": float(found.of_group * found.groups), "c_out": float(found.c_out)}
    extents = _extents(found, found.inside, found.places)
    return {"batch": float(found.batch)} | channels | extents


def _by_input(found: _Found) -> dict[str, float]:
    channels = {"c_in": float(found.c_out), "c_out": float(found.of_group * found.groups)}
    extents = _extents(found, found.places, found.inside)
    return {"batch": float(found.batch), "gradient": float(BY_INPUT)} | channels | extents


def _by_weights(found: _Found) -> dict[str, float]:
    channels = {"c_in": float(found.batch * found.groups), "c_out": float(found.c_out)}
    extents = _extents(found, found.inside, found.taps)
    return {"batch": float(found.of_group), "gradient": float(BY_WEIGHTS)} | channels | extents


def _extents(found: _Found, before: Sequence[int], after: Sequence[int]) -> dict[str, float]:
    """The forward convolution's input and output, and the taps that count at each of its places."""
    taps = [pairs / max(place, 1) for pairs, place in zip(found.pairs(), after)]
    each = {"in": before, "out": after, "k": taps}
    high = {f"{name}_h": float(math.prod(extents[:-1])) for name, extents in each.items()}
    return high | {f"{name}_w": float(math.prod(extents[-1:])) for name, extents in each.items()}


def _largest(site: Site, name: str) -> float:
    return float(max(site.params[name], default=1))
