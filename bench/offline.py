"""A feed without a socket."""

from typing import NoReturn

from depthwire.feed.listener import Feed


class Owner:
    """A feed's owner that raises on any error: a benchmark of frames that fail would measure something else."""

    def on_connected(self, transport: object) -> NoReturn:
        raise AssertionError("there is no socket")

    on_disconnected = on_connected

    def on_frame_error(self, error: Exception) -> NoReturn:
        raise error

    def on_control(self, message: bytes) -> NoReturn:
        raise AssertionError(f"not data: {message!r}")

    def on_unrouted(self, topic: str, message: bytes) -> NoReturn:
        raise AssertionError(f"no channel for {topic}")

    def is_topic(self, text: str) -> NoReturn:
        raise AssertionError(f"no channel for {text}")


def feed() -> Feed:
    return Feed(Owner())


def restart(path: Feed, *snapshots: bytes) -> None:
    """Restart the feed's books, although the snapshots are older than the books."""
    for channel in path.channels:
        channel.start_over()
    for raw in snapshots:
        path.receive(raw, 0)
