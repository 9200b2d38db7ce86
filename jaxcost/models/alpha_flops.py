"""α-FLOPs as printed: FLOPs discounted along the axis a GPU parallelises best."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload, counts


class AlphaFlops(LayerwiseCost):
    """Latency of dense and convolutional layers on a parallel device, in seconds.

        cost = scale * flops * ((S_K + beta * (S - S_K)) / S) ** gamma      (eq. 5)
        S    = batch * out_h * out_w          S_K = 1 + ln(k_h * k_w)

    with one (beta, gamma) for kernels of one element and another for larger ones. A dense layer
    is a kernel of one element on one position, and its batch takes the part of S (section 6.1).

    Args: each a scalar.
        scale: s/FLOP, > 0.
        beta_1, beta_k: share of the work that grows with S, in [0, 1].
        gamma_1, gamma_k: exponent, in [0, 1].
    Valid for: layers well above the cost of a launch, without groups; the formula has no floor,
        and was made for sizes with S >= S_K.
    Source: Asperti, Evangelista, Marzolla (2021), Dissecting FLOPs along input dimensions for
        GreenAI cost estimations, eqs. 4-6. S_K is the authors' plotting script's: the text says
        only that it grows slowly with K from S_1 = 1.
    Example:
        >>> from jaxcost.device import device
        >>> from jaxcost.workload import dense
        >>> layer = dense(c_in=12800, c_out=12800)
        >>> round(float(AlphaFlops.quadro_t2000()(layer, device("quadro-t2000"))), 6)
        0.006144
    """

    unit: ClassVar[str] = "s"

    scale: Scalar = parameter(0, jnp.inf, unit="s/FLOP", doc="time of one undiscounted FLOP")
    beta_1: Scalar = parameter(
        0, 1, unit="1", doc="share of work that grows with S, kernels of one element", start=0.02
    )
    gamma_1: Scalar = parameter(0, 1, unit="1", doc="exponent, kernels of one element", start=0.9)
    beta_k: Scalar = parameter(
        0, 1, unit="1", doc="share of work that grows with S, larger kernels", start=0.01
    )
    gamma_k: Scalar = parameter(0, 1, unit="1", doc="exponent, larger kernels", start=0.6)

    @classmethod
    def quadro_t2000(cls) -> "AlphaFlops":
        """The parameters printed for the Quadro T2000; the scale is the plotting script's."""
        return cls(scale=1.875e-11, beta_1=0.02, gamma_1=0.99, beta_k=0.001, gamma_k=0.56)

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds (eq. 5)."""
        del device
        pointwise = layer.k_h * layer.k_w <= 1
        beta = jnp.where(pointwise, self.beta_1, self.beta_k)
        gamma = jnp.where(pointwise, self.gamma_1, self.gamma_k)
        size = layer.batch * layer.out_h * layer.out_w
        least = kernel_size_term(layer)
        discount = ((least + beta * (size - least)) / size) ** gamma
        return self.scale * counts.conv_flops(layer) * discount


def kernel_size_term(layer: Workload) -> Float[Array, ""]:
    """S_K = 1 + ln(k_h * k_w): how many positions' worth of work a kernel serialises, >= 1."""
    return 1 + jnp.log(jnp.maximum(layer.k_h * layer.k_w, 1))
