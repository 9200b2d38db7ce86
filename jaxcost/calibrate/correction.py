"""What a model with few parameters leaves unexplained, interpolated between measured layers."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.precision import as_default, double_precision
from jaxcost.calibrate.features import SORTS, Sort
from jaxcost.calibrate.fit.folds import Folds
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fit.sample import some_of
from jaxcost.calibrate.likelihood import likeliest, matern
from jaxcost.workload import Workload

_CENTRES = 256  # of the layers measured, at most so many carry the correction
DOUBTED = 4.0  # noises: of measurements without faults, one in ten thousand is so far off
_CUT, _CUT_EARLIER = 6.0, 3.5  # scales of all residuals, where the kernel is sought
_REWEIGHTINGS, _LEAST_NOISE = 5, 0.3  # enough to settle; of the kernel's noise
_CHUNK = 1024  # layers predicted at a time: their kernel matrix stays in the cache
_ANOTHER = 0.5  # by which a feature that says the kind is another, whatever the rounding


class Correction(eqx.Module):
    """A Gaussian process on ln(observed / predicted) of the layers a model was fitted to.

    Near a measured layer it moves the prediction to what was measured there; far from all, in
    sizes that no sweep has seen, it fades to none and the model stands alone.

        correction(x) = sum over centres of weight * kernel(|(x - centre) / lengths|)
        kernel(d) = amplitude**2 (1 + sqrt(3) d) exp(-sqrt(3) d)             (Matérn 3/2)

    Args:
        centres: shape `(centres, features)`, of `features`.
        weights: shape `(centres,)`.
        explained: shape `(centres, centres)`; what the layers measured take off the variance.
        amplitude: of ln(observed / predicted) before any layer nearby is known, > 0; scalar.
        noise: of ln(observed / predicted) at a layer that was measured, > 0; scalar.
        lengths: how far in each feature a layer informs about others, > 0; shape `(features,)`.
        least, most: of each feature among the layers measured, and of each total of the sort, shape
            `(features + totals,)`: lengths that hold between them say nothing of what lies beyond,
            where the correction fades within a factor e or two, whatever they are.
        kinds: that were measured, each once, as the features mark them; shape `(kinds, marks)`.
        doubted: as in `fit_correction`.
        sort: of the layers, by which they are described.
    Source: Rasmussen, Williams (2006), Gaussian processes for machine learning, eqs. 4.17, 8.26
        and 8.27 (deterministic training conditional, variance by projection).
    """

    centres: Float[Array, "centres features"]
    weights: Float[Array, " centres"]
    explained: Float[Array, "centres centres"]
    amplitude: Float[Array, ""]
    noise: Float[Array, ""]
    lengths: Float[Array, " features"]
    least: Float[Array, " spans"]
    most: Float[Array, " spans"]
    kinds: Float[Array, "kinds marks"]
    doubted: float | None = eqx.field(static=True, default=DOUBTED)
    sort: Sort = eqx.field(static=True, default=SORTS["products"])

    def log_ratio(self, layers: Workload) -> Float[Array, " layers"]:
        """ln of the factor on each layer's predicted cost, shape `(layers,)`; differentiable."""
        return _log_ratio(self, layers)

    def novelty(self, layers: Workload) -> np.ndarray:
        """How far each layer is from all measured ones, shape `(layers,)`; of concrete layers.

        0 at one of them, 1 far from every one, and 1 more for every factor e by which a size, or a
        total such as FLOPs, is beyond those measured; 1 of what the features do not describe, such
        as one that is no product among products.
        """
        own, x = self._in_numpy, self.sort.describe(layers)
        parts = np.split(x, range(_CHUNK, len(x), _CHUNK))
        few = [_novelty(own, x, _faded(own, x, np), np) for x in parts[-1:]]
        with double_precision():  # compiled once, for all that are as long
            many = [np.asarray(_novelty_of_many(own, x)) for x in parts[:-1]]
        return np.concatenate([*many, *few])

    def unlike(self, layers: Workload) -> np.ndarray:
        """Whether no layer of its kind was measured: dense, with a larger kernel, a softmax."""
        kinds = self.sort.kinds(self.sort.describe(layers), np)
        apart = np.abs(kinds[:, None] - np.asarray(self.kinds)[None])
        return ~(apart < _ANOTHER).all(axis=-1).any(axis=-1)

    @property
    def _in_numpy(self) -> "Correction":
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), self)


