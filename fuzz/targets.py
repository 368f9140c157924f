"""What is fuzzed: each target takes any bytes, and fails where a property does not hold."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the feed without a socket is there

from events import v2_events, v5_events
from grammars import topics
from lanes import v2_books, v5_books

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (v2_books, v5_books, v2_events, v5_events, topics)
}
