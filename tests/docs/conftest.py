"""What is written for users, read as the tests here need it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
