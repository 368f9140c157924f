"""Contenders of frame to book, one a module, each on the path that its own users run.

``start(topic, depth)`` returns ``replay(frames)``, which takes frames of that topic into a book, a snapshot first, and
``top()``, the best bid, its size, the best ask and its size at the end, or None where there is no book. It raises
Unspoken where the contender does not know the dialect. ``wire`` turns a frame's bytes into what the contender's own
transport hands it.
"""


class Unspoken(Exception):
    """The contender does not speak the topic's dialect."""

    def __init__(self, spoken: str) -> None:
        super().__init__(f"speaks {spoken} only")


def only(dialect: str, topic: str) -> None:
    """Raise Unspoken where the topic is of the other dialect."""
    if topic.startswith("orderbook.") != (dialect == "v5"):
        raise Unspoken(dialect)
