"""Try inputs on the depthwire of this Python: ``python -m tests.fuzz.replay TARGET FILE…``."""

import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

name, *paths = sys.argv[1:]
for path in paths:
    print(path)
    TARGETS[name](Path(path).read_bytes())
