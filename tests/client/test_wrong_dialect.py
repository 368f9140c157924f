"""A symbol or topic of another dialect: the error says which endpoint serves it."""

import pytest

import depthwire
from depthwire import errors
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.cli import main
from depthwire.endpoints import categories_of, elsewhere
from tests.support.plain_client import run


@pytest.mark.parametrize(
    ("symbol", "categories"),
    [
        ("BTCUSD", ("inverse",)),
        ("BTCUSDZ26", ("inverse",)),
        ("BTCUSDT", ("linear", "spot")),
        ("1000PEPEUSDT", ("linear", "spot")),
        ("BTCPERP", ("linear",)),
        ("BTC-26DEC26", ("linear",)),
        ("BTC-26DEC26-100000-C", ("option",)),
        ("SOL-26DEC26-120.5-P-USDT", ("option",)),
        ("BTC", ()),
        ("*", ()),
        ("", ()),
        ("ETHBTC", ()),
    ],
)
def test_a_symbols_form_tells_its_category(symbol: str, categories: tuple[str, ...]) -> None:
    assert categories_of(symbol) == categories


@pytest.mark.parametrize(
    ("symbol", "dialect", "hint"),
    [
        (
            "BTCUSDT",
            v2.INVERSE,
            "a symbol of linear or spot, not of inverse: connect to /realtime_public or /v5/public/spot",
        ),
        ("BTCUSD", v2.LINEAR, "a symbol of inverse, not of linear: connect to /realtime"),
        ("BTCUSD", v5.LINEAR, "connect to /v5/public/inverse"),
        ("BTCUSDT", v5.OPTION, "connect to /v5/public/linear or /v5/public/spot"),
        ("BTC-26DEC26-100000-C", v2.LINEAR, "connect to /v5/public/option"),
        ("BTCUSDT", v5.SPOT, ""),
        ("BTCUSDT", v2.LINEAR, ""),
        ("NOPE", v2.INVERSE, ""),
    ],
)
def test_the_hint_names_the_endpoint(symbol: str, dialect: Dialect, hint: str) -> None:
    found = elsewhere(symbol, dialect)
    assert hint in found
    assert bool(found) == bool(hint)


@pytest.mark.parametrize(
    ("url", "symbol", "path"),
    [
        ("sim://", "BTCUSDT", "/realtime_public"),
        ("sim://linear", "BTCUSD", "/realtime"),
        ("sim://v5/linear", "BTCUSD", "/v5/public/inverse"),
        ("sim://v5/inverse", "BTCUSDT", "/v5/public/linear"),
    ],
)
def test_a_book_of_another_dialect_is_refused_with_where_it_is(url: str, symbol: str, path: str) -> None:
    async def wrong() -> None:
        async with depthwire.connect(url) as client:
            for wanted in (client.book, client.trades, client.instrument):
                with pytest.raises(errors.SubscriptionRejected, match=f"connect to {path}"):
                    await wanted(symbol)

    run(wrong)


@pytest.mark.parametrize(
    ("dialect", "topic", "told"),
    [
        (v2.INVERSE, "publicTrade.BTCUSDT", "a topic of v5.*on inverse trades are trade.SYMBOL"),
        (v2.LINEAR, "orderbook.50.BTCUSDT", "a topic of v5.*on linear order books are orderBookL2_25.SYMBOL"),
        (v2.LINEAR, "kline.1.BTCUSDT", r"a topic of v5.*candles are candle\.INTERVAL"),
        (v2.INVERSE, "candle.1.BTCUSD", r"a topic of linear; on inverse candles are klineV2\.INTERVAL"),
        (v2.LINEAR, "klineV2.1.BTCUSDT", r"a topic of inverse; on linear candles are candle\.INTERVAL"),
        (v2.INVERSE, "nonsense.BTCUSD", "not a topic of the inverse dialect, which has"),
        (v5.LINEAR, "trade.BTCUSDT", r"trades are publicTrade\.SYMBOL"),
    ],
)
def test_a_topic_of_another_dialect_is_named(dialect: Dialect, topic: str, told: str) -> None:
    with pytest.raises(errors.TopicError, match=told):
        dialect.parse(topic)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["BTCUSD", "BTCUSDT"], "BTCUSD on inverse and BTCUSDT on linear: run one command for each"),
        (["trade.ETHUSD|BTCUSD", "trade.BTCUSDT"], "ETHUSD on inverse and BTCUSDT on linear"),
        (["BTCUSD", "candle.1.BTCUSD"], "a topic of linear"),
    ],
)
def test_a_command_that_asks_for_two_dialects_says_so_at_once(
    targets: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *targets, "--sim", "--seconds", "1"]) == 2
    assert told in capsys.readouterr().err
