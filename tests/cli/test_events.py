"""Events as JSON objects and as lines."""

import json
from decimal import Decimal

import msgspec

from depthwire.bybit.v2.messages import TradeMessage
from depthwire.bybit.v2.private import OrderMessage, WalletMessage
from depthwire.bybit.v2.public import KlineMessage
from depthwire.cli.events import error_line, error_object, event_line, event_object, instrument_line, instrument_object
from depthwire.cli.text_display import _json
from depthwire.errors import ReaderOverflow, StreamGap
from tests.support.live_instrument import live_instrument

TRADE = {
    "symbol": "BTCUSD",
    "side": "Sell",
    "price": 60622.50,
    "size": 100,
    "trade_id": "a",
    "tick_direction": "PlusTick",
    "timestamp": "2021-04-17T00:16:26.000Z",
    "trade_time_ms": 1618618586123,
    "cross_seq": 9007199254740993,
}


def first(message_type: type, *items: dict[str, object]) -> msgspec.Struct:
    raw = json.dumps({"topic": "t", "data": items}).encode()
    message = msgspec.json.decode(raw, type=message_type, strict=False)
    event: msgspec.Struct = message.data[0]
    return event


def printed(event: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = json.loads(_json(event), parse_float=Decimal)
    return found


def test_an_object_has_every_field_exactly() -> None:
    found = printed(event_object("trade.BTCUSD", first(TradeMessage, TRADE)))
    assert found == TRADE | {"topic": "trade.BTCUSD", "price": "60622.5", "size": "100", "is_block_trade": None}


def test_small_numbers_have_no_exponent_and_long_ones_keep_their_digits() -> None:
    wallet = {"coin": "BTC", "wallet_balance": "0.00000001", "available_balance": "12345678901234567890.123456789"}
    found = printed(event_object("wallet", first(WalletMessage, wallet)))
    assert found == wallet | {"topic": "wallet", "user_id": None}


def test_a_line_leaves_out_what_the_topic_says() -> None:
    line = event_line("trade.BTCUSD", first(TradeMessage, TRADE))
    assert line == "trade.BTCUSD time 2021-04-17T00:16:26.123Z, side Sell, price 60622.5, size 100"


def test_a_candle_in_a_line() -> None:
    prices = {"open": 1, "close": 3, "high": 4, "low": 0.5, "volume": 7, "turnover": 0.1}
    times = {"start": 1618618560, "end": 1618618620, "timestamp": 1618618586123456}
    line = event_line("klineV2.1.BTCUSD", first(KlineMessage, {**prices, **times, "confirm": True, "cross_seq": 1}))
    assert line == (
        "klineV2.1.BTCUSD start 2021-04-17T00:16Z, open 1, high 4, low 0.5, close 3, volume 7, confirmed yes"
    )


def test_text_from_outside_cannot_break_a_line() -> None:
    order = {
        "order_id": "id",
        "order_link_id": "mine\n\x1b[2J",
        "symbol": "BTCUSD",
        "side": "Buy",
        "order_type": "Limit",
        "time_in_force": "PostOnly",
        "order_status": "New",
    }
    numbers = dict.fromkeys(("price", "qty", "leaves_qty", "cum_exec_qty", "cum_exec_value", "cum_exec_fee"), 1)
    line = event_line("order", first(OrderMessage, order | numbers))
    assert line.isprintable()
    assert line.startswith("order order mine??[2J, symbol BTCUSD, side Buy")


TOPIC = "instrument_info.100ms.BTCUSD"


def test_an_instruments_line_tells_what_changed_and_its_object_all_fields() -> None:
    instrument = live_instrument()
    assert instrument_line(instrument) == f"{TOPIC} LIVE funding_rate -0.0002"
    found = printed(instrument_object(instrument))
    assert (found["topic"], found["symbol"], found["state"], found["version"]) == (TOPIC, "BTCUSD", "LIVE", 2)
    assert (found["last_price_e4"], found["last_price"], found["funding_rate_e6"]) == (606225000, "60622.50", -200)
    assert found["total_turnover_e8"] == 220614611978549345
    assert found["updated"] == ["funding_rate_e6"]


def test_a_stale_instrument_says_why_and_tells_no_price() -> None:
    instrument = live_instrument()
    instrument.mark_stale("a test")
    assert instrument_line(instrument) == f"{TOPIC} STALE: a test"
    found = instrument_object(instrument)
    assert (found["state"], found["reason"], found["symbol"]) == ("STALE", "a test", "BTCUSD")
    assert found["last_price_e4"] is found["funding_rate_e6"] is None


def test_errors_tell_all_that_they_know() -> None:
    overflow = ReaderOverflow(3, 10, "trade.*")
    found = printed(error_object(overflow))
    assert (found["error"], found["topic"], found["lost"]) == ("ReaderOverflow", "trade.*", 3)
    assert found["message"] == str(overflow)
    assert error_line(overflow) == f"ReaderOverflow: {overflow}"
    gap = printed(error_object(StreamGap("order", "no answer", 1, 2)))
    assert (gap["error"], gap["topic"], gap["since_ns"], gap["until_ns"]) == ("StreamGap", "order", 1, 2)
