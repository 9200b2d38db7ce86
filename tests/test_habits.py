"""What is written for those who change jaxcost is true: versions, paths, and targets of make."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACES = re.compile(r"`([\w.\-]+/[\w./\-]*|[\w\-]+\.(?:md|py|toml|cff))`|\]\(([\w./\-]+)\)")
MAKE = re.compile(r"\bmake (\w+)")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def targets():
    return set(re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE))


def project():
    return tomllib.loads(text("pyproject.toml"))


def places():
    return sorted({"".join(found) for found in PLACES.findall(text("CONTRIBUTING.md"))})


def newest_release():
    """Version and day of the newest heading of the changelog that has one."""
    return re.search(r"^## \[(\d[\w.]*)\] - ([\d-]{10})$", text("CHANGELOG.md"), re.MULTILINE)


def test_the_version_is_the_same_everywhere():
    version, day = newest_release().groups()
    cited = dict(re.findall(r'^([\w-]+): "?([\w.-]+)"?$', text("CITATION.cff"), re.MULTILINE))
    assert project()["project"]["version"] == version
    assert (cited["version"], cited["date-released"]) == (version, day)
    assert cited["license"] == project()["project"]["license"]


def test_there_are_paths_to_look_at():
    assert len(places()) > 25
    named = {"CHANGELOG.md", "jaxcost/models/registry.py", "docs/tutorials/own-cost-model.md"}
    assert named <= set(places())


@pytest.mark.parametrize("place", places())
def test_every_path_in_the_guide_exists(place):
    assert (ROOT / place).exists()


def test_the_guide_names_every_room_once():
    rooms = {path.parent.name for path in (ROOT / "jaxcost").glob("*/__init__.py")}
    listed = re.findall(r"^\| `jaxcost/(\w+)/`", text("CONTRIBUTING.md"), re.MULTILINE)
    assert sorted(listed) == sorted(rooms)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".pre-commit-config.yaml"])
def test_every_target_that_is_named_exists(name):
    named = set(MAKE.findall(text(name)))
    assert named
    assert named <= targets()


def test_the_workflow_calls_targets_that_exist():
    workflow = text(".github/workflows/tests.yml")
    assert re.findall(r"\bmake (.+)", workflow) == ["${{ matrix.target }}"]
    called = re.findall(r"target: (\w+)", workflow)
    assert called
    assert set(called) <= targets()


def test_what_is_written_for_contributors_is_in_the_source_archive():
    included = set(project()["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    hidden = {"/.github", "/.pre-commit-config.yaml"}  # the tests read them
    assert {"/CONTRIBUTING.md", "/CITATION.cff", "/CHANGELOG.md", *hidden} <= included
    assert all((ROOT / name[1:]).exists() for name in included)
