"""The process that owns the device, from both sides: what its parent starts, asks, times out and
kills, and what it does itself.

The child reads one JSON object a line on standard input and answers each with one on the standard
output it was started with. It ends when its input does, or when its parent is gone.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec

# The folder that has this package comes last: where it is the current one, as in a checkout, a
# file there is still never taken for a module of the same name that is installed.
_HOME = str(Path(__file__).parents[3])
_IMPORT = "from jaxcost.measure.process.worker import main"
_PROGRAM = f"import sys; sys.path.append({_HOME!r}); {_IMPORT}; main()"
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)
START_S = 180.0  # importing JAX and waking a device, on a busy machine
_LAST_WORDS = 4000  # characters of a worker's error stream that are kept
_END = None  # what the reading thread leaves when the worker's output ends


class WorkerHungError(Exception):
    """The worker did not answer in time, and was killed."""


class WorkerDiedError(Exception):
    """The worker ended without an answer.

    Args:
        code: its exit status, negative for a signal.
        words: the end of what it wrote on its error stream, one line.
    """

    def __init__(self, code: int, words: str) -> None:
        self.code, self.words = code, words
        super().__init__(f"{self.reason}: {words}" if words else self.reason)

    @property
    def killed(self) -> bool:
        """Whether it was killed from outside, as the system does when memory runs out."""
        return self.code == -signal.SIGKILL

    @property
    def reason(self) -> str:
        """How it ended."""
        if self.code >= 0:
            return f"the worker ended with status {self.code}"
        return f"the worker was ended by {signal.Signals(-self.code).name}"


class Worker:
    """A fresh process that owns the device; a context manager that ends it.

    Args:
        rules: how it measures.
        energy: whether it reads energies.
        platform: which platform it must use; "" leaves the choice to JAX.
        command: what is run; another one in tests.
    Attributes:
        description: what it says of itself: device, fingerprint, processors, facts.
    Raises:
        WorkerHungError, WorkerDiedError: it did not come up.
    """

    def __init__(
        self,
        rules: TimingRules,
        *,
        energy: bool = False,
        platform: str = "",
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(platform),
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._words = ""
        self._threads = [
            _start(self._read_answers, self._process.stdout),
            _start(self._read_words, self._process.stderr),
        ]
        begin = {"rules": dataclasses.asdict(rules), "energy": energy}
        try:
            self.description: Mapping[str, Any] = self._ask(begin, START_S)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def processors(self) -> int:
        """How many processors its timed work may use."""
        return int(self.description["processors"])

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def visit(self, layer: LayerSpec, *, energy: bool, timeout_s: float) -> Visit:
        """One visit to a layer.

        Raises:
            WorkerHungError: no answer within `timeout_s` s.
            WorkerDiedError: the process ended.
        """
        request = {"layer": layer.row(), "energy": energy}
        return Visit.from_plain(self._ask(request, timeout_s))

    def close(self) -> None:
        """End the worker, by force if it does not go."""
        try:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End the worker at once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(stream)

    def _ask(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        try:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._died() from None
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise WorkerHungError(f"no answer within {timeout_s:.0f} s") from None
        if answer is _END:
            raise self._died()
        return json.loads(answer)

    def _died(self) -> WorkerDiedError:
        self.kill()
        lines = self._words.strip().splitlines()
        return WorkerDiedError(self._process.returncode, lines[-1][:200] if lines else "")

    def _read_answers(self, stream: IO[str]) -> None:
        for line in stream:
            self._answers.put(line)
        self._answers.put(_END)

    def _read_words(self, stream: IO[str]) -> None:
        for line in stream:
            self._words = (self._words + line)[-_LAST_WORDS:]


def _environment(platform: str) -> dict[str, str]:
    """This process's own, without the empty entries of PYTHONPATH: they mean the current folder."""
    found = os.environ | ({"JAX_PLATFORMS": platform} if platform else {})
    if "PYTHONPATH" in found:
        folders = filter(None, found["PYTHONPATH"].split(os.pathsep))
        found["PYTHONPATH"] = os.pathsep.join(folders)
    return found


def _start(target: Any, stream: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=(stream,), daemon=True)
    thread.start()
    return thread


def _close(stream: IO[str] | None) -> None:
    try:
        if stream:
            stream.close()
    except OSError:  # a pipe with unsent text whose reader is gone
        pass


_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the input ends."""
    _die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints must not look like an answer.
    os.dup2(2, 1)
    with contextlib.suppress(KeyboardInterrupt):
        serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request; the first sets the rules up, and is answered by who this is."""
    bench = None
    for line in requests:
        request = json.loads(line)
        if bench is None:
            bench, answer = _begin(request)
        else:
            visit = bench.visit(LayerSpec(**request["layer"]), energy=request["energy"])
            answer = visit.to_plain()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _begin(request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A bench on the device that JAX chooses, and its description."""
    import jax

    from jaxcost.measure.clock.bench import Bench
    from jaxcost.measure.clock.gates import meter_for, processors
    from jaxcost.measure.clock.timing import Stopwatch
    from jaxcost.measure.energy import CounterReader
    from jaxcost.measure.energy.power import power_meter_for
    from jaxcost.measure.process.identity import device_state

    try:
        device = jax.devices()[0]
    except (RuntimeError, AssertionError) as error:
        sys.exit(f"jax.devices() fails: {' '.join(str(error).split()) or type(error).__name__}")
    watch = Stopwatch(meter=meter_for(device), processors=processors())
    bench = Bench(
        TimingRules(**request["rules"]),
        device,
        watch=watch,
        energy=CounterReader(power_meter_for(device), watch) if request["energy"] else None,
        state=lambda: device_state(device),
    )
    return bench, bench.description


def _die_with_parent() -> None:
    """On Linux, have the kernel kill this process when its parent dies, however it dies."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)
