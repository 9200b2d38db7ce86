"""BUTTER-E's energy model: what a pass, an epoch and a run of training cost, by working sets."""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.messages import unknown
from jaxcost._support.sizes import Scalar
from jaxcost.device import MIB, Device
from jaxcost.models.base import CostModel, parameter
from jaxcost.models.residency import (
    Levels,
    Placed,
    Placement,
    Temperature,
    WorkingSets,
    check_fits,
    check_temperature,
    known_or_array,
    levels,
    placed,
    working_sets,
)
from jaxcost.workload import Workload, counts
from jaxcost.workload.runs import TrainingRun

_INF = jnp.inf
_EPOCHS = 3000  # of every run in the data: table 4 is per so many
_GIGA = 1e9
# What table 4 holds with, over 58 settings with MNIST among them: the GPU's column 3.3 % off when
# charged whole and 4.5 % by the batch; the CPU's 185 and 22 % on MNIST.
_CHARGED = {"gpu": "whole", "cpu": "batch"}


class Terms(eqx.Module):
    """What each parameter is multiplied by, `w^T Q` of equation 9, shape `(12,)`; no gradient of
    a parameter passes through it, so that a fit computes it once."""

    values: Float[Array, "... parameters"]


class WorkingSetEnergy(CostModel):
    """Energy of training or using a network, in joules, by the memory levels of its working sets.

        phi(x) = a_c + m_c s_x,  c the level that x lies in                          (eq. 2)
        E_f    = k_p + k_o o_f + k_d L + phi(d) + phi(f) + sum over layers phi(t_l)  (eq. 4)
        E_f'   = the same with f' for f                                              (eq. 5)
        E_b    = k_p + k_o o_b + k_d L + phi(b) + sum over layers phi(t_l)           (eq. 6)
        E_t    = k_e + n (h_t (E_f + E_b) + h_s E_f')                                (eq. 7)

    Called with a `TrainingRun` it gives the energy of an epoch (n = 1, without k_e), and with a
    `Workload` that of one forward pass over its batch. Levels are a device's caches from the
    innermost outward; the last is always number 4.

    Args: each a scalar, >= 0; an operation is a multiply-accumulate counted once.
        temperature: 0 is exact; above it a set passes to the next level over about a factor
            exp(temperature) in its size. Static, keyword-only, >= 0.
        data_set: the bytes of an access to d: those of one 'batch', or the 'whole' set. Static.
    Raises: ValueError: a parameter below 0, a temperature below 0, a device without levels, a
        working set larger than the last level.
    Valid for: dense networks trained by Adam in float32; for convolutions nobody has checked it.
    Source: Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural
        networks, eqs. 2 to 9. Operations and layers' sets follow the data set's columns, as the
        authors' do; give `n_features=None` to count the network's own inputs. Charging d by the
        batch is ours: charged whole, as printed, the CPU's column of table 4 does not hold for
        large data sets; the GPU's does.
    Example:
        >>> from jaxcost.device import device
        >>> from jaxcost.workload.runs import training_run
        >>> run = training_run([26, 54, 11], n_observations=15000, n_features=48, n_labels=1)
        >>> round(float(WorkingSetEnergy.butter_e("gpu")(run, device("eagle-gpu"))), 1)
        113.3
    """

    unit: ClassVar[str] = "J"

    k_e: Scalar = parameter(0, _INF, unit="J/run", doc="overhead of a run")
    k_p: Scalar = parameter(0, _INF, unit="J/pass", doc="overhead of a pass")
    k_o: Scalar = parameter(0, _INF, unit="J/operation", doc="energy of a multiply-accumulate")
    k_d: Scalar = parameter(0, _INF, unit="J/layer", doc="overhead of a layer in a pass")
    a_1: Scalar = parameter(0, _INF, unit="J/access", doc="access to a set in L1")
    a_2: Scalar = parameter(0, _INF, unit="J/access", doc="access to a set in L2")
    a_3: Scalar = parameter(0, _INF, unit="J/access", doc="access to a set in L3")
    a_4: Scalar = parameter(0, _INF, unit="J/access", doc="access to a set in main memory")
    m_1: Scalar = parameter(0, _INF, unit="J/B", doc="a byte of a unit, in L1")
    m_2: Scalar = parameter(0, _INF, unit="J/B", doc="a byte of a unit, in L2")
    m_3: Scalar = parameter(0, _INF, unit="J/B", doc="a byte of a unit, in L3")
    m_4: Scalar = parameter(0, _INF, unit="J/B", doc="a byte of a unit, in main memory")
    temperature: float = eqx.field(static=True, default=0.0, kw_only=True)
    data_set: Literal["batch", "whole"] = eqx.field(static=True, default="batch", kw_only=True)

    def __check_init__(self) -> None:
        check_temperature(self.temperature)
        if self.data_set not in ("batch", "whole"):
            raise ValueError(unknown("data_set", self.data_set, ("batch", "whole")))

    @classmethod
    def butter_e(cls, hardware: Literal["cpu", "gpu"], **settings: Any) -> "WorkingSetEnergy":
        """Table 4, with its units corrected: all but k_e are per 3,000 epochs, not per one.

        Args: hardware: the column of the table; settings: `temperature`, and `data_set`, which
            is by default what each column holds with: 'whole' for gpu, 'batch' for cpu.
        """
        settings = {"data_set": _CHARGED[hardware]} | settings
        from jaxcost._support.published import published

        printed = published("butter_e_table_4").set_index("parameter")[hardware].fillna(0.0)
        scale = {"k_e": 1.0, "k_o": 1 / _GIGA / _EPOCHS}
        scale |= {f"m_{level}": 1 / MIB / _EPOCHS for level in range(1, 5)}
        values: dict[str, Any] = {
            name: float(value) * scale.get(name, 1 / _EPOCHS) for name, value in printed.items()
        }
        return cls(**values, **settings)

    def __call__(
        self,
        workload: "Workload | TrainingRun | Terms",
        device: Device,
        temperature: Temperature | None = None,
    ) -> Array:
        """Energy of an epoch of a run, or of a forward pass of a workload; scalar, J.

        `temperature` overrides the model's own and may be traced: a search lets it fall.
        """
        return jnp.sum(self.prepared(workload, device, temperature).values * self.vector)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """The parameters as `k` of equation 9, in the order of their fields."""
        levels_ = (1, 2, 3, 4)
        access = [getattr(self, f"{kind}_{level}") for kind in "am" for level in levels_]
        return jnp.stack(
            [jnp.asarray(k) for k in (self.k_e, self.k_p, self.k_o, self.k_d, *access)]
        )

    def prepared(
        self,
        workload: "Workload | TrainingRun | Terms",
        device: Device,
        temperature: Temperature | None = None,
    ) -> Terms:
        """What no parameter changes, computed once before a fit: `w^T Q` of an epoch, or a pass."""
        if isinstance(workload, Terms):
            return workload
        if isinstance(workload, Workload):
            sets, rows = self._uses(TrainingRun.of_batch(workload), device, temperature)
            weights = _weights(jnp.zeros(()), jnp.ones(()), sets)
        else:
            weights, rows = self.matrix(workload, device, temperature)
        return Terms(weights.at[0].set(0) @ rows)

    def energy_of_run(self, run: TrainingRun, device: Device, epochs: Scalar) -> Float[Array, ""]:
        """Energy of a whole run, in J: k_e, and `epochs` times that of an epoch (eq. 7)."""
        return self.k_e + epochs * self(run, device)

    def matrix(
        self, run: TrainingRun, device: Device, temperature: Temperature | None = None
    ) -> tuple[Array, Array]:
        """`w` and `Q` of equation 9 for one epoch: the energy of a run is `w @ Q @ model.vector`.

        Returns: w, shape `(9 + layers,)`: how often each happens; Q, shape `(9 + layers, 12)`:
            what it uses of each parameter. Rows: run, passes, forward and backward operations,
            layers, d, f, b, f', then each t_l.
        """
        repeat, rows = self._uses(run, device, temperature)
        return _weights(run.train_batches, run.test_batches, repeat), rows

    def _uses(
        self, run: TrainingRun, device: Device, temperature: Temperature | None
    ) -> tuple[Array, Array]:
        """How often each layer occurs, and `Q`."""
        memory, sets = levels(device), working_sets(run)
        check_fits(sets, memory, device.name)
        width = known_or_array(self.temperature if temperature is None else temperature)
        return run.workload.repeat, self._used(run, sets, memory, width)

    @eqx.filter_jit
    def _used(
        self, run: TrainingRun, sets: WorkingSets, memory: Levels, width: Temperature
    ) -> Array:
        counted = run.by_columns()
        sets = eqx.tree_at(lambda s: s.parameters, working_sets(counted), sets.parameters)
        at = placed(sets, memory, width)
        return self._rows(counted, at, jnp.sum(run.workload.repeat), run)

    def _rows(self, run: TrainingRun, at: Placement, depth: Array, true: TrainingRun) -> Array:
        forward, backward = operations(run, true)
        fixed = jnp.zeros((5, 12)).at[jnp.arange(5), jnp.array([0, 1, 2, 2, 3])]
        head = fixed.set(jnp.stack([jnp.ones(()), jnp.ones(()), forward, backward, depth]))
        data = at.data_set
        if self.data_set == "batch":
            data = eqx.tree_at(lambda d: d.bytes, data, at.batch_bytes)
        single = [_access(p) for p in (data, at.forward, at.backward, at.forward)]
        return jnp.concatenate([head, jnp.stack(single), _access(at.layers)])


