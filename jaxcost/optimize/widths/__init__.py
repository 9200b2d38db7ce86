"""Choosing the widths of a network by what it costs: gradients, then whole numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from jaxcost._support.messages import refused, unknown
from jaxcost._support.sizes import count, one
from jaxcost.device import Device
from jaxcost.models.residency import levels
from jaxcost.optimize.front import Front, search_front
from jaxcost.optimize.lattice import Lattice, some
from jaxcost.optimize.problem import GRADIENT_PRICE, Cost, Evaluator, Problem, check_costs, order
from jaxcost.optimize.widths.anneal import Schedule, default_schedule, descend
from jaxcost.optimize.widths.beliefs import Measured
from jaxcost.optimize.widths.binding import Binding, bindings
from jaxcost.optimize.widths.by_layer import ByLayer, LayerMeasured
from jaxcost.optimize.widths.called import Called, nothing, search_called, untraced
from jaxcost.optimize.widths.feasible import check_feasible
from jaxcost.optimize.widths.result import Starts, WidthSearch
from jaxcost.optimize.widths.shortlist import DOUBT, Seen, Wanted, measure_best
from jaxcost.optimize.widths.snap import Snapped, snap

__all__ = [
    "Binding",
    "ByLayer",
    "Front",
    "Starts",
    "WidthSearch",
    "bindings",
    "search_front",
    "search_widths",
]

_MOST_STARTS = 100_000  # each is a row of an array, all side by side
METHODS = ("auto", "gradient", "brute")
_POLISH = 5000  # evaluations that polishing takes, about, a free width
_FEW_CALLS = 128  # networks of which all are tried where the objective cannot be traced


def search_widths(
    objective: Cost,
    bounds: Sequence[Any],
    *,
    budgets: Mapping[str, tuple[Cost, float]] | None = None,
    multiples: int | Sequence[int] = 1,
    tiles: Sequence[int] = (),
    method: Literal["auto", "gradient", "brute"] = "auto",
    starts: int = 64,
    steps: int = 150,
    schedule: Schedule | None = None,
    learning_rate: float = 0.15,
    evaluations: int | None = None,
    seed: int = 0,
    run: Callable[[Any], Any] | None = None,
    device: Device | None = None,
    measure_shortlist: int = 0,
    measure: Mapping[str, Callable[[np.ndarray], Any] | ByLayer] | None = None,
    doubt: float = DOUBT,
) -> WidthSearch:
    """The widths of least cost, in whole numbers, under budgets.

    Gradients of the smooth model lead from many starts to real widths, while the temperature of
    its steps falls; the best of these are rounded, and moved on the exact model, over
    neighbouring tiles, along whole axes and in pairs, until no move is better.

    Args: all but the first two keyword-only.
        objective: from widths, shape `(n,)`, to a number that is to be small, in any unit: a cost,
            or any composition with a quality, written in JAX. An argument named `temperature` is
            given as the second one: 0 is the exact model. One that JAX cannot trace (it trains a
            network and returns a float) is called with whole widths, a NumPy array of integers,
            once for each network that meets the budgets, and not differentiated: gradients of the
            budgets lead to where they are spent, exact moves on from there.
        bounds: (lower, upper) a width, whole numbers; equal ones fix a width, such as the inputs.
            A set, such as {64, 128, 192}, has the widths allowed, whatever the multiples.
        budgets: name -> (cost, limit): costs of widths as `objective`, and what they may be.
        multiples: what the free widths are whole multiples of, one for all or one a width.
        tiles: sizes that hardware rounds up to, to be tried beside powers of two from 8 to 256.
        method: 'brute' tries all widths; 'auto' does so where that is less work, and says so.
        starts, steps: of the descents, spread over the logarithms of the bounds, and of each one.
        schedule: temperature by step, such as one of optax; None: 1 to 0.02, geometrically.
        learning_rate, seed: at the first step, in ln(width); of the starts.
        evaluations: no more than so many of the exact model, or calls of an objective that cannot
            be traced; None: until no move is better.
        run: from whole widths to a `TrainingRun` or `Workload`, to report what binds on `device`.
        measure_shortlist: how many networks are measured in the end, each expected to improve most
            on those before it, by which predictions are corrected.
        measure: name of a budget, or 'objective' -> function of whole widths, an array of integers,
            to its cost, > 0, looked up or timed. Others are as predicted. Or, of one budget that
            is a sum over layers, a `ByLayer`: then `measure_shortlist` layers are measured.
        doubt: standard deviation of ln(measured / predicted) before any is measured.
    Returns:
        The widths, their exact cost and budgets, the gap between the smooth and the exact model,
        what binds, and all starts. With a shortlist the best as measured, or as layers say.
    Raises:
        ValueError: bounds the wrong way round, a cost that is no scalar or NaN, a budget that
            nothing meets (naming it and the nearest that can be met), an unknown method, a device
            without memory levels; all before the search starts.
    Valid for: up to some 20 widths; budgets on quantities above 0.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> calibration = jc.load_calibration("quadro-t2000")
        >>> found = search_widths(
        ...     lambda widths: jnp.sum(10.0 / widths), [(784, 784), (16, 512), (10, 10)],
        ...     budgets={"s": (lambda w: calibration.latency(jc.mlp(w, batch=32)), 2e-5)},
        ...     multiples=16,
        ... )
        >>> found.method, found.widths
        ('brute force', (784, 400, 10))
    """
    lattice = Lattice.of(bounds, multiples)
    starts, steps = count("starts", starts), count("steps", steps)
    evaluations = None if evaluations is None else count("evaluations", evaluations)
    _check(method, starts, learning_rate, seed, tiles, run, device)
    called = untraced(objective, len(lattice.axes), "the objective")
    problem = Problem.of(nothing if called else objective, budgets or {})
    wanted = Wanted.of(measure_shortlist, measure, doubt, problem.names)
    drawn = lattice.draw(starts, seed)
    check_costs(problem, np.vstack([lattice.lower, lattice.upper, drawn]))
    seen = Seen(wanted)
    evaluate = Evaluator(problem, evaluations, called, keep=seen.add if wanted.number else None)
    feasible = check_feasible(problem, lattice, Evaluator(problem), drawn)
    work = starts * steps * GRADIENT_PRICE + _POLISH * len(lattice.free)
    chosen = _choice(method, lattice.size, np.inf if feasible.rare else work, evaluations, called)
    pace = {"steps": steps, "learning_rate": learning_rate, "schedule": schedule}
    begin = drawn, feasible.widths
    widths, snapped = _found(chosen[0], problem, lattice, evaluate, begin, tiles, pace)
    widths, measured, layers = measure_best(problem, lattice, evaluate, widths, seen, wanted)
    binding = () if run is None or device is None else tuple(bindings(run(widths), device))
    return _result(problem, evaluate, chosen, widths, snapped, binding, measured, layers)


def _found(
    how: str,
    problem: Problem,
    lattice: Lattice,
    evaluate: Evaluator,
    begin: tuple[np.ndarray, np.ndarray],
    tiles: Sequence[int],
    pace: dict[str, Any],
) -> tuple[np.ndarray, Snapped | None]:
    """The best widths by prediction, `(n,)`; `begin`: real ones drawn, and some within budgets."""
    if how == "exact moves":
        return search_called(problem, lattice, evaluate, *begin, tiles), None
    if how == "brute force":
        return _brute(lattice, evaluate), None
    pace = pace | {"schedule": pace["schedule"] or default_schedule(pace["steps"])}
    ended = descend(problem, begin[0], (lattice.lower, lattice.upper), **pace)
    snapped = snap(lattice, evaluate, ended, tiles)
    return snapped.widths, snapped


def _choice(
    method: str, size: int, gradient_work: float, most: int | None, called: Called | None
) -> tuple[str, str]:
    within = most is None or size <= most
    if method == "brute":
        if not within:
            raise ValueError(refused("evaluations", most, f"{size} or more for method = 'brute'"))
        return "brute force", "asked for"
    if called is not None:
        return _choice_called(method, size, within)
    if method == "gradient":
        return "gradient", "asked for"
    if gradient_work == np.inf and within:
        return "brute force", f"networks within the budgets are few among all {size:,}"
    if size <= gradient_work and within:
        fewer = f"all {size:,} networks are no more than the {gradient_work:,} evaluations"
        return "brute force", f"{fewer} that gradients would take"
    return "gradient", f"{size:,} networks are too many to try"


def _choice_called(method: str, size: int, within: bool) -> tuple[str, str]:
    if method == "gradient":
        raise ValueError(
            "method = 'gradient', but JAX cannot trace the objective; leave method out, or write "
            "the objective in jax.numpy"
        )
    if size <= _FEW_CALLS and within:
        return "brute force", f"there are no more than {size:,} networks"
    return "exact moves", "JAX cannot trace the objective"


def _brute(lattice: Lattice, evaluate: Evaluator) -> np.ndarray:
    kept = np.empty((0, len(lattice.axes)), int)
    for widths in lattice.everything():
        widths = np.vstack([kept, widths])
        kept = widths[order(*evaluate(widths))[:1]]
    return kept[0]


def _result(
    problem: Problem,
    evaluate: Evaluator,
    chosen: tuple[str, str],
    widths: np.ndarray,
    snapped: Snapped | None,
    binding: tuple[Binding, ...],
    measured: tuple[Measured, ...],
    layers_measured: tuple[LayerMeasured, ...],
) -> WidthSearch:
    evaluations = evaluate.evaluations
    value, over = evaluate(widths[None])
    costs = np.asarray(problem.limits, np.float64) * np.exp(over[0])
    budgets = dict(zip(problem.names, zip(costs.tolist(), np.asarray(problem.limits).tolist())))
    smooth = None if snapped is None else snapped.smooth
    starts = None if snapped is None else snapped.starts
    return WidthSearch(
        widths=tuple(int(w) for w in widths),
        cost=float(value[0]),
        budgets=budgets,
        smooth_cost=smooth,
        gap=None if not smooth else float(value[0]) / smooth - 1,
        bindings=binding,
        method=chosen[0],
        reason=chosen[1],
        evaluations=evaluations,
        gradients=0 if starts is None else starts.path.shape[0] * starts.path.shape[1],
        starts=starts,
        differentiated=evaluate.differentiated,
        measured=measured,
        layers_measured=layers_measured,
    )


def _check(
    method: str, starts: int, learning_rate: float, seed: int, tiles: Any, run: Any,
    device: Device | None,
) -> None:  # fmt: skip
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    if starts > _MOST_STARTS:
        raise ValueError(refused("starts", starts, f"at most {_MOST_STARTS:,}"))
    count("seed", seed, least=0)
    for tile in some("tiles", tiles):
        count("tiles", tile)
    one("learning_rate", learning_rate, lambda r: 0 < r < 10, "a number between 0 and 10")
    if (run is None) != (device is None):
        raise ValueError("run and device go together; give both, to report what binds, or neither")
    if device is not None:
        levels(device)
