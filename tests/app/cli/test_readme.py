"""README names every command, and no command or option that is not there."""

import re
from pathlib import Path

import pytest
import typer

from jaxcost.app.cli.app import app

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
OPTIONS = {
    name: {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)} | {"--help"}
    for name, command in COMMANDS.items()
}
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What is written as code: lines of blocks, and spans between single backticks.
CODE = [line for block in BLOCK.findall(README) for line in block.splitlines()]
CODE += [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", BLOCK.sub("", README))]
AWAITED = {"where-unsure", "import-trace"}  # their rows come with the site of the documentation


def _flags(code: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code))


def _calls(pattern: str) -> list[tuple[str, str]]:
    """What is called, and the rest of its line or span without a comment."""
    found = (re.search(rf"(?:^|\$ |; ){pattern}(.*)", code) for code in CODE)
    return [(match[1], match[2].split(" # ")[0]) for match in found if match]


def test_every_command_stands_in_the_table():
    listed = set(re.findall(r"^\| `jaxcost ([a-z-]+)", README, re.MULTILINE))
    assert set(COMMANDS) - AWAITED <= listed <= set(COMMANDS)


@pytest.mark.parametrize(("name", "rest"), _calls(r"jaxcost ([a-z-]+)\b"))
def test_commands_have_the_options_that_they_are_given(name, rest):
    assert name in COMMANDS
    assert _flags(rest) <= OPTIONS[name]


@pytest.mark.parametrize(("script", "rest"), _calls(r"python (experiments/\w+/\w+\.py)"))
def test_experiments_have_the_options_that_they_are_given(script, rest):
    words = (ROOT / script).read_text(encoding="utf-8")
    assert all(f'"{flag}"' in words for flag in _flags(rest))


def test_experiments_that_are_named_are_there():
    named = set(re.findall(r"experiments/[\w/]+\.\w+", README))
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_options_by_themselves_are_some_command_s():
    alone = set().union(*(_flags(code) for code in CODE if code.startswith("--")))
    assert alone
    assert alone <= set().union(*OPTIONS.values())
