"""Limits as people write them: numbers, text with a unit, and what is refused in one line."""

import math

import pytest

from jaxcost.trace.limits import in_words, limits_of, read_limits


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("flops", 4_200_000_000, 4.2e9),
        ("flops", "4.2 GFLOP", 4.2e9),
        ("macs", "9kMAC", 9e3),
        ("parameters", "25.6 M", 25.6e6),
        ("parameters", "12", 12.0),
        ("bytes_moved", "200 MB", 2e8),
        ("peak_bytes", "1.5 GiB", 1.5 * 2**30),
        ("peak_bytes", "3 KiB", 3072.0),
        ("latency_s", "2 ms", 2e-3),
        ("latency_s", " 15 µs ", 15e-6),
        ("energy_j", "50mJ", 0.05),
        ("energy_j", "1e3 J", 1e3),
    ],
)
def test_a_limit_is_a_number_or_text_with_a_unit(name, value, expected):
    assert limits_of({name: value}, "b") == {name: pytest.approx(expected, rel=1e-12)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("flops", value)
            for value in (0, -1.0, math.nan, math.inf, True, None, [1], {}, 10**400)
        ),
        ("flops", "4.2 G"),
        ("flops", "4.2 GMAC"),
        ("flops", "-4 GFLOP"),
        ("flops", "1.2.3 GFLOP"),
        ("flops", "4.2 GiFLOP"),
        ("parameters", "5 X"),
        ("parameters", ""),
        ("latency_s", "2"),
        ("latency_s", "2 ks s"),
        ("energy_j", "1 Wh"),
    ],
)
def test_what_is_no_limit_is_refused_with_field_and_way_out(name, value):
    with pytest.raises(
        ValueError, match=f"^b.toml: {name} .*; give a finite number above 0"
    ) as one:
        limits_of({name: value}, "b.toml")
    assert "\n" not in str(one.value)


def test_a_truth_value_is_shown_as_one():
    with pytest.raises(ValueError, match="flops = True is not allowed"):
        limits_of({"flops": True}, "b")


def test_an_unknown_limit_is_refused_with_the_nearest():
    with pytest.raises(
        ValueError, match="limit 'latency_ms' is not known; did you mean 'latency_s'"
    ):
        limits_of({"latency_ms": 1}, "b")


def test_a_budget_without_limits_is_refused():
    with pytest.raises(ValueError, match="b has no limit; write one of: flops, macs"):
        limits_of({}, "b")


def test_a_file_is_read_in_its_order(tmp_path):
    path = tmp_path / "budget.toml"
    path.write_text('peak_bytes = "1 MiB"  # of both\nflops = 1e6\n', encoding="utf-8")
    assert list(read_limits(path).items()) == [("peak_bytes", 2.0**20), ("flops", 1e6)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"flops = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"", "has no limit"),
        (b"flops = -1", "flops = -1 is not allowed"),
        (b"[model]\nflops = 1", "limit 'model' is not known"),
    ],
)
def test_a_file_that_is_no_budget_is_named(tmp_path, content, words):
    path = tmp_path / "budget.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as one:
        read_limits(path)
    assert str(one.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.toml cannot be read .*; give a TOML file"):
        read_limits(tmp_path / "none.toml")


def test_bytes_are_told_in_powers_of_1024_and_all_else_in_powers_of_1000():
    assert in_words("peak_bytes", 1.5 * 2**30) == "1.5 GiB"
    assert in_words("flops", 4.2e9) == "4.20 GFLOP"
    assert in_words("parameters", 25_557_032) == "25,557,032"
