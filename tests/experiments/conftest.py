"""Scripts of experiments/ are imported as they import each other: from their own folder."""

import sys
from pathlib import Path

_EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
sys.path[:0] = [str(_EXPERIMENTS / folder) for folder in ("accelerator", "search")]
