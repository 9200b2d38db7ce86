"""The files here are those of a script, which finds them beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
