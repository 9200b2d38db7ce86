"""Numbers and units as a person reads them."""

import math

_PREFIXES = (
    *((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")),
    *((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f")),
)
_WITHOUT_PREFIX = ("1", "channels", "rows", "taps", "values")
NONE = "–"


def significant(value: float) -> str:
    """A number to three significant digits, without a power of ten where it can be avoided."""
    if not math.isfinite(value):
        return NONE
    if value == 0 or not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    rounded = float(f"{value:.2e}")
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def scaled(unit: str, *values: float) -> tuple[list[str], str]:
    """Values of one unit with the prefix that suits the first: `(["1.23", "1.25"], "TFLOP/s")`.

    A unit of `1` is none, and counts have no prefix.
    """
    if unit in _WITHOUT_PREFIX:
        return [significant(v) for v in values], "" if unit == "1" else unit
    size, prefix = _prefix(values[0])
    return [significant(v / size) for v in values], prefix + unit


def interval(lower: float, upper: float, unit: str) -> str:
    """`1.23 to 1.45 ms`; of ends far apart each has its own unit: `1.23 µs to 1.45 s`."""
    if upper > 1000 * lower:
        return f"{quantity(lower, unit)} to {quantity(upper, unit)}"
    (last, first), shown = scaled(unit, upper, lower)
    return f"{first} to {last} {shown}".rstrip()


def quantity(value: float | None, unit: str) -> str:
    """One value with its unit: `1.23 ms`; a dash where it is unknown."""
    if value is None or not math.isfinite(value):
        return NONE
    (number,), shown = scaled(unit, value)
    return f"{number} {shown}".rstrip()


def storage(size: float) -> str:
    """Bytes in powers of 1024: `1.5 MiB`."""
    for step, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= step:
            return f"{size / step:.3g} {name}"
    return f"{size:.0f} B"


def error(fraction: float | None) -> str:
    """The size of a relative error: `4.2 %`, and without decimals from 100 %."""
    if fraction is None or not math.isfinite(fraction):
        return NONE
    decimals = 1 if fraction < 0.9995 else 0
    return f"{100 * fraction:.{decimals}f} %"


def signed(fraction: float) -> str:
    """A relative error with its sign: `+4.2 %`, `−4.2 %`."""
    size = error(abs(fraction))
    if size == error(0.0):
        return size
    return ("−" if fraction < 0 else "+") + size


def share(fraction: float | None) -> str:
    """A share of rows: `85 %`."""
    return NONE if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.0f} %"


def duration(seconds: float) -> str:
    """A time that a person waits: `45 s`, `1 min 40 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, what: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def of_rows(different: int, rows: int, what: str) -> str:
    """`59 layers`; `59 layers, 295 rows` where some were measured several times."""
    words = count(different, what)
    return words if different == rows else f"{words}, {count(rows, 'row')}"


def _prefix(value: float) -> tuple[float, str]:
    size = abs(value)
    if not (math.isfinite(size) and size):
        return 1.0, ""
    return next((p for p in _PREFIXES if size >= p[0] * 0.9995), _PREFIXES[-1])
