"""README names every command, and neither it nor a page one, or an option, that is not there."""

import re

import pytest
import typer
from written import README, ROOT, WRITTEN, code

from jaxcost.app.cli.app import app

COMMANDS = typer.main.get_command(app).commands
OPTIONS = {
    name: {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)} | {"--help"}
    for name, command in COMMANDS.items()
}
CODE = [line for page in WRITTEN for line in code(page)]


def _flags(code: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code))


def _calls(pattern: str) -> list[tuple[str, str]]:
    """What is called, and the rest of its line or span without a comment."""
    found = (re.search(rf"(?:^|\$ |; |&& )\s*{pattern}(.*)", code) for code in CODE)
    return sorted({(match[1], match[2].split(" # ")[0]) for match in found if match})


def test_every_command_stands_in_the_table():
    text = README.read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `jaxcost ([a-z-]+)", text, re.MULTILINE))
    assert listed == set(COMMANDS)


@pytest.mark.parametrize(("name", "rest"), _calls(r"jaxcost ([a-z-]+)\b"))
def test_commands_have_the_options_that_they_are_given(name, rest):
    assert name in COMMANDS
    assert _flags(rest) <= OPTIONS[name]


@pytest.mark.parametrize(("script", "rest"), _calls(r"python (experiments/\w+/\w+\.py)"))
def test_experiments_have_the_options_that_they_are_given(script, rest):
    words = (ROOT / script).read_text(encoding="utf-8")
    assert all(f'"{flag}"' in words for flag in _flags(rest))


def test_experiments_that_are_named_are_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in WRITTEN)
    named = set(re.findall(r"experiments/[\w/]+\.\w+", text))
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_options_by_themselves_are_some_command_s():
    alone = set().union(*(_flags(code) for code in CODE if code.startswith("--")))
    assert alone
    assert alone <= set().union(*OPTIONS.values())
