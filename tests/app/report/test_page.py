"""The page as a whole; what is on it is tested piece by piece beside this file."""

import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

from jaxcost._support.text import error
from jaxcost.app.report import Study, render, write_report
from jaxcost.app.report.tables import accuracy_of
from jaxcost.calibrate import load_calibration

_VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers headings, text, addresses and pictures."""

    def __init__(self, source):
        super().__init__()
        self.open, self.headings, self.words, self.addresses, self.alts = [], [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.addresses += [named[name] for name in ("src", "href") if name in named]
        self.alts += [named["alt"]] if tag == "img" else []
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def of_plain(plain):
    return Page(render(plain))


@pytest.fixture(scope="module")
def of_checked(checked):
    return Page(render(checked))


def test_it_needs_nothing_from_elsewhere(checked):
    source = render(checked)
    page = Page(source)
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not re.search(r"https?://|<script|@import|url\(", source)


def test_pictures_are_png_and_described(of_checked):
    for address in of_checked.addresses:
        assert base64.b64decode(address.partition(",")[2]).startswith(b"\x89PNG")
    assert len(of_checked.addresses) == len(of_checked.alts) == 4
    assert all(len(words) > 20 for words in of_checked.alts)


def test_sections_of_a_calibration_that_was_checked(of_checked):
    assert of_checked.headings == [
        "Latency of layers on Quadro T2000",
        "Warnings",
        "Predicted against measured",
        "Error by kind of layer",
        "Accuracy",
        "Beside other models",
        "The layers held out",
        "Along each sweep",
        "Parameters of alpha-flops",
        "Measurement",
        "Device",
        "Where this comes from",
    ]


def test_sections_of_a_fit(of_plain):
    assert not {"The layers held out", "Measurement"} & set(of_plain.headings)
    assert "Parameters of alpha-flops" in of_plain.headings


def test_the_headline_says_what_was_held_out(of_checked, of_plain, checked):
    known = accuracy_of(checked.held_out)
    words = f"median error on {known.distinct} layers the model had never seen"
    assert f"{error(known.median_absolute)} {words}" in " ".join(of_checked.text.split())
    assert "mean error on rows left out of the fit" in of_plain.text
    assert "mean error on whole sweeps left out of the fit" in of_plain.text


def test_warnings_stand_on_it_as_written(of_plain):
    assert "beta_1 is <not> determined" in of_plain.words


def test_what_could_not_be_measured_stands_on_it(of_checked):
    assert "a: needs 9 GB" in of_checked.text


def test_a_preset_has_a_report_too(layers):
    page = Page(render(Study.of(load_calibration("quadro-t2000"), "time_s", layers)))
    assert "as printed" in page.text
    assert "Error by kind of layer" not in page.headings


def test_energy_is_called_so(calibration, layers):
    models = {"energy_j": calibration.models["time_s"]}
    study = Study.of(
        dataclasses.replace(calibration, models=models), "energy_j", layers.assign(energy_j=1e-3)
    )
    page = Page(render(study))
    assert page.headings[0] == "Energy of layers on Quadro T2000"
    assert any("energy, measured and predicted" in words for words in page.alts)


def test_it_is_written_whole(plain, tmp_path):
    path = write_report(tmp_path / "new" / "report.html", plain)
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert list(path.parent.iterdir()) == [path]
