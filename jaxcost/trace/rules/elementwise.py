"""Operations on each element by itself.

A real addition, multiplication, division, root, comparison or rounding is one FLOP; of complex
numbers an addition is two, a multiplication six, a division eleven. A transcendental function is
one evaluation, counted apart, since its FLOPs depend on how it is computed.
"""

from jaxcost.trace.work import Site, Work, arithmetic, counted, is_complex, is_real, size

_COMPLEX = {"mul": 6, "div": 11, "add": 2, "sub": 2, "add_any": 2, "abs": 4, "square": 6}


@counted(
    "elementwise",
    *("add", "sub", "mul", "div", "rem", "neg", "abs", "sign", "max", "min", "square"),
    *("sqrt", "rsqrt", "reciprocal", "floor", "ceil", "round", "nextafter", "is_finite"),
    *("eq", "ne", "lt", "le", "gt", "ge", "eq_to", "lt_to", "le_to", "select_n", "add_any"),
    *("and", "or", "xor", "not", "shift_left", "shift_right_arithmetic", "shift_right_logical"),
    *("population_count", "clz", "mulhi", "multiple_of"),
)
def _once(site: Site) -> Work:
    operand = site.inputs[-1]
    each = _COMPLEX.get(site.primitive, 2) if is_complex(operand) else 1
    return arithmetic(operand, float(each * size(site.outputs[0])))


@counted("elementwise", "clamp")
def _twice(site: Site) -> Work:
    return arithmetic(site.inputs[1], 2.0 * size(site.outputs[0]))


@counted("elementwise", "reduce_precision", "convert_element_type", view=True)
def _convert(site: Site) -> Work:
    """A change of type moves bytes and computes nothing."""
    return Work()


@counted("elementwise", "integer_pow")
def _integer_power(site: Site) -> Work:
    """By squaring: a multiplication for each binary digit after the first, and for each 1."""
    power = abs(int(site.params["y"]))
    products = max(power.bit_length() - 1, 0) + max(power.bit_count() - 1, 0)
    each = products + (site.params["y"] < 0)
    if is_complex(site.inputs[0]):
        each *= _COMPLEX["mul"]
    return arithmetic(site.inputs[0], float(each * size(site.outputs[0])))


@counted(
    "elementwise",
    *("exp", "exp2", "expm1", "log", "log1p", "logistic", "pow", "cbrt"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "erf_inv", "lgamma", "digamma", "polygamma", "zeta"),
    *("igamma", "igammac", "igamma_grad_a", "random_gamma_grad", "regularized_incomplete_beta"),
    *("bessel_i0e", "bessel_i1e"),
)
def _transcendental(site: Site) -> Work:
    amount = float(size(site.outputs[0]))
    if not is_real(site.outputs[0]):
        return Work(integer_ops=amount)
    return Work(transcendentals=amount)
