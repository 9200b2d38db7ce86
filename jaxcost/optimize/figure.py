"""A width search drawn: the cost over one width, the cache boundaries, and the search's path."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import figures
from jaxcost._support.messages import refused
from jaxcost.device import Device
from jaxcost.optimize.problem import Cost, Problem
from jaxcost.optimize.widths import WidthSearch, bindings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 400
_FOR_BOUNDARIES = 60
_TOO_NEAR = 1.12  # widths whose labels would overlap
_WARM = 0.5  # the temperature of the smooth curve that is drawn


@figures.styled
def search_figure(
    found: WidthSearch,
    objective: Cost,
    *,
    along: int,
    bounds: tuple[int, int],
    run: Callable[[Any], Any] | None = None,
    device: Device | None = None,
    width: str = "width",
    quantity: str = "cost",
    unit: str = "",
) -> "Figure":
    """The objective over one width, the others as chosen; exact, smooth, and the search's path.

    Args:
        found: of `jaxcost.search_widths`.
        objective: what was minimised; keyword-only as all below.
        along: the index of the width that is varied; bounds: from where to where.
        run, device: as in `search_widths`, for the boundaries; None: none are drawn.
        width, quantity, unit: for the axes.
    Raises: ValueError: a width that there is not.
    """
    if not 0 <= along < len(found.widths):
        raise ValueError(refused("along", along, f"0 to {len(found.widths) - 1}"))
    figure, ax = figures.axes(width, f"{quantity} ({unit})" if unit else quantity)
    problem = Problem.of(objective, {})
    chosen = np.asarray(found.widths, float)
    x = np.unique(np.round(np.geomspace(*bounds, _POINTS)))
    line = _with(chosen, along, x)
    exact = _costs(problem, line, 0.0)
    ax.plot(x, exact, color=figures.PALETTE[0], label="exact")
    if problem.takes_temperature[0]:
        smooth = _costs(problem, line, _WARM)
        ax.plot(x, smooth, "--", color=figures.PALETTE[0], label=f"smooth, temperature {_WARM:g}")
    if found.starts is not None:
        path = found.starts.path[:, 0]
        ax.plot(
            path[:, along], _costs(problem, path, 0.0), ".-", color=figures.PALETTE[2],
            linewidth=0.8, markersize=3, alpha=0.8, label="path of the best start",
        )  # fmt: skip
    ax.plot(chosen[along], found.cost, "D", color=figures.PALETTE[1], markersize=7, label="chosen")
    ax.set_xscale("log")
    _limits(ax, exact)
    if run is not None and device is not None:
        _draw_boundaries(ax, boundaries(run, chosen, along, bounds, device))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def boundaries(
    run: Callable[[Any], Any],
    widths: np.ndarray,
    along: int,
    bounds: tuple[int, int],
    device: Device,
) -> dict[str, float]:
    """Where, along one width, each working set begins to spill from a level: name -> width."""
    x = np.geomspace(*bounds, _FOR_BOUNDARIES)
    fullness: dict[str, list[float]] = {}
    for row in _with(widths, along, x):
        for binding in bindings(run(jnp.asarray(row)), device):
            name = f"{binding.working_set} leaves {binding.level}"
            fullness.setdefault(name, []).append(np.log(max(binding.fullness, 1e-30)))
    crossed = {name: np.array(f) for name, f in fullness.items() if f[0] <= 0 < f[-1]}
    return {name: float(np.exp(np.interp(0, f, np.log(x)))) for name, f in crossed.items()}


def _with(widths: np.ndarray, along: int, x: np.ndarray) -> np.ndarray:
    rows = np.repeat(np.asarray(widths, float)[None], len(x), axis=0)
    rows[:, along] = x
    return rows


def _costs(problem: Problem, rows: np.ndarray, temperature: float) -> np.ndarray:
    of_all = jax.jit(jax.vmap(lambda w: problem(w, temperature)[0]))
    return np.asarray(of_all(jnp.asarray(rows, dtype=float)), float)


def _limits(ax: "Axes", exact: np.ndarray) -> None:
    finite = exact[np.isfinite(exact)]
    low, high = finite.min(), finite.max()
    if low > 0 and high / low > 5:
        ax.set_yscale("log")
        figures.plain_ticks(ax.yaxis)
        ax.set_ylim(low / 1.2, high * 1.2)
    else:
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    figures.plain_ticks(ax.xaxis)


def _draw_boundaries(ax: "Axes", found: dict[str, float]) -> None:
    groups: list[tuple[float, list[str]]] = []
    for name, at in sorted(found.items(), key=lambda item: item[1]):
        ax.axvline(at, color=figures.GREY, linestyle=":", linewidth=1.0)
        if groups and at / groups[-1][0] < _TOO_NEAR:
            groups[-1][1].append(name)
        else:
            groups.append((at, [name]))
    for at, names in groups:
        ax.annotate(
            ", ".join(names), (at, 0.98), xycoords=("data", "axes fraction"), rotation=90,
            fontsize=8, ha="right", va="top", color=figures.GREY,
        )  # fmt: skip
