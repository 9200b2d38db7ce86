"""Layers by name: what a program's operations are called, from the scopes they were traced in."""

import re
from typing import Any

NO_NAME = "(no name)"
_WRAPPER = re.compile(r"\w+\(|\)")  # jvp(conv1), transpose(jvp(conv1)), vmap(...)
RECOMPUTED = "rematted_computation"  # JAX's scope of what it computes again for gradients
_OF_NO_LAYER = ("eqx.nn.", RECOMPUTED)  # the first, Equinox's of its classes


class Names:
    """Names of operations, each scope looked at once.

    Args: root: the scope of the whole model, which no name has.
    """

    def __init__(self, root: str = ""):
        self.root = root
        self._known: dict[str, str] = {}

    def of(self, equation: Any, outer: str) -> str:
        """The layer of an operation within the layer `outer`; '' where nothing names one."""
        stack = str(equation.source_info.name_stack)
        if stack not in self._known:
            parts = _WRAPPER.sub("", stack).split("/")
            self._known[stack] = "/".join(p for p in parts if p and not p.startswith(_OF_NO_LAYER))
        inner = self._known[stack]
        if not outer and self.root:
            inner = (inner + "/").removeprefix(self.root + "/").removesuffix("/")
        return f"{outer}/{inner}" if outer and inner else outer or inner
