"""Pareto fronts of two costs: the networks of which none is better in both."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from jaxcost._support import text
from jaxcost._support.messages import refused, shown
from jaxcost._support.screen import OnScreen
from jaxcost._support.sizes import count
from jaxcost.optimize.front.archive import Archive
from jaxcost.optimize.front.dominance import hypervolume
from jaxcost.optimize.front.propose import offspring, propose
from jaxcost.optimize.lattice import Lattice, some
from jaxcost.optimize.plateaus import learned_tiles, whole_tiles
from jaxcost.optimize.problem import GRADIENT_PRICE, Cost, Problem, check_costs

if TYPE_CHECKING:
    import pandas as pd

_BY_GRADIENT = 0.15  # share of the evaluations that gradients take, about
_FIRST = 6  # networks, from the narrowest to the widest
_ROUNDS = 33  # about so many models are made
_LEAST = 30  # evaluations


@dataclasses.dataclass(frozen=True, repr=False)
class Front(OnScreen):
    """Networks of which none is better in both costs, by the first cost ascending.

    Attributes:
        names: of the two costs.
        widths: whole numbers, shape `(m, n)`.
        costs: exact, shape `(m, 2)`.
        tiles: sizes to whose multiples the widths were kept, given or learned; empty for none.
        evaluations: of the exact model; gradients: of the smooth one, beside these.
    """

    names: tuple[str, str]
    widths: np.ndarray
    costs: np.ndarray
    tiles: tuple[int, ...]
    evaluations: int
    gradients: int

    def hypervolume(self, reference: ArrayLike) -> float:
        """What the front dominates, see `jaxcost.optimize.front.dominance.hypervolume`."""
        return hypervolume(self.costs, reference)

    def to_frame(self) -> "pd.DataFrame":
        """A row a network: `widths`, and its two costs by their names."""
        import pandas as pd

        costs = dict(zip(self.names, self.costs.T))
        return pd.DataFrame({"widths": [tuple(map(int, row)) for row in self.widths], **costs})

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        table = self.to_frame()
        table["widths"] = [" ".join(map(str, widths)) for widths in table["widths"]]
        for name in self.names:
            table[name] = table[name].map(shown)
        many = text.count(len(table), "network")
        work = f"{self.evaluations:,} evaluations and {self.gradients:,} gradients"
        tiles = f"; tiles of {', '.join(map(str, self.tiles))}" if self.tiles else ""
        return [f"Front of {many} by {' and '.join(self.names)}; {work}{tiles}"], table


def search_front(
    costs: Mapping[str, Cost],
    bounds: Sequence[Any],
    *,
    multiples: int | Sequence[int] = 1,
    tiles: Sequence[int] | None = None,
    evaluations: int = 1000,
    seed: int = 0,
) -> Front:
    """The Pareto front of two costs over whole widths, from few evaluations.

    Exact values and smooth gradients of both logarithms make a model of them by ln(width)
    (kriging with gradients). Networks evolve on the model; those that should add most to the area
    that the front dominates are evaluated, the first of them with gradients, and the model is
    made anew.

    Args: all but the first two keyword-only.
        costs: two by name, of widths, > 0, as the objective of `search_widths`.
        bounds, multiples, seed: as there.
        tiles: sizes that hardware rounds up to: only whole tiles are tried, since within one a
            cost stays as it is while the other falls. None: one for all widths is learned, if
            there is one, from some ten evaluations; (): none.
        evaluations: of the exact model in all; a gradient counts as three.
    Raises: ValueError: other than two costs, or whatever `search_widths` refuses of them.
    Source: the area gained, Emmerich et al. (2006), IEEE Trans. Evol. Comput. 10, 421, here that
        of the expected costs; populations on models, Jin (2011), Swarm Evol. Comput. 1, 61.
    """
    _check(costs, tiles)
    evaluations = count("evaluations", evaluations, least=_LEAST)
    first, second = costs
    lattice = Lattice.of(bounds, multiples)
    problem = Problem.of(costs[first], {second: (costs[second], 1.0)})
    check_costs(problem, np.vstack([lattice.lower, lattice.upper]))
    archive = Archive(problem, lattice, evaluations)
    if tiles is None:
        tiles = learned_tiles(lattice, archive.of)
    lattice = whole_tiles(lattice, tiles)
    random = np.random.default_rng(seed)
    if lattice.size <= archive.left:
        archive.add(np.vstack(list(lattice.everything())), sloped=False)
    else:
        archive.add(_from_narrow_to_wide(lattice, random), sloped=True)
        while archive.left and _improve(archive, lattice, evaluations, random):
            pass
    widths, logs = archive.front()
    spent = len(archive.widths), archive.gradients
    return Front((first, second), widths, np.exp(logs), tuple(tiles), *spent)


def _improve(
    archive: Archive, lattice: Lattice, evaluations: int, random: np.random.Generator
) -> int:
    """Evaluates what a model of all before proposes, or else what is near; how many networks."""
    sloped = archive.gradients * GRADIENT_PRICE < _BY_GRADIENT * evaluations
    number = max(evaluations // _ROUNDS // (2 if sloped else 1), 4)
    new = propose(lattice, archive.front(), archive.model(), archive.known, number, random)
    return (
        archive.add(new, sloped=sloped)
        or archive.add(offspring(lattice, archive.front()[0], number, random), sloped=False)
        or archive.add(lattice.nearest(lattice.draw(number, int(random.integers(1 << 31)))),
                       sloped=False)
    )  # fmt: skip


def _from_narrow_to_wide(lattice: Lattice, random: np.random.Generator) -> np.ndarray:
    """The narrowest network, the widest, and some about the line between."""
    along = np.linspace(0, 1, _FIRST)[:, None]
    aside = 0.6 * along * (1 - along) * random.standard_normal((_FIRST, len(lattice.axes)))
    share = np.clip(along + aside, 0, 1)
    return lattice.nearest(lattice.lower * (lattice.upper / lattice.lower) ** share)


def _check(costs: Mapping[str, Cost], tiles: Sequence[int] | None) -> None:
    if len(costs) != 2:
        raise ValueError(refused("costs", list(costs), "two costs by name"))
    for tile in some("tiles", [] if tiles is None else tiles):
        count("tiles", tile)
