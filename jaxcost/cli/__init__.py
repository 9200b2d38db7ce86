"""The command line: `jaxcost`, also as `python -m jaxcost`."""

import os
import sys


def main() -> None:
    """Runs the command given in `sys.argv`, and exits with its status.

    0 on success, 1 for a failure at run time, 2 for bad usage or bad input, 130 if interrupted.
    """
    from jaxcost.cli.errors import INTERRUPTED, run

    status = run(sys.argv[1:])
    if status == INTERRUPTED:
        # Not to wait for threads that still compile: nothing is left for them to do.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
