"""The v2 dialects: which channel a topic gets, how requests are written, what answers say."""

import json
from typing import Any

import pytest

from depthwire import errors
from depthwire.bybit.accounts import Balances, OpenOrders, OpenStopOrders, Positions
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.bybit.v2.dialect import INVERSE, LINEAR, V2Dialect
from depthwire.bybit.v2.grammar import PRIVATE_KINDS, kinds_of
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel

DIALECTS = [INVERSE, LINEAR]


# topics


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_topic_of_the_grammar_has_a_channel(dialect: V2Dialect) -> None:
    for kind in kinds_of(dialect.name):
        topic = kind if kind in PRIVATE_KINDS else f"{kind}.BTCUSD"
        channel = dialect.channel(topic)
        assert channel is not None, topic
        assert channel.topic == topic
        expected: type = EventChannel
        if kind.startswith("orderBook"):
            expected = BookChannel
        elif kind.startswith("instrument_info"):
            expected = StateChannel
        assert isinstance(channel, expected), topic


@pytest.mark.parametrize("depth", [25, 200])
def test_a_book_channel_has_its_topics_depth(depth: int) -> None:
    channel = INVERSE.channel(INVERSE.book_topic("BTCUSD", depth))
    assert isinstance(channel, BookChannel)
    assert (channel.book.depth, channel.book.symbol) == (depth, "BTCUSD")


def test_an_instrument_channel_has_the_instrument() -> None:
    channel = LINEAR.channel(LINEAR.instrument_topic("BTCUSDT"))
    assert isinstance(channel, StateChannel)
    assert isinstance(channel.state, Instrument)
    assert channel.state.symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("topic", "view"),
    [("order", OpenOrders), ("stop_order", OpenStopOrders), ("position", Positions), ("wallet", Balances)],
)
def test_private_channels_have_their_own_live_view(topic: str, view: type) -> None:
    one, other = INVERSE.channel(topic), INVERSE.channel(topic)
    assert isinstance(one, EventChannel)
    assert isinstance(other, EventChannel)
    assert isinstance(one.view, view)
    assert one.view is not other.view


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "trade",
        "nonsense",
        "nonsense.BTCUSD",
        "order.BTCUSD",
        "klineV2.BTCUSD",
        "klineV2.7.BTCUSD",
        "candle.1.BTCUSD",
        "instrument_info.BTCUSD",
        "trade.",
        ".BTCUSD",
        "trade.btcusd",
        "trade.BTCUSD|ETHUSD",
        "trade.trade.BTCUSD",
        "orderBookL2_25.B>;SD",
        "orderBookL2_25.*",
    ],
)
def test_a_topic_that_is_none_has_no_channel(topic: str) -> None:
    assert INVERSE.channel(topic) is None
    assert not INVERSE.is_topic(topic)


def test_topics_are_built_as_each_dialect_names_them() -> None:
    assert INVERSE.kline_topic("1", "BTCUSD") == "klineV2.1.BTCUSD"
    assert LINEAR.kline_topic(15, "BTCUSDT") == "candle.15.BTCUSDT"
    assert INVERSE.kline_topic("D", "BTCUSD") == "klineV2.D.BTCUSD"
    assert INVERSE.trade_topic("BTCUSD") == "trade.BTCUSD"
    assert INVERSE.insurance_topic("BTC") == "insurance.BTC"
    assert INVERSE.liquidation_topic("ETHUSD") == "liquidation.ETHUSD"
    assert INVERSE.instrument_topic("EOSUSD") == "instrument_info.100ms.EOSUSD"
    for interval in CANDLE_INTERVALS:
        for dialect in DIALECTS:
            assert dialect.channel(dialect.kline_topic(interval, "BTCUSD")) is not None


@pytest.mark.parametrize(
    ("build", "hint"),
    [
        (lambda: INVERSE.kline_topic("7", "BTCUSD"), "1, 3, 5"),
        (lambda: INVERSE.kline_topic("1", "btcusd"), "BTCUSD"),
        (lambda: INVERSE.book_topic("BTCUSD", 50), "25, 200"),
        (lambda: INVERSE.trade_topic("*"), "invalid symbol"),
        (lambda: INVERSE.insurance_topic(""), "invalid symbol"),
        (lambda: INVERSE.liquidation_topic("BTC|ETH"), "invalid symbol"),
        (lambda: INVERSE.instrument_topic("a.b"), "invalid symbol"),
    ],
)
def test_a_topic_that_cannot_be_is_refused_with_a_hint(build: Any, hint: str) -> None:
    with pytest.raises(errors.TopicError, match=hint):
        build()


# requests and answers


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_a_request_is_answered_under_its_key(dialect: V2Dialect, op: str) -> None:
    key, raw = dialect.request(op, ["trade.BTCUSD", "order"])
    request = json.loads(raw)
    assert request == {"op": op, "args": ["trade.BTCUSD", "order"]}
    answer = {"success": True, "ret_msg": "", "conn_id": "x", "request": request}
    found = dialect.answer(json.dumps(answer).encode())
    assert (found.key, found.success, found.reason) == (key, True, "")


def test_a_pong_is_answered_under_the_pings_key() -> None:
    key, ping = INVERSE.ping()
    raw = {"success": True, "ret_msg": "pong", "conn_id": "x", "request": {**json.loads(ping), "args": None}}
    assert INVERSE.answer(json.dumps(raw).encode()).key == key


def test_a_sign_in_is_answered_under_a_key_that_holds_no_secret() -> None:
    key, raw = INVERSE.auth_request("the-key", 1_700_000_000_000, "the-signature")
    assert json.loads(raw) == {"op": "auth", "args": ["the-key", 1_700_000_000_000, "the-signature"]}
    refused = {"success": False, "ret_msg": "error:request expired", "conn_id": "x", "request": json.loads(raw)}
    answer = INVERSE.answer(json.dumps(refused).encode())
    assert (answer.key, answer.success, answer.reason) == (key, False, "error:request expired")
    assert "the-" not in repr(answer)


def test_a_refusal_gives_the_venues_reason() -> None:
    raw = b'{"success":false,"ret_msg":"error:topic:order needs auth first","request":{"op":"subscribe"}}'
    answer = INVERSE.answer(raw)
    assert (answer.success, answer.reason) == (False, "error:topic:order needs auth first")
    silent = INVERSE.answer(b'{"success":false,"request":{"op":"subscribe","args":["order"]}}')
    assert silent.reason == "no reason given"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"success":"perhaps"}',
        b'{"success":true,"request":7}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_malformed(raw: bytes) -> None:
    with pytest.raises(errors.MalformedFrame):
        INVERSE.answer(raw)


@pytest.mark.parametrize(("kind", "depth"), [("orderBookL2_50", 50), ("orderBook_500.100ms", 500)])
def test_a_book_of_any_depth_is_understood_but_only_served_ones_are_asked_for(kind: str, depth: int) -> None:
    channel = INVERSE.channel(f"{kind}.BTCUSD")
    assert isinstance(channel, BookChannel)
    assert channel.book.depth == depth
    with pytest.raises(errors.TopicError):
        INVERSE.parse(f"{kind}.BTCUSD")
    with pytest.raises(errors.TopicError):
        INVERSE.book_topic("BTCUSD", depth)
