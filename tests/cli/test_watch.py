"""``depthwire watch``: JSON, text lines and ladders, for books and other topics."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v2.messages import Trade
from depthwire.cli import main, text_display
from depthwire.cli.book_stats import BookStats
from depthwire.cli.command import run_for
from depthwire.cli.display import Display, follow
from depthwire.cli.replay_feed import Replay
from depthwire.cli.text_display import JsonDisplay, LineDisplay
from depthwire.cli.watch import choose_display
from depthwire.errors import DepthwireError, ReaderOverflow, StreamGap
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import TopicEvent, TopicEvents
from tests.support.cli_process import BOUND_S, COMMAND, lines_told, started, synthetic, urls, venue, write_tape
from tests.support.reference import BUY, SELL, ReferenceBook

TOPIC = "orderBookL2_25.BTCUSD"


class Source:
    """A book that the test feeds, and its oracle."""

    def __init__(self) -> None:
        self._replay = Replay()
        channel = INVERSE.channel(TOPIC)
        assert channel is not None
        self._replay.feed.channels.add(channel)
        self.frames = [raw for _, raw in synthetic(60, TOPIC)]
        self.oracle = ReferenceBook("BTCUSD", 25)
        self.book: LiveBook = self._replay.books[0].book
        self.feed(1)

    def feed(self, count: int) -> None:
        for _ in range(count):
            raw = self.frames.pop(0)
            self._replay.feed.receive(raw, time.time_ns())
            self.oracle.receive(raw)

    def lose_one(self) -> None:
        """Feed a frame with an unknown level."""
        raw = json.loads(self.frames[0])
        raw["data"] = {"delete": [], "insert": [], "update": [level("1", 10_000)]}
        self._replay.feed.receive(json.dumps(raw).encode(), 1)


def level(price: str, price_id: int) -> dict[str, object]:
    return {"price": price, "symbol": "BTCUSD", "id": price_id, "side": "Buy", "size": 1}


def shown(view: Display, source: Source, act: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run a display of a book while ``act`` feeds it."""

    async def show() -> None:
        view.book(BookStats(source.book))
        task = asyncio.create_task(view.run())
        if act is not None:
            await act()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(show(), BOUND_S))


