"""The topic grammar: what is accepted, what it stands for, and what is refused before it is sent."""

import pytest

from depthwire.bybit.topics import CANDLE_INTERVALS, Topic
from depthwire.bybit.v2.grammar import kinds_of, parse_topics
from depthwire.errors import TopicError


def texts(text: str, dialect: str = "inverse") -> list[str]:
    return [topic.text for topic in parse_topics(text, dialect)]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("trade.BTCUSD", ["trade.BTCUSD"]),
        ("trade.BTCUSD|XRPUSD", ["trade.BTCUSD", "trade.XRPUSD"]),
        ("trade.BTCUSD|XRPUSD|BTCUSD", ["trade.BTCUSD", "trade.XRPUSD"]),
        ("trade.*", ["trade.*"]),
        ("trade", ["trade.*"]),
        ("liquidation", ["liquidation.*"]),
        ("insurance.BTC", ["insurance.BTC"]),
        ("orderBookL2_25.BTCUSD", ["orderBookL2_25.BTCUSD"]),
        ("orderBook_200.100ms.BTCUSD|ETHUSD", ["orderBook_200.100ms.BTCUSD", "orderBook_200.100ms.ETHUSD"]),
        ("instrument_info.100ms.BTCUSDM21", ["instrument_info.100ms.BTCUSDM21"]),
        ("klineV2.1.BTCUSD", ["klineV2.1.BTCUSD"]),
        ("klineV2.720.*", ["klineV2.720.*"]),
        ("order", ["order"]),
        ("stop_order", ["stop_order"]),
    ],
)
def test_what_is_asked_and_what_is_sent(asked: str, sent: list[str]) -> None:
    assert texts(asked) == sent


def test_pipes_are_written_out_on_linear() -> None:
    assert texts("trade.BTCUSDT|ETHUSDT", "linear") == ["trade.BTCUSDT", "trade.ETHUSDT"]
    assert texts("candle.D.BTCUSDT", "linear") == ["candle.D.BTCUSDT"]


@pytest.mark.parametrize("asked", ["trade.*", "trade", "liquidation", "orderBookL2_25.*"])
def test_linear_refuses_all_symbols_with_the_reason(asked: str) -> None:
    with pytest.raises(TopicError, match=r"cannot ask for all symbols; name them, as in '\w+\.BTCUSDT'"):
        parse_topics(asked, "linear")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("", "like 'trade.BTCUSD'"),
        (None, "like 'trade.BTCUSD'"),
        ("x" * 200_000, "like 'trade.BTCUSD'"),
        ("moon.BTCUSD", "not a topic of the inverse dialect, which has orderBookL2_25"),
        ("Trade.BTCUSD", "not a topic of the inverse dialect"),
        ("tradeBTCUSD", "not a topic of the inverse dialect"),
        ("candle.1.BTCUSD", "klineV2"),
        ("trade.", "invalid symbol"),
        ("trade.btcusd", "'BTCUSD'"),
        ("trade.BTCUSD|", "invalid symbol"),
        ("trade.BTCUSD|*", "invalid symbol"),
        ("trade.BTC USD", "invalid symbol"),
        ("trade.BTCUSD\n", "invalid symbol"),
        ("trade.BTCUSD.ETHUSD", "invalid symbol"),
        ("orderBook_200.BTCUSD", "'orderBook_200.100ms.BTCUSD'"),
        ("instrument_info.BTCUSD", "'instrument_info.100ms.BTCUSD'"),
        ("klineV2.2.BTCUSD", "'klineV2.1.BTCUSD'"),
        ("klineV2.BTCUSD", "'klineV2.1.BTCUSD'"),
        ("order.BTCUSD", "takes no filter"),
        ("wallet.*", "takes no filter"),
    ],
)
def test_a_malformed_topic_is_refused_and_told_how_it_should_look(asked: str, hint: str) -> None:
    with pytest.raises(TopicError) as error:
        parse_topics(asked, "inverse")
    assert hint in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_every_kind_can_be_asked_for(dialect: str) -> None:
    kinds = kinds_of(dialect)
    assert len(kinds) == 6 + len(CANDLE_INTERVALS) + 5
    for kind in kinds:
        topic = Topic(kind, "" if Topic(kind, "").is_private else "BTCUSDT")
        assert parse_topics(topic.text, dialect) == (topic,)


def test_patterns_cover_their_kind_only() -> None:
    (every,) = parse_topics("klineV2.1.*", "inverse")
    assert every.is_pattern
    assert every.covers("klineV2.1.BTCUSD")
    assert not every.covers("klineV2.15.BTCUSD")
    assert not every.covers("klineV2.1")
    (one,) = parse_topics("order", "inverse")
    assert one.is_private
    assert one.covers("order")
    assert not one.covers("order.BTCUSD")
    assert not one.is_pattern
