"""Networks of a shape, a depth and a size: BUTTER's families of multi-layer perceptrons."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from jaxcost._support.messages import refused, unknown

_MOST = 2**31


def _rectangle(width: float, layers: int, outputs: float) -> np.ndarray:
    return np.append(np.full(layers - 1, width), outputs)


def _trapezoid(width: float, layers: int, outputs: float) -> np.ndarray:
    return np.linspace(width, outputs, layers)


def _exponential(width: float, layers: int, outputs: float) -> np.ndarray:
    return np.maximum(np.geomspace(width, outputs, layers), outputs)


def _wide_first(times: int) -> Callable[[float, int, float], np.ndarray]:
    def widths(width: float, layers: int, outputs: float) -> np.ndarray:
        inner = np.full(max(layers - 2, 0), width / times)
        return np.concatenate([[width], inner, [outputs]])

    return widths


SHAPES: dict[str, Callable[[float, int, float], np.ndarray]] = {
    "rectangle": _rectangle,
    "rectangle_residual": _rectangle,
    "trapezoid": _trapezoid,
    "exponential": _exponential,
    **{f"wide_first_{n}x": _wide_first(n) for n in (2, 4, 8, 16)},
}


def shaped_widths(shape: str, *, width: float, layers: int, inputs: int, outputs: int) -> list[int]:
    """Widths of a network of a shape, input first, rounded to whole units of at least 1.

    Args: shape: one of `SHAPES`; width: that of the first hidden layer, >= 1; layers: with
        weights, >= 2; inputs, outputs: of the network, >= 1. All but the shape keyword-only.
    Raises: ValueError: an unknown shape, fewer than two layers.
    Example:
        >>> shaped_widths("trapezoid", width=317, layers=4, inputs=126, outputs=3)
        [126, 317, 212, 108, 3]
    """
    if shape not in SHAPES:
        raise ValueError(unknown("shape", shape, SHAPES))
    if layers < 2:
        raise ValueError(
            refused("layers", layers, "2 or more: a network of one layer has no shape")
        )
    real = SHAPES[shape](width, layers, outputs)
    return [inputs, *(max(1, int(np.floor(w + 0.5))) for w in real)]


def network_of_size(
    shape: str, *, parameters: float, layers: int, inputs: int, outputs: int
) -> list[int]:
    """The widths of the network of a shape whose parameter count, biases included, is nearest.

    Args: parameters: the count wanted, > 0; the rest as in `shaped_widths`.
    Raises: ValueError: as there, or a count that is not above 0.
    Source: Tripp et al. (2022), An empirical deep dive into deep learning's driving dynamics.
    Example:
        >>> network_of_size("rectangle", parameters=2**14, layers=2, inputs=26, outputs=11)
        [26, 431, 11]
    """
    if not parameters > 0:
        raise ValueError(refused("parameters", parameters, "a number above 0"))

    def of(width: int) -> list[int]:
        return shaped_widths(shape, width=width, layers=layers, inputs=inputs, outputs=outputs)

    low, high = 1, 2
    while parameter_count(of(high)) < parameters and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameter_count(of(middle)) < parameters else (low, middle)
    return min((of(low), of(high)), key=lambda w: abs(parameter_count(w) - parameters))


def parameter_count(widths: list[int]) -> int:
    """Weights and biases of dense layers of these widths, input first."""
    return sum((a + 1) * b for a, b in pairwise(widths))
