import pandas as pd

from jaxcost._support.screen import OnScreen


class Shown(OnScreen):
    def __init__(self, rows):
        self.rows = rows

    def _screen(self):
        names = [f"<b>{i}" for i in range(self.rows)]
        return ["First <i>", "second"], pd.DataFrame({"name": names})


def test_lines_stand_above_the_first_rows():
    lines = repr(Shown(3)).splitlines()
    assert lines[:2] == ["First <i>", "second"]
    assert [line.strip() for line in lines[2:]] == ["name", "<b>0", "<b>1", "<b>2"]


def test_more_rows_than_a_screen_has_are_counted():
    lines = repr(Shown(40)).splitlines()
    assert len(lines) == 2 + 1 + 12 + 1
    assert lines[-1] == "and 28 more: to_frame() has all"
    assert "more" not in repr(Shown(12))


def test_html_is_a_table_and_all_text_is_escaped():
    page = Shown(13)._repr_html_()
    assert page.startswith("<b>First &lt;i&gt;</b><br>second<br>and 1 more")
    assert page.count("<tr") == 13
    assert "&lt;b&gt;0" in page
    assert "<b>0" not in page


def test_without_rows_there_are_lines_alone():
    assert repr(Shown(0)) == "First <i>\nsecond"
    assert "<table" not in Shown(0)._repr_html_()
