"""Hostile JSON: whatever a frame holds costs time and memory that its own size bounds, and no other topic."""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import LONGEST_MESSAGE, DepthwireError
from depthwire.feed.channel import Channel
from depthwire.feed.listener import Feed
from tests.support.v5_server import book, ticker
from tests.support.wire import BIDS, delta, encode, snapshot

SIZE = 10_000_000
LONGEST_CPU_S = 10.0  # each takes less than a tenth of a second; what is quadratic takes hours
MOST_TIMES_ITS_SIZE = 30
HUGE: dict[bytes, Callable[[], bytes]] = {
    b"<DIGITS>": lambda: b"9" * SIZE,
    b"<FRACTION>": lambda: b"0." + b"1" * SIZE,
    b"<TINY>": lambda: b"0." + b"0" * SIZE + b"1",
    b"<TEXT>": lambda: b"A" * SIZE,
    b"<ESCAPES>": lambda: b"\\u0041" * 1_500_000,
    b"<SPACES>": lambda: b" " * SIZE,
    b"<NULS>": lambda: b"\0" * SIZE,
    b"<ARRAYS>": lambda: b"[" * 1_000_000,
    b"<ARRAYS END>": lambda: b"]" * 1_000_000,
    b"<OBJECTS>": lambda: b'{"a":' * 1_000_000,
    b"<KEYS>": lambda: b"".join(b',"k%d":0' % number for number in range(500_000)),
    b"<SAME KEY>": lambda: b',"x":0' * 1_000_000,
    b"<LEVELS>": lambda: b",".join(b'["%d","1"]' % price for price in range(1, 600_000)),
    b"<DELETES>": lambda: b",".join(b'["%d","0"]' % price for price in range(1, 600_000)),
    b"<SIZES>": lambda: b",".join(b'["100.50","%d"]' % size for size in range(1, 500_000)),
}

TRADE = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "0.004", "p": "100", "i": "x", "BT": False, "seq": 9}
# The state of a topic before, if it has one, and a good frame; the last entry belongs to no topic.
TOPICS: dict[str, tuple[Dialect, bytes, bytes]] = {
    "orderBookL2_25.BTCUSD": (v2.INVERSE, encode(snapshot()), encode(delta(update=[("Buy", BIDS[0][0], 5)]))),
    "orderbook.50.BTCUSDT": (
        v5.LINEAR,
        encode(book("BTCUSDT")),
        encode(book("BTCUSDT", u=2, kind="delta", b=[["100.50", "3"]])),
    ),
    "publicTrade.BTCUSDT": (
        v5.LINEAR,
        b"",
        encode({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [TRADE]}),
    ),
    "tickers.BTCUSDT": (v5.LINEAR, b"", encode(ticker("BTCUSDT", lastPrice="1"))),
    "answer": (v5.LINEAR, b"", b'{"success":false,"ret_msg":"no","conn_id":"x","req_id":"1","op":"subscribe"}'),
}
APPENDED = {
    "a million arrays": b"<ARRAYS>}",
    "a million arrays, closed": b"<ARRAYS><ARRAYS END>}",
    "a million objects": b"<OBJECTS>}",
    "an integer of 10 MB": b"<DIGITS>}",
    "a fraction of 10 MB": b"<FRACTION>}",
    "an exponent of 10 MB": b"1e<DIGITS>}",
    "escapes": b'"<ESCAPES>"}',
    "a lone surrogate": b'"\\ud800"}',
    "a NUL byte": b'"\0"}',
    "invalid UTF-8": b'"\xff\xfe"}',
    "many keys": b"0<KEYS>}",
    "the same key again and again": b"0<SAME KEY>}",
    "another topic": b'0,"topic":"nowhere"}',
    "other data": b'0,"data":[],"data":7}',
    "white space": b"0<SPACES>}",
}
REPLACED: dict[str, list[tuple[bytes, bytes]]] = {
    "orderBookL2_25.BTCUSD": [
        (b'"cross_seq":101', b'"cross_seq":<DIGITS>'),
        (b'"id":606225000', b'"id":<DIGITS>'),
        (b'"id":606225000', b'"id":"<DIGITS>"'),
        (b'"price":"60622.50"', b'"price":"<DIGITS>"'),
        (b'"size":5', b'"size":<DIGITS>'),
        (b'"size":5', b'"size":<FRACTION>'),
        (b'"size":5', b'"size":<TINY>'),
        (b'"symbol":"BTCUSD"', b'"symbol":"\\ud800"'),
        (b'"symbol":"BTCUSD"', b'"symbol":"<TEXT>"'),
        (b'"side":"Buy"', b'"side":"<TEXT>"'),
        (b'"type":"delta"', b'"type":"<TEXT>"'),
    ],
    "orderbook.50.BTCUSDT": [
        (b'"u":2', b'"u":<DIGITS>'),
        (b'"100.50"', b'"<DIGITS>"'),
        (b'["100.50","3"]', b'["100.50","<DIGITS>"]'),
        (b'["100.50","3"]', b'["100.50","<FRACTION>"]'),
        (b'["100.50","3"]', b"<LEVELS>"),
        (b'["100.50","3"]', b"<DELETES>"),
        (b'["100.50","3"]', b"<SIZES>"),
        (b'"s":"BTCUSDT"', b'"s":"<TEXT>"'),
    ],
    "publicTrade.BTCUSDT": [
        (b'"p":"100"', b'"p":"<DIGITS>"'),
        (b'"p":"100"', b'"p":"1e999999999999999999"'),
        (b'"T":1', b'"T":<DIGITS>'),
        (b'"S":"Buy"', b'"S":"<TEXT>"'),
    ],
    "tickers.BTCUSDT": [
        (b'"lastPrice":"1"', b'"lastPrice":"<DIGITS>"'),
        (b'"symbol":"BTCUSDT"', b'"symbol":"<TEXT>"'),
        (b'"cs":1', b'"cs":<DIGITS>'),
    ],
    "answer": [(b'"no"', b'"<TEXT>"'), (b'"op":"subscribe"', b'"op":"<TEXT>"')],
}
NO_JSON = {
    "nothing": b"",
    "white space": b"<SPACES>",
    "NUL bytes": b"<NULS>",
    "a million arrays": b"<ARRAYS>",
    "a topic of 10 MB": b'{"topic":"<TEXT>"}',
    "a topic of escapes": b'{"topic":"<ESCAPES>"}',
    "a topic that is a lone surrogate": b'{"topic":"\\ud800"}',
    "a topic that is a number": b'{"topic":<DIGITS>}',
}


