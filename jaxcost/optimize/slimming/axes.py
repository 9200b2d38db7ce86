"""Which axes of a program's arrays stand for the same channels: what must be sliced together."""

from typing import NamedTuple


class Segment(NamedTuple):
    """A run of an axis: `outer` times over, all channels of `node`, each with `inner` numbers."""

    node: int
    inner: int = 1
    outer: int = 1


Label = tuple[Segment, ...]  # what an axis consists of, one after another


class Axes:
    """Nodes, each a number of channels, that are found to be the same, or made of others.

    A node that is kept says why in `reasons`: its channels cannot be left out. `summed` has the
    axes that products sum over: what is nowhere summed over has no use that could be seen to end.

    Where an axis is taken apart, or several are made one, only one of the parts can be made
    smaller: which, `choices` says by the place among all such axes; the first that is not kept.
    """

    def __init__(self, choices: dict[int, int] | None = None) -> None:
        self._choices = choices or {}
        self._chosen: list[tuple[Label, int]] = []  # of each choice the axis, and how many others
        self._sizes: list[int] = []
        self._made_of: dict[int, Label] = {}
        self.reasons: dict[int, str] = {}
        self.summed: list[Label] = []

    def new(self, size: int, why: str | None = None) -> Label:
        """An axis of channels of its own."""
        self._sizes.append(size)
        node = len(self._sizes) - 1
        if why is not None:
            self.reasons[node] = why
        return (Segment(node),)

    def choose(self, among: int) -> int:
        """Which of so many parts is to be made smaller; `chosen` is to follow."""
        return min(self._choices.get(len(self._chosen), 0), among - 1)

    def chosen(self, label: Label, among: int) -> None:
        """Says which axis was chosen."""
        self._chosen.append((label, among))

    def other_choices(self) -> dict[int, int]:
        """The next choice, by place, wherever the axis chosen turned out to be kept."""
        now = {at: self._choices.get(at, 0) for at in range(len(self._chosen))}
        kept = (at for at, (label, _) in enumerate(self._chosen) if self.kept(label))
        return {at: now[at] + 1 for at in kept if now[at] + 1 < self._chosen[at][1]}

    def size(self, node: int) -> int:
        return self._sizes[node]

    def find(self, label: Label) -> Label:
        """The label in nodes that are made of no others."""
        found: list[Segment] = []
        for segment in label:
            parts = self._made_of.get(segment.node)
            if parts is None:
                found.append(segment)
                continue
            parts = self.find(parts)
            if len(parts) > 1 and segment.outer > 1:
                self.keep(parts, "channels joined to others repeat along an axis")
            found += [Segment(n, i * segment.inner, o * segment.outer) for n, i, o in parts]
        return tuple(found)

    def kept(self, label: Label) -> bool:
        """Whether none of its channels can be left out."""
        return all(segment.node in self.reasons for segment in self.find(label))

    def keep(self, label: Label, why: str) -> None:
        for segment in self.find(label):
            self.reasons.setdefault(segment.node, why)

    def unite(self, one: Label | None, other: Label | None) -> None:
        """Says that two axes, of the same length, are of the same channels; None is of length 1."""
        if one is None or other is None:
            return
        one, other = self.find(one), self.find(other)
        if one == other:
            return
        if len(one) == 1 and self._plain(one[0]):
            self._make(one[0].node, other)
        elif len(other) == 1 and self._plain(other[0]):
            self._make(other[0].node, one)
        elif self._alike(one, other):
            for a, b in zip(one, other):
                self.unite((Segment(a.node),), (Segment(b.node),))
        else:
            for label in (one, other):
                self.keep(label, "it meets an axis that is made up in another way")

    def cut(self, label: Label, at: int) -> tuple[Label, Label]:
        """The label before and after a place of the axis, whose nodes are split where need be."""
        before: list[Segment] = []
        left = at
        rest = list(self.find(label))
        while rest and left >= self.length((rest[0],)):
            left -= self.length((rest[0],))
            before.append(rest.pop(0))
        if not left:
            return tuple(before), tuple(rest)
        node, inner, outer = rest[0]
        whole = self._sizes[node]
        why = self.reasons.get(node)
        if outer > 1 or left % inner:
            why = why or "it is cut within what belongs to one channel"
            self.reasons[node] = why
            halves = self.new(left, why), self.new(self.length((rest[0],)) - left, why)
            return (*before, *halves[0]), (*halves[1], *rest[1:])
        first, second = self.new(left // inner, why), self.new(whole - left // inner, why)
        self._made_of[node] = first + second
        a, b = (Segment(half[0].node, inner) for half in (first, second))
        return (*before, a), (b, *rest[1:])

    def length(self, label: Label) -> int:
        return sum(self._sizes[node] * inner * outer for node, inner, outer in label)

    def make(self, node: int, label: Label) -> None:
        """Says what a node's channels are made of."""
        self._make(node, label)

    def _make(self, node: int, label: Label) -> None:
        if any(segment.node == node for segment in label):
            self.keep(label, "it meets itself, made up in another way")
            return
        if node in self.reasons:
            self.keep(label, self.reasons[node])
        self._made_of[node] = label

    def _plain(self, segment: Segment) -> bool:
        return segment.inner == segment.outer == 1

    def _alike(self, one: Label, other: Label) -> bool:
        shape = [[(self._sizes[n], i, o) for n, i, o in label] for label in (one, other)]
        return shape[0] == shape[1]
