"""A market that was recorded: it plays a tape's public frames byte for byte."""

import logging
import os
import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from depthwire.bybit.topics import split_topic
from depthwire.errors import TapeError
from depthwire.tape import TapeReader
from depthwire.venue.frames import public_v2, public_v5
from depthwire.venue.market.market import Category, Dialect, MarketFrame, PublicTopic
from depthwire.venue.server import service_v5

_log = logging.getLogger("depthwire.venue")

_V5_KINDS = tuple(f"{kind}." for kind in public_v5.PUBLIC_KINDS)
_BOOK_KINDS = (*public_v2.BOOK_KINDS, *public_v5.BOOK_KINDS)
_INVERSE_SYMBOL = re.compile(r"[A-Z0-9]+USD([A-Z]\d\d)?")  # perpetuals, and futures such as BTCUSDZ26
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class _Envelope(msgspec.Struct):
    topic: str = ""
    type: str = ""


class TapeMarket:
    """Plays the public frames of a tape of either dialect, plain or zstd, at their recorded times.

    One pass over the tape at construction learns the topics, and their dialect and category from the shape of their
    frames. Control answers and frames that are not JSON objects are left out; a book of which the tape holds
    no snapshot is not offered, and its deltas are held back until the first snapshot, as an exchange never
    sends a delta first.

    Raises ``TapeError`` where the tape cannot be read, or holds no public frame at all.
    """

    def __init__(self, tape: str | os.PathLike[str] | TapeReader) -> None:
        self._path = tape.path if isinstance(tape, TapeReader) else os.fspath(tape)
        self._decoder = msgspec.json.Decoder(_Envelope)
        self._topics: dict[str, PublicTopic] = self._learn_topics()

    @property
    def topics(self) -> Collection[PublicTopic]:
        """See `Market.topics`."""
        return self._topics.values()

    def frames(self) -> Iterator[MarketFrame]:
        """The recorded frames, ``at_ns`` being their receive times. Raises ``TapeError``."""
        begun: set[str] = set()
        for at_ns, raw, name, kind in self._public_frames():
            topic = self._topics.get(name)
            if topic is None:
                continue
            if name not in begun and split_topic(name)[0] in _BOOK_KINDS:
                if kind != "snapshot":
                    continue
                begun.add(name)
            yield MarketFrame(at_ns, topic, raw)

    def _public_frames(self) -> Iterator[tuple[int, bytes, str, str]]:
        with TapeReader(self._path) as tape:
            for recv_ns, raw in tape:
                try:
                    envelope = self._decoder.decode(raw)
                except _UNREADABLE:
                    continue
                if envelope.topic:
                    yield recv_ns, raw, envelope.topic, envelope.type

    def _learn_topics(self) -> dict[str, PublicTopic]:
        topics: dict[str, PublicTopic] = {}
        waiting: set[str] = set()
        for _, raw, topic, kind in self._public_frames():
            if topic in topics:
                continue
            channel, symbol = split_topic(topic)
            if not symbol or topic in service_v5.PRIVATE_TOPICS:  # nobody may subscribe to it
                continue
            if channel in _BOOK_KINDS and kind != "snapshot":
                waiting.add(topic)
                continue
            if topic.startswith(_V5_KINDS):
                topics[topic] = PublicTopic(Dialect.V5, _v5_category(raw, symbol), topic)
            else:
                topics[topic] = PublicTopic(Dialect.V2, _v2_category(msgspec.json.decode(raw), symbol), topic)
        for topic in sorted(waiting - topics.keys()):
            _log.warning("%s: %s is not offered: the tape holds no snapshot of it", self._path, topic)
        if not topics:
            raise TapeError(f"{self._path}: the tape holds no public frame to play")
        return topics


def _v2_category(frame: dict[str, Any], symbol: str) -> Category:
    """Linear writes sequence numbers and trade prices as strings; elsewhere the symbol must tell."""
    match frame:
        case {"cross_seq": str()} | {"data": [{"price": str(), "trade_time_ms": _}, *_]}:
            return Category.LINEAR
        case {"cross_seq": int()} | {"data": [{"cross_seq": int()}, *_]}:
            return Category.INVERSE
        case _:
            return Category.LINEAR if symbol.endswith("USDT") else Category.INVERSE


def _v5_category(raw: bytes, symbol: str) -> Category:
    """Spot writes keys in an order of its own; elsewhere the symbol must tell."""
    keys = tuple(msgspec.json.decode(raw))
    if keys[:3] == ("topic", "ts", "type") or keys[:2] == ("type", "topic"):
        return Category.SPOT
    return Category.INVERSE if _INVERSE_SYMBOL.fullmatch(symbol) else Category.LINEAR
