"""Scripts of experiments/ are imported as they import each other: from their own folder."""

import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = (
    "experiments/accelerator",
    "experiments/accuracy",
    "experiments/search",
    "tests/measure",
)
sys.path[:0] = [str(_ROOT / folder) for folder in _FOLDERS]


@pytest.fixture
def machine():
    """The machine made up for the tests of measuring."""
    from fake_machine import FakeMachine

    return FakeMachine()
