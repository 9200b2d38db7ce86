"""The tutorials as Jupyter notebooks, executed while the site is built; their text stands in the
pages alone.

Prose is a cell of text, a block of Python a cell of code, a session the commands of it, and a block
that is a file writes it. What is not run on the page is shown as text.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "docs"))

import written  # noqa: E402  # how the tests read a page is how a notebook is made of it

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\((?!\w+://)[^)]*\)")
_LONGEST = 240  # seconds of a cell


def notebooks(execute: bool) -> dict[str, str]:
    """The notebook of each tutorial, by its address in the site."""
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda page: notebook(page, execute), TUTORIALS)
        names = [page.relative_to(ROOT / "docs").with_suffix(".ipynb") for page in TUTORIALS]
        return {name.as_posix(): text for name, text in zip(names, made, strict=True)}


def notebook(page: Path, execute: bool) -> str:
    """One page as a notebook, with what its cells print where they are executed.

    Raises: nbclient.exceptions.CellExecutionError: a cell that fails.
    """
    import nbformat
    from nbclient import NotebookClient

    make = {"code": nbformat.v4.new_code_cell, "text": nbformat.v4.new_markdown_cell}
    found = nbformat.v4.new_notebook(cells=[make[kind](text) for kind, text in cells(page)])
    for number, cell in enumerate(found.cells):
        cell["id"] = f"{page.stem}-{number}"
    found.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    if execute:
        # Commands are those of the Python that builds the site, whether it is activated or not.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "COLUMNS": "100"}
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                found, timeout=_LONGEST, resources={"metadata": {"path": folder}},
                extra_arguments=["--log-level=ERROR"],
            )  # fmt: skip
            client.execute(env=env)
    return str(nbformat.writes(found)) + "\n"


def cells(page: Path) -> Iterator[tuple[str, str]]:
    """What a page's notebook holds, in order: code or text."""
    whole = page.read_text(encoding="utf-8")
    own = {block.file for block in written.blocks(page)}
    for name, text in written.files(page).items():
        if name not in own:
            yield "code", _writing(name, text)
    end = 0
    for match, block in zip(written.BLOCK.finditer(whole), written.blocks(page), strict=True):
        yield from _prose(whole[end : match.start()])
        end = match.end()
        if block.file:
            yield "code", _writing(block.file, block.text)
        elif block.run and block.language == "python":
            yield "code", block.text.rstrip()
        elif block.run and block.language == "console":
            commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
            # A budget that is exceeded ends with status 3, and the notebook goes on.
            yield "code", "\n".join(["%%sh --no-raise-error", *commands])
        else:
            yield "text", f"```{block.language}\n{block.text}```"
    yield from _prose(whole[end:])


def _writing(name: str, text: str) -> str:
    return f"%%writefile {name}\n{text.rstrip()}"


def _prose(text: str) -> Iterator[tuple[str, str]]:
    """Text without what only the site has: its comments, and links to its other pages."""
    text = _LINK.sub(r"\1", _COMMENT.sub("", text)).strip()
    if text:
        yield "text", text
