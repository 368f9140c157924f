"""The topics that the arguments of ``watch`` and ``record`` select."""

import pytest

from depthwire.bybit.v2.dialect import INVERSE, LINEAR
from depthwire.bybit.v5 import dialect as v5
from depthwire.cli import main
from depthwire.cli.targets import dialect_of, simulated_url, topics_of, trades_of
from depthwire.errors import InvalidUrl, TopicError


def texts(*targets: str, depth: int = 25) -> list[str]:
    return [topic.text for topic in topics_of(targets, INVERSE, depth)]


def test_a_symbol_is_its_book_and_a_topic_is_itself() -> None:
    assert texts("BTCUSD", "trade.BTCUSD|ETHUSD") == ["orderBookL2_25.BTCUSD", "trade.BTCUSD", "trade.ETHUSD"]
    assert texts("BTCUSD", depth=200) == ["orderBook_200.100ms.BTCUSD"]
    assert texts("liquidation", "insurance.BTC") == ["liquidation.*", "insurance.BTC"]


def test_nothing_is_asked_for_twice() -> None:
    assert texts("BTCUSD", "orderBookL2_25.BTCUSD|ETHUSD") == ["orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD"]
    # Otherwise each trade of BTCUSD would appear twice.
    assert texts("trade.BTCUSD", "trade.*", "trade") == ["trade.*"]


def test_each_dialect_has_its_own_topics() -> None:
    assert [topic.text for topic in topics_of(["candle.1.BTCUSDT"], LINEAR, 25)] == ["candle.1.BTCUSDT"]
    with pytest.raises(TopicError):
        topics_of(["candle.1.BTCUSD"], INVERSE, 25)


@pytest.mark.parametrize(
    ("targets", "url"),
    [
        (["BTCUSD"], "sim://inverse"),
        (["BTCUSDT", "trade.BTCUSDT"], "sim://linear"),
        (["trade.*"], "sim://inverse"),
        (["candle.1.BTCUSDT", "order"], "sim://linear"),
        (["order"], "sim://inverse"),
        (["publicTrade.BTCUSDT"], "sim://v5/linear"),
        (["BTCUSDT", "tickers.BTCUSDT"], "sim://v5/linear"),
        (["orderbook.50.BTCUSD"], "sim://v5/inverse"),
        (["greeks"], "sim://v5/inverse"),
        (["BTC-31DEC27-60000-C"], "sim://v5/option"),
        (["publicTrade.BTC", "tickers.BTC-31DEC27-60000-C"], "sim://v5/option"),
    ],
)
def test_the_embedded_venue_that_fits(targets: list[str], url: str) -> None:
    assert simulated_url(targets) == url


def test_v5_has_its_own_topics_and_depths() -> None:
    asked = ["BTCUSDT", "publicTrade.BTCUSDT", "order.linear", "execution.fast"]
    expected = ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "order.linear", "execution.fast"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DEPTHWIRE_API_KEY", "key")
        environment.setenv("DEPTHWIRE_API_SECRET", "secret")
        assert [topic.text for topic in topics_of(asked, v5.LINEAR, None)] == expected
    assert [topic.text for topic in topics_of(["BTCUSDT"], v5.SPOT, 1000)] == ["orderbook.1000.BTCUSDT"]
    with pytest.raises(TopicError, match="expected one of 25, 100"):
        topics_of(["BTC-25DEC26-100000-C"], v5.OPTION, 50)
    assert dialect_of("wss://stream.bybit.com/v5/public/option") is v5.OPTION


def test_the_dialect_of_a_url() -> None:
    urls = ("sim://", "sim://linear", "ws://h/realtime", "ws://h/realtime_public")
    assert [dialect_of(url) for url in urls] == [INVERSE, LINEAR, INVERSE, LINEAR]
    assert dialect_of("sim://v5/spot") is v5.SPOT
    with pytest.raises(InvalidUrl, match="sim://v5/linear"):
        dialect_of("sim://v5/spread")
    with pytest.raises(InvalidUrl):
        dialect_of("ws://h/elsewhere")


RECORD = ["record", "--out", "never.frames"]


@pytest.mark.parametrize(
    ("command", "target", "code", "said"),
    [
        (["watch"], "trades.BTCUSD", 2, "not a topic of the inverse dialect, which has orderBookL2_25"),
        (["watch"], "klineV2.2.BTCUSD", 2, "lacks a valid interval"),
        (["watch"], "order.BTCUSD", 2, "takes no filter"),
        (
            ["watch"],
            "order",
            1,
            "private topics need an API key: order; set DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET",
        ),
        (RECORD, "order", 1, "private topics need an API key: order; set DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET"),
        (
            RECORD,
            "strategy",
            1,
            "private topics need an API key: strategy; set DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_before_anything_is_sent(
    command: list[str],
    target: str,
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DEPTHWIRE_API_KEY", raising=False)
    monkeypatch.delenv("DEPTHWIRE_API_SECRET", raising=False)
    assert main([*command, target, "BTCUSD", "--url", "ws://127.0.0.1:1/realtime"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("depthwire: error: ")
    assert said in line


@pytest.mark.parametrize("target", ["publicTrade.*", "publicTrade.BTCUSDT|ETHUSDT", "tickers.btcusdt"])
def test_a_topic_that_is_misspelt_is_not_recorded_as_an_unknown_one(target: str) -> None:
    with pytest.raises(TopicError):
        topics_of([target], v5.LINEAR, None, any_text=True)
    (pool,) = topics_of(["insurance.NEW"], v5.LINEAR, None, any_text=True)
    assert pool.text == "insurance.NEW"


def test_the_trades_of_an_option_are_those_of_its_base_coin() -> None:
    assert trades_of("BTC-31DEC27-60000-C", v5.OPTION) == "publicTrade.BTC"
    assert trades_of("BTC-31DEC27", v5.LINEAR) == "publicTrade.BTC-31DEC27"


def test_a_word_that_is_neither_symbol_nor_topic_is_told_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["watch", "orders", "--sim"])
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert "invalid symbol 'orders'" in err
    assert "depthwire topics" in err


@pytest.mark.parametrize("command", ["watch", "record"])
def test_no_option_takes_a_key_and_the_help_says_where_it_comes_from(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = capsys.readouterr().out
    assert "--api" not in out
    assert "DEPTHWIRE_API_SECRET" in out
