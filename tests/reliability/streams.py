"""The book topics of recordings, frame by frame, with what the venue would have shown after each."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from depthwire import tape
from depthwire.venue.frames.topic_states import new_state
from depthwire.venue.market.market import Category, Dialect, PublicTopic

BOOKS = ("orderBook", "orderbook.")


class Head(msgspec.Struct):
    """The head of a frame."""

    topic: str = ""
    type: str = ""


class Stream(NamedTuple):
    """All frames of one book topic, in the order in which they were received.

    ``snapshots[i]`` is a snapshot of the book before frame i; empty if there was no book yet.
    """

    source: str
    topic: str
    raws: list[bytes]
    snapshots: list[bytes]


def folder() -> Path:
    """Return the folder of recordings: DEPTHWIRE_TAPES, or ../shared/data next to the checkout. It may not exist."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("DEPTHWIRE_TAPES", beside))


def recorded() -> Iterator[Stream]:
    """Return every book topic of every recording."""
    for path in sorted(folder().glob("*.frames*")):
        yield from streams(path.name.partition(".")[0], (raw for _, raw in tape.read(path)))


def streams(source: str, raws: Iterable[bytes]) -> list[Stream]:
    """Return the book topics among a recording's frames."""
    head = msgspec.json.Decoder(Head).decode
    topics: dict[str, list[bytes]] = {}
    for raw in raws:
        topic = head(raw).topic
        if topic.startswith(BOOKS):
            topics.setdefault(topic, []).append(raw)
    return [Stream(source, topic, found, snapshots_before(topic, found)) for topic, found in topics.items()]


def snapshots_before(topic: str, raws: list[bytes]) -> list[bytes]:
    """Return the snapshots, made by the venue's books, which share no code with depthwire's."""
    if topic.startswith("orderbook."):
        dialect, category = Dialect.V5, Category.LINEAR
    else:
        is_list = isinstance(msgspec.json.decode(raws[0])["data"], list)
        dialect, category = Dialect.V2, Category.INVERSE if is_list else Category.LINEAR
    state = new_state(PublicTopic(dialect, category, topic))
    assert state is not None, f"{topic} is not a book topic"
    found = []
    for raw in raws:
        found.append(state.snapshot() if state.is_live else b"")
        state.apply(raw)
    return found
