"""What XLA's CPU backend computes for gradients of grouped convolutions: more than they need.

    gradient by        of                     is computed as
    the weights        depthwise              a full convolution, of whose outputs all but the
                                              diagonal are thrown away
    the weights        other grouped          plain loops over the groups twice, one value a step
    the input          grouped                as with a stride of 1
    the input          depthwise, strided     plain loops, one value a step

Seen in the optimised programs of jaxlib 0.10 and in their times (experiments/zoo): the first is
`ConvolutionGroupConverter` in XLA's sources; plain loops are what is left to a convolution whose
operand is dilated where Eigen has none for it.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost.workload import Workload, counts
from jaxcost.workload.gradients import BY_INPUT, BY_WEIGHTS

# What a core computes of a large dense layer while it runs one step of plain loops, which checks at
# each whether it is inside: 5 to 12 ns on an EPYC, a core of which reaches 100 GFLOP/s.
STEP_FLOPS = 700.0
_SKIPPED = 16.0  # groups: of fewer, most steps of plain loops that add nothing cost nothing


def as_computed(layer: Workload) -> Workload:
    """The layer whose sizes are those that the backend works through."""
    grouped, alone = _kinds(layer)
    full = alone & (layer.gradient == BY_WEIGHTS)
    wide = grouped & (layer.gradient == BY_INPUT)
    sizes = (
        jnp.where(full, 1.0, layer.groups),
        jnp.where(wide, layer.in_h, layer.out_h),
        jnp.where(wide, layer.in_w, layer.out_w),
    )
    return eqx.tree_at(lambda one: (one.groups, one.out_h, one.out_w), layer, sizes)


def flops_of_loops(layer: Workload) -> Float[Array, ""]:
    """FLOPs of large dense layers that a core would compute while plain loops run, so that they
    cost time and energy alike; 0 where the backend has something better."""
    grouped, alone = _kinds(layer)
    macs = counts.flops(layer) / 2
    skipped = layer.in_h * layer.in_w / (layer.out_h * layer.out_w)
    twice = macs * layer.groups**2 / (layer.groups + _SKIPPED)
    cases = (
        grouped & ~alone & (layer.gradient == BY_WEIGHTS),
        alone & (layer.gradient == BY_INPUT) & (skipped > 2),
    )
    return STEP_FLOPS * jnp.select(cases, (twice, macs * skipped), 0.0)


def _kinds(layer: Workload) -> tuple[Array, Array]:
    """Whether a convolution is grouped, and whether each channel is convolved by itself."""
    grouped = (layer.groups > 1) & (layer.is_dense == 0)
    alone = (layer.c_in == layer.groups) & (layer.c_out == layer.groups)
    return grouped, grouped & alone
