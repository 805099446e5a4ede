"""The bench of the bot as a process lives with the tests of `bot`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bot"))
