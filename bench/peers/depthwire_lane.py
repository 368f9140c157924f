"""depthwire from Python: the feed's path into a live book, on either lane."""

from collections.abc import Callable

from dialects import book_channel
from offline import feed

Top = tuple[float, float, float, float]


def start_lane(topic: str, depth: int, *, scanner: bool) -> tuple[Callable[[list[bytes]], None], Callable[[], Top]]:
    """Through a feed into a live book; ``top`` raises where a frame took the other lane."""
    channel, path = book_channel(topic, depth, scanner=scanner), feed()
    path.channels.add(channel)
    receive = path.receive

    def replay(frames: list[bytes]) -> None:
        channel.start_over()  # its snapshot is older than the book
        for raw in frames:
            receive(raw, 0)

    def top() -> Top:
        taken = channel.scanned if scanner else channel.decoded
        if taken != channel.frames:
            raise ValueError(f"{channel.frames - taken} of {channel.frames} frames took the other lane")
        return channel.book.bbo or (0.0, 0.0, 0.0, 0.0)

    return replay, top
