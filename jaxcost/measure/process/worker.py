"""The process that owns the device: visits layers as it is told, line by line.

It reads one JSON object a line on standard input and answers each with one on the standard
output it was started with. It ends when its input does, or when its parent is gone.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from jaxcost.measure.process import wire

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
            layer = wire.layer_from_json(request["layer"])
            answer = wire.visit_to_json(bench.visit(layer, energy=request["energy"]))
        answers.write(wire.dump(answer) + "\n")
        answers.flush()


def _begin(request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A bench on the device that JAX chooses, and its description."""
    import jax

    from jaxcost.measure.clock.bench import Bench
    from jaxcost.measure.clock.gates import meter_for, processors
    from jaxcost.measure.clock.timing import Stopwatch
    from jaxcost.measure.energy import reader_for
    from jaxcost.measure.energy.power import device_state
    from jaxcost.measure.process.identity import describe, load_state

    try:
        device = jax.devices()[0]
    except (RuntimeError, AssertionError) as error:
        sys.exit(f"jax.devices() fails: {' '.join(str(error).split()) or type(error).__name__}")
    watch = Stopwatch(meter=meter_for(device), processors=processors())
    bench = Bench(
        wire.rules_from_json(request["rules"]),
        device,
        watch=watch,
        energy=reader_for(device, watch) if request["energy"] else None,
        state=lambda: load_state() | dict(device_state(device)),
    )
    return bench, describe(bench.device, bench.processors, bench.now())


def _die_with_parent() -> None:
    """On Linux, have the kernel kill this process when its parent dies, however it dies."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)


if __name__ == "__main__":
    main()
