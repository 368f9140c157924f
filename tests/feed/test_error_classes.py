"""Hostile values, each in a frame of one topic: the error is of the documented class, and the other topics go on."""

from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.v5 import dialect as v5
from tests.support.offline import Offline
from tests.support.plain_client import run, until
from tests.support.sim_client import QUICK, collected, scripted
from tests.support.v5_server import book as v5_book
from tests.support.wire import encode, snapshot

V2_BTC, V2_ETH, TRADES = "orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD", "trade.BTCUSD"
V5_BTC, V5_ETH = "orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"
DEEP = b"[" * 100_000 + b"]" * 100_000

SIZES = {
    b"1e400": errors.InvalidLevel,
    b"-1e400": errors.InvalidLevel,
    b"9" * 400: errors.InvalidLevel,
    b"9" * 100_000: errors.InvalidLevel,
    b"1e-400": errors.InvalidLevel,
    b"-1": errors.InvalidLevel,
    b"NaN": errors.MalformedFrame,
    b"Infinity": errors.MalformedFrame,
    b'"many"': errors.MalformedFrame,
    b"null": errors.MalformedFrame,
    rb'"\ud800"': errors.MalformedFrame,
    b'"\xff"': errors.MalformedFrame,
    DEEP: errors.MalformedFrame,
}
V5_SIZES = {
    **{b'"' + text + b'"': errors.InvalidLevel for text in (b"1e400", b"9" * 400, b"9" * 100_000, b"NaN", b"-1", b"")},
    b"1e400": errors.InvalidLevel,
    **dict.fromkeys((b"1", b"NaN", b"null", rb'"\ud800"', b'"\xff"', DEEP), errors.MalformedFrame),
}
NUMBERS = {
    b"9" * 400: errors.InvalidLevel,
    b"9" * 100_000: errors.InvalidLevel,
    b"1e400": errors.InvalidLevel,
    b"NaN": errors.MalformedFrame,
    b"null": errors.MalformedFrame,
    rb'"\udc00"': errors.MalformedFrame,
    DEEP: errors.MalformedFrame,
}
ids = {"ids": lambda value: value[:12].decode(errors="replace") if isinstance(value, bytes) else value.__name__}


def refused(dialect: Any, hurt: str, other: str, bad: bytes, *good: bytes) -> errors.DepthwireError:
    """The error of a bad frame, after which a book and its neighbour are as they should be."""
    offline = Offline(hurt, other, dialect=dialect)
    for raw in good:
        offline.send(raw)
    offline.send(bad)
    (error,) = offline.errors
    assert len(str(error)) < 1000
    assert offline.book(hurt).state is BookState.STALE
    assert offline.book(other).state is BookState.LIVE
    offline.feed.channels.get(hurt).asked()  # type: ignore[union-attr]
    offline.send(good[0])
    assert offline.book(hurt).state is BookState.LIVE
    return error


def v2_refused(part: bytes, by: bytes) -> errors.DepthwireError:
    frame = encode(snapshot())
    assert part in frame
    return refused(
        depthwire.bybit.v2.dialect.INVERSE,
        V2_BTC,
        V2_ETH,
        frame.replace(part, by),
        frame,
        encode(snapshot("ETHUSD")),
    )


def v5_refused(part: bytes, by: bytes) -> errors.DepthwireError:
    frame = encode(v5_book("BTCUSDT"))
    assert part in frame
    return refused(v5.LINEAR, V5_BTC, V5_ETH, frame.replace(part, by), frame, encode(v5_book("ETHUSDT")))


@pytest.mark.parametrize(("size", "kind"), SIZES.items(), **ids)
def test_a_size_of_a_v2_level(size: bytes, kind: type[errors.FrameError]) -> None:
    assert type(v2_refused(b'"size":10}', b'"size":' + size + b"}")) is kind


@pytest.mark.parametrize(("size", "kind"), V5_SIZES.items(), **ids)
def test_a_size_of_a_v5_level(size: bytes, kind: type[errors.FrameError]) -> None:
    assert type(v5_refused(b'["100.50","1"]', b'["100.50",' + size + b"]")) is kind


@pytest.mark.parametrize(("number", "kind"), NUMBERS.items(), **ids)
def test_a_sequence(number: bytes, kind: type[errors.FrameError]) -> None:
    assert type(v2_refused(b'"cross_seq":100', b'"cross_seq":' + number)) in (kind, errors.InvalidLevel)
    assert type(v5_refused(b'"u":1,', b'"u":' + number + b",")) is kind


@pytest.mark.parametrize("value", [b"1e400", b"NaN", b"9" * 100_000, rb'"\ud800"', DEEP], **ids)
def test_a_trade_with_such_a_price_is_refused_alone_where_the_frame_can_be_read(value: bytes) -> None:
    offline = Offline(TRADES, V2_BTC)
    offline.send(encode(snapshot()))
    good = b'{"symbol":"BTCUSD","side":"Buy","price":1,"size":1,"trade_id":"x"}'
    offline.send(b'{"topic":"trade.BTCUSD","data":[' + good + b"," + good.replace(b"1,", value + b",", 1) + b"]}")
    (error,) = offline.errors
    is_json = value[:1] in b'19"'
    assert type(error) is (errors.MalformedEvent if is_json else errors.MalformedFrame)
    assert offline.events(TRADES).events == int(is_json)
    assert offline.book(V2_BTC).state is BookState.LIVE


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"topic":"orderBookL2_25.BTCUSD","type":' + DEEP + b"}", errors.MalformedFrame),
        (b'{"topic":"orderBookL2_25.XRPUSD","data":' + b"[]}", errors.UnexpectedTopic),
        (b"9" * 100_000, errors.DamagedFrame),
        (rb'{"topic":"\ud800"}', errors.DamagedFrame),
        (b'{"topic":"\xff"}', errors.DamagedFrame),
        (DEEP, errors.DamagedFrame),
    ],
    ids=range(6),
)
def test_a_frame_over_a_socket_is_of_its_class_and_the_connection_goes_on(
    raw: bytes, kind: type[errors.FrameError]
) -> None:
    async def main() -> None:
        async with (
            scripted([[encode(snapshot()), raw, encode(snapshot(seq=200))]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            found = collected(client)
            live = await client.book("BTCUSD")
            await until(lambda: live.cross_seq == 200 and bool(found))
            assert type(found[0]) is kind
            assert client.status().connects == 1

    run(main)
