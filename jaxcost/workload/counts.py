"""Exact FLOPs, multiply-adds, parameters and bytes of each layer: pure formulas.

Each takes a `Workload` and returns an array of the shape of its leaves, one number a row for the
layer occurring **once**; a total is `jnp.sum(workload.repeat * flops(workload))`.

    macs  = batch * out_h * out_w * k_h * k_w * c_in / groups * c_out
    flops = 2 * macs + bias additions + other_flops                    (a multiply-add is 2)

Every tap of the kernel counts at every output position, also where 'same' padding puts it
outside the input: that is the papers' convention, and that of hardware which multiplies by the
padding's zeros. XLA's `cost_analysis` leaves those taps out; with 'valid' padding both agree.

Source: Asperti, Evangelista, Marzolla (2021), Dissecting FLOPs along input dimensions for GreenAI
cost estimations, eq. 4; here also with height and width apart, groups, and bias.
"""

from jaxtyping import Array, Float

from jaxcost.workload.record import Workload


def macs(workload: Workload) -> Float[Array, "*layers"]:
    """Multiply-adds of the layer's product, each counted once; 0 where the row is no product."""
    return outputs(workload) * _taps(workload)


def conv_flops(workload: Workload) -> Float[Array, "*layers"]:
    """FLOPs of the layer's product alone, `2 * macs`: no bias, no other operations (eq. 4)."""
    return 2 * macs(workload)


def flops(workload: Workload) -> Float[Array, "*layers"]:
    """FLOPs of the layer: 2 a multiply-add, 1 an addition of bias, and `other_flops`."""
    return conv_flops(workload) + workload.bias * outputs(workload) + workload.other_flops


def outputs(workload: Workload) -> Float[Array, "*layers"]:
    """Elements that the layer's product puts out, over the whole batch."""
    return workload.batch * workload.out_h * workload.out_w * workload.c_out


def parameters(workload: Workload) -> Float[Array, "*layers"]:
    """Parameters of the layer: weights, and one bias an output channel where it has a bias."""
    return workload.c_out * (_taps(workload) + workload.bias)


def input_bytes(workload: Workload) -> Float[Array, "*layers"]:
    """Bytes of the layer's whole input, over the whole batch."""
    elements = workload.batch * workload.in_h * workload.in_w * workload.c_in
    return workload.item_bytes * elements


def weight_bytes(workload: Workload) -> Float[Array, "*layers"]:
    """Bytes of the layer's parameters."""
    return workload.item_bytes * parameters(workload)


def output_bytes(workload: Workload) -> Float[Array, "*layers"]:
    """Bytes of the layer's output, over the whole batch."""
    return workload.item_bytes * outputs(workload)


def bytes_moved(workload: Workload) -> Float[Array, "*layers"]:
    """Bytes read and written if each operand moves once: input, weights, output, `other_bytes`.

    The least that a device without a sufficient cache has to move; caches can lower it between
    layers, and tiling can raise it.
    """
    product = input_bytes(workload) + weight_bytes(workload) + output_bytes(workload)
    return product + workload.other_bytes


def arithmetic_intensity(workload: Workload) -> Float[Array, "*layers"]:
    """FLOPs of the layer for each byte moved, in FLOP/B."""
    return flops(workload) / bytes_moved(workload)


def _taps(workload: Workload) -> Float[Array, "*layers"]:
    return workload.k_h * workload.k_w * workload.c_in / workload.groups
