"""The targets: each takes any bytes, and fails if a property does not hold."""

from collections.abc import Callable

from tests.fuzz.events import v2_events, v5_events
from tests.fuzz.grammars import topics
from tests.fuzz.lanes import v2_books, v5_books

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (v2_books, v5_books, v2_events, v5_events, topics)
}
