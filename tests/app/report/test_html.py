import re

from matplotlib.figure import Figure

from jaxcost.app.report import html
from jaxcost.app.report.tables import Table

EVIL = "<b>&\"'"


def test_all_text_is_escaped():
    table = Table((EVIL, "n"), ((EVIL, "1"),), (False, True), note=EVIL)
    pieces = [
        html.section(EVIL, "x"),
        html.paragraph(EVIL),
        html.cards([(EVIL, EVIL)]),
        html.warnings([EVIL]),
        html.table(table),
        html.figure(Figure(), EVIL),
    ]
    for piece in pieces:
        assert EVIL not in piece
        assert "&lt;b&gt;&amp;" in piece


def test_nothing_is_written_where_there_is_nothing_to_say():
    assert html.section("T", "", "") == html.paragraph("") == html.warnings([]) == ""
    assert html.cards([]) == html.grid([]) == html.table(Table(("a",), (), (False,))) == ""


def test_a_table_has_a_head_its_numbers_right_and_one_row_strong():
    table = Table(("a", "b"), (("x", "1"), ("y", "2")), (False, True), strong=1)
    written = html.table(table)
    assert '<tr><th>a</th><th class="right">b</th></tr>' in written
    assert '<tr><td>x</td><td class="right">1</td></tr>' in written
    assert '<tr class="strong"><td>y</td>' in written


def test_a_table_without_titles_has_no_head():
    assert "<thead>" not in html.table(Table(("", ""), (("a", "b"),), (False, False)))


def test_a_picture_is_as_large_as_its_figure():
    written = html.figure(Figure(figsize=(5, 2.5)), "words")
    assert re.search(r'width="480" height="240" alt="words" src="data:image/png;base64,', written)
