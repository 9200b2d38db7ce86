"""Command lines of odd words."""

from pathlib import Path
from random import Random

import draws
import judge

_COMMANDS = (
    ("datasheet", "--flops", "1e9", "--device", "v100", "--assume-peak", "0.4"),
    ("datasheet", "--flops", "1e9", "--date", "2019-05-28", "--line", "cnn"),
    ("datasheet", "--flops", "1e9", "--device", "v100", "--assume-peak", "1", "--inferences", "2"),
    ("count", "jax.numpy:tanh", "--input", "f32[2,3]"),
    ("fit", "no.csv", "--out", "no.json", "--target", "time_s"),
    ("predict", "quadro-t2000", "no.csv", "--out", "no-out.csv"),
    ("models",),
)


def draw(random: Random, folder: Path) -> draws.Input:
    """A command with one word replaced, left out, or put in."""
    words = list(random.choice(_COMMANDS))
    place = random.randrange(len(words))
    odd = draws.text(random)
    words[place : place + random.choice((0, 1, 1, 1))] = random.choice(([odd], [odd], []))
    words = [str(folder / word) if word.startswith("no") else word for word in words]
    return draws.Input(" ".join(map(repr, words)), lambda: judge.command(*words), False)
