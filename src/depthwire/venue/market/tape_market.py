"""A recorded market: plays a tape's public frames byte for byte, once or in a loop."""

import itertools
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
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
_NUMBER = re.compile(rb'("(ts|cts|timestamp_e6|u|seq|cs|cross_seq)"\s*:\s*"?)([1-9]\d{0,17})(?!\d)')
"""Matches times and sequence numbers, except 0, which means none."""
_SAME_SCALE = {b"cts": b"ts", b"cs": b"seq"}


class _Envelope(msgspec.Struct):
    topic: str = ""
    type: str = ""


class _Range:
    """The lowest and the highest of some numbers above 0."""

    def __init__(self) -> None:
        self._lowest = self._highest = 0

    def add(self, number: int) -> None:
        self._lowest = min(self._lowest or number, number)
        self._highest = max(self._highest, number)

    @property
    def size(self) -> int:
        return self._highest - self._lowest + 1


class _Laps:
    """Raises the times and sequence numbers of a tape's later laps, so that they never decrease."""

    def __init__(self, frames: Iterable[MarketFrame]) -> None:
        self._received_ns = _Range()
        self._ranges: defaultdict[bytes, _Range] = defaultdict(_Range)
        for at_ns, _, raw in frames:
            self._received_ns.add(at_ns)
            for _, key, digits in _NUMBER.findall(raw):
                self._ranges[_SAME_SCALE.get(key, key)].add(int(digits))

    def shifted(self, frame: MarketFrame, lap: int) -> MarketFrame:
        """Return a frame of the tape as it appears after ``lap`` laps. O(size)."""

        def number(found: re.Match[bytes]) -> bytes:
            before, key, digits = found.groups()
            return b"%b%d" % (before, int(digits) + lap * self._ranges[_SAME_SCALE.get(key, key)].size)

        return MarketFrame(frame.at_ns + lap * self._received_ns.size, frame.topic, _NUMBER.sub(number, frame.raw))


class TapeMarket:
    """Plays the public frames of a v2 or v5 tape, plain or zstd, at their recorded times.

    The constructor reads the tape once to find the topics, and detects their dialect and category from the frames.
    Answers to requests and frames that are not JSON objects are left out. An exchange never sends a delta first, so
    deltas before a book's first snapshot are left out, and a book without any snapshot is not offered.

    With ``loop`` the tape repeats endlessly. From the second lap on, times (``ts``, ``cts``, ``timestamp_e6``) and
    sequence numbers (``u``, ``seq``, ``cs``, ``cross_seq``) are higher than recorded, so that they never decrease. All
    other bytes are as recorded.

    Raises ``TapeError`` if the tape cannot be read or holds no public frame.
    """

    def __init__(self, tape: str | os.PathLike[str] | TapeReader, *, loop: bool = False) -> None:
        self._path = tape.path if isinstance(tape, TapeReader) else os.fspath(tape)
        self._loop = loop
        self._decoder = msgspec.json.Decoder(_Envelope)
        self._topics: dict[str, PublicTopic] = self._learn_topics()

    @property
    def topics(self) -> Collection[PublicTopic]:
        """See `Market.topics`."""
        return self._topics.values()

    def frames(self) -> Iterator[MarketFrame]:
        """Return the frames; ``at_ns`` is the receive time. With ``loop`` they are endless. Raises ``TapeError``."""
        yield from self._recorded()
        if not self._loop:
            return
        laps = _Laps(self._recorded())
        for lap in itertools.count(1):
            any_frame = False
            for frame in self._recorded():
                yield laps.shifted(frame, lap)
                any_frame = True
            if not any_frame:  # the file has become empty
                return

    def _recorded(self) -> Iterator[MarketFrame]:
        started: set[str] = set()
        for at_ns, raw, name, kind in self._public_frames():
            topic = self._topics.get(name)
            if topic is None:
                continue
            if name not in started and split_topic(name)[0] in _BOOK_KINDS:
                if kind != "snapshot":
                    continue
                started.add(name)
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
            if not symbol or topic in service_v5.PRIVATE_TOPICS:  # not a public topic
                continue
            if channel in _BOOK_KINDS and kind != "snapshot":
                waiting.add(topic)
                continue
            if topic.startswith(_V5_KINDS):
                topics[topic] = PublicTopic(Dialect.V5, _v5_category(raw, symbol), topic)
            else:
                topics[topic] = PublicTopic(Dialect.V2, _v2_category(msgspec.json.decode(raw), symbol), topic)
        for topic in sorted(waiting - topics.keys()):
            _log.warning("%s: %s is not offered: the tape has no snapshot of it", self._path, topic)
        if not topics:
            raise TapeError(f"{self._path}: the tape has no public frame to play")
        return topics


def _v2_category(frame: dict[str, Any], symbol: str) -> Category:
    """Return the category: linear sends sequence numbers and trade prices as strings; otherwise the symbol decides."""
    match frame:
        case {"cross_seq": str()} | {"data": [{"price": str(), "trade_time_ms": _}, *_]}:
            return Category.LINEAR
        case {"cross_seq": int()} | {"data": [{"cross_seq": int()}, *_]}:
            return Category.INVERSE
        case _:
            return Category.LINEAR if symbol.endswith("USDT") else Category.INVERSE


def _v5_category(raw: bytes, symbol: str) -> Category:
    """Return the category: spot frames have a different order of keys; otherwise the symbol decides."""
    keys = tuple(msgspec.json.decode(raw))
    if keys[:3] == ("topic", "ts", "type") or keys[:2] == ("type", "topic"):
        return Category.SPOT
    return Category.INVERSE if _INVERSE_SYMBOL.fullmatch(symbol) else Category.LINEAR
