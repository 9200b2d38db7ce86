"""Prediction intervals that cover: conformal, wider where no layer like it was measured."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxcost._support.messages import RowError

COVERAGE = 0.9
Z90 = 1.6449  # standard deviations in half a 90 % interval of a normal distribution
_ROUNDING = 1e-9  # of weights such as thirds, which do not add up to exactly 1
_WIDENINGS = (0.0, *np.geomspace(0.25, 16, 49))
_USUAL = 0.75  # of the layers left out singly, so many are no more novel than is usual
# Half the 90 % interval of ln(rate) of a kind of layer before any was measured: its standard
# deviation is 0.7, as models believe of a rate and of the sizes that halve it.
UNLIKE = Z90 * 0.7
_A_FACTOR_E = 1.0  # of novelty, by which a size is beyond those measured
_FEW = 4  # novel layers that were left out say nothing of nine in ten


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Half the 90 % interval of ln(cost), wider for what is more novel than usual.

        reach = half_width * sqrt(1 + widening**2 * max(novelty - usual, 0))

    and of a kind of layer that was not measured at all, at least a factor of 3 either way.

    Attributes:
        half_width: of a layer like those measured, in ln; > 0.
        widening: how much wider it is for a layer unlike any of them; >= 0.
        usual: novelty of a layer that is still like those measured; >= 0.
    """

    half_width: float
    widening: float = 0.0
    usual: float = 0.0

    def reach(self, novelty: np.ndarray, unlike: np.ndarray | bool = False) -> np.ndarray:
        """Half the interval of ln(cost) at each novelty, 0 for what was measured.

        Args: unlike: whether no layer of its kind was measured, by which nothing has been judged.
        """
        reach = self.half_width * _scale(novelty, self.widening, self.usual)
        return np.where(unlike, np.maximum(reach, UNLIKE), reach)

    def around(
        self, log_predicted: np.ndarray, novelty: np.ndarray, unlike: np.ndarray | bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends, as costs, shape `(rows,)`; further arguments as of `reach`."""
        return ends(log_predicted, self.reach(novelty, unlike))

    def covers(
        self, error: np.ndarray, novelty: np.ndarray, weights: np.ndarray | None = None
    ) -> float:
        """Share of rows whose |ln(observed / predicted)| = |error| lies within the interval.

        Args: weights: of the rows, so that a layer measured several times counts once.
        """
        within = np.abs(error) <= self.reach(novelty)
        return float(np.average(within, weights=weights))


def ends(log_predicted: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of intervals of ln(cost), as costs, shape `(rows,)`.

    Raises: ValueError: an end that is no number.
    """
    with np.errstate(over="ignore", under="ignore"):
        lower, upper = np.exp(log_predicted - reach), np.exp(log_predicted + reach)
    held = (lower > 0) & np.isfinite(upper)
    if not held.all():
        row = int(np.argmin(held))
        raise RowError(
            row,
            f"its 90 % interval, a factor of exp({np.ravel(reach)[row]:.3g}) "
            "either way, is beyond any number; leave it out, or calibrate again",
        )
    return lower, upper


def calibrate_intervals(
    rows: tuple[np.ndarray, np.ndarray],
    groups: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]] = (),
    *,
    weights: np.ndarray | None = None,
) -> Intervals:
    """Intervals from out-of-fold errors, so that 90 % of layers left out are covered.

    The quantile is that of layers left out singly, with the finite-sample correction of conformal
    prediction; the widening is the least that also covers 90 % of the novel layers among those
    left out in groups. Only what is more novel than three in four layers left out singly is
    widened: what a fit to all rows finds usual is less novel than what a fold finds so.

    Args:
        rows: (ln(observed / predicted), novelty), each of shape `(rows,)`, of rows left out singly.
        groups: the same of rows left out together, such as in whole sweeps, and their weights.
        weights: of the rows, shape `(rows,)`, keyword-only: those of one layer add up to 1, and
            what is covered is a row of a new layer. None: every row is a layer of its own.
    Source: Vovk, Gammerman, Shafer (2005), Algorithmic learning in a random world; Barber,
        Candès, Ramdas, Tibshirani (2021), Predictive inference with the jackknife+ (CV+); Lee,
        Barber, Willett (2023), Distribution-free inference with hierarchical data, section 3.
    """
    each = np.ones(len(rows[0])) if weights is None else weights
    usual = float(np.quantile(rows[1], _USUAL, weights=each, method="inverted_cdf"))
    candidates = [
        Intervals(_half_width(*rows, each, widening, usual), float(widening), usual)
        for widening in _WIDENINGS
    ]
    novel = [tuple(part[g[1] > usual] for part in g) for g in groups]
    known = [g for g in novel if len(g[0]) >= _FEW]
    enough = [c for c in candidates if all(c.covers(*g) >= COVERAGE for g in known)]
    return enough[0] if enough else _widest(candidates, known)


def _widest(candidates: Sequence[Intervals], known: Sequence[tuple[np.ndarray, ...]]) -> Intervals:
    """Of intervals none of which covers enough, the widest that errors seen bear out.

    Where layers are so few that each is as novel as can be, no widening by novelty covers the
    others: but sizes a factor e beyond all are more novel by 1, and would be widened without end.
    """
    seen = max(UNLIKE, *(float(np.abs(error).max()) for error, *_ in known))
    borne_out = [c for c in candidates if c.reach(np.array(1 + _A_FACTOR_E)) <= seen]
    return borne_out[-1] if borne_out else candidates[0]


def _half_width(
    error: np.ndarray, novelty: np.ndarray, weights: np.ndarray, widening: float, usual: float
) -> float:
    """The least score below which lies 90 % of the weight, that of the layer to come included."""
    score = np.abs(error) / _scale(novelty, widening, usual)
    order = np.argsort(score)
    below = np.cumsum(weights[order])
    enough = below >= COVERAGE * (below[-1] + 1) - _ROUNDING
    least = int(enough.argmax()) if enough.any() else -1
    return float(max(score[order][least], 1e-9))


def _scale(novelty: np.ndarray, widening: float, usual: float) -> np.ndarray:
    return np.sqrt(1 + widening**2 * np.maximum(np.asarray(novelty) - usual, 0))