def _weights(train: Array, test: Array, repeat: Float[Array, " layers"]) -> Array:
    """`w` of equation 9 for so many batches of training and of testing."""
    every, forward = 2 * train + test, train + test
    often = [jnp.ones(()), every, forward, train, every, forward, train, train, test]
    return jnp.concatenate([jnp.stack(often), every * repeat])


def operations(run: TrainingRun, true: TrainingRun) -> tuple[Array, Array]:
    """Operations of a forward and of a backward pass over a batch, as the authors count them.

    A multiply-accumulate is one. Forward: multiply-accumulates and biases. Backward: twice the
    outputs, the gradients of weights and (but for the first layer) of inputs, and an update of
    each parameter for each observation and once more.

    Args: run: whose layers count; true: whose parameters do.
    """
    layers = run.workload
    macs, outputs = layers.repeat * counts.macs(layers), layers.repeat * counts.outputs(layers)
    parameters = jnp.sum(true.workload.repeat * counts.parameters(true.workload))
    forward = jnp.sum(macs + outputs)
    backward = jnp.sum(2 * outputs + 2 * macs) - macs[0]
    return forward, backward + parameters * (1 + layers.batch[0])


def _access(placed: Placed) -> Float[Array, "... 12"]:
    """A row of Q: the share of an access on each of four levels, and the bytes there."""
    number = placed.share.shape[-1]
    slots = jnp.array([*range(number - 1), 3])
    empty = jnp.zeros((*placed.share.shape[:-1], 12))
    row = empty.at[..., 4 + slots].set(placed.share)
    return row.at[..., 8 + slots].set(placed.share * placed.bytes)
