"""README, CONTRIBUTING and the pages of `docs/`: their code, and what is to be done with it.

```python       run in order, in one namespace a page, in a folder of its own
```python       whose first line is `# NAME.py`, or of another language `# NAME.toml`: that file
```console      each `$ jaxcost ...` is run, and the lines below it are among what it prints, in
                order; `…` stands for lines left out
```sh           commands and options have to exist
<!-- not run: REASON -->    before a block: it is treated as `sh`
<!-- files: PAGE.md -->     the files of that page are there, too
"""

import dataclasses
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
WRITTEN = [README, ROOT / "CONTRIBUTING.md", *PAGES]
BLOCK = re.compile(r"^(<!-- not run: .*-->\n)?```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"# (\w+\.\w+)(?=$|: )", re.MULTILINE)
_FILES = re.compile(r"<!-- files: (\S+) -->")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code, without its fences.

    Attributes: line: of the page, on which it begins; run: whether it is to be.
    """

    language: str
    text: str
    line: int
    run: bool

    @property
    def file(self) -> str | None:
        """The file that it is, by its first line."""
        match = _NAMED.match(self.text)
        return match[1] if match else None


def name(page: Path) -> str:
    """A page from the root, as tests are called."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m[2], m[3], text[: m.start(3)].count("\n"), m[1] is None)
        for m in BLOCK.finditer(text)
    ]


def files(page: Path) -> dict[str, str]:
    """The files that a page writes out, and those of the pages that it names."""
    found = {}
    for other in _FILES.findall(page.read_text(encoding="utf-8")):
        found |= files(page.parent / other)
    return found | {block.file: block.text for block in blocks(page) if block.file}


def code(page: Path) -> list[str]:
    """What is written as code: lines of blocks, and spans between single backticks."""
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    rest = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return lines + [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", rest)]
