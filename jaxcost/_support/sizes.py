"""Sizes of layers: what values are allowed, and the output size of a convolution or pooling.

Values that JAX is tracing cannot be looked at when a workload is built: `guarded` looks at them
when the program runs.
"""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.messages import refused, unknown

PADDINGS = ("same", "valid")

# What a field is given and what it then holds: type checkers know nothing of converters.
Scalar = Float[Array, ""] | float


def real(name: str, value: ArrayLike | Sequence[ArrayLike]) -> Array:
    """`value` as a real array; ValueError where it is no number, as text and truth values are."""
    try:
        if not _is_number(value):
            raise TypeError
        return _array(value)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, jax.errors.JAXTypeError):
            raise
        raise ValueError(refused(name, value, "a number or an array of numbers")) from None


def scalar(name: str, value: ArrayLike) -> Array:
    """`value` as a real array of shape `()`."""
    return _single(name, real(name, value))


def one(name: str, value: Any, allowed: Callable[[float], bool], words: str) -> float:
    """`value` as a float that is `allowed`, which `words` describe."""
    try:
        found = float(value) if _is_number(value) and np.ndim(value) == 0 else None
    except OverflowError:
        found = None
    if found is None or not allowed(found):
        raise ValueError(refused(name, value, words))
    return found


def count(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""

    def allowed(number: float) -> bool:
        return number >= least and number % 1 == 0

    one(name, value, allowed, f"a whole number of at least {least}")
    return int(value)


def temperature(value: ArrayLike) -> Any:
    """A temperature of steps, finite and at least 0: a float, so that 0 is known to be exact.

    One that JAX is tracing stays an array, and is looked at when the program runs.
    """
    if not is_traced(value):
        words = "a finite number of at least 0"
        return one("temperature", value, lambda t: 0 <= t < np.inf, words)
    array = scalar("temperature", value)
    return guarded(array, temperature=array)


def flag(name: str, value: ArrayLike) -> Array:
    """`value` as a real array of 0 and 1, which truth values may stand for."""
    truth = not is_traced(value) and np.asarray(value).dtype == bool
    array = _array(value) if truth else real(name, value)
    _check(name, value, array, lambda x: (x == 0) | (x == 1), "True or False")
    return array


def positive(name: str, value: ArrayLike) -> Array:
    """`value` as a real array, finite and greater than 0."""
    array = real(name, value)
    _check(name, value, array, lambda x: x > 0, "a finite number greater than 0")
    return array


def positive_scalar(name: str, value: ArrayLike) -> Array:
    """`value` as a real array of shape `()`, finite and greater than 0."""
    return _single(name, positive(name, value))


def not_negative(name: str, value: ArrayLike) -> Array:
    """`value` as a real array, finite and at least 0."""
    array = real(name, value)
    _check(name, value, array, lambda x: x >= 0, "a finite number of at least 0")
    return array


def whole(name: str, value: ArrayLike) -> Array:
    """`value` as a real array of whole numbers of at least 1."""
    array = real(name, value)
    _check(
        name, value, array, lambda x: (x >= 1) & (x == np.floor(x)), "a whole number of at least 1"
    )
    return array


def chain(name: str, values: ArrayLike | Sequence[ArrayLike]) -> Array:
    """`values` as a real array of shape `(layers + 1,)`: the widths between layers, each > 0."""
    array = real(name, values)
    if array.ndim != 1 or array.shape[0] < 2:
        raise ValueError(f"{name} has shape {array.shape}; give two or more in a list, input first")
    return positive(name, array)


def per_layer(name: str, value: Any, layers: int) -> list[Any]:
    """`value` once a layer: a single one repeated, a list checked to have one a layer."""
    values = [value] * layers if np.ndim(value) == 0 else list(value)
    if len(values) != layers:
        raise ValueError(f"{name} has {len(values)} values; give one, or one a layer ({layers})")
    return values


def check_groups(groups: Array, c_in: Array, c_out: Array) -> None:
    """ValueError where whole channels are not divided by groups; real channels pass."""
    if is_traced(groups, c_in, c_out):
        return
    groups_, c_in_, c_out_ = np.broadcast_arrays(*map(np.asarray, (groups, c_in, c_out)))
    discrete = (c_in_ % 1 == 0) & (c_out_ % 1 == 0)
    uneven = (groups_ % 1 != 0) | (c_in_ % groups_ != 0) | (c_out_ % groups_ != 0)
    if (bad := discrete & uneven).any():
        first = int(np.argmax(bad))
        g, i, o = (float(x.flat[first]) for x in (groups_, c_in_, c_out_))
        allowed = f"a number that divides both c_in = {i:g} and c_out = {o:g}"
        raise ValueError(refused("groups", g, allowed))


def output_size(
    size: ArrayLike,
    *,
    kernel: ArrayLike,
    stride: ArrayLike = 1,
    padding: str | Sequence[str] = "same",
    dilation: ArrayLike = 1,
) -> Array:
    """Size of the output along one side, in elements, as XLA computes it.

    'same': ceil(size / stride); 'valid': ceil((size - (kernel - 1) * dilation) / stride).

    Exact at whole sizes and linear between them, so that the gradient is not 0 as through
    `ceil`; at a whole size the gradient is the mean of both sides.

    Args: each a number, or of a common shape. size, kernel: real, > 0. stride, dilation: whole.
    Returns: that shape.
    Raises: ValueError: an unknown padding, a kernel larger than the padded input.
    Example:
        >>> float(output_size(224, kernel=7, stride=2))
        112.0
    """
    sizes = positive("size", size), positive("kernel", kernel)
    steps = whole("stride", stride), whole("dilation", dilation)
    numpy: Any = jnp if is_traced(*sizes, *steps) else np  # NumPy compiles nothing
    (size, kernel), (stride, dilation) = (map(numpy.asarray, pair) for pair in (sizes, steps))
    beyond = numpy.where(_is_same(padding), 0, (kernel - 1) * dilation)
    _check_fits(size, beyond)
    return _array(_strided(size - beyond, stride, numpy))


def guarded(kept: Any, **sizes: Any) -> Any:
    """`kept`, any pytree of arrays, which raises when the program runs if a traced size is wrong.

    A size must then be finite and at least 0: one that a search or a mask drives to nothing
    costs nothing. One check for all sizes, under `jit`, `vmap` and `grad`.

    What happens then is Equinox's to say: EQX_ON_ERROR=nan makes every result NaN instead, and
    EQX_ON_ERROR=off leaves the check out, for programs that must not call back to the host.
    """
    bad = {n: jnp.any(~(jnp.isfinite(s) & (s >= 0))) for n, s in sizes.items() if is_traced(s)}
    if not bad:
        return kept
    names = ", ".join(bad)
    message = f"a size is negative or not finite ({names}); give finite numbers of at least 0"
    return eqx.error_if(kept, jnp.stack(list(bad.values())).any(), message)


def is_traced(*values: object) -> bool:
    """Whether JAX is tracing any of `values`, so that they cannot be looked at."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def _array(value: Any) -> Array:
    """`value` as a real array which, of plain numbers, can be looked at under `jit`, too."""
    if is_traced(*jax.tree.leaves(value)):
        return jnp.asarray(value, dtype=float)
    if isinstance(value, np.ndarray):  # or JAX compiles a conversion for every new shape
        value = value.astype(jax.dtypes.canonicalize_dtype(float))
    with jax.ensure_compile_time_eval():
        return jnp.asarray(value, dtype=float)


def _is_number(value: Any) -> bool:
    """Whether `value` is a real number, or holds nothing else; not whether it is in any range."""
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))  # also of none: `head=()` is no dense layer
    if hasattr(value, "dtype") or hasattr(value, "__array__"):
        dtype = getattr(value, "dtype", None) or np.asarray(value).dtype
        return bool(jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating))
    return isinstance(value, Real) and not isinstance(value, bool)


def _single(name: str, array: Array) -> Array:
    if array.shape != ():
        raise ValueError(f"{name} has shape {array.shape}; give one number, and vmap for many")
    return array


def _check(name: str, given: Any, array: Array, allowed: Callable[[Any], Any], words: str) -> None:
    # Within `jit` also an array made of constants is traced; what it was made of is not.
    if is_traced(*jax.tree.leaves(given)):
        return
    if not array.size:
        raise ValueError(refused(name, given, words))
    exact, least = np.atleast_1d(np.asarray(given, np.float64)), jnp.finfo(array.dtype).tiny
    if (bad := (exact != 0) & (np.abs(exact) < least)).any():
        words += f", not nearer to 0 than the {least:.2g} of {array.dtype}"
        raise ValueError(refused(name, float(exact[bad][0]), words))
    with np.errstate(over="ignore"):
        values = np.atleast_1d(np.asarray(given, array.dtype))
    if (bad := ~(np.isfinite(values) & allowed(values))).any():
        raise ValueError(refused(name, float(values[bad][0]), words))


def _is_same(padding: str | Sequence[str]) -> np.ndarray:
    names = np.atleast_1d(np.asarray(padding, dtype=object))
    same, valid = (names == name for name in PADDINGS)
    if not (known := same | valid).all():
        raise ValueError(unknown("padding", names[~known][0], PADDINGS))
    return same if np.ndim(padding) else same[0]


def _check_fits(size: Any, beyond: Any) -> None:
    if is_traced(size, beyond):
        return
    sizes, spans = np.broadcast_arrays(np.atleast_1d(size), np.atleast_1d(beyond) + 1)
    if (bad := (spans > sizes) & (spans > 1)).any():
        raise ValueError(
            f"kernel spans {spans[bad][0]:g} but the padded input is {sizes[bad][0]:g}; "
            "give a smaller kernel or dilation, a larger input, or padding 'same'"
        )


def _strided(positions: Any, stride: Any, numpy: Any) -> Any:
    whole_ = numpy.floor(positions)
    part = positions - whole_
    # Half a position is taken off so that a division rounded up by an ulp does not add one.
    before, at, after = (numpy.ceil((whole_ + step - 0.5) / stride) for step in (-1, 0, 1))
    slope = numpy.where(part == 0, (after - before) / 2, after - at)
    return at + part * slope