@eqx.filter_jit
def _novelty_of_many(fitted: Correction, x: Any) -> Any:
    return _novelty(fitted, x, _faded(fitted, x, jnp), jnp)


@eqx.filter_jit
def _log_ratio(fitted: Correction, layers: Workload) -> Array:
    x = fitted.sort.of(layers)
    return _in_chunks(lambda x: _faded(fitted, x, jnp) @ fitted.weights, x)


def _in_chunks(function: Callable[[Array], Array], x: Array) -> Array:
    """`function` of the rows `x`, a chunk at a time, as `lax.map` has them only row by row."""
    rows = x.shape[0]
    if rows <= _CHUNK:
        return function(x)
    filled = jnp.pad(x, ((0, -rows % _CHUNK), (0, 0)), mode="edge")
    chunks = filled.reshape(-1, _CHUNK, x.shape[1])
    return jax.lax.map(jax.checkpoint(function), chunks).reshape(-1)[:rows]


def cross_validate_correction(
    x: np.ndarray,
    log_observed: np.ndarray,
    folds: Folds,
    repeats: Repeats | None = None,
    sort: Sort = SORTS["products"],
    kernel: tuple[float, float, np.ndarray] | None = None,
    least_noise: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """ln of the corrected prediction of each left-out row, and its novelty, each `(rows,)`.

    The correction is fitted anew in each fold, to the layers that the fold's model was fitted to.

    Args:
        x: features of the rows, shape `(rows, features)`.
        log_observed: ln of what the row's layer costs, the same in all its rows, shape `(rows,)`.
        repeats: which rows are of one layer; None: no two.
        sort: of the layers, by which `x` describes them.
        kernel, least_noise: as in `fit_correction`.
    """
    log_predicted, novelty = np.zeros(len(x)), np.zeros(len(x))
    alone = repeats or Repeats(np.arange(len(x)))
    for out, log_model in zip(folds.masks, folds.log_predicted, strict=True):
        seen = alone.first[~alone.any(out)]
        residual = (log_observed - log_model)[seen]
        told = fit_correction(x[seen], residual, kernel, sort=sort, least_noise=least_noise)
        own = told._in_numpy
        faded = _faded(own, x[out], np)
        log_predicted[out] = log_model[out] + faded @ own.weights
        novelty[out] = _novelty(own, x[out], faded, np)
    return log_predicted, novelty


def log_ratio_at(fitted: Correction, x: np.ndarray) -> np.ndarray:
    """ln of the factor at features `x`, shape `(rows, features)`; shape `(rows,)`."""
    own = fitted._in_numpy
    return _faded(own, np.asarray(x, np.float64), np) @ own.weights


def fit_correction(
    x: np.ndarray,
    residual: np.ndarray,
    kernel: tuple[float, float, np.ndarray] | None = None,
    *,
    lengths: np.ndarray | None = None,
    doubted: float | None = DOUBTED,
    sort: Sort = SORTS["products"],
    least_noise: float = 0.0,
) -> Correction:
    """The correction that explains `residual` = ln(observed / predicted) at features `x`.

    A layer counts the less the further it is from what its neighbours say, as faulty timings are;
    one that is far from the model, but as far as its neighbours, counts in full.

    Args:
        x: shape `(rows, features)`, one row or more; residual: shape `(rows,)`.
        kernel: amplitude, noise and lengths; None: the likeliest, with `lengths` if they are given.
        doubted: noises from the neighbours at which a layer counts half. None: residuals beyond
            3.5 times their own scale are cut instead, as earlier versions did.
        sort: of the layers, by which `x` describes them.
        least_noise: of the kernel, where it is sought; what one layer's rows scatter by.
    Returns: a `Correction`, computed in float64, in JAX's default precision.
    """
    residual = np.asarray(residual, np.float64)
    scale = max(1.4826 * float(np.median(np.abs(residual))), 0.02)
    cut = np.clip(residual, *(scale * np.array([-1, 1]) * (_CUT if doubted else _CUT_EARLIER)))
    x = np.asarray(x, np.float64)
    lengths_given = lengths is not None
    amplitude, noise, lengths = kernel or likeliest(x, cut, scale, lengths, least_noise)

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return matern(a, b, amplitude, lengths)

    some = some_of(len(x))  # tell as well where centres are to lie, and what is to be doubted
    centres = x[some][_spread_out(x[some], covariance, 0.1 * noise**2)]
    between, across = covariance(centres, centres), covariance(centres, x)
    between += 1e-10 * amplitude**2 * np.eye(len(centres))
    if doubted:
        trust = _trust(between, across, residual, some, noise, doubted)
    else:
        residual, trust = cut, np.ones(len(x))
    weights, evidence = _posterior(between, across, residual, trust / noise**2)
    explained = np.linalg.inv(between) - np.linalg.inv(evidence)
    spans = sort.with_totals(x, np)
    least, most = spans.min(axis=0), spans.max(axis=0)
    kinds = np.unique(sort.kinds(x, np), axis=0)
    if lengths_given:  # as earlier versions did, short lengths fade of themselves
        least, most = np.full(len(least), -np.inf), np.full(len(most), np.inf)
    numbers: dict[str, Any] = {
        "centres": centres, "weights": weights, "explained": explained, "amplitude": amplitude,
        "noise": noise, "lengths": lengths, "least": least, "most": most, "kinds": kinds,
    }  # fmt: skip
    return Correction(**as_default(numbers), doubted=doubted, sort=sort)


def _posterior(
    between: np.ndarray, across: np.ndarray, residual: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The centres' weights, and the matrix they solve; `precision` of each row, 1 / variance."""
    root = np.sqrt(precision)
    told = across * root
    evidence = between + told @ told.T  # of a matrix and itself, which takes half the time
    return np.linalg.solve(evidence, told @ (root * residual)), evidence


def _trust(
    between: np.ndarray,
    across: np.ndarray,
    residual: np.ndarray,
    some: np.ndarray,
    noise: float,
    doubted: float,
) -> np.ndarray:
    """How much each row counts, in (0, 1], by iteratively reweighted least squares (Cauchy's)
    among some of them."""
    trust, known = np.ones(len(residual)), across[:, some]
    for _ in range(_REWEIGHTINGS):
        weights, _ = _posterior(between, known, residual[some], trust[some] / noise**2)
        left = residual - weights @ across
        scale = max(1.4826 * float(np.median(np.abs(left))), _LEAST_NOISE * noise)
        trust = 1 / (1 + (left / (doubted * scale)) ** 2)
    return trust


def _spread_out(
    x: np.ndarray, covariance: Callable[[np.ndarray, np.ndarray], np.ndarray], enough: float
) -> np.ndarray:
    """Rows that between them explain all others to a variance of `enough` (pivoted Cholesky).

    Of the covariance only the rows of those chosen are computed: many layers fit in memory.
    """
    left = np.full(len(x), float(covariance(x[:1], x[:1])[0, 0]))
    chosen: list[int] = []
    factor = np.zeros((min(len(x), _CENTRES), len(x)))
    for i in range(len(factor)):
        row = int(left.argmax())
        if chosen and left[row] < enough:
            break
        alone = covariance(x[[row]], x)[0]
        factor[i] = (alone - factor[:i, row] @ factor[:i]) / np.sqrt(left[row])
        left -= factor[i] ** 2
        chosen.append(row)
    return np.array(chosen)


def _faded(fitted: Correction, x: Any, numpy: Any) -> Any:
    """The kernel between features `x` and the centres, less beyond the sizes measured."""
    origin = numpy.mean(fitted.centres, axis=0, keepdims=True)  # keeps the square exact
    kernel = matern(x - origin, fitted.centres - origin, fitted.amplitude, fitted.lengths, numpy)
    outside = numpy.sum(_beyond(fitted, x, numpy)[0] ** 4, -1)  # smooth where it begins
    return kernel * numpy.exp(-outside / 2)[:, None]


def _beyond(fitted: Correction, x: Any, numpy: Any) -> tuple[Any, Any]:
    """How far each feature, and each total, is outside what was measured, in its unit; 0 within."""
    spans, features = fitted.sort.with_totals(x, numpy), x.shape[1]
    outside = numpy.maximum(spans - fitted.most[None], fitted.least[None] - spans)
    return numpy.maximum(outside[:, :features], 0), numpy.maximum(outside[:, features:], 0)


def _novelty(fitted: Correction, x: Any, kernel: Any, numpy: Any) -> Any:
    taken = numpy.sum((kernel @ fitted.explained) * kernel, axis=-1)
    unexplained = numpy.clip(1 - taken / fitted.amplitude**2, 0, 1)
    features, totals = _beyond(fitted, x, numpy)
    beyond = numpy.maximum(numpy.sum(features, -1), numpy.max(totals, -1, initial=0))
    # What is no product has no size to be beyond those of products.
    return unexplained + numpy.where(fitted.sort.sized(x), beyond, 0)
