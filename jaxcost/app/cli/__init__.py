"""The command line: `jaxcost`, also as `python -m jaxcost`."""

import os
import sys


def main() -> None:
    """Runs the command given in `sys.argv`, and exits with its status.

    0 on success, 1 for a failure at run time, 2 for bad usage or bad input, 130 if interrupted.
    """
    _forget_current_folder()
    from jaxcost.app.cli.errors import INTERRUPTED, run

    status = run(sys.argv[1:])
    if status == INTERRUPTED:
        # Not to wait for threads that still compile: nothing is left for them to do.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def _forget_current_folder() -> None:
    """Keep a file of the user's from being taken for a module of the same name, such as `jax.py`.

    `python -m` and an empty entry of PYTHONPATH put the current folder before everything.
    """
    named = {os.path.abspath(one) for one in _python_path() if one}  # noqa: PTH100
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it was deleted, and holds nothing
        here = ""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    first = sys.path.index(library) if library in sys.path else len(sys.path)
    unasked = {"", here} - named
    sys.path[:first] = [folder for folder in sys.path[:first] if folder not in unasked]


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)
