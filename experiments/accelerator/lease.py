"""One worker for several sweeps, one after another: waking a device costs more than a small one."""

import contextlib
from collections.abc import Callable, Iterator

from jaxcost.measure import Worker


class Lease:
    """Opens a worker for `measure_into` and keeps it for the next; a context manager that ends it.

    A worker that was lost is replaced by a fresh one. To have a fresh process where none was lost,
    `close`.

    Args: start: begins a worker on the platform named.
    """

    def __init__(self, start: Callable[[str], Worker]) -> None:
        self._start = start
        self._worker: Worker | None = None

    @contextlib.contextmanager
    def __call__(self, platform: str) -> Iterator[Worker]:
        """The worker; it goes on at the end."""
        if self._worker is None or not self._worker.is_alive:
            self._worker = self._start(platform)
        yield self._worker

    def close(self) -> None:
        """End the worker; the next one is a fresh process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
