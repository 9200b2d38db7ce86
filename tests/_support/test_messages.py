"""The wording of errors."""

import numpy as np

from jaxcost._support.messages import nearest, printable, refused, shown, unknown


def test_a_number_is_shown_without_noise_and_text_in_quotes():
    assert refused("c_in", np.float32(0.5), "1") == "c_in = 0.5 is not allowed; give 1"
    assert refused("c_in", np.int64(3), "1") == "c_in = 3 is not allowed; give 1"
    assert refused("c_in", np.float32(0.2), "1") == "c_in = 0.2 is not allowed; give 1"
    assert refused("c_in", 16777217.0, "1") == "c_in = 16777217 is not allowed; give 1"
    assert refused("c_in", float("-inf"), "1") == "c_in = -inf is not allowed; give 1"
    assert refused("c_in", "x", "1") == "c_in = 'x' is not allowed; give 1"
    assert refused("c_in", "", "1") == "c_in is empty; give 1"


def test_a_long_value_is_cut():
    assert shown("x" * 1000) == "'" + "x" * 36 + "..."
    assert shown("x" * 38) == repr("x" * 38)


def test_a_line_break_in_a_value_stays_in_one_line():
    assert "\n" not in refused("c_in", "a\nb", "1")
    assert "\n" not in unknown("op", "a\nb", ["x"])


def test_the_nearest_name_is_offered():
    assert nearest("con2d", ["dense", "conv2d"]) == "conv2d"
    assert nearest("zzz", ["dense", "conv2d"]) is None
    assert unknown("op", "zzz", ["a", "b"]) == "op 'zzz' is not known; choose one of: a, b"


def test_what_steers_a_terminal_is_written_out():
    text = "\x1b[31mred\x07 \x9b2J \u202eabc \u200b\ud800 × µ [bold]\n\t"
    shown = r"\x1b[31mred\x07 \x9b2J \u202eabc \u200b\ud800 × µ [bold]" + "\n\t"
    assert printable(text) == shown
