"""Energy of an inference from its FLOPs and the year of the hardware, or from a data sheet."""

from typing import ClassVar

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar, not_negative
from jaxcost.device import Device
from jaxcost.models.base import CostModel, parameter
from jaxcost.workload import Workload, counts, rows

REFERENCE_YEAR = 2015.0  # in the middle of the data, where level and growth are least entangled


def of_flops(flops: ArrayLike) -> Workload:
    """A Workload of which nothing but its FLOPs is known: a number, or of shape `(layers,)`.

    Example:
        >>> float(counts.flops(of_flops(1.42e9))[0])
        1420000000.0
    """
    return rows(other_flops=not_negative("flops", flops), c_in=0, c_out=0)


class EfficiencyTrend(CostModel):
    """Energy of one pass on hardware of its year, in joules.

        energy     = flops / efficiency                                    (eq. 5.2)
        efficiency = efficiency_2015 * 10 ** (growth * (launch_year - 2015))

    Args: each a scalar.
        efficiency_2015: FLOP/J of hardware launched at the start of 2015, > 0.
        growth: decades of efficiency a year, > 0; it doubles every log10(2) / growth years.
    Valid for: GPUs launched from late 2010 to 2021 that work at their peak and design power, as
        the thesis assumes; a network on one GPU can need many times more. Only
        `launch_year` is read of the device, and the energy can be differentiated by it.
    Source: Desislavov (2021), master's thesis on compute and energy consumption of deep-learning
        inference, sections 5.1 and 5.2: a straight line through log10(GFLOPS/W) against date.
    Example:
        >>> model = EfficiencyTrend(efficiency_2015=25e9, growth=0.1)
        >>> float(model(of_flops(50e9), Device("gpu", launch_year=2015.0)))
        2.0
    """

    unit: ClassVar[str] = "J"

    efficiency_2015: Scalar = parameter(
        0, jnp.inf, unit="FLOP/J", doc="efficiency of hardware launched in 2015", start=2.5e10
    )
    growth: Scalar = parameter(
        0, jnp.inf, unit="decades/year", doc="growth of efficiency with launch date", start=0.1
    )

    def efficiency(self, launch_year: Scalar) -> Float[Array, ""]:
        """FLOP/J of hardware launched in `launch_year`, a real year."""
        decades = self.growth * (launch_year - REFERENCE_YEAR)
        return jnp.asarray(self.efficiency_2015 * 10**decades)

    def __call__(self, workload: Workload, device: Device) -> Float[Array, ""]:
        """Energy of one pass, in joules.

        Raises: ValueError: a device without `launch_year`.
        """
        if device.launch_year is None:
            raise ValueError(_missing(device, "launch_year", "a real year such as 2019.5"))
        return _total_flops(workload) / self.efficiency(device.launch_year)


class DataSheetEnergy(CostModel):
    """Energy of one pass at a share of a device's peak and at its design power, in joules.

        energy = flops * design_power / (share * peak_flops)           (eqs. 5.1, 5.2)

    Args: share: FLOP/s reached over those of the data sheet, a scalar > 0. The thesis takes 1 for
        FP32, and the speed-ups of table 5.1 over an FP32 peak for mixed precision.
    Valid for: networks that keep the device at its design power; idle time and the host are not
        in it. An estimate from a data sheet: no measurement stands behind it until `share` is
        fitted.
    Source: Desislavov (2021), sections 3.3, 5.1 and 5.2.
    Example:
        >>> v100 = Device("v100", peak_flops=15.7e12, design_power=300)
        >>> round(float(DataSheetEnergy(share=2.27)(of_flops(1e9), v100)), 5)
        0.00842
    """

    unit: ClassVar[str] = "J"

    share: Scalar = parameter(
        0, jnp.inf, unit="1", doc="FLOP/s reached over the data sheet's", start=0.4
    )

    def __call__(self, workload: Workload, device: Device) -> Float[Array, ""]:
        """Energy of one pass, in joules.

        Raises: ValueError: a device without `peak_flops` or without `design_power`.
        """
        if device.peak_flops is None:
            raise ValueError(_missing(device, "peak_flops", "FLOP/s in the precision used"))
        if device.design_power is None:
            raise ValueError(_missing(device, "design_power", "watts, as on the data sheet"))
        return _total_flops(workload) * device.design_power / (self.share * device.peak_flops)


def _total_flops(workload: Workload) -> Float[Array, ""]:
    return jnp.sum(workload.repeat * counts.flops(workload))


def _missing(device: Device, field: str, allowed: str) -> str:
    return f"device {device.name!r} has no {field}; give {allowed}, or take another device"
