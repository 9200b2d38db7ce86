"""What every public cost model keeps: each, found by walking the package, is put to the same."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import jaxcost.models
from jaxcost.calibrate.fit import fit_model
from jaxcost.calibrate.fit.space import Space
from jaxcost.device import Device, device
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.base import CostModel, check_bounds, parameters_of
from jaxcost.models.baselines import FlopsOnly, Roofline
from jaxcost.models.efficiency_trend import DataSheetEnergy, EfficiencyTrend
from jaxcost.models.registry import BY_SORT
from jaxcost.models.training_energy import TrainingEnergy
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.workload import Workload, cnn, conv2d, dense, mlp
from jaxcost.workload.runs import TrainingRun, training_run

# With four levels of memory, and what models of data sheets ask for.
DEVICE = dataclasses.replace(
    device("eagle-cpu"), peak_flops=3e12, launch_year=2017.5, platform="gpu"
)
DESIGNED = ("batch", "in_h", "in_w", "out_h", "out_w", "c_in", "c_out")


class Case(NamedTuple):
    """A model to plant, a table that leaves parameters open, and what more of never costs less."""

    planted: CostModel
    open_table: Workload | TrainingRun | None
    undetermined: set[str]
    monotone: set[str]
    table: TrainingRun | None = None  # what determines it, if not layers of every kind
    silent: frozenset[str] = frozenset()  # parameters that no pass and no epoch depends on
    launched: tuple[float, float] | None = None  # years between which the rows' devices are from

    def devices(self, rows: int) -> Device:
        """What the rows are measured on: one device, or one a row where a model needs many."""
        if self.launched is None:
            return DEVICE
        return Device("several", launch_year=np.linspace(*self.launched, rows))

    def observe(self, table: Workload | TrainingRun, measured_on: Device) -> Array:
        """What the planted model costs in each row: a layer that stands alone, or a run."""
        if isinstance(table, Workload):
            table = jax.tree.map(lambda leaf: leaf[:, None], table)
        if self.launched is None:
            return jax.vmap(lambda row: self.planted(row, measured_on))(table)
        each = jax.tree.map(lambda leaf: 0 if leaf.ndim else None, measured_on)
        return jax.vmap(self.planted, in_axes=(0, each))(table, measured_on)


def conv_table(**fixed: object) -> Workload:
    """Convolutions of all sorts of sizes, with some columns held constant."""
    draw = np.random.default_rng(1)
    n = 120
    sizes = {
        "batch": 2.0 ** draw.integers(0, 6, n),
        "in_h": 2.0 ** draw.integers(1, 8, n),
        "in_w": 2.0 ** draw.integers(1, 8, n),
        "c_in": 2.0 ** draw.integers(2, 9, n) + 3 * (np.arange(n) % 2),  # filling vectors or not
        "c_out": 2.0 ** draw.integers(2, 9, n),
        "k_h": draw.choice([1, 1, 2, 3, 5, 7], n),
    }
    sizes = sizes | {"k_w": sizes["k_h"]} | fixed
    return conv2d(**sizes)


def dense_table(item_bytes: int = 4) -> Workload:
    batch, c_in, c_out = 2.0 ** np.random.default_rng(2).integers(0, 14, (3, 60))
    return dense(batch=batch, c_in=c_in, c_out=c_out, item_bytes=item_bytes)


def grouped_table() -> Workload:
    draw = np.random.default_rng(3)
    n = 120
    groups = 2.0 ** draw.integers(1, 8, n)
    return conv2d(
        in_h=2.0 ** draw.integers(2, 8, n),
        in_w=2.0 ** draw.integers(2, 8, n),
        c_in=groups * 2.0 ** draw.integers(0, 6, n),
        c_out=groups * 2.0 ** draw.integers(0, 6, n),
        k_h=(kernel := draw.choice([1, 3, 5], n)),
        k_w=kernel,
        groups=groups,
    )


def every_kind() -> Workload:
    return Workload.concatenate([conv_table(), dense_table(), dense_table(2), grouped_table()])


def alpha_flops() -> Case:
    return Case(
        AlphaFlops(scale=2e-11, beta_1=0.02, gamma_1=0.9, beta_k=0.002, gamma_k=0.6),
        # One batch for every layer, and one place: scale, beta and gamma act as one factor.
        dense(c_in=2.0 ** np.arange(4, 12), c_out=64, batch=32),
        {"scale", "beta_1", "gamma_1", "beta_k", "gamma_k"},
        {"batch", "size", "c_in", "c_out"},  # of equation 5, S ** (1 - gamma) never falls
    )


def alpha_roofline() -> Case:
    return Case(
        AlphaRoofline(
            rate=2e12,
            conv_ratio=1.2,
            spatial_ratio=1.7,
            grouped_ratio=0.5,
            bandwidth=1.2e11,
            weight_ratio=0.6,
            spatial_weight_ratio=0.3,
            kernel_exponent=0.8,
            half_run=30.0,
            half_c_out=15.0,
            misaligned=2.0,
            half_taps_grouped=20.0,
            half_c_out_grouped=12.0,
            floor=2e-6,
            sharpness=3.0,
            half_rows=7.0,
            half_inputs=9.0,
            half_outputs=12.0,
            hidden=0.9,
            tile_waste=0.9,
            term_latency=1e-9,
            start_sharpness=0.6,
        ),
        Workload.concatenate([conv_table(), dense_table()]),
        {"grouped_ratio", "half_taps_grouped", "half_c_out_grouped", "hidden"},
        # Few channels lose efficiency, but never as much as the work that they save. A channel
        # more on the input may fill the vectors of the processor, and save more than it costs.
        {"batch", "size", "c_out"},
    )


def roofline() -> Case:
    return Case(
        Roofline(rate=2e12, bandwidth=1.2e11),
        conv_table(in_h=64, in_w=64, k_h=7, k_w=7, c_in=512.0),  # arithmetic binds all of them
        {"bandwidth"},
        {"batch", "size", "c_in", "c_out"},
    )


def flops_only() -> Case:
    """Of one parameter, which any row determines: no table leaves it open."""
    return Case(FlopsOnly(rate=2e12), None, set(), {"batch", "size", "c_in", "c_out"})


def efficiency_trend() -> Case:
    return Case(
        EfficiencyTrend(efficiency_2015=2.8e10, growth=0.114),
        dense_table(),  # on one device, whose year says nothing of growth
        {"efficiency_2015", "growth"},
        {"batch", "size", "c_in", "c_out"},
        launched=(2010.9, 2020.7),
    )


def data_sheet_energy() -> Case:
    """Of one parameter, which any row determines: no table leaves it open."""
    return Case(DataSheetEnergy(share=0.4), None, set(), {"batch", "size", "c_in", "c_out"})


def runs_table(widest: int, seed: int = 4) -> TrainingRun:
    """Runs of networks of two to five layers, on data sets and at batch sizes of all sorts."""
    draw = np.random.default_rng(seed)
    runs = []
    for _ in range(150):
        hidden = 2.0 ** draw.uniform(1, widest, draw.integers(1, 5))
        batch = 2.0 ** draw.integers(3, 11)
        observations = batch * 2.0 ** draw.integers(1, 10)
        widths = [*(2.0 ** draw.uniform(1, 9, 1)), *hidden, draw.integers(1, 20)]
        run = training_run(widths, n_observations=observations, batch_size=batch, n_labels=1)
        runs.append(run)
    return TrainingRun.stack(runs)


def one_network() -> TrainingRun:
    """A network on data sets of many sizes, all far too large for a cache."""
    sizes = 2.0 ** np.linspace(22, 28, 30)
    return TrainingRun.stack([training_run([90, 300, 10], n_observations=n) for n in sizes])


def working_set() -> Case:
    values = {"k_e": 1e4, "k_p": 0.5, "k_o": 2.5e-10, "k_d": 0.02}
    values |= {f"a_{i}": 0.05 * i for i in range(1, 5)}
    values |= {f"m_{i}": i * m for i, m in enumerate((2e-7, 5e-8, 2e-8, 1e-8), start=1)}
    return Case(
        WorkingSetEnergy(**values, temperature=0.5),
        one_network(),  # only what all of a pass costs can be known
        set(values),
        set(),  # nothing says that a level further out costs more
        runs_table(15),
        frozenset({"k_e"}),
    )


def training_energy() -> Case:
    ratios = {"layer_ratio": 0.03, "access_ratio": 0.1, "activation_ratio": 0.2}
    return Case(
        TrainingEnergy(pass_energy=0.4, byte_energy=5e-8, beyond_ratio=0.5, **ratios),
        one_network(),
        {"pass_energy", "byte_energy", "beyond_ratio", *ratios},
        {"batch", "size", "c_in", "c_out"},
        runs_table(15),
    )


CASES = {
    WorkingSetEnergy: working_set,
    TrainingEnergy: training_energy,
    AlphaFlops: alpha_flops,
    AlphaRoofline: alpha_roofline,
    Roofline: roofline,
    FlopsOnly: flops_only,
    EfficiencyTrend: efficiency_trend,
    DataSheetEnergy: data_sheet_energy,
}


def public_models() -> Iterator[type[CostModel]]:
    package = jaxcost.models
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            is_model = inspect.isclass(value) and issubclass(value, CostModel)
            if is_model and value.__module__ == module.name and not name.startswith("_"):
                yield value


def test_no_public_model_is_left_out():
    """Models of layers that are no product, by themselves in tests/models, cannot be asked this."""
    found = {model for model in public_models() if not inspect.isabstract(model)}
    others = {m for sort, known in BY_SORT.items() if sort != "products" for m in known.values()}
    assert others
    assert found == set(CASES) | others


@pytest.fixture(params=CASES, ids=lambda kind: kind.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


@functools.cache
def case_of(kind: type[CostModel]) -> Case:
    """Kept for all tests, so never in the precision of the one that happens to ask first."""
    with jax.enable_x64(False):
        return CASES[kind]()


@pytest.mark.usefixtures("x64")
def test_what_is_kept_is_of_no_tests_own_precision():
    for kind in CASES:
        leaves = jax.tree.leaves(case_of.__wrapped__(kind))
        assert not [x for x in leaves if isinstance(x, jax.Array) and x.dtype == "float64"]


@pytest.fixture
def network() -> Workload:
    """A few layers of every kind, none at a kink of a maximum."""
    return Workload.concatenate(
        [
            dense(c_in=784.0, c_out=512.0, batch=32),
            dense(c_in=4096.0, c_out=4096.0, batch=3),
            dense(c_in=2048.0, c_out=4096.0, batch=300, item_bytes=2),
            conv2d(in_h=45, in_w=35, c_in=64, c_out=96, k_h=3, k_w=3, batch=4),
            conv2d(in_h=56, in_w=48, c_in=64, c_out=80, k_h=1, k_w=1, batch=8),
            conv2d(in_h=27, in_w=31, c_in=98, c_out=48, k_h=3, k_w=5, stride=2, repeat=3),
            conv2d(in_h=90, in_w=70, c_in=32, c_out=64, k_h=3, k_w=3, groups=16, bias=True),
        ]
    )


def in_default_precision(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), float), tree)


def cost(model, workload):
    return model(workload, DEVICE)


def test_a_cost_is_one_finite_positive_number_with_a_unit(case, network, precision):
    model = in_default_precision(case.planted)
    total = cost(model, in_default_precision(network))
    assert total.shape == ()
    assert total.dtype == precision
    assert 0 < total < np.inf
    assert type(model).unit in ("s", "J")


def test_compiling_changes_nothing(case, network, precision):
    model, layers = in_default_precision((case.planted, network))
    close = 1e-5 if precision == "float32" else 1e-13
    np.testing.assert_allclose(jax.jit(cost)(model, layers), cost(model, layers), rtol=close)


def test_vmap_is_the_loop(case, network):
    networks = [network, network[1:], network[:2]]
    factors = jnp.array([0.7, 1.0, 0.9])
    models = jax.vmap(lambda f: jax.tree.map(lambda leaf: leaf * f, case.planted))(factors)
    over_models = jax.vmap(cost, in_axes=(0, None))
    batched = jax.vmap(over_models, in_axes=(None, 0))(models, Workload.stack(networks))
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], models) for i in range(3)]
    compiled = jax.jit(cost)
    looped = [[compiled(model, workload) for model in each] for workload in networks]
    np.testing.assert_allclose(batched, looped, rtol=1e-5)


def test_a_model_is_a_pytree_of_its_parameters_alone(case, network):
    leaves, structure = jax.tree.flatten(case.planted)
    assert len(leaves) == len(parameters_of(case.planted))
    assert all(eqx.is_inexact_array(leaf) and leaf.shape == () for leaf in leaves)
    rebuilt = jax.tree.unflatten(structure, leaves)
    check_bounds(rebuilt)
    assert cost(rebuilt, network) == cost(case.planted, network)


def differences(function, point):
    """Central differences at two steps, extrapolated: the error is of fourth order in the step."""

    def slope(i, step):
        ahead, behind = (jax.tree.map(np.copy, point) for _ in range(2))
        ahead[i] += step
        behind[i] -= step
        return (function(ahead) - function(behind)) / (2 * step)

    steps = 2e-3 * np.abs(point)
    return np.array([(4 * slope(i, h / 2) - slope(i, h)) / 3 for i, h in enumerate(steps)])


def assert_gradient(function, point):
    """Forward and reverse against differences, to 1e-6; where both are 0, to rounding."""
    point = np.asarray(point, float)
    compiled = jax.jit(function)
    expected = differences(compiled, point)
    negligible = 1e-11 * abs(float(compiled(point))) / np.abs(point)
    for derive in (jax.jacfwd, jax.grad):
        error = np.abs(jax.jit(derive(function))(jnp.asarray(point)) - expected)
        assert (error <= 1e-6 * np.abs(expected) + negligible).all(), (derive, error / expected)


@pytest.mark.usefixtures("x64")
def test_gradients_by_parameters_are_right(case, network):
    model, layers = in_default_precision((case.planted, network))
    leaves, structure = jax.tree.flatten(model)

    def of_parameters(vector):
        return cost(jax.tree.unflatten(structure, list(vector)), layers)

    assert_gradient(of_parameters, leaves)
    gradient = jax.jit(jax.grad(of_parameters))(jnp.stack(leaves))
    acts = np.array([p.name not in case.silent for p in parameters_of(case.planted)])
    assert (np.asarray(gradient != 0) == acts).all(), "what does nothing here is not tested"


@pytest.mark.usefixtures("x64")
def test_gradients_by_what_is_designed_are_right(case, network):
    model, layers = in_default_precision((case.planted, network))

    def of_leaves(vector):
        leaves = dict(zip(DESIGNED, vector.reshape(len(DESIGNED), -1), strict=True))
        return cost(model, dataclasses.replace(layers, **leaves))

    assert_gradient(of_leaves, np.concatenate([getattr(layers, leaf) for leaf in DESIGNED]))


@pytest.mark.usefixtures("x64")
def test_gradients_pass_through_the_builders(case):
    model = in_default_precision(case.planted)
    head = [100.0]

    def of_widths(x):
        flat = cost(model, mlp(x[:4], batch_size=x[4]))
        return flat + cost(model, cnn(x[5:8], in_h=x[8], in_w=x[9], batch_size=x[4], head=head))

    assert_gradient(of_widths, [784.0, 300.0, 200.0, 10.0, 16.5, 3.0, 40.0, 72.0, 30.4, 28.6])


def test_a_fit_recovers_what_was_planted(case):
    planted, table = case.planted, case.table or every_kind()
    devices = case.devices(len(jax.tree.leaves(table)[0]))
    observed = case.observe(table, devices)
    result = fit_model(planted, table, devices, observed, folds=0, priors=False)
    for p in parameters_of(planted):
        if p.name in case.silent:
            continue
        found = float(getattr(result.model, p.name))
        assert found == pytest.approx(float(getattr(planted, p.name)), rel=2e-3), p.name
    assert {e.name for e in result.estimates if not e.determined} == case.silent
    assert len(result.warnings) == len(case.silent)


def test_what_the_data_leave_open_is_said_in_words(case):
    if case.open_table is None:
        assert len(parameters_of(case.planted)) == 1
        return
    observed = case.observe(case.open_table, DEVICE)
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(len(observed)))
    result = fit_model(
        case.planted, case.open_table, DEVICE, observed * noise, folds=0, priors=False
    )
    assert {e.name for e in result.estimates if not e.determined} == case.undetermined
    for name in case.undetermined:
        lines = [line for line in result.warnings if line.startswith(f"{name} ")]
        assert len(lines) == 1
        assert "not determined" in lines[0]
        assert "\n" not in lines[0]


def layers_to_grow() -> st.SearchStrategy[dict]:
    powers = st.integers(0, 8).map(lambda n: 2.0**n)
    sizes = dict.fromkeys(("batch", "in_h", "in_w", "c_in", "c_out"), powers)
    kinds = {"k": st.sampled_from([1, 3, 7]), "groups": st.sampled_from([1, 2, 32])}
    return st.fixed_dictionaries(sizes | kinds | {"is_dense": st.sampled_from([0.0, 1.0])})


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    layer=layers_to_grow(),
    seed=st.integers(0, 2**16),
    growth=st.floats(1.01, 30),
    what=st.sampled_from(["batch", "size", "c_in", "c_out"]),
)
def test_more_work_never_costs_less(case, layer, seed, growth, what):
    if not case.monotone:
        return
    hypothesis.assume(what in case.monotone)
    model = anywhere(type(case.planted), seed)
    less = layer | {name: layer[name] * layer["groups"] for name in ("c_in", "c_out")}
    grown = ("in_h", "in_w") if what == "size" else (what,)
    more = less | {name: less[name] * growth for name in grown}
    assert cost_of(model, more) >= cost_of(model, less) * (1 - 1e-5)


def anywhere(kind: type[CostModel], seed: int) -> CostModel:
    """A model with parameters far and wide around those planted."""
    space, planted = Space.of(kind), case_of(kind).planted
    middle = space.vector({p.name: getattr(planted, p.name) for p in space.parameters})
    return space.model(middle + 2 * np.random.default_rng(seed).standard_normal(len(middle)))


@jax.jit
def cost_of(model, sizes):
    sizes = dict(sizes)
    kernel, is_dense = sizes.pop("k"), sizes.pop("is_dense")
    layer = conv2d(**sizes, k_h=kernel, k_w=kernel)
    return cost(model, eqx.tree_at(lambda w: w.is_dense, layer, is_dense[None]))
