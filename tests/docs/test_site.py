"""The pages hold together: links, the navigation, and every public name in the reference."""

import re
from importlib import import_module

import pytest
from written import PAGES, ROOT, WRITTEN, name

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
REFERENCE = ROOT / "docs" / "api"
HIDDEN = {"_support", "app"}


def rooms():
    """The packages from which users import, and each paper's."""
    found = {p.parent.name for p in (ROOT / "jaxcost").glob("*/__init__.py")} - HIDDEN
    papers = {p.parent.name for p in (ROOT / "jaxcost" / "papers").glob("*/__init__.py")}
    return sorted(f"jaxcost.{room}" for room in found | {f"papers.{paper}" for paper in papers})


def documented():
    """Every object on the pages of the reference, with its name: where it is described, or that."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    paths = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(paths) == len(set(paths))
    return [(path.rpartition(".")[2], found(path)) for path in paths]


def found(path):
    """What a dotted path leads to."""
    home, _, last = path.rpartition(".")
    try:
        return getattr(import_module(home), last)
    except AttributeError:
        return import_module(path)


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_relative_links_lead_somewhere(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_navigation_once():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r"[\w/-]+\.md", nav)
    assert sorted(listed) == sorted(p.relative_to(ROOT / "docs").as_posix() for p in PAGES)


@pytest.mark.parametrize("room", ["jaxcost", *rooms()])
def test_every_public_name_is_in_the_reference(room):
    module, described = import_module(room), documented()
    missing = [
        public
        for public in module.__all__
        if not any(n == public and o is getattr(module, public) for n, o in described)
    ]
    assert missing == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
