"""A smooth function known by values at some points and slopes at fewer: kriging with gradients."""

import numpy as np

Choice = tuple[float, float]

_LENGTHS = (1.0, 2.0, 4.0, 8.0)  # over which the function bends, in units of its arguments
_NOISES = (1e-6, 1e-4, 1e-2)  # of steps and kinks, as a share of the variance
_TREND = 100.0  # variance of the straight part beside that of the bends: hardly anything is known
CHOICES = tuple((length, noise) for length in _LENGTHS for noise in _NOISES)


class Kriging:
    """A Gaussian process with a straight trend through values and slopes.

        cov(f(z), f(z')) = s² (exp(-|z - z'|² / 2 l²) + trend (1 + z z' / l²) + noise)

    Attributes: choice: the length l and the noise under which the data are likeliest.
    Args:
        points: shape `(m, n)`; values: `(m,)`; slopes: `(m, n)`, NaN where they are not known.
        choices: pairs of a length and a noise, of which one is taken.
    Source: Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 2.2,
        2.7, 5.4.1 and 9.4.
    """

    def __init__(
        self,
        points: np.ndarray,
        values: np.ndarray,
        slopes: np.ndarray,
        choices: tuple[Choice, ...] = CHOICES,
    ) -> None:
        self._sloped = np.flatnonzero(np.isfinite(slopes).all(axis=1))
        self._centre, self._mean = points.mean(axis=0), values.mean()
        self._points = points - self._centre
        self._values, self._slopes = values - self._mean, slopes[self._sloped].ravel()
        fits = [fit for length in dict(choices) for fit in self._fits(length, choices)]
        _, self.choice, self._weights = min(fits, key=lambda fit: fit[0])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The expected values at `points`, shape `(k, n)`; shape `(k,)`."""
        length = self.choice[0]
        at, known = (points - self._centre) / length, self._points / length
        covariance = np.hstack(_of_values(at, known, self._sloped))
        return np.asarray(self._mean + covariance @ self._weights)

    def _fits(
        self, length: float, choices: tuple[Choice, ...]
    ) -> list[tuple[float, Choice, np.ndarray]]:
        """The negative logarithm of the likelihood, the choice, and the weights of the data."""
        from scipy.linalg import cho_factor, cho_solve

        covariance = _covariance(self._points / length, self._sloped)
        data = np.append(self._values, self._slopes * length)
        found = []
        for noise in (n for each, n in choices if each == length):
            root = cho_factor(covariance + noise * np.eye(len(data)), lower=True)
            weights = cho_solve(root, data)
            spread = 0.5 * len(data) * np.log(max(data @ weights, 1e-300))
            unlikely = spread + np.log(np.diag(root[0])).sum() - len(self._slopes) * np.log(length)
            found.append((float(unlikely), (length, noise), weights))
        return found


def _of_values(a: np.ndarray, b: np.ndarray, sloped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of the values at `a` with those at `b`, and with the slopes at `b[sloped]`."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    near = np.exp(-0.5 * squares)
    apart = a[:, None] - b[sloped]
    slopes = near[:, sloped, None] * apart + _TREND * a[:, None]
    return near + _TREND * (1 + a @ b.T), slopes.reshape(len(a), -1)


def _covariance(a: np.ndarray, sloped: np.ndarray) -> np.ndarray:
    """Of the values at `a` and the slopes at `a[sloped]`, with each other."""
    values, mixed = _of_values(a, a, sloped)
    apart = a[sloped, None] - a[sloped]
    near = np.exp(-0.5 * (apart**2).sum(axis=-1))[..., None, None]
    same = np.eye(a.shape[1])
    slopes = near * (same - apart[..., :, None] * apart[..., None, :]) + _TREND * same
    slopes = slopes.swapaxes(1, 2).reshape(mixed.shape[1], mixed.shape[1])
    return np.block([[values, mixed], [mixed.T, slopes]])
