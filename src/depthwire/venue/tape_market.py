"""A market that was recorded: it plays a tape's public frames byte for byte."""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from depthwire.bybit.topics import split_topic
from depthwire.errors import TapeError
from depthwire.tape import TapeReader
from depthwire.venue.market import BOOK_CHANNELS, Dialect, MarketFrame

_log = logging.getLogger("depthwire.venue")

_V5_CHANNELS = ("orderbook.", "publicTrade.", "tickers.", "kline.", "allLiquidation.")
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class _Envelope(msgspec.Struct):
    topic: str = ""
    type: str = ""


class TapeMarket:
    """Plays the public frames of a v2 tape, plain or zstd, at their recorded times.

    One pass over the tape at construction learns the topics, and their dialect from the shape of their
    frames. Control answers and frames that are not JSON objects are left out; a book of which the tape holds
    no snapshot is not offered, and its deltas are held back until the first snapshot, as an exchange never
    sends a delta first.

    Raises ``TapeError`` where the tape cannot be read, holds v5 topics (not served yet), or no public frame
    at all.
    """

    def __init__(self, tape: str | os.PathLike[str] | TapeReader) -> None:
        self._path = tape.path if isinstance(tape, TapeReader) else os.fspath(tape)
        self._decoder = msgspec.json.Decoder(_Envelope)
        self.topics: Mapping[str, Dialect] = self._learn_topics()

    def frames(self) -> Iterator[MarketFrame]:
        """The recorded frames, ``at_ns`` being their receive times. Raises ``TapeError``."""
        begun: set[str] = set()
        for at_ns, raw, topic, kind in self._public_frames():
            if topic not in self.topics:
                continue
            if split_topic(topic)[0] in BOOK_CHANNELS and topic not in begun:
                if kind != "snapshot":
                    continue
                begun.add(topic)
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

    def _learn_topics(self) -> dict[str, Dialect]:
        topics: dict[str, Dialect] = {}
        waiting: set[str] = set()
        for _, raw, topic, kind in self._public_frames():
            if topic in topics:
                continue
            if topic.startswith(_V5_CHANNELS):
                raise TapeError(f"{self._path}: {topic}: v5 tapes are not served yet: expected v2 topics")
            channel, symbol = split_topic(topic)
            if not symbol:  # a private topic, which nobody may subscribe to
                continue
            if channel in BOOK_CHANNELS and kind != "snapshot":
                waiting.add(topic)
                continue
            topics[topic] = _dialect_of(msgspec.json.decode(raw), symbol)
        for topic in sorted(waiting - topics.keys()):
            _log.warning("%s: %s is not offered: the tape holds no snapshot of it", self._path, topic)
        if not topics:
            raise TapeError(f"{self._path}: the tape holds no public v2 frame to play")
        return topics


def _dialect_of(frame: dict[str, Any], symbol: str) -> Dialect:
    """Linear writes sequence numbers and trade prices as strings; elsewhere the symbol must tell."""
    match frame:
        case {"cross_seq": str()} | {"data": [{"price": str(), "trade_time_ms": _}, *_]}:
            return Dialect.LINEAR
        case {"cross_seq": int()} | {"data": [{"cross_seq": int()}, *_]}:
            return Dialect.INVERSE
        case _:
            return Dialect.LINEAR if symbol.endswith("USDT") else Dialect.INVERSE
