"""Reductions, windows, running sums, sorting: many elements to one, or each with its neighbours."""

import math

from jaxcost.trace.work import Site, Work, arithmetic, counted, is_complex, shape, size


@counted(
    "reduction",
    *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"),
    *("reduce_xor", "reduce", "argmax", "argmin"),
)
def _reduce(site: Site) -> Work:
    """One operation for each element but the first of a result."""
    operand = site.inputs[0]
    each = 2 if is_complex(operand) else 1
    operands = 1 if site.primitive != "reduce" else max(len(site.outputs), 1)
    combined = max(size(operand) - size(site.outputs[0]), 0)
    return arithmetic(operand, float(each * operands * combined))


@counted("reduction", "cumsum", "cumprod", "cummax", "cummin")
def _running(site: Site) -> Work:
    return arithmetic(site.inputs[0], float(_steps(site)))


@counted("reduction", "cumlogsumexp")
def _running_logsumexp(site: Site) -> Work:
    """A step is a maximum, a difference and an addition, an exponential and a logarithm."""
    return Work(elementwise_flops=3.0 * _steps(site), transcendentals=2.0 * _steps(site))


def _steps(site: Site) -> int:
    operand = shape(site.inputs[0])
    return (
        size(site.inputs[0])
        // max(operand[site.params["axis"]], 1)
        * (max(operand[site.params["axis"]] - 1, 0))
    )


@counted("pooling", "reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum")
def _window(site: Site) -> Work:
    """One operation for each element of a window but the first, also in the padding."""
    window = math.prod(site.params["window_dimensions"])
    return arithmetic(site.inputs[0], float(size(site.outputs[0]) * (window - 1)))


@counted("pooling", "select_and_scatter_add", "select_and_scatter", "select_and_gather_add")
def _select_in_window(site: Site) -> Work:
    """A comparison for each element of a window but the first, and an addition for the chosen."""
    window = math.prod(site.params["window_dimensions"])
    chosen = min(size(site.inputs[0]), size(site.outputs[0]))
    return arithmetic(site.inputs[0], float(chosen * window))


@counted("sort", "sort")
def _sort(site: Site) -> Work:
    """n log2 n comparisons of the keys."""
    operand = shape(site.inputs[0])
    length = operand[site.params["dimension"]]
    keys = site.params.get("num_keys", 1)
    return arithmetic(site.inputs[0], float(keys * size(site.inputs[0]) * _log2(length)))


@counted("sort", "top_k", "approx_top_k")
def _top(site: Site) -> Work:
    """n log2 k comparisons, as with a heap."""
    kept = site.params.get("k", 1)
    return arithmetic(site.inputs[0], float(size(site.inputs[0]) * max(_log2(int(kept)), 1)))


def _log2(length: int) -> int:
    return math.ceil(math.log2(length)) if length > 1 else 0
