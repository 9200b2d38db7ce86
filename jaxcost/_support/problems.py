"""Several faults of one input, told together in one line."""

import contextlib
from collections.abc import Iterator

_MOST = 4  # told; the rest are counted


class Problems:
    """Gathers the errors of checks that do not need one another.

    Args: source: what the lines begin with; said once.
    Example:
        >>> found = Problems("t.csv")
        >>> for line in (2, 7):
        ...     with found.noted():
        ...         raise ValueError(f"t.csv, line {line}: wrong")
        >>> found.raise_any()
        Traceback (most recent call last):
        ValueError: t.csv, line 2: wrong; and line 7: wrong
    """

    def __init__(self, source: str):
        self.source = source
        self.lines: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Within it, a ValueError is kept for later."""
        try:
            yield
        except ValueError as error:
            self.lines.append(str(error))

    def raise_any(self) -> None:
        """ValueError with all that was kept, if there is any."""
        if not self.lines:
            return
        first, *others = self.lines
        told = [line.removeprefix(f"{self.source}, ") for line in others[: _MOST - 1]]
        if len(others) >= _MOST:
            told.append(f"{len(others) - len(told)} more")
        raise ValueError("; and ".join([first, *told]))