def filled(raw: bytes) -> bytes:
    """A frame with what is huge in its place."""
    for name, made in HUGE.items():
        if name in raw:
            raw = raw.replace(name, made())
    return raw


class Owner:
    """Owns a feed with one topic of the dialect under fire, and another that must go on."""

    def __init__(self, dialect: Dialect, topic: str) -> None:
        self.errors: list[DepthwireError] = []
        self.reasons: list[str] = []
        self.feed = Feed(self)
        self._dialect = dialect
        self._other = "orderBookL2_25.ETHUSD" if dialect is v2.INVERSE else "orderbook.50.ETHUSDT"
        for name in {topic, self._other} - {"answer"}:
            channel = dialect.channel(name)
            assert channel is not None
            channel.attach(self.errors.append)
            self.feed.channels.add(channel)

    def on_control(self, message: bytes) -> None:
        try:
            self.reasons.append(self._dialect.answer(message).reason)
        except errors.MalformedFrame as error:
            self.errors.append(error)

    def on_frame_error(self, error: DepthwireError) -> None:
        self.errors.append(error)

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        return None

    def is_topic(self, text: str) -> bool:
        return self._dialect.is_topic(text)

    def on_connected(self, transport: object) -> None: ...

    def on_disconnected(self, transport: object) -> None: ...

    def survives(self, raw: bytes) -> None:
        """Take a frame: its cost is bounded, its error is a documented one, and the other book goes on."""
        raw = filled(raw)
        tracemalloc.start()
        begun_s = time.process_time()
        self.feed.receive(raw, 2)
        took_s = time.process_time() - begun_s
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took_s < LONGEST_CPU_S
        assert peak < MOST_TIMES_ITS_SIZE * max(len(raw), 100_000)
        assert all(isinstance(error, errors.FrameError) for error in self.errors), self.errors
        texts = [str(error) for error in self.errors] + self.reasons
        assert all(len(text) < LONGEST_MESSAGE + 300 for text in texts)
        other: Any = self.feed.channels.get(self._other)
        symbol = self._other.rpartition(".")[2]
        self.feed.receive(encode(snapshot(symbol) if self._dialect is v2.INVERSE else book(symbol)), 3)
        assert other.book.state is BookState.LIVE


def fired_at(topic: str) -> tuple[Owner, bytes]:
    dialect, before, good = TOPICS[topic]
    owner = Owner(dialect, topic)
    if before:
        owner.feed.receive(before, 1)
    assert owner.errors == []
    return owner, good


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", APPENDED)
def test_a_field_that_nobody_asked_for(topic: str, name: str) -> None:
    owner, good = fired_at(topic)
    owner.survives(good[:-1] + b',"x":' + APPENDED[name])


@pytest.mark.parametrize(
    ("topic", "at"), [(topic, at) for topic, cases in REPLACED.items() for at in range(len(cases))]
)
def test_a_field_that_is_read(topic: str, at: int) -> None:
    owner, good = fired_at(topic)
    old, new = REPLACED[topic][at]
    assert good.count(old) == 1
    owner.survives(good.replace(old, new))


@pytest.mark.parametrize("name", NO_JSON)
def test_a_frame_that_is_none(name: str) -> None:
    owner, _ = fired_at("orderbook.50.BTCUSDT")
    owner.survives(NO_JSON[name])
    assert len(owner.errors) == 1


def test_a_hostile_book_frame_that_fails_leaves_its_book_stale_with_a_short_reason() -> None:
    owner, good = fired_at("orderBookL2_25.BTCUSD")
    owner.survives(good.replace(b'"symbol":"BTCUSD"', b'"symbol":"<TEXT>"'))
    channel: Any = owner.feed.channels.get("orderBookL2_25.BTCUSD")
    assert channel.book.state is BookState.STALE
    assert len(channel.book.stale_reason) < LONGEST_MESSAGE + 10
    assert [type(error) for error in owner.errors] == [errors.SymbolMismatch]
