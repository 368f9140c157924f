"""The demo trader, in the market and in `depthwire venue --trader`."""

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections import Counter

import pytest

from depthwire.cli import main
from depthwire.venue import DemoTrader, Dialect, SyntheticMarket
from depthwire.venue.frames.private_frames import PrivateFrame
from tests.support.cli_process import BOUND_S, started, urls
from tests.support.plain_client import PlainClient

START_NS = 1_618_677_786_000_000_000


def test_it_does_a_bit_of_everything_and_keeps_its_money() -> None:
    exchange = SyntheticMarket(2, start_ns=START_NS).open()
    told: Counter[tuple[str, str]] = Counter()
    statuses, kinds = set(), set()

    def listen(frame: PrivateFrame) -> None:
        if frame.topic.dialect is not Dialect.V2:
            return
        told[str(frame.topic.category), frame.topic.name] += 1
        for entry in json.loads(frame.raw)["data"]:
            statuses.add(entry.get("order_status"))
            kinds.add(entry.get("stop_order_type"))

    exchange.listen(listen)
    account = exchange.account("demo")
    DemoTrader(exchange, account, seed=3)
    for tick in exchange.ticks():
        _ = list(tick.frames)
        if tick.at_ns > START_NS + 120 * 10**9:
            break
    assert len(told) == 10
    assert min(told.values()) > 20
    assert {"New", "Filled", "Cancelled", "Untriggered", "Triggered", "Deactivated"} <= statuses
    assert {"Stop", "TakeProfit", "StopLoss"} <= kinds
    for balance in account.wallet.values():
        assert balance.available > 0
    assert [exchange.clearing.imbalance(coin) for coin in ("BTC", "ETH", "USDT")] == [0, 0, 0]


def test_the_command_tells_the_demo_account_and_its_private_topics_move() -> None:
    async def listen(url: str, key: str, secret: str) -> None:
        client = await PlainClient.connect(url)
        expires = int((time.time() + 5) * 1000)
        signature = hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        client.send({"op": "auth", "args": [key, expires, signature]})
        assert (await client.receive_json())["success"]
        await client.ask("subscribe", "order", "wallet")
        topics = set()
        while topics != {"order", "wallet"}:
            topics.add((await client.receive_json())["topic"])
        client.transport.disconnect()

    with started("venue", "--trader", "--speed", "20") as process:
        url = urls(process, 5)["BTCUSD"]
        assert process.stderr is not None
        where, hint = process.stderr.readline(), process.stderr.readline()
        assert url in where
        assert f"{url}_private" in where
        found = re.search(r"DEPTHWIRE_API_KEY=(\S+) DEPTHWIRE_API_SECRET=(\S+)", hint)
        assert found is not None
        asyncio.run(asyncio.wait_for(listen(url, *found.groups()), BOUND_S))


def test_a_tape_takes_no_trader(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["venue", "--trader", "--tape", "a.frames"]) == 2
    assert "--trader is not allowed with --tape" in capsys.readouterr().err
