"""The v5 dialect: its topics and what they become, how requests are written, what answers say, what limits allow."""

import json
from typing import Any

import pytest

from depthwire import endpoints, errors
from depthwire.bybit.dialect import Dialect, Limits, Room
from depthwire.bybit.topics import Topic
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5.accounts import Balances, OpenOrders, Positions
from depthwire.bybit.v5.dialect import V5Dialect
from depthwire.endpoints import endpoint_of
from depthwire.errors import TopicError
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel

PUBLIC = [v5.LINEAR, v5.INVERSE, v5.SPOT, v5.OPTION]
ALL = [*PUBLIC, v5.PRIVATE_ONLY]


def named(dialect: Dialect) -> str:
    return dialect.name


# topics


@pytest.mark.parametrize("dialect", ALL, ids=named)
def test_every_topic_of_the_grammar_has_a_channel(dialect: V5Dialect) -> None:
    names = {"insurance": "inverse" if dialect is v5.INVERSE else "USDT", "publicTrade": "BTC"}
    for kind in dialect.kinds:
        private = Topic(kind, "").is_private
        text = kind if private else f"{kind}.{names.get(kind.partition('.')[0], 'BTCUSDT')}"
        (topic,) = dialect.parse(text)
        assert (topic.kind, topic.text, topic.is_private, topic.is_pattern) == (kind, text, private, False)
        channel = dialect.channel(text)
        expected = {"orderbook": BookChannel, "tickers": StateChannel}.get(kind.partition(".")[0], EventChannel)
        assert type(channel) is expected, text
        assert channel.topic == text
        assert dialect.about(kind).content


@pytest.mark.parametrize(
    ("dialect", "depths"),
    [
        (v5.LINEAR, {1, 50, 200, 1000}),
        (v5.INVERSE, {1, 50, 200, 1000}),
        (v5.SPOT, {1, 50, 200, 1000}),
        (v5.OPTION, {25, 100}),
    ],
    ids=lambda value: value.name if isinstance(value, V5Dialect) else "",
)
def test_each_category_has_its_depths(dialect: V5Dialect, depths: set[int]) -> None:
    assert set(dialect.books.values()) == depths
    for depth in depths:
        channel = dialect.channel(dialect.book_topic("BTCUSDT", depth))
        assert isinstance(channel, BookChannel)
        assert (channel.book.depth, channel.book.symbol) == (depth, "BTCUSDT")
    for depth in {0, -1, 1, 25, 50, 100, 200, 500, 1000} - depths:
        with pytest.raises(TopicError, match=f"expected one of {', '.join(map(str, sorted(depths)))}"):
            dialect.book_topic("BTCUSDT", depth)


def test_a_book_has_a_default_depth() -> None:
    assert v5.LINEAR.book_topic("BTCUSDT") == "orderbook.50.BTCUSDT"
    assert v5.OPTION.book_topic("BTC-30DEC22-18000-C") == "orderbook.25.BTC-30DEC22-18000-C"
    assert v2.INVERSE.book_topic("BTCUSD") == "orderBookL2_25.BTCUSD"
    with pytest.raises(TopicError, match="/v5/public/"):
        v5.PRIVATE_ONLY.book_topic("BTCUSDT")


def test_private_topics_may_have_a_category() -> None:
    for text in ("order.linear", "execution.spot", "execution.fast.option", "position.inverse"):
        (topic,) = v5.LINEAR.parse(text)
        assert topic.is_private
        assert topic.text == text
        assert isinstance(v5.LINEAR.channel(text), EventChannel)


def test_live_views_belong_to_one_channel_each() -> None:
    for topic, view in (
        ("order", OpenOrders),
        ("order.linear", OpenOrders),
        ("position", Positions),
        ("wallet", Balances),
    ):
        one, other = v5.LINEAR.channel(topic), v5.LINEAR.channel(topic)
        assert isinstance(one, EventChannel)
        assert isinstance(other, EventChannel)
        assert isinstance(one.view, view)
        assert one.view is not other.view


