"""How much of a device a measured step uses: MFU, bandwidth, and what was predicted of it."""

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support import text
from jaxcost._support.screen import OnScreen
from jaxcost._support.sizes import one
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.trace import ceilings, count, on_screen
from jaxcost.trace.ceilings import Ceilings
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import ProgramEstimate, estimate_counts

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, repr=False)
class Utilization(OnScreen):
    """A step that was counted once; called with a measured time, it says how much it uses.

    Attributes:
        counts: what one step computes.
        ceilings: what the device can do at most, to which that is compared.
        predicted: what the step was estimated to cost; None without a calibration.
        warnings: what the reader must mind.
    """

    counts: Counts
    ceilings: Ceilings
    predicted: ProgramEstimate | None
    warnings: tuple[str, ...]
    _told: list[str] = dataclasses.field(default_factory=list, repr=False, compare=False)

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        import pandas as pd

        flops = text.quantity(self.model_flops, "FLOP")
        peak = text.quantity(self.ceilings.peak_flops, "FLOP/s")
        lines = [f"Utilization: {flops} a step, of {peak} ({self.ceilings.basis})"]
        if self.predicted is not None and self.predicted.latency_s is not None:
            lines.append(f"predicted {text.quantity(self.predicted.latency_s, 's')}")
        how = "call it with the seconds that a step took"
        return [*lines, *on_screen.warned(self.warnings), how], pd.DataFrame()

    @property
    def model_flops(self) -> float:
        """FLOPs of the products of a step, without what `jax.checkpoint` computes again."""
        return self.counts.flops - self.counts.recomputed_flops

    @property
    def bytes_moved(self) -> float:
        """Bytes that a compiled step has to move: those of products, and what fusion is believed to
        leave of all else."""
        repeat = np.array([o.repeat for o in self.counts.operations])
        return float((repeat * self.counts.bytes_left()).sum())

    def __call__(self, time_s: float) -> dict[str, float | str]:
        """A plain dict of what one step of `time_s` seconds uses; what is not known is left out.

        Args: time_s: how long a step took, awaited, > 0.
        Returns: `time_s`; `mfu`, model FLOPs / time / peak; `peak_flops_per_s` and `peak`, the
            denominator and what it is: whose, measured or of a data sheet, in which precision;
            `flops_per_s`; `hfu`, the same as `mfu` with what was computed again, where any was;
            `bandwidth_use`, `bytes_per_s`, `bandwidth_bytes_per_s` and `bandwidth` the same of
            bytes; `predicted_s` and `predicted_over_measured`; `energy_j` and `energy`, joules of a
            step and where they are from. Peak and bandwidth are those of all devices together.
        Warns: UserWarning: once, of an MFU above 1, which no step has that was awaited.
        Raises: ValueError: a time that is not finite and above 0.
        """
        time_s = one("time_s", time_s, lambda t: 0 < t < math.inf, "seconds of a step, above 0")
        of, many = self.ceilings, self.counts.together
        found: dict[str, float | str] = {"time_s": time_s}
        found |= _use("mfu", "flops_per_s", "peak", self.model_flops / time_s, many * of.peak_flops)
        found["peak"] = of.basis
        self._doubt(self.model_flops / time_s / (many * of.peak_flops))
        if self.counts.recomputed_flops:
            found["hfu"] = self.counts.flops / time_s / (many * of.peak_flops)
        for what, bandwidth in list(of.bandwidths.items())[:1]:
            moved = self.bytes_moved / time_s
            found |= _use("bandwidth_use", "bytes_per_s", "bandwidth", moved, many * bandwidth)
            found["bandwidth"] = f"{of.source}, {of.device}, {what}"
        return found | self._predicted(time_s)

    def _doubt(self, mfu: float) -> None:
        if mfu <= 1 or self._told:
            return
        self._told.append(
            f"MFU = {mfu:.3g} is above 1, the {self.ceilings.basis}: most likely the time is of a "
            "call that was not awaited; time jax.block_until_ready(step(...))"
        )
        warnings.warn(self._told[0], stacklevel=3)

    def _predicted(self, time_s: float) -> dict[str, float | str]:
        found: dict[str, float | str] = {}
        if self.predicted is not None and self.predicted.latency_s is not None:
            found["predicted_s"] = self.predicted.latency_s
            found["predicted_over_measured"] = self.predicted.latency_s / time_s
        if self.predicted is not None and self.predicted.energy_j is not None:
            found |= {"energy_j": self.predicted.energy_j, "energy": "predicted"}
        elif self.ceilings.design_power is not None:
            watts = self.ceilings.design_power * self.counts.together
            found["energy_j"] = watts * time_s
            found["energy"] = f"at the design power of {watts:g} W, data sheet"
        return found


def utilization(
    step: Any,
    *args: Any,
    calibration: Calibration | str | None = None,
    device: str | None = None,
    precision: str | None = None,
    **kwargs: Any,
) -> Utilization:
    """How much of a device a step uses, once its time is measured; counted now, and only once.

    MFU (model FLOPs utilisation) is model FLOPs / time / peak. Model FLOPs are those of products,
    without what `jax.checkpoint` computes again. The peak is the dense one of the data sheet where
    `device` is given, or else the rate that the calibration measured of large products.

    Args:
        step: a whole step of training or inference: what is timed. With `backward=True` or
            `step="adam"` among `kwargs`, a model whose step is made of it, as `jaxcost.count` has.
        args, kwargs: as `jaxcost.count` takes them.
        calibration: one that was loaded, a file, or a preset, for `predicted_s`; keyword-only.
        device: as `jaxcost devices --data-sheets` lists, such as `h100-sxm`; keyword-only.
        precision: of the data sheet, such as `bf16`; None: that in which most of the products are
            multiplied; keyword-only.
    Returns: a `Utilization`; call it with seconds for a dict.
    Raises: ValueError: neither a calibration nor a device, an unknown one, or a step that cannot be
        traced.
    Source: Chowdhery et al. (2022), PaLM, appendix B, for MFU and HFU.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x = jnp.ones((8192, 8192), jnp.bfloat16)
        >>> use = jc.utilization(jnp.dot, x, x, device="h100-sxm")
        >>> found = use(1.6e-3)                    # seconds, as measured; log this dict
        >>> f"{found['mfu']:.2f} of {found['peak']}"
        '0.69 of dense peak of the data sheet, h100-sxm, bf16'
    """
    if calibration is None and device is None:
        raise ValueError("nothing to hold the step against; give calibration= or device=")
    loaded = load_calibration(calibration) if isinstance(calibration, str) else calibration
    found = count(step, *args, **kwargs)
    predicted = None if loaded is None else estimate_counts(found, loaded)
    dtype, share = ceilings.main_dtype(found)
    if device is not None:
        of = ceilings.of_data_sheet(device, dtype, precision)
    else:
        assert loaded is not None
        of = ceilings.of_calibration(loaded)
    lines = list(found.warnings if predicted is None else predicted.warnings)
    if 0 < share < 0.99:
        others = f"{1 - share:.0%} of the FLOPs are in another precision than {dtype}"
        lines.append(f"{others}, and all are held against the peak in {of.precision}")
    return Utilization(found, of, predicted, tuple(lines))


def _use(use: str, rate: str, ceiling: str, found: float, most: float) -> dict[str, float | str]:
    unit = "flops" if ceiling == "peak" else "bytes"
    return {use: found / most, rate: found, f"{ceiling}_{unit}_per_s": most}
