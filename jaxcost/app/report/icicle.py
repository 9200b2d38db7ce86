"""A program's modules as an icicle: each as wide as its share, and below it what it holds; SVG."""

import dataclasses
from collections.abc import Mapping
from html import escape

from jaxcost._support import text
from jaxcost.figures import PALETTE

_WIDTH, _ROW = 960, 30
_LEAST = 0.002  # of the whole: narrower ones cannot be seen
_LETTER = 7.0  # width of one, about
_MOST_DEEP = 6


@dataclasses.dataclass
class Node:
    """A module: what it has in all, and the modules in it by name."""

    size: float = 0.0
    inside: dict[str, "Node"] = dataclasses.field(default_factory=dict)


def tree(sizes: Mapping[str, float]) -> Node:
    """The modules of layers by the parts of their names: `blocks/0/up` is in `blocks/0`."""
    root = Node()
    for name, size in sizes.items():
        node = root
        node.size += size
        for part in name.split("/")[:_MOST_DEEP]:
            node = node.inside.setdefault(part, Node())
            node.size += size
    return root


def icicle(sizes: Mapping[str, float], unit: str, says: str) -> str:
    """The picture of what layers have, as SVG that stands in a page; '' where they have nothing.

    Args:
        sizes: by the layer's name, whose parts are separated by `/`.
        unit: of the sizes, such as `s`; bytes are shown in powers of 1024.
        says: what it shows, for who cannot see it.
    """
    root = tree(sizes)
    if not root.size > 0:
        return ""
    boxes: list[str] = []
    deep = _boxes(root, 0.0, 0, "", root.size, unit, boxes)
    return (
        f'<div class="scroll"><svg class="icicle" viewBox="0 0 {_WIDTH} {deep * _ROW}" role="img" '
        f'aria-label="{escape(says, quote=True)}">\n' + "\n".join(boxes) + "\n</svg></div>"
    )


def _boxes(
    node: Node, left: float, row: int, path: str, total: float, unit: str, boxes: list[str]
) -> int:
    """The boxes of what a module holds, side by side below it, and how many rows there are."""
    deep = row
    ordered = sorted(node.inside.items(), key=lambda item: -item[1].size)
    for place, (name, inner) in enumerate(ordered):
        share = inner.size / total
        if share >= _LEAST:
            colour = PALETTE[(place if row == 0 else row) % 6]
            whole = f"{path}/{name}" if path else name
            boxes.append(_box(whole, name, inner.size, share, left, row, colour, unit))
            below = _boxes(inner, left, row + 1, whole, total, unit, boxes)
            deep = max(deep, row + 1, below)
        left += share * _WIDTH
    return deep


def _box(
    whole: str, name: str, size: float, share: float, left: float, row: int, colour: str, unit: str
) -> str:
    amount = text.storage(size) if unit == "B" else text.quantity(size, unit)
    told = escape(f"{whole}: {amount}, {text.error(share)}")
    wide = share * _WIDTH
    words = f"{name} · {text.share(share)}"
    room = int((wide - 8) / _LETTER)
    shown = words if len(words) <= room else name[: max(room, 0)]
    label = (
        f'<text x="{left + 5:.1f}" y="{row * _ROW + 19}">{escape(shown)}</text>'
        if room >= 3
        else ""
    )
    return (
        f'<g><title>{told}</title><rect x="{left:.1f}" y="{row * _ROW}" width="{wide:.1f}" '
        f'height="{_ROW - 1}" fill="{colour}"/>{label}</g>'
    )
