"""Calibrates an NVIDIA GPU in a short time, on a borrowed machine without a network.

    python experiments/accelerator/run.py --minutes 9 --out OUT [--resume] [--wheels DIR]
    python experiments/accelerator/run.py --rehearse --out OUT          # the same, tiny, on a CPU

What tells most is measured first, and every measurement is on disk before the next begins: when
the time is up nothing is lost, and another call with the same OUT and --resume goes on. OUT then
has measurements.db (every timing; --store puts it elsewhere), layers.csv, networks.csv,
training.csv and summary.json, from which experiments/accelerator/report.py makes the rest.

The machine needs jax with CUDA, equinox, jaxtyping, pandas, scipy and filelock, and for energies
nvidia-ml-py. What it lacks --wheels installs from a folder of wheels, into a folder of its own.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DONE, REFUSED = 0, 2


def arguments(given: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="all the time there is")
    parser.add_argument("--out", type=Path, required=True, help="where the tables go")
    parser.add_argument("--store", type=Path, help="of every timing; OUT/measurements.db")
    parser.add_argument("--resume", action="store_true", help="go on with what is there")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to install first")
    parser.add_argument("--rehearse", action="store_true", help="the same, tiny, on any device")
    parser.add_argument("--part", choices=("networks", "training"), help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Measures until all is done or the time is up; the exit status."""
    options = arguments(given)
    begun = time.monotonic()
    if options.wheels:
        return with_wheels(options.wheels, sys.argv[1:] if given is None else given)
    from stages import RefusedError, Run, measure_part

    options.out.mkdir(parents=True, exist_ok=True)
    try:
        if options.part:
            measure_part(options.part, options.out, 60 * options.minutes, options.rehearse)
            return DONE
        run = Run(options, begun)
        return run.finish(run.measure())
    except RefusedError as refused:
        print(refused, file=sys.stderr)
        return REFUSED


def with_wheels(folder: Path, given: list[str]) -> int:
    """The same command with the wheels of a folder installed in a temporary one."""
    wheels = sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        print(f"--wheels = {str(folder)!r} has no wheels; give another folder", file=sys.stderr)
        return REFUSED
    rest = [part for i, part in enumerate(given) if "--wheels" not in (part, *given[i - 1 : i])]
    rest = [part for part in rest if not part.startswith("--wheels=")]
    with tempfile.TemporaryDirectory() as site:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*install, "--target", site, *wheels], check=True)
        path = os.pathsep.join(filter(None, (site, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, __file__, *rest]
        return subprocess.run(
            command, env=os.environ | {"PYTHONPATH": path}, check=False
        ).returncode


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)  # the time of a borrowed machine may end with it
    sys.exit(main())
