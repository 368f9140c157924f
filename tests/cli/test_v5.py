"""The commands on v5: the events that they show, and a session of ``record``, ``replay`` and ``watch``."""

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5.accounts import Balances, OpenOrders, Positions
from depthwire.cli import main
from depthwire.cli.dashboard import Dashboard
from depthwire.cli.events import event_line
from depthwire.cli.text_display import JsonDisplay
from depthwire.feed.event_channel import EventChannel
from tests.support.cli_process import objects, started, tape_lines
from tests.support.offline import Offline
from tests.support.v5_server import market, served


def example_events(tapes: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield (topic, typed event, the event on the wire) for each documented event."""
    for raw in (tapes / "examples-v5.jsonl").read_bytes().splitlines():
        wire = json.loads(raw, parse_float=Decimal)
        channel = v5.LINEAR.channel(wire["topic"])
        if not isinstance(channel, EventChannel):
            continue
        events: list[Any] = []

        class Reader:
            def push(self, new: list[Any], report: object, events: list[Any] = events) -> None:
                events += new

        reader: Any = Reader()
        channel.join(reader)
        owner = Offline()
        owner.feed.channels.add(channel)
        owner.send(raw)
        for event, data in zip(events, wire["data"], strict=True):
            yield wire["topic"], event, data


def test_each_event_is_a_line_and_an_object_with_the_wires_names(tapes: Path) -> None:
    view = JsonDisplay()
    topics = set()
    for topic, event, wire in example_events(tapes):
        topics.add(topic)
        line = event_line(topic, event)
        assert line.startswith(f"{topic} ")
        assert "\n" not in line
        view.event(topic, event)
        shown = json.loads(view.lines._lines[-1])
        assert shown.pop("topic") == topic
        assert wire.keys() <= shown.keys()
        assert_same(shown, wire)
    assert len(topics) == 10


def assert_same(shown: Any, wire: Any) -> None:
    for key, value in wire.items():
        told = shown[key]
        if isinstance(value, list):
            for one, other in zip(told, value, strict=True):
                assert_same(one, other)
        elif isinstance(value, dict):
            assert told == value
        else:
            assert told in ((None, "") if value == "" else (value, int(value) if str(value).isdigit() else value)), key


def test_a_terminal_shows_them_all(tapes: Path) -> None:
    screen = io.StringIO()
    dashboard = Dashboard(Console(file=screen, width=240, height=120, force_terminal=True, color_system=None))
    views: dict[str, Any] = {"order": OpenOrders(), "position": Positions(), "wallet": Balances()}
    for topic, view in views.items():
        dashboard.account(topic, view)
    for topic, event, _ in example_events(tapes):
        if topic in views:
            views[topic].push([event], lambda error, text: None)
        dashboard.event(topic, event)
    console = Console(file=screen, width=240, height=120, color_system=None)
    console.print(dashboard.render())
    shown = screen.getvalue()
    for expected in ("publicTrade", "16,578.5", "kline.5.BTCUSDT", "16,649.5", "allLiquidation", "0.04499", "95,900.1"):
        assert expected in shown
    for expected in ("execution", "12.015", "greeks", "0.06999986", "0.00102964", "25,614.92972633", "BTCUSDT"):
        assert expected in shown


# a session


def test_what_is_recorded_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tmp_path / "v5.frames"
    with served(market) as server:
        assert main(["record", "BTCUSDT", "ETHUSDT", "--url", server.url, "--out", str(tape), "--frames", "5"]) == 0
    topics = {json.loads(raw)["topic"] for raw in tape_lines(tape)}
    assert topics == {
        f"{kind}.{symbol}" for kind in ("orderbook.50", "publicTrade") for symbol in ("BTCUSDT", "ETHUSDT")
    }
    capsys.readouterr()
    assert main(["replay", "--topics", "*", "--json", str(tape)]) == 0
    (report,) = objects(capsys.readouterr().out)
    expected = {"state": "LIVE", "u": 1, "seq": 1001, "applied": 1, "bids": [["100.5", "1"]], "asks": [["100.6", "2"]]}
    assert report["books"] == {"orderbook.50.BTCUSDT": expected, "orderbook.50.ETHUSDT": expected}
    assert report["trades"] == {"publicTrade.BTCUSDT": 1, "publicTrade.ETHUSDT": 1}


def test_watch_shows_books_instruments_and_events() -> None:
    targets = ["BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT"]
    with served(market) as server, started("watch", *targets, "--url", server.url, "--json") as process:
        assert process.stdout is not None
        shown = {found["topic"]: found for found in (json.loads(process.stdout.readline()) for _ in targets)}
    assert shown.keys() == {"orderbook.50.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT"}
    seen = shown["orderbook.50.BTCUSDT"]
    assert (seen["u"], seen["seq"], seen["best_bid"], seen["best_ask_size"]) == (1, 1001, "100.5", "2")
    assert "cross_seq" not in seen
    seen = shown["tickers.BTCUSDT"]
    assert (seen["last_price"], seen["pre_open_price"], seen["updated"]) == ("100.50", None, ["last_price"])
    seen = shown["publicTrade.BTCUSDT"]
    assert (seen["p"], seen["v"], seen["S"]) == ("100.60", "0.0040", "Buy")


def test_a_topic_of_v2_is_refused_with_its_v5_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "trade.BTCUSDT", "--url", "ws://127.0.0.1:1/v5/public/linear"]) == 2
    assert "publicTrade.SYMBOL" in capsys.readouterr().err