@pytest.mark.parametrize(
    ("dialect", "text", "hint"),
    [
        (v5.LINEAR, "publicTrade.BTCUSDT|ETHUSDT", "neither pipes nor stars"),
        (v5.LINEAR, "publicTrade.*", "neither pipes nor stars"),
        (v5.LINEAR, "publicTrade", "lacks its symbol; write it as 'publicTrade.BTCUSDT'"),
        (v5.INVERSE, "tickers.", "lacks its symbol; write it as 'tickers.BTCUSD'"),
        (v5.LINEAR, "orderbook.50", "lacks its symbol"),
        (v5.LINEAR, "orderbook.25.BTCUSDT", "linear's order books, which are 1, 50, 200, 1000"),
        (v5.OPTION, "orderbook.50.BTC-30DEC22-18000-C", "which are 25, 100"),
        (v5.LINEAR, "orderbook.rpi.BTCUSDT", "names no depth"),
        (v5.LINEAR, "kline.2.BTCUSDT", "1, 3, 5, 15"),
        (v5.OPTION, "kline.1.BTC-30DEC22-18000-C", "not a topic of v5 option"),
        (v5.SPOT, "allLiquidation.BTCUSDT", "not a topic of v5 spot"),
        (v5.LINEAR, "tickers.btcusdt", "expected one like 'BTCUSDT'"),
        (v5.OPTION, "publicTrade.BTC-30DEC22-18000-C", "write 'publicTrade.BTC'"),
        (v5.LINEAR, "insurance.BTC", "'insurance.USDT'"),
        (v5.LINEAR, "trade.BTCUSDT", "publicTrade.SYMBOL"),
        (v5.LINEAR, "orderBookL2_25.BTCUSDT", "orderbook.DEPTH.SYMBOL"),
        (v5.LINEAR, "stop_order", "Untriggered"),
        (v5.LINEAR, "order.futures", "linear, inverse, spot, option, or nothing"),
        (v5.LINEAR, "wallet.linear", "takes nothing after it"),
        (v5.PRIVATE_ONLY, "orderbook.50.BTCUSDT", "/v5/public/linear"),
        (v5.LINEAR, "", "a topic is a text"),
        (v5.LINEAR, "x" * 200_000, "a topic is a text"),
        (v5.LINEAR, None, "a topic is a text"),
        (v5.LINEAR, "nonsense", "which has orderbook"),
        (v2.INVERSE, "orderbook.50.BTCUSD", "is a topic of v5"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_the_reason(dialect: Dialect, text: Any, hint: str) -> None:
    with pytest.raises(TopicError, match=hint) as error:
        dialect.parse(text)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "tickers",
        "tickers.",
        ".BTCUSDT",
        "order.x",
        "kline.7.BTCUSDT",
        "orderbook.0.BTCUSDT",
        "orderbook.05.BTCUSDT",
        "orderbook.9999999.BTCUSDT",
        "orderbook.51.btcusdt",
        "trade.BTCUSDT",
        "x",
    ],
)
def test_a_topic_that_is_none_has_no_channel(topic: str) -> None:
    assert v5.LINEAR.channel(topic) is None
    assert not v5.LINEAR.is_topic(topic)


# requests and answers


def answer(**told: Any) -> Any:
    return v5.LINEAR.answer(json.dumps(told).encode())


def test_every_request_has_an_id_of_its_own_by_which_its_answer_is_known() -> None:
    keys = []
    requests = [
        v5.LINEAR.request("subscribe", ["tickers.BTCUSDT"]),
        v5.LINEAR.request("subscribe", ["tickers.BTCUSDT"]),
        v5.LINEAR.request("unsubscribe", ["tickers.BTCUSDT"]),
        v5.LINEAR.ping(),
    ]
    for key, raw in requests:
        wire = json.loads(raw)
        told = answer(success=True, ret_msg="", conn_id="x", req_id=wire["req_id"], op=wire["op"])
        assert (told.key, told.success, told.reason) == (key, True, "")
        keys.append(key)
        assert wire.get("args") == (None if wire["op"] == "ping" else ["tickers.BTCUSDT"])
    assert len(set(keys)) == len(keys)


def test_a_sign_in_is_answered_under_a_key_that_holds_no_secret() -> None:
    key, raw = v5.LINEAR.auth_request("the-key", 1_700_000_000_000, "the-signature")
    wire = json.loads(raw)
    assert (wire["op"], wire["args"]) == ("auth", ["the-key", 1_700_000_000_000, "the-signature"])
    assert "the-" not in repr(key)
    assert answer(success=True, ret_msg="", op="auth", conn_id="x", req_id=wire["req_id"]).key == key


@pytest.mark.parametrize("told", [{"req_id": ""}, {"req_id": None}, {}])
def test_an_answer_without_an_id_still_names_its_operation(told: dict[str, Any]) -> None:
    assert answer(success=True, ret_msg="subscribe", conn_id="x", op="subscribe", **told).key == ("subscribe", ())


def test_both_kinds_of_pong_are_understood() -> None:
    public = answer(success=True, ret_msg="pong", conn_id="x", req_id="7", op="ping")
    private = answer(req_id="7", op="pong", args=["1675418560633"], conn_id="x")
    assert public == private
    assert (public.key, public.success) == (("ping", ("7",)), True)


@pytest.mark.parametrize(
    ("reason", "is_served"),
    [
        ("error:handler not found,topic:orderbook.50.NOPE", False),
        ("error:already subscribed,topic:orderbook.50.BTCUSDT", True),
        ("error:request expired", False),
        ("", False),
    ],
)
def test_a_refusal_says_why(reason: str, is_served: bool) -> None:
    told = answer(success=False, ret_msg=reason, conn_id="x", req_id="7", op="subscribe")
    assert (told.success, told.is_served) == (False, is_served)
    assert told.reason == (reason or "no reason given")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'{"op":"subscribe"}', b'{"success":true}', b'{"op":1,"success":true}', b"\xff"]
)
def test_what_is_no_answer_is_malformed(raw: bytes) -> None:
    with pytest.raises(errors.MalformedFrame):
        v5.LINEAR.answer(raw)


