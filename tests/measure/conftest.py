"""What the tests of measuring share: a machine made up for them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fake_machine import hlo_loop as hlo_loop
from fake_machine import machine as machine
