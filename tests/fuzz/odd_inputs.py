"""Tries odd inputs on what takes some: `python tests/fuzz/odd_inputs.py --inputs 5000 --seed 0`.

Prints each that failed, with the command that tries it again, and then exits with status 3.
"""

import argparse
import collections
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

import calls
import draws
import files
import judge
import tables
import words

KINDS: dict[str, draws.Draw] = {
    "tables": tables.draw, "files": files.draw, "calls": calls.draw, "words": words.draw
}  # fmt: skip


def failures(inputs: range, seed: int) -> list[str]:
    """A line for each of the inputs that failed; each is drawn by its own number."""
    found = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in inputs:
            random = Random(f"{seed}/{number}")
            kind = random.choice(list(KINDS))
            tried = KINDS[kind](random, Path(folder))
            if (wrong := judge.fault(tried)) is not None:
                again = f"--seed {seed} --first {number} --inputs 1"
                found.append(f"{kind} [{again}] {tried.words}: {wrong}")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    given = parser.parse_args()
    found = failures(range(given.first, given.first + given.inputs), given.seed)
    print(*found, sep="\n")
    by_kind = dict(collections.Counter(line.split()[0] for line in found))
    print(f"{given.inputs} inputs of seed {given.seed}: {len(found)} failed {by_kind or ''}")
    return 3 if found else 0


if __name__ == "__main__":
    sys.exit(main())
