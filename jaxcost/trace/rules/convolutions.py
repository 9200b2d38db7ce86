"""Convolutions in one to three dimensions: grouped, depthwise, dilated, strided, transposed.

macs = out batch * out channels * channels of a group * (pairs of a position and a tap)

Every tap counts at every position of the smaller image, also where it lies in the padding: of a
forward convolution that is the output, as papers count; of a transposed one, and of the gradient
by an input, which is one, the input. So of padding beyond what keeps the size no tap counts, and
either gradient counts as the forward pass.
"""

import math
from typing import Any

from jaxcost.trace.rules.products import product
from jaxcost.trace.work import Site, Work, counted, shape


@counted("conv2d", "conv_general_dilated")
def _convolution(site: Site) -> Work:
    numbers = site.params["dimension_numbers"]
    left, kernel, out = (shape(aval) for aval in (*site.inputs[:2], site.outputs[0]))
    inside = [left[axis] for axis in numbers.lhs_spec[2:]]
    taps = [kernel[axis] for axis in numbers.rhs_spec[2:]]
    places = [out[axis] for axis in numbers.out_spec[2:]]
    met = [_pairs(numbers, *sizes) for sizes in zip(inside, taps, places)]
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


def _pairs(numbers: Any, inside: int, taps: int, places: int) -> int:
    """Along one axis; in a gradient by weights the taps are an image and the places the weights.

    JAX writes that gradient with batch and channels exchanged, so that the batch comes second.
    """
    by_weights = numbers.lhs_spec[0] > numbers.lhs_spec[1]
    return places * min(inside, taps) if by_weights else taps * min(inside, places)
