"""A worker for tests: it speaks the worker's language, needs no JAX, and fails as it is told.

    python fake_worker.py FAULTS.json

The file maps a layer's `line` to a fault: "hang", "hang once", "kill", "exit", "error", or
"other device" (from the first visit on, whoever starts says it is another one). Faults that
happen once are noted beside the file. FAKE_DEVICE and FAKE_PLATFORM in the environment say what it
is, FAKE_JOULES what a step takes, or FAKE_WATTS what it draws; without either there is no counter.
A step takes 1 ms for each input of the batch.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

PLATFORM = os.environ.get("FAKE_PLATFORM", "cpu")
NAME = os.environ.get("FAKE_DEVICE", "fake")
DEVICE = {"name": NAME, "platform": PLATFORM, "kind": NAME.title(), "memory": []}
VISIT_S = 0.01
STEP_S = 1e-3


def main() -> None:
    faults = Path(sys.argv[1])
    for number, text in enumerate(sys.stdin):
        request = json.loads(text)
        answer = description(faults) if number == 0 else visit(request["layer"], faults)
        if request["energy"] and number:
            answer["energy"] = energy(request["layer"])
        print(json.dumps(answer), flush=True)


def description(faults: Path) -> dict:
    changed = faults.with_suffix(".changed").exists()
    facts = {"pid": os.getpid(), "host": "h", "boot_id": "b", "started_monotonic_s": 0.0}
    fingerprint = {"platform": PLATFORM, "jax": "2" if changed else "1", "processors": 1}
    fingerprint |= {"kind": NAME} if NAME != "fake" else {}
    return {"device": DEVICE, "fingerprint": fingerprint, "processors": 1, "facts": facts}


def visit(layer: dict, faults: Path) -> dict:
    if layer["sweep"] != "probe":
        fail(faults, json.loads(faults.read_text()).get(str(layer["line"])), layer["line"])
    time.sleep(VISIT_S)
    step = STEP_S * layer["batch"]
    loops = [{"steps": 20, "duration_s": 20 * step, "cpu_s": 20 * step}] * 4
    calls = [{"steps": 10, "duration_s": 11 * step, "cpu_s": 11 * step, "shortest_s": 1.1 * step}]
    done = {"work": "dot", "compile_s": 0.1, "memory_bytes": 1, "steps": 20, "hlo_hash": "ab"}
    doubling = {"ratios": [2.0], "accepted": [True]}
    rest = {"status": "", "error": "", "settled": False, "wall_s": 0.1, "energy": {}, "state": {}}
    return done | rest | {"loops": loops, "calls": calls * 2, "doubling": doubling}


def energy(layer: dict) -> dict:
    joules, watts = os.environ.get("FAKE_JOULES"), os.environ.get("FAKE_WATTS")
    if joules is None and watts is None:
        return {"energy_j": None, "reason": "no counter", "meter": "none"}
    found = float(joules) if joules else float(watts) * STEP_S * layer["batch"]
    return {"energy_j": found, "power_w": 300.0, "idle_power_w": 70.0, "window_s": 5.1}


def fail(faults: Path, fault: str | None, line: int) -> None:
    noted = faults.with_suffix(f".{line}")
    if fault == "hang" or (fault == "hang once" and not noted.exists()):
        noted.touch()
        time.sleep(60)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "exit":
        print("the driver is gone", file=sys.stderr)
        sys.exit(3)
    if fault == "other device":
        faults.with_suffix(".changed").touch()
        os.kill(os.getpid(), signal.SIGSEGV)


if __name__ == "__main__":
    main()
