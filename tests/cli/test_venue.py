"""``depthwire venue`` as a separate process, and ``depthwire demo``."""

import asyncio
import signal
import socket
from itertools import islice
from pathlib import Path

import pytest

import depthwire
from depthwire.cli import main
from depthwire.venue import Category, Dialect, PublicTopic, SyntheticMarket
from tests.support.cli_process import BOUND_S, NEEDS_SIGNALS, started, synthetic, urls, write_tape
from tests.support.reference import BUY, ReferenceBook, frames, play
from tests.support.reference_v5 import V5ReferenceBook

BOOK, LINEAR_BOOK = "orderBookL2_25.BTCUSD", "orderBookL2_25.BTCUSDT"


async def final_book(url: str, symbol: str, version: int) -> list[tuple[int, float]]:
    """Return the bids of a served book when it has reached a version."""
    async with asyncio.timeout(BOUND_S), depthwire.connect(url) as client:
        book = await client.book(symbol)
        async for _ in book.changes():
            if book.version >= version:
                return list(book.snapshot().bids)
    raise AssertionError("the book ended early")


@NEEDS_SIGNALS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_urls_serves_both_dialects_and_ends_well(number: signal.Signals) -> None:
    with started("venue", "--seed", "3") as process:
        served = urls(process, 6)
        assert {"BTCUSD", "ETHUSD", "XRPUSD", "BTCUSDT"} <= served.keys()
        private = urls(process, 2)
        assert private["stop_order"].endswith("/realtime_private")
        assert private["order.linear"].endswith("/v5/private")
        assert served["BTCUSD"] == served["ETHUSD"] != served["BTCUSDT"]
        opening = ReferenceBook("BTCUSD")
        opening.receive(synthetic(1, BOOK, seed=3)[0][1])
        assert asyncio.run(final_book(served["BTCUSD"], "BTCUSD", 1)) == opening.bids()
        assert asyncio.run(final_book(served["BTCUSDT"], "BTCUSDT", 1))
        process.send_signal(number)
        out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, out, err) == (0, "", "")


@NEEDS_SIGNALS
def test_the_private_urls_that_it_prints_take_its_demo_account() -> None:
    with started("venue", "--trader") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        *_, linear, v5 = (process.stdout.readline().split()[0] for _ in range(8))
        process.stderr.readline()
        _, key, secret = (word.partition("=")[2] for word in process.stderr.readline().split()[1:])

        async def first_orders() -> None:
            for url in (linear, v5):
                async with asyncio.timeout(BOUND_S), depthwire.connect(url, api_key=key, api_secret=secret) as client:
                    await anext(await client.orders())

        asyncio.run(first_orders())


@pytest.mark.parametrize("topic", [BOOK, LINEAR_BOOK])
def test_a_tape_is_served_once_and_to_its_end(topic: str, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "a.frames", synthetic(100, topic))
    symbol = topic.rpartition(".")[2]
    *_, (_, oracle) = play(frames(tape))
    with started("venue", "--tape", str(tape), "--speed", "max") as process:
        served = urls(process)
        assert list(served) == [symbol]
        assert asyncio.run(final_book(served[symbol], symbol, 100)) == oracle.levels(BUY)
        assert process.stderr is not None
        assert "the tape has ended" in process.stderr.readline()
        # A late subscriber still gets the last book.
        assert asyncio.run(final_book(served[symbol], symbol, 1)) == oracle.levels(BUY)


def test_a_looped_tape_goes_on(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "a.frames", synthetic(50, BOOK))
    with started("venue", "--tape", str(tape), "--speed", "max", "--loop") as process:
        assert asyncio.run(final_book(urls(process)["BTCUSD"], "BTCUSD", 120))


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["venue", "--port", port]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert port in err


def test_a_tape_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["venue", "--tape", str(tmp_path / "missing.frames")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "missing.frames") in line


def test_a_seed_without_anything_seeded_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["venue", "--tape", "x", "--seed", "1"]) == 2
    assert "--seed has no effect with --tape" in capsys.readouterr().err


@NEEDS_SIGNALS
def test_it_lies_on_demand_and_tells_how_often() -> None:
    with started("venue", "--faults", "redirect=1", "--seed", "3") as process:
        url = urls(process, 5)["BTCUSD"]
        with pytest.raises(depthwire.errors.ConnectError, match="status 302"):
            asyncio.run(final_book(url, "BTCUSD", 1))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=BOUND_S)
    assert err == "depthwire: injected faults: 1 redirect\n"


@pytest.mark.parametrize(("host", "warned"), [("192.0.2.1", True), ("127.0.0.1", False), ("localhost", False)])
def test_a_host_that_others_can_reach_is_warned_of(host: str, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Neither address is available, so the venue ends at once.
        assert main(["venue", "--host", host, "--port", str(taken.getsockname()[1])]) == 1
    assert ("not a loopback address" in capsys.readouterr().err) == warned


def test_the_demo_ends_with_a_summary_of_live_books(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--seconds", "1.2"]) == 0
    out, err = capsys.readouterr()
    assert "ws://127.0.0.1:" in err
    head, *rows, note = out.splitlines()[-4:]
    assert head.split()[:5] == ["symbol", "state", "frames", "frames/s", "gaps"]
    for row, symbol in zip(rows, ("BTCUSD", "ETHUSD"), strict=True):
        name, state, frames_, rate, gaps, *_ = row.split()
        assert (name, state, gaps) == (symbol, "LIVE", "0")
        assert int(frames_) > 0
        assert float(rate) > 0
    assert "clock offset included" in note


def test_a_demo_without_frames_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        """Return at once, before any frame arrives."""

    monkeypatch.setattr("depthwire.cli.text_display.LineDisplay.run", nothing)
    assert main(["demo"]) == 1


@pytest.mark.parametrize("category", ["linear", "spot"])
def test_a_v5_tape_is_served_on_its_category_s_path(category: str, tmp_path: Path) -> None:
    market = SyntheticMarket(3, start_ns=1_618_677_786_000_000_000)
    topic = PublicTopic(Dialect.V5, Category(category), "orderbook.50.BTCUSDT")
    recorded = [(frame.at_ns, frame.raw) for frame in islice(market.frames([topic]), 100)]
    oracle = V5ReferenceBook("BTCUSDT", 50)
    for _, raw in recorded:
        oracle.receive(raw)
    with started("venue", "--tape", str(write_tape(tmp_path / "a.frames", recorded)), "--speed", "max") as process:
        ((symbol, url),) = urls(process).items()
        assert symbol == "BTCUSDT"
        assert url.endswith(f"/v5/public/{category}")
        bids = asyncio.run(final_book(url, symbol, 100))
    assert [size for _, size in bids] == [size for _, size in oracle.levels_text()[0]]
