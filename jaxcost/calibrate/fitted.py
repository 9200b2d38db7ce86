"""One target of a calibration: a fitted model, what corrects it, and how far to trust it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.messages import RowError
from jaxcost._support.screen import OnScreen
from jaxcost._support.sizes import guarded, is_traced
from jaxcost._support.sizes import temperature as checked
from jaxcost.calibrate import on_screen
from jaxcost.calibrate.correction import Correction
from jaxcost.calibrate.extrapolation import doubt
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fit import Accuracy, Estimate
from jaxcost.calibrate.intervals import Intervals, ends
from jaxcost.device import Device
from jaxcost.models.base import CostModel, LayerwiseCost
from jaxcost.models.memory_bound import MemoryBound
from jaxcost.models.residency import Temperature
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.workload import Workload
from jaxcost.workload.left_once_fused import AGAINST_ORDER, OUT_OF_CACHE
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd


_SLOWER = 0.3  # of a byte's time besides: with less the data did not tell memory and cache apart


@dataclasses.dataclass(frozen=True, repr=False)
class Fitted(OnScreen):
    """What a calibration knows of one target, such as `time_s`.

    Attributes:
        name: of the model, as in `jaxcost.models.registry`.
        model: the fitted model.
        intervals: of a prediction.
        estimates: the model's parameters with their intervals.
        covariance, singular_values: as in `jaxcost.calibrate.fit.FitResult`.
        errors: of the model with its correction: `in_sample`, cross-validated by `rows` and by
            `sweeps`, and `held_out`, as far as they are known.
        model_errors: the same of the model alone.
        baselines: the same of other models fitted to the same rows, by name.
        warnings: what the data leave open or contradict, a line each.
        correction: of the model between measured layers; None for the model alone.
        layers: what the correction was fitted to: its features and ln(observed / predicted) in
            the last column, shape `(rows, features + 1)`; None without a correction.
        dtype: the precision of what was measured, such as `float32`; None: it was not recorded.
        sort: of the layers that it was fitted to, one of `jaxcost.calibrate.features.SORTS`.
        apart: the same of other sorts of layers, where enough of them were measured to be fitted
            by themselves; by sort.
    """

    name: str
    model: CostModel
    intervals: Intervals
    estimates: tuple[Estimate, ...]
    covariance: np.ndarray
    singular_values: np.ndarray
    errors: dict[str, Accuracy]
    model_errors: dict[str, Accuracy]
    baselines: dict[str, dict[str, Accuracy]]
    warnings: tuple[str, ...] = ()
    correction: Correction | None = None
    layers: np.ndarray | None = None
    dtype: str | None = None
    sort: str = "products"
    apart: "dict[str, Fitted]" = dataclasses.field(default_factory=dict)

    def to_frame(self) -> "pd.DataFrame":
        """The parameters as a table, one a row, with their 90 % intervals and units."""
        return on_screen.parameters({self.model.unit: self})

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        lines, table = on_screen.models({self.model.unit: self})
        return ["Fitted", *lines], table

    @property
    def parts(self) -> "dict[str, Fitted]":
        """Itself, and what is fitted apart, by the sort of layers that each is of."""
        return {self.sort: self, **self.apart}

    def layer_costs(self, workload: Workload, device: Device) -> Float[Array, " layers"]:
        """Each layer's cost, occurring once, corrected, in the target's unit; differentiable.

        An operation within a program costs its bytes over the mean bandwidth of what is no product,
        where that was measured by itself, or else over the model's; nothing where it knows none.
        Of the bytes only what fusion leaves. On a CPU a share of the bandwidth is reached in
        backward passes, and what is laid out anew for a gradient of a convolution costs nothing
        where such layers were measured, which hold it.
        """
        if not isinstance(self.model, LayerwiseCost):
            raise ValueError(f"{self.name} has no costs of single layers; ask for the network's")
        costs = self.model.layer_costs(workload, device)
        if self.correction is not None:
            other = self._otherwise(workload, device)
            costs = costs * jnp.exp(jnp.where(other, 0, self.correction.log_ratio(workload)))
        for sort, fitted in self.apart.items():
            theirs = fitted.layer_costs(workload, device)
            costs = jnp.where(SORTS[sort].holds(workload), theirs, costs)
        return jnp.where(workload.within > 0, self._moving(workload, device), costs)

    @functools.cached_property
    def compiled(self) -> Callable[[Workload, Device], Array]:
        """`layer_costs`, compiled once for all workloads of one shape."""
        return eqx.filter_jit(lambda workload, device: self.layer_costs(workload, device))

    def _otherwise(self, workload: Workload, device: Device) -> Any:
        """Whether a CPU computes it so differently that no layer measured here says anything."""
        grouped = (workload.gradient > 0) & (workload.groups > 1) & (workload.is_dense == 0)
        return grouped & ~SORTS[self.sort].holds(workload) & (device.platform == "cpu")

    def _moving(self, workload: Workload, device: Device) -> Float[Array, " layers"]:
        """What each operation within a program costs."""
        alone = getattr(self.parts.get("memory-bound"), "model", None)
        memory = alone if isinstance(alone, MemoryBound) else None
        bandwidth: Any = getattr(self.model, "bandwidth", jnp.inf)
        moving = workload.other_bytes / (memory.mean_bandwidth if memory else bandwidth)
        if device.platform != "cpu":
            return workload.left * moving
        measured = [SORTS[sort].holds(workload) for sort in self.apart if "gradients" in sort]
        inside = functools.reduce(jnp.logical_or, measured, workload.gradient < 0)
        moving = jnp.where(inside, 0.0, workload.left_on_cpu * moving)
        if memory is None:
            return moving
        laid_out = (workload.backward > 0) & (workload.left == 0)
        told_apart = memory.beyond > _SLOWER
        share = jnp.where((workload.backward > 0) | ~told_apart, OUT_OF_CACHE, 1.0)
        return moving / jnp.where(laid_out & told_apart, AGAINST_ORDER, share)

    def cost(
        self,
        workload: Workload | TrainingRun,
        device: Device,
        temperature: Temperature | None = None,
    ) -> Float[Array, ""]:
        """The cost of a network, in the target's unit; differentiable.

        The sum over its layers; of a model of training: an epoch of a run, or a forward pass.

        Args: temperature: of a model with steps, >= 0; may be traced. Others have none to smooth.
        Raises: ValueError: a cost beyond what JAX's precision holds.
        """
        if temperature is not None and not is_traced(temperature):
            temperature = checked(temperature)
        if isinstance(self.model, WorkingSetEnergy):
            return self._representable(self.model(workload, device, temperature))
        if not isinstance(self.model, LayerwiseCost):
            cost = self.model(workload, device)
        else:
            assert isinstance(workload, Workload)
            cost = jnp.sum(workload.repeat * self.layer_costs(workload, device))
        # Nothing reads it here, but a wrong one is as wrong as where something does.
        return self._representable(guarded(cost, temperature=temperature))

    def _representable(self, cost: Array) -> Array:
        if not is_traced(cost) and not np.isfinite(cost).all():
            raise ValueError(
                f"{self.name} gives a cost of {float(np.max(cost)):g} {self.model.unit}, beyond "
                f"{cost.dtype}; give smaller sizes, or set jax_enable_x64"
            )
        return cost

    def interval(
        self, workload: Workload | TrainingRun, device: Device
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each layer's or run's cost and the ends of its 90 % interval, each a number a row.

        Raises: ValueError: a row to which the model gives no cost, or none that is finite.
        """
        if isinstance(workload, TrainingRun):
            return self._interval_of_runs(workload, device)
        costs = self._priced(self.layer_costs(workload, device))
        _, reach = self.trust(workload, device)
        return costs, *ends(np.log(costs), reach)

    def unlike(self, layers: Workload) -> np.ndarray:
        """Whether no layer of its kind is among those that this part was fitted to, `(layers,)`.

        Of a gradient forward layers of the same sizes say little.
        """
        strange = np.asarray((layers.gradient > 0) & ~SORTS[self.sort].holds(layers))
        return strange if self.correction is None else strange | self.correction.unlike(layers)

    def trust(self, layers: Workload, device: Device) -> tuple[np.ndarray, np.ndarray]:
        """How novel each layer is, and half its 90 % interval of ln(cost), each `(layers,)`.

        What is within a program is unlike any layer that was measured.
        """
        novelty = np.zeros(len(layers))
        if self.correction is not None:
            novelty = self.correction.novelty(layers)
        novelty = np.where(np.asarray(layers.within) > 0, 1.0, novelty)
        reach = self.intervals.reach(novelty, self.unlike(layers))
        if self.correction is not None:
            reach = np.hypot(reach, doubt(self, layers, device, novelty))
        for sort, fitted in self.apart.items():
            theirs = fitted.trust(layers, device)
            holds = SORTS[sort].holds(jax.tree.map(np.asarray, layers))
            novelty, reach = np.where(holds, theirs, (novelty, reach))
        return novelty, reach

    def _interval_of_runs(
        self, runs: TrainingRun, device: Device
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        of_all = jax.jit(jax.vmap(self.model, in_axes=(0, None)))
        costs = self._priced(of_all(runs, device))
        return costs, *self.intervals.around(np.log(costs), np.zeros(len(costs)))

    def _priced(self, costs: Array) -> np.ndarray:
        found = np.asarray(costs, np.float64)
        bad = ~(np.isfinite(found) & (found > 0))
        if bad.any():
            row = int(bad.argmax())
            raise RowError(
                row,
                f"{self.name} gives it a cost of {found[row]:g} {self.model.unit}, "
                "having no price for such work; leave it out, or use a calibration whose model "
                "knows bytes, such as alpha-roofline",
            )
        return found
