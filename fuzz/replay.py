"""Tries inputs on the depthwire that this Python has: ``python fuzz/replay.py TARGET FILE…``."""

import sys
from pathlib import Path

from targets import TARGETS

name, *paths = sys.argv[1:]
for path in paths:
    print(path)
    TARGETS[name](Path(path).read_bytes())