class Printed:
    """The text written to stdout so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.lines: list[str] = []

    async def until(self, count: int) -> list[str]:
        """Wait for ``count`` lines."""
        while len(self.lines) < count:
            self.lines += self._capsys.readouterr().out.splitlines()
            await asyncio.sleep(0.001)
        return self.lines


# JSON


def test_json_has_an_object_for_each_change_also_within_one_burst(capsys: pytest.CaptureFixture[str]) -> None:
    source, printed = Source(), Printed(capsys)

    async def act() -> None:
        await printed.until(1)
        source.feed(5)
        await printed.until(6)
        source.lose_one()
        await printed.until(7)

    shown(JsonDisplay(), source, act)
    *live, stale = map(json.loads, printed.lines)
    assert [line["version"] for line in live] == [1, 2, 3, 4, 5, 6]
    last, oracle = live[-1], source.oracle
    assert (last["symbol"], last["topic"], last["state"], last["reason"]) == ("BTCUSD", TOPIC, "LIVE", None)
    assert (last["cross_seq"], last["ts_exchange_us"]) == (oracle.cross_seq, oracle.timestamp_e6)
    (bid, bid_size), (ask, ask_size) = oracle.levels_text(BUY)[0], oracle.levels_text(SELL)[0]
    assert [last[f"best_{name}"] for name in ("bid", "bid_size", "ask", "ask_size")] == [
        bid,
        bid_size,
        ask,
        ask_size,
    ]
    assert Decimal(last["mid"]) == (Decimal(bid) + Decimal(ask)) / 2
    assert Decimal(last["spread"]) == Decimal(ask) - Decimal(bid)
    assert float(last["microprice"]) == pytest.approx(float(oracle.microprice() or 0), rel=1e-12)

    assert stale["state"] == "STALE"
    assert "not in the book" in stale["reason"]
    assert stale["version"] == 6
    assert {stale[name] for name in ("best_bid", "best_ask_size", "mid", "spread", "microprice")} == {None}


def test_json_of_a_one_sided_book_leaves_out_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    source = Source()

    async def act() -> None:
        source.book.apply_snapshot([(606_225_000, 5.5)], [])

    shown(JsonDisplay(), source, act)
    top = text_display.book_object(source.book)
    assert (top["best_bid"], top["best_bid_size"]) == ("60622.5", "5.5")
    assert top["best_ask"] is top["best_ask_size"] is top["mid"] is top["spread"] is top["microprice"] is None
    assert "one-sided" in text_display.book_line(BookStats(source.book))


@pytest.mark.parametrize("depth", ["25", "200"])
def test_json_from_a_live_connection_leaves_no_change_out(depth: str) -> None:
    by_symbol: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    with started("watch", "BTCUSD", "ETHUSD", "--sim", "--json", "--depth", depth) as process:
        assert process.stdout is not None
        while len(by_symbol) < 2 or min(map(len, by_symbol.values())) < 10:
            found = json.loads(process.stdout.readline())
            by_symbol[found["symbol"]].append(found)
    for lines in by_symbol.values():
        first = lines[0]["version"]
        assert isinstance(first, int)
        assert [line["version"] for line in lines] == list(range(first, first + len(lines)))
        assert {line["state"] for line in lines} == {"LIVE"}


# lines


def test_lines_are_throttled_and_tell_a_stale_books_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_display, "_BOOK_INTERVAL_S", 0.01)
    source, printed = Source(), Printed(capsys)

    async def act() -> None:
        await printed.until(1)
        source.feed(20)
        await printed.until(2)
        source.lose_one()
        await printed.until(3)

    shown(LineDisplay(), source, act)
    first, latest, stale = printed.lines
    assert first.startswith("BTCUSD LIVE bid ")
    (bid, bid_size), (ask, ask_size) = (source.oracle.levels_text(side)[0] for side in (BUY, SELL))
    assert f"bid {bid_size} @ {bid}, ask {ask_size} @ {ask}, mid " in latest
    assert "frames/s, latency p50 " in latest
    assert stale.startswith("BTCUSD STALE: update of bid price id 10000")
    assert latest.isascii()


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTCUSDT", "--sim", "--seconds", "0.2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("BTCUSDT LIVE bid ")
    assert lines_told(err) == []


# ladders


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_without_rich_gets_lines_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(choose_display(as_json=False), LineDisplay)
    assert "depthwire[cli]" in capsys.readouterr().err


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_display(as_json=False), LineDisplay)


def render(source: Source, books: int = 1, *, encoding: str = "utf-8", width: int = 70, height: int = 24) -> str:
    console_module = pytest.importorskip("rich.console")
    from depthwire.cli.dashboard import Dashboard

    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = console_module.Console(file=stream, width=width, height=height, color_system=None)
    dashboard = Dashboard(console)
    for _ in range(books):
        dashboard.book(BookStats(source.book))
    console.print(dashboard.render())
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def numbers(line: str) -> list[Decimal]:
    return [Decimal(word) for word in line.replace(",", "").split()[:2]]


def test_a_ladder_has_asks_above_bids_and_the_best_in_the_middle() -> None:
    source = Source()
    source.feed(10)
    lines = render(source).splitlines()
    assert len(lines) <= 24
    assert lines[0].split() == ["BTCUSD", "LIVE", TOPIC]
    (middle,) = (i for i, line in enumerate(lines) if line.startswith("mid "))
    asks, bids = lines[2:middle], lines[middle + 1 : 2 * middle - 1]
    assert len(asks) == len(bids) >= 8
    for rows, side in ((asks[::-1], SELL), (bids, BUY)):
        expected = [list(map(Decimal, level)) for level in source.oracle.levels_text(side)]
        assert [numbers(row) for row in rows] == expected[: len(rows)]
    assert len({row.index(".") for row in asks + bids}) == 1
    longest = max(asks + bids, key=lambda row: row.count("█"))
    assert numbers(longest)[1] == max(numbers(row)[1] for row in asks + bids)
    assert "clock offset included" in lines[-1]


def test_ladders_stand_side_by_side_where_there_is_room() -> None:
    source = Source()
    assert render(source, 2, width=140).splitlines()[0].count("BTCUSD LIVE") == 2
    stacked = render(source, 2, width=70, height=40).splitlines()
    assert [line.count("BTCUSD LIVE") for line in stacked if "LIVE" in line] == [1, 1]
    assert len(stacked) <= 40


def test_a_stale_ladder_says_why_and_keeps_its_levels() -> None:
    source = Source()
    before = render(source).splitlines()
    source.lose_one()
    after = render(source).splitlines()
    assert after[0].startswith("BTCUSD STALE")
    assert sum("not in the book" in line for line in after) == 1
    assert after[2].rstrip() == before[2].rstrip()


def test_a_terminal_without_block_characters_gets_plain_bars() -> None:
    drawn = render(Source(), encoding="ascii")
    assert "####" in drawn
    assert drawn.isascii()


def test_on_a_real_terminal_the_ladder_is_redrawn_and_ends_by_itself() -> None:
    pytest.importorskip("rich")
    termios = pytest.importorskip("termios", reason="no pseudo-terminals here")
    terminal, theirs = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(
        [*COMMAND, "watch", "BTCUSD", "--sim", "--seconds", "0.6"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    ) as process:
        os.close(theirs)
        drawn = b""
        try:
            while chunk := os.read(terminal, 65536):
                drawn += chunk
        except OSError:  # Linux reports a closed other end this way
            pass
        finally:
            os.close(terminal)
        assert process.wait(BOUND_S) == 0
    text = drawn.decode()
    assert "Traceback" not in text
    assert 2 <= len(re.findall(r"BTCUSD", text.replace(TOPIC, ""))) <= 10
    assert "█" in text


# other topics


def first_lines(count: int, *arguments: str) -> list[str]:
    """Return the first lines of a command, then end it."""
    with started(*arguments) as process:
        assert process.stdout is not None
        return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def test_json_of_trades_has_each_in_order_and_whole(tmp_path: Path) -> None:
    frames = synthetic(60, "trade.BTCUSD", "trade.ETHUSD")
    sent = [
        {"topic": message["topic"], **trade}
        for message in (json.loads(raw, parse_float=Decimal) for _, raw in frames)
        for trade in message["data"]
    ]
    with venue("--tape", str(write_tape(tmp_path / "a.frames", frames)), "--speed", "max") as urls_:
        shown_ = first_lines(len(sent), "watch", "trade.BTCUSD|ETHUSD", "--json", "--url", urls_["BTCUSD"])
    for wire, found in zip(sent, map(json.loads, shown_), strict=True):
        assert found | {"price": Decimal(found["price"]), "size": Decimal(found["size"])} == found | wire | {
            "trade_time_ms": int(wire["trade_time_ms"]),
        }


def test_over_two_lines_each_trade_is_shown_once(tmp_path: Path) -> None:
    frames = synthetic(60, "trade.BTCUSD")
    sent = [trade["trade_id"] for _, raw in frames for trade in json.loads(raw)["data"]]
    with venue("--tape", str(write_tape(tmp_path / "a.frames", frames)), "--speed", "max") as urls_:
        twice = ["--url", urls_["BTCUSD"]] * 2
        shown_ = first_lines(len(sent), "watch", "trade.BTCUSD", "--json", *twice)
    assert sorted(json.loads(line)["trade_id"] for line in shown_) == sorted(sent)


def test_kinds_can_be_mixed() -> None:
    topics = ("trade.*", "klineV2.1.BTCUSD", "instrument_info.100ms.ETHUSD", "orderBook_200.100ms.BTCUSD")
    wanted = {TOPIC, "trade.BTCUSD", *topics[1:]}
    by_topic: defaultdict[str, list[Any]] = defaultdict(list)
    with started("watch", "BTCUSD", *topics, "--sim", "--json") as process:
        assert process.stdout is not None
        while min(len(by_topic[topic]) for topic in wanted) < 2:
            found = json.loads(process.stdout.readline())
            by_topic[found["topic"]].append(found)
    for topic in (TOPIC, *topics[2:]):
        versions = [found["version"] for found in by_topic[topic]]
        assert versions == list(range(versions[0], versions[0] + len(versions)))
    assert by_topic["klineV2.1.BTCUSD"][-1]["confirm"] in (True, False)


def test_a_pattern_brings_books_as_they_come() -> None:
    expected = {
        f"{head}{symbol} LIVE" for head in ("", "instrument_info.100ms.") for symbol in ("BTCUSD", "ETHUSD", "XRPUSD")
    }
    heads: set[str] = set()
    with started("watch", "orderBookL2_25.*", "instrument_info.100ms", "--sim") as process:
        assert process.stdout is not None
        while heads != expected:
            heads.add(" ".join(process.stdout.readline().split()[:2]))
            assert heads <= expected


def test_the_account_is_watched_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("order", "stop_order", "position", "wallet", "execution")
    with started("venue", "--trader", "--speed", "50") as venue_:
        url = urls(venue_)["BTCUSD"]
        assert venue_.stderr is not None
        venue_.stderr.readline()
        for variable in venue_.stderr.readline().split("export ")[1].split():
            monkeypatch.setenv(*variable.split("=", 1))
        waiting = set(kinds)
        with started("watch", *kinds, "--url", url, "--json") as process:
            assert process.stdout is not None
            while waiting:
                waiting.discard(json.loads(process.stdout.readline())["topic"])
        monkeypatch.setenv("DEPTHWIRE_API_SECRET", "wrong")
        with started("watch", "order", "--url", url) as process:
            out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "the venue refused the sign-in" in err
    assert "wrong" not in err


class Broken:
    """A stream that misses events."""

    def __init__(self, *items: TopicEvent | DepthwireError) -> None:
        self._items = list(items)

    async def __anext__(self) -> TopicEvent:
        if not self._items:
            raise StopAsyncIteration
        item = self._items.pop(0)
        if isinstance(item, DepthwireError):
            raise item
        return item


@pytest.mark.parametrize("view_type", [LineDisplay, JsonDisplay])
def test_what_is_missing_is_told_in_its_place_and_watching_goes_on(
    view_type: type[LineDisplay | JsonDisplay], capsys: pytest.CaptureFixture[str]
) -> None:
    at = {"symbol": "BTCUSD", "side": "Buy", "price": Decimal(1), "trade_id": ""}
    before, after = (TopicEvent("trade.BTCUSD", Trade(**at, size=Decimal(size))) for size in (11, 22))
    gap = StreamGap("trade.BTCUSD", "a test", 1, 2)
    events = cast("TopicEvents", Broken(before, gap, ReaderOverflow(3, 10, "trade.BTCUSD"), after))

    async def show() -> None:
        view = view_type()
        await follow(events, view)
        await run_for(0.05, view.run())

    asyncio.run(asyncio.wait_for(show(), BOUND_S))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line, word in zip(lines, ("11", "StreamGap", "ReaderOverflow", "22"), strict=True):
        assert word in line


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here")
def test_on_a_terminal_of_80_by_24_what_has_no_room_is_named() -> None:
    pytest.importorskip("rich")
    from tests.support.terminal import screens

    deep = [f"orderBook_200.100ms.{symbol}" for symbol in ("BTCUSD", "ETHUSD", "XRPUSD")]
    books = screens("watch", "BTCUSD", "ETHUSD", "XRPUSD", *deep, "--sim", "--seconds", "0.5")
    assert "+3 more: BTCUSD, ETHUSD, XRPUSD" in books
    assert all(len(line) <= 80 for line in books)
    sections = screens("watch", "trade.*", "klineV2.1.*", "instrument_info.100ms.*", "--sim", "--seconds", "3")
    *_, last = (line for line in sections if "too narrow for" in line)
    assert "chart" in last
    assert any(re.search(r"LIVE .* \+\d+ fields", line) for line in sections)
