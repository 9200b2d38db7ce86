"""Docstrings as they are written here, to Markdown: sections in bold, arguments as a list.

A Griffe extension. Formulas are indented, and stay blocks of code; several arguments may share a
line, and a section of one sentence stands beside its name.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import griffe

_SECTION = re.compile(
    r"(Args|Attributes|Returns|Raises|Warns|Example|Examples|Source|Valid for|Not for):\s*(.*)"
)
_ITEM = re.compile(r"([\w.*]+(?:, ?[\w.*]+)*): (.*)")
_LISTS = ("Args", "Attributes", "Raises", "Warns")


class Sections(griffe.Extension):
    """Rewrites the docstring of everything that is documented."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """The docstring with its sections as Markdown."""
    return "\n".join(line for block in _blocks(docstring.splitlines()) for line in block)


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    place = 0
    while place < len(lines):
        match = _SECTION.fullmatch(lines[place])
        if match is None:
            yield lines[place : place + 1]
            place += 1
            continue
        end = place + 1
        while end < len(lines) and (not lines[end].strip() or lines[end][0] == " "):
            end += 1
        yield _section(match[1], match[2], lines[place + 1 : end])
        place = end


def _section(name: str, rest: str, lines: list[str]) -> list[str]:
    body = textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
    if name.startswith("Example"):
        return ["", f"**{name}**", "", "```pycon", *([rest] if rest else []), *body, "```", ""]
    if name not in _LISTS:
        said = " ".join(filter(None, [rest, *(line.strip() for line in body)]))
        return ["", f"**{name}:** {said}", ""]
    title, items = _items([rest, *body] if _ITEM.fullmatch(rest) else body)
    said = " ".join(filter(None, ["" if _ITEM.fullmatch(rest) else rest, *title]))
    return ["", f"**{name}:** {said}".rstrip(), "", *items, ""]


def _items(lines: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first item, and the items as a list."""
    title: list[str] = []
    items: list[str] = []
    for line in lines:
        match = _ITEM.fullmatch(line)
        if match:
            items.append(f"- **{match[1].replace('*', chr(92) + '*')}**: {match[2]}")
        elif items:
            items[-1] += " " + line.strip()
        elif line.strip():
            title.append(line.strip())
    return title, items
