"""Convolutions in one to three dimensions: grouped, depthwise, dilated, strided, transposed.

macs = out batch * out channels * channels of a group * (pairs of output and tap)

Every tap counts at every output position, also where it lies in the padding; taps that would
meet the zeros between the inputs of a transposed convolution do not.
"""

import math

import numpy as np

from jaxcost.trace.products import product
from jaxcost.trace.work import Site, Work, counted, shape


@counted("conv2d", "conv_general_dilated")
def _convolution(site: Site) -> Work:
    numbers = site.params["dimension_numbers"]
    left, kernel, out = (shape(aval) for aval in (*site.inputs[:2], site.outputs[0]))
    inside = [left[axis] for axis in numbers.lhs_spec[2:]]
    taps = [kernel[axis] for axis in numbers.rhs_spec[2:]]
    places = [out[axis] for axis in numbers.out_spec[2:]]
    met = [_pairs(site, axis, *sizes) for axis, sizes in enumerate(zip(places, taps))]
    batch, c_out = (out[axis] for axis in numbers.out_spec[:2])
    of_group = kernel[numbers.rhs_spec[1]]
    groups = site.params["feature_group_count"] * site.params["batch_group_count"]
    effective = [pairs / max(place, 1) for pairs, place in zip(met, places)]
    sizes = {
        "batch": float(batch),
        "in_h": float(math.prod(inside[:-1])),
        "in_w": float(math.prod(inside[-1:])),
        "out_h": float(math.prod(places[:-1])),
        "out_w": float(math.prod(places[-1:])),
        "c_in": float(of_group * groups),
        "c_out": float(c_out),
        "k_h": float(math.prod(effective[:-1])),
        "k_w": float(math.prod(effective[-1:])),
        "groups": float(groups),
        "dilation": float(max(site.params["rhs_dilation"], default=1)),
        "is_dense": 0.0,
    }
    return product(site, float(batch * c_out * of_group * math.prod(met)), sizes, "conv2d")


def _pairs(site: Site, axis: int, places: int, taps: int) -> int:
    """How many pairs of an output and a tap meet an input, or padding, and no inserted zero."""
    spread = site.params["lhs_dilation"][axis]
    if spread == 1:
        return places * taps
    before = site.params["padding"][axis][0]
    output = np.arange(places)[:, None] * site.params["window_strides"][axis]
    tap = np.arange(taps)[None] * site.params["rhs_dilation"][axis]
    return int(np.count_nonzero((output + tap - before) % spread == 0))