# limits


def test_a_connection_takes_as_many_topics_as_the_written_list_may_be_long() -> None:
    topics = [Topic("orderbook.50", f"S{number:05}USDT") for number in range(2000)]
    room = Room(v5.LINEAR.limits, ())
    taken = [topic.text for topic in topics if room.take(topic)]
    assert len(json.dumps(taken, separators=(",", ":"))) <= 21_000
    assert len(json.dumps([*taken, topics[-1].text], separators=(",", ":"))) > 21_000
    assert not Room(v5.LINEAR.limits, (Topic(*text.rsplit(".", 1)) for text in taken)).take(topics[-1])


def test_options_have_a_limit_of_topics_too_and_spot_one_of_args_a_request() -> None:
    room = Room(Limits(topics=2), ())
    assert [room.take(Topic("tickers", name)) for name in "ABC"] == [True, True, False]
    assert v5.OPTION.limits.topics == 2000
    assert v5.SPOT.limits.args_per_request == 10


# endpoints


@pytest.mark.parametrize(
    ("url", "name", "private_url"),
    [
        (endpoints.V5_LINEAR_MAINNET, "v5-linear", endpoints.V5_PRIVATE_MAINNET),
        (endpoints.V5_INVERSE_TESTNET, "v5-inverse", endpoints.V5_PRIVATE_TESTNET),
        (endpoints.V5_SPOT_BYTICK, "v5-spot", endpoints.V5_PRIVATE_BYTICK),
        (endpoints.V5_OPTION_MAINNET, "v5-option", endpoints.V5_PRIVATE_MAINNET),
        ("ws://127.0.0.1:8080/v5/public/linear/", "v5-linear", "ws://127.0.0.1:8080/v5/private"),
        (endpoints.INVERSE_BYTICK, "inverse", endpoints.INVERSE_BYTICK),
        (endpoints.LINEAR_BYTICK, "linear", "wss://stream.bytick.com/realtime_private"),
    ],
)
def test_a_url_leads_to_a_dialect_and_to_its_hosts_private_side(url: str, name: str, private_url: str) -> None:
    endpoint = endpoint_of(url)
    assert (endpoint.dialect.name, endpoint.public_url, endpoint.private_url) == (name, url, private_url)


def test_the_private_endpoint_has_no_public_side() -> None:
    url = endpoints.V5_PRIVATE_MAINNET
    assert endpoint_of(url) == (v5.PRIVATE_ONLY, url, url)


def test_the_demo_hosts_public_side_is_the_mainnets() -> None:
    endpoint = endpoint_of(endpoints.V5_LINEAR_DEMO)
    assert endpoint.public_url == endpoints.V5_LINEAR_MAINNET
    assert endpoint.private_url == endpoints.V5_PRIVATE_DEMO


def test_every_named_endpoint_is_one() -> None:
    urls = {name: url for name, url in vars(endpoints).items() if name.isupper() and not name.startswith("_")}
    assert len(urls) == len(set(urls.values())) == 26
    for name, url in urls.items():
        words = name.lower().split("_")
        dialect = endpoint_of(url).dialect.name
        assert dialect == ("-".join(words[:2]) if words[0] == "v5" else words[0])


@pytest.mark.parametrize("path", ["/v5", "/v5/public", "/v5/public/futures", "/v5/private/order", "/v5/trade"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(errors.InvalidUrl, match="/v5/public/linear"):
        endpoint_of(f"wss://stream.bybit.com{path}")


@pytest.mark.parametrize("depth", [2, 51, 500, 999_999])
def test_a_book_of_any_depth_is_understood_but_only_served_ones_are_asked_for(depth: int) -> None:
    channel = v5.LINEAR.channel(f"orderbook.{depth}.BTCUSDT")
    assert isinstance(channel, BookChannel)
    assert channel.book.depth == depth
    with pytest.raises(errors.TopicError, match="depth"):
        v5.LINEAR.parse(f"orderbook.{depth}.BTCUSDT")
    with pytest.raises(errors.TopicError, match="depth"):
        v5.LINEAR.book_topic("BTCUSDT", depth)
