"""What MkDocs needs beside the pages: files of the repository that they link to, and commands.

Links are relative, so that pages read the same in the repository. A link to a file outside `docs/`
becomes one to a copy of it, and the page of commands gets what each of them says of itself. Each
tutorial can be taken as a notebook, too, which `mkdocs build` executes and `mkdocs serve` does not.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import click
import typer
from mkdocs.structure.files import File, Files

from jaxcost.app.cli.app import app

sys.path.append(str(Path(__file__).parent))

from notebooks import notebooks

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()(\.\./[^)#\s]+)")
CELL = re.compile(r"<t[dh]\b.*?</t[dh]>", re.DOTALL)
COMMANDS = "<!-- commands -->"
_COPIES = "repository"
_building = True


def on_startup(*, command: str, dirty: bool) -> None:
    """Whether the site is built, and not only looked at while it is written."""
    del dirty
    global _building
    _building = command == "build"


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what the pages link to outside `docs/`."""
    targets: set[Path] = set()
    for page in files.documentation_pages():
        text = Path(str(page.abs_src_path)).read_text(encoding="utf-8")
        targets |= {t for _, link in LINK.findall(text) if (t := _outside(page.src_uri, link))}
    for target in sorted(targets):
        files.append(File.generated(config, _copy(target), abs_src_path=str(ROOT / target)))
    for address, content in notebooks(execute=_building).items():
        files.append(File.generated(config, address, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Points those links to the copies, and writes out the commands."""
    del config, files
    here = page.file.src_uri
    if Path(here).parent.name == "tutorials":
        line = f"[As a notebook, executed]({Path(here).stem}.ipynb){{ download }}"
        markdown = markdown.replace("\n", f"\n\n{line}\n", 1)

    def moved(match: re.Match[str]) -> str:
        target = _outside(here, match[2])
        if target is None:
            return match[0]
        return match[1] + os.path.relpath(_copy(target), Path(here).parent).replace(os.sep, "/")

    return LINK.sub(moved, markdown).replace(COMMANDS, _commands() if COMMANDS in markdown else "")


def on_page_content(html: str, *, page: Any, config: Any, files: Files) -> str:
    """Keeps numbers in tables on one line with their unit."""
    del page, config, files
    return CELL.sub(
        lambda cell: re.sub(r"(?<=\d) (?=[%a-zA-Zµ]{1,3}\b|%)", "&nbsp;", cell[0]), html
    )


def _outside(page: str, link: str) -> Path | None:
    """The file that a page's link leads to, from the root, if it is not in `docs/`."""
    target = Path(os.path.normpath(Path("docs", page).parent / link))
    return None if target.parts[0] == "docs" else target


def _copy(target: Path) -> str:
    """Where its copy lies; a page of Markdown is copied as text, not as a page."""
    name = target.as_posix() + (".txt" if target.suffix == ".md" else "")
    return f"{_COPIES}/{name}"


def _commands() -> str:
    """A heading and the help of every command."""
    found = typer.main.get_command(app)
    parts = []
    for name, command in found.commands.items():  # type: ignore[attr-defined]
        context = click.Context(command, info_name=f"jaxcost {name}", terminal_width=98)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)
