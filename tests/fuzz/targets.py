"""What is fuzzed: each target takes any bytes, and fails where a property does not hold."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # the feed without a socket is there

from tests.fuzz.events import v2_events, v5_events
from tests.fuzz.grammars import topics
from tests.fuzz.lanes import v2_books, v5_books

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (v2_books, v5_books, v2_events, v5_events, topics)
}
