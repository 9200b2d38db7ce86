import math

import pytest

from jaxcost._support import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1.00"), (0.99999, "1.00"), (12.345, "12.3"), (999.6, "1000"), (0.0848, "0.0848"),
        (123456.0, "123000"), (1e7, "1e+07"), (1e-6, "1e-06"), (0.0, "0"), (-2.5, "-2.50"),
        (math.inf, "–"), (math.nan, "–"),
    ],
)  # fmt: skip
def test_three_significant_digits(value, shown):
    assert text.significant(value) == shown


def test_a_unit_has_the_prefix_of_the_first_value():
    assert text.scaled("FLOP/s", 2.03e12, 1.9e12) == (["2.03", "1.90"], "TFLOP/s")
    assert text.scaled("s", 2.2e-4, 2e-3) == (["220", "2000"], "µs")
    assert text.scaled("s/FLOP", 1.9e-11) == (["19.0"], "ps/FLOP")
    assert text.scaled("s", 0.0, 1.0) == (["0", "1.00"], "s")


def test_counts_and_ratios_have_no_prefix():
    assert text.scaled("channels", 2000.0) == (["2000"], "channels")
    assert text.scaled("1", 0.002) == (["0.00200"], "")


def test_a_quantity_has_its_unit_and_an_unknown_one_a_dash():
    assert text.quantity(0.9999, "s") == "1.00 s"
    assert text.quantity(60.0, "W") == "60.0 W"
    assert text.quantity(None, "W") == text.quantity(math.nan, "W") == "–"


def test_an_interval_has_one_unit_or_two():
    assert text.interval(1.2e-3, 1.3e-3, "s") == "1.20 to 1.30 ms"
    assert text.interval(0.9e-3, 1.3e-3, "s") == "0.900 to 1.30 ms"
    assert text.interval(1.2e-6, 1.3, "s") == "1.20 µs to 1.30 s"
    assert text.interval(0.5, 2.0, "1") == "0.500 to 2.00"


def test_memory_is_in_powers_of_1024():
    assert text.storage(32 * 1024) == "32 KiB"
    assert text.storage(1.5 * 2**20) == "1.5 MiB"
    assert text.storage(4 * 2**30) == "4 GiB"
    assert text.storage(2**41) == "2 TiB"
    assert text.storage(12) == "12 B"


def test_errors_and_shares():
    assert (text.error(0.0417), text.error(12.3), text.error(None)) == ("4.2 %", "1230 %", "–")
    assert text.error(0.9999) == "100 %"
    assert (text.share(0.846), text.share(math.nan)) == ("85 %", "–")
    assert (text.signed(0.042), text.signed(-0.042), text.signed(-1e-9)) == (
        "+4.2 %",
        "−4.2 %",
        "0.0 %",
    )


def test_durations_and_counts():
    assert [text.duration(s) for s in (-1, 59.4, 100, 7500)] == [
        "0 s",
        "59 s",
        "1 min 40 s",
        "2 h 5 min",
    ]
    assert (text.count(1, "layer"), text.count(2, "layer")) == ("1 layer", "2 layers")
