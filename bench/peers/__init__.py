"""Contenders of frame to book, one per module, each on the path that its users run.

``start(topic, depth)`` returns two functions: ``replay(frames)`` applies frames of that topic to a book, a snapshot
first; ``top()`` returns the best bid, its size, the best ask and its size, or None if there is no book. It raises
Unspoken if the contender does not know the dialect. ``wire`` converts a frame's bytes into the input that the
contender gets from its transport.
"""


class Unspoken(Exception):
    """The contender does not speak the topic's dialect."""

    def __init__(self, spoken: str) -> None:
        super().__init__(f"speaks {spoken} only")


def only(dialect: str, topic: str) -> None:
    """Raise Unspoken where the topic is of the other dialect."""
    if topic.startswith("orderbook.") != (dialect == "v5"):
        raise Unspoken(dialect)
