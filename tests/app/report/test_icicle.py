import re
import xml.etree.ElementTree as ET

import pytest

from jaxcost.app.report.icicle import icicle, tree

SIZES = {"blocks/0/up": 6.0, "blocks/0/down": 2.0, "blocks/1": 1.0, "head": 1.0}


def boxes(drawn):
    """By title, the box of each module: left, top, width."""
    svg = ET.fromstring(re.search(r"<svg.*</svg>", drawn, re.DOTALL)[0])
    found = {}
    for group in svg.iter("g"):
        rect = group.find("rect").attrib
        place = tuple(float(rect[name]) for name in ("x", "y", "width"))
        found[group.find("title").text] = place
    return found


def test_a_module_has_what_is_in_it():
    root = tree(SIZES)
    assert root.size == 10
    assert root.inside["blocks"].size == 9
    assert root.inside["blocks"].inside["0"].inside["up"].size == 6


def test_boxes_are_as_wide_as_their_share_below_what_holds_them():
    found = boxes(icicle(SIZES, "s", "time"))
    assert found == {
        "blocks: 9.00 s, 90.0 %": (0.0, 0.0, 864.0),
        "blocks/0: 8.00 s, 80.0 %": (0.0, 30.0, 768.0),
        "blocks/0/up: 6.00 s, 60.0 %": (0.0, 60.0, 576.0),
        "blocks/0/down: 2.00 s, 20.0 %": (576.0, 60.0, 192.0),
        "blocks/1: 1.00 s, 10.0 %": (768.0, 30.0, 96.0),
        "head: 1.00 s, 10.0 %": (864.0, 0.0, 96.0),
    }


def test_bytes_are_told_in_powers_of_1024():
    assert "a: 1.5 MiB, 100 %" in boxes(icicle({"a": 1.5 * 2**20}, "B", "memory"))


def test_names_are_shown_where_there_is_room_and_are_only_text():
    drawn = icicle({"a" * 100: 1.0, "<b>&": 1.0, "tiny": 0.05, "none": 0.0001}, "s", '"x" <i>')
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp; · 49 %" in drawn
    assert 'aria-label="&quot;x&quot; &lt;i&gt;"' in drawn
    assert f">{'a' * 65}</text>" in drawn
    assert ">tiny<" not in drawn  # too narrow for a name
    assert "none" not in drawn


@pytest.mark.parametrize("sizes", [{}, {"a": 0.0}])
def test_nothing_is_drawn_of_nothing(sizes):
    assert icicle(sizes, "s", "time") == ""
