"""How far what one measured layer says carries to others, by marginal likelihood."""

from typing import Any

import numpy as np

LENGTH = 0.5  # before any data: a factor of two or so in each of a layer's sizes
_SPREAD = 1.0  # standard deviation of ln(length) around it
# In scales of the residual; with less noise float32 no longer tells the centres apart.
_AMPLITUDES, _NOISES = (0.3, 5.0), (0.1, 1.5)
_LENGTHS = (0.15, 4.0)  # shorter is noise, longer a trend that the model should have had
_MOST_ROWS = 250  # among which they are sought: the time grows with the cube
_STEPS = 30
_ENOUGH = 1e-5  # of a log likelihood of hundreds: what less gains moves no prediction
_EPSILON = 1e-6


def matern(a: Any, b: Any, amplitude: Any, lengths: Any, numpy: Any = np) -> Any:
    """The Matérn 3/2 kernel between every row of `a` and of `b`, of variance amplitude².

    Args: a, b: shape `(rows, features)`; lengths: shape `(features,)`, in each feature's unit.
    """
    a, b = a / lengths[None], b / lengths[None]
    square = numpy.sum(a**2, -1)[:, None] + numpy.sum(b**2, -1)[None] - 2 * a @ b.T
    distance = numpy.sqrt(3 * numpy.maximum(square, 0) + _EPSILON)
    return amplitude**2 * (1 + distance) * numpy.exp(-distance)


def likeliest(
    x: np.ndarray,
    residual: np.ndarray,
    scale: float,
    lengths: np.ndarray | None = None,
    least_noise: float = 0.0,
) -> tuple[float, float, np.ndarray]:
    """Amplitude, noise and lengths under which `residual` at features `x` is likeliest.

    Each is believed to be near a typical value before the data speak, so that a size which never
    varied, or hardly, leaves no wild length.

    Args:
        x: shape `(rows, features)`; residual: shape `(rows,)`; scale: the residual's own.
        lengths: shape `(features,)`, where they are not to be sought.
        least_noise: what measurements of one layer are known to scatter by, in ln.
    Source: Rasmussen, Williams (2006), Gaussian processes for machine learning, eqs. 5.8 and 5.9.
    """
    if lengths is not None:
        return *_on_a_grid(x, residual, scale, lengths), lengths
    from scipy.optimize import minimize

    some = np.random.default_rng(0).permutation(len(x))[:_MOST_ROWS]
    squares = np.moveaxis((x[some][:, None] - x[some][None]) ** 2, -1, 0)
    believed = np.log([scale, 0.3 * scale, *[LENGTH] * x.shape[1]])
    spread = np.array([1.0, 1.0, *[_SPREAD] * x.shape[1]])

    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        unlikely, slope = _unlikely(z, squares, residual[some])
        off = (z - believed) / spread
        return unlikely + float(off @ off) / 2, slope + off / spread

    amplitudes, noises = scale * np.array(_AMPLITUDES), scale * np.array(_NOISES)
    bounds = [tuple(np.log(amplitudes)), tuple(np.log(np.maximum(noises, least_noise)))]
    bounds += [tuple(np.log(_LENGTHS))] * x.shape[1]
    settings = {"maxiter": _STEPS, "ftol": _ENOUGH}
    found = minimize(loss, believed, jac=True, method="L-BFGS-B", bounds=bounds, options=settings).x
    rounded = np.exp(found).astype(np.float32).astype(np.float64)  # so that a file can hold them
    return float(rounded[0]), float(rounded[1]), rounded[2:]


def _on_a_grid(
    x: np.ndarray, residual: np.ndarray, scale: float, lengths: np.ndarray
) -> tuple[float, float]:
    """Amplitude and noise as calibrations of earlier versions chose them, and were judged with."""
    some = np.random.default_rng(0).permutation(len(x))[:300]
    variance, basis = np.linalg.eigh(matern(x[some], x[some], 1.0, lengths))
    energy = (basis.T @ residual[some]) ** 2

    def log_likelihood(pair: tuple[float, float]) -> float:
        total = pair[0] ** 2 * np.maximum(variance, 0) + pair[1] ** 2
        return -float((energy / total + np.log(total)).sum()) / 2

    amplitudes, noises = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8), (0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
    return max(((scale * a, scale * b) for a in amplitudes for b in noises), key=log_likelihood)


def _unlikely(z: np.ndarray, squares: np.ndarray, residual: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood but for a constant, and its slope by `z`, the logarithms.

    Args: squares: of the differences in each feature, shape `(features, rows, rows)`.
    """
    from scipy.linalg.lapack import dpotrf, dpotri  # one factor serves value and slope

    variance, noise, shrink = np.exp(2 * z[0]), np.exp(2 * z[1]), np.exp(-2 * z[2:])
    distance = np.sqrt(3 * np.tensordot(shrink, squares, 1) + _EPSILON)
    falling = variance * np.exp(-distance)
    kernel = (1 + distance) * falling
    noisy = kernel + noise * np.eye(len(kernel))
    factor = dpotrf(noisy, lower=1)[0]
    inverse = dpotri(factor, lower=1)[0]
    inverse += np.tril(inverse, -1).T
    told = inverse @ residual
    pull = np.outer(told, told) - inverse
    by_length = 1.5 * np.tensordot(squares, pull * falling, 2) * shrink
    slope = np.array([(pull * kernel).sum(), noise * np.trace(pull), *by_length])
    return float(residual @ told) / 2 + float(np.log(np.diag(factor)).sum()), -slope
