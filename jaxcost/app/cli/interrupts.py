"""Ctrl-C and its like, which end a command soon, whatever Python is doing when they come."""

import _thread
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

# Asked to end, by whatever means, a command tidies up and says where its results are.
_ENDING = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])]
_SWALLOWED, _HELD_UP = 0.05, 1.0  # seconds until it comes again


class Interrupts:
    """Within it, a Ctrl-C comes again until it has ended the block.

    Python swallows one that comes during garbage collection, and one that comes while threads
    compile is held up until they are done.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._on_unraisable
        if threading.current_thread() is threading.main_thread():
            # One that is ignored, as nohup has it of SIGHUP, is meant to be.
            heard = [n for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN]
            self._handlers = {n: signal.signal(n, self._on_signal) for n in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        sys.unraisablehook = self._unraisable
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._again_after(_HELD_UP)
        raise KeyboardInterrupt

    def _on_unraisable(self, lost: Any) -> None:
        if lost.exc_type is KeyboardInterrupt:
            self._again_after(_SWALLOWED)
        else:
            self._unraisable(lost)

    def _again_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, _interrupt)
        self._timer.daemon = True
        self._timer.start()


def _interrupt() -> None:
    """Interrupts the main thread, also where it waits for a lock."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()
