import json
import logging
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from depthwire.errors import TapeError
from depthwire.tape import TapeFrame, TapeReader, TapeWriter, read
from depthwire.venue import Dialect, TapeMarket, Venue
from plain_client import PlainClient, run

BOOKS = ("orderBookL2_25.", "orderBook_200.100ms.")


def write_tape(path: Path, *raws: bytes) -> Path:
    with TapeWriter(path) as tape:
        for number, raw in enumerate(raws):
            tape.write(number * 1000, raw)
    return path


def snapshot(topic: str, *, linear: bool = False, cross_seq: int = 1) -> bytes:
    number = f'"{cross_seq}"' if linear else str(cross_seq)
    data = '{"order_book":[]}' if linear else "[]"
    text = f'{{"topic":"{topic}","type":"snapshot","data":{data},"cross_seq":{number},"timestamp_e6":{number}}}'
    return text.encode()


def delta(topic: str, cross_seq: int) -> bytes:
    data = '{"delete":[],"update":[],"insert":[],"transactTimeE6":0}'
    numbers = f'"cross_seq":{cross_seq},"timestamp_e6":{cross_seq}'
    return f'{{"topic":"{topic}","type":"delta","data":{data},{numbers}}}'.encode()


BTC = "orderBookL2_25.BTCUSD"
ANSWER = b'{"success":true,"ret_msg":"","conn_id":"c","request":{"op":"subscribe","args":["trade.BTCUSD"]}}'


def test_topics_and_dialects_are_learnt_from_the_frames(tmp_path: Path) -> None:
    path = write_tape(
        tmp_path / "tape",
        ANSWER,
        snapshot(BTC),
        snapshot("orderBook_200.100ms.BTCPERP", linear=True),
        b'{"topic":"trade.BTCUSD","data":[{"trade_time_ms":1,"price":60621.5,"cross_seq":5}]}',
        b'{"topic":"trade.BCHPERP","data":[{"price":"1053.90","size":0.14,"trade_time_ms":"16"}]}',
        b'{"topic":"liquidation.XRPUSDT","data":{"symbol":"XRPUSDT","price":"1","qty":"2","time":3}}',
        b'{"topic":"insurance.BTC","data":[{"currency":"BTC","wallet_balance":1}]}',
        b'{"topic":"position","action":"update","data":[]}',
    )
    inverse, linear = Dialect.INVERSE, Dialect.LINEAR
    assert TapeMarket(path).topics == {
        BTC: inverse,
        "orderBook_200.100ms.BTCPERP": linear,
        "trade.BTCUSD": inverse,
        "trade.BCHPERP": linear,
        "liquidation.XRPUSDT": linear,
        "insurance.BTC": inverse,
    }


def test_control_frames_and_garbage_are_left_out(tmp_path: Path) -> None:
    trade = b'{"topic":"trade.BTCUSD","data":[]}'
    path = write_tape(tmp_path / "tape", ANSWER, trade, b"not JSON", b"[1]", b'{"topic":7}', b"", trade + b" ")
    with TapeReader(path) as tape:
        markets = TapeMarket(path), TapeMarket(tape)
    for market in markets:
        expected = [(1000, "trade.BTCUSD", trade), (6000, "trade.BTCUSD", trade + b" ")]
        assert list(market.frames()) == expected
        assert list(market.frames()) == expected


def test_a_book_begins_with_its_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [delta(BTC, 1), delta("orderBookL2_25.XRPUSD", 1), snapshot(BTC, cross_seq=2), delta(BTC, 3)]
    with caplog.at_level(logging.WARNING, "depthwire.venue"):
        market = TapeMarket(write_tape(tmp_path / "tape", *frames))
    assert "orderBookL2_25.XRPUSD is not offered" in caplog.text
    assert list(market.topics) == [BTC]
    assert [raw for _, _, raw in market.frames()] == frames[2:]


@pytest.mark.parametrize(
    ("raws", "reason"),
    [
        ([], "no public v2 frame"),
        ([ANSWER], "no public v2 frame"),
        ([delta(BTC, 1)], "no public v2 frame"),
        ([b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{}}'], r"orderbook\.50.*v5"),
        ([b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]}'], r"publicTrade.*v5"),
    ],
)
def test_a_tape_with_nothing_to_play_is_refused(tmp_path: Path, raws: list[bytes], reason: str) -> None:
    with pytest.raises(TapeError, match=reason):
        TapeMarket(write_tape(tmp_path / "tape", *raws))
    with pytest.raises(TapeError, match="missing"):
        TapeMarket(tmp_path / "missing")


def test_each_round_of_a_loop_begins_with_the_snapshot(tmp_path: Path) -> None:
    frames = [snapshot(BTC, cross_seq=5), delta(BTC, 6), delta(BTC, 7)]
    market = TapeMarket(write_tape(tmp_path / "tape.zst", delta(BTC, 4), *frames))

    async def main() -> None:
        async with Venue(market, speed=math.inf, loop=True) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("subscribe", BTC)
            assert [await client.receive() for _ in range(9)] == frames * 3

    run(main)


# real recordings


@pytest.fixture(scope="module")
def v2_tapes(tapes: Path) -> list[tuple[TapeMarket, list[TapeFrame]]]:
    markets = []
    for path in sorted(tapes.glob("*.frames")):
        try:
            markets.append((TapeMarket(path), list(read(path))))
        except TapeError as error:
            assert "v5" in str(error)  # noqa: PT017  # the others must play
    if not markets:
        pytest.skip(f"no v2 recording in {tapes}")
    return markets


def playable(market: TapeMarket, recorded: list[TapeFrame]) -> list[tuple[str, TapeFrame]]:
    """What the venue must play: every frame of its topics, but a book's deltas before its first snapshot."""
    begun: set[str] = set()
    frames = []
    for frame in recorded:
        message = json.loads(frame.raw)
        topic = message.get("topic")
        if message.get("type") == "snapshot" or not str(topic).startswith(BOOKS):
            begun.add(topic)
        if topic in market.topics and topic in begun:
            frames.append((topic, frame))
    return frames


def levels_of(frame: Any) -> list[dict[str, Any]]:
    data = frame["data"]
    levels: list[dict[str, Any]] = data if isinstance(data, list) else data["order_book"]
    return levels


def accumulated(frames: list[bytes]) -> dict[str, dict[str, Any]]:
    """The book after the frames: id as text to the level's JSON object."""
    book: dict[str, dict[str, Any]] = {}
    for raw in frames:
        frame = json.loads(raw)
        if frame["type"] == "snapshot":
            book = {str(level["id"]): level for level in levels_of(frame)}
            continue
        for level in frame["data"]["delete"]:
            book.pop(str(level["id"]), None)
        book |= {str(level["id"]): level for action in ("update", "insert") for level in frame["data"][action]}
    return book


def test_recordings_are_played_byte_for_byte(v2_tapes: list[tuple[TapeMarket, list[TapeFrame]]]) -> None:
    for market, recorded in v2_tapes:
        expected = [(frame.recv_ns, topic, frame.raw) for topic, frame in playable(market, recorded)]
        assert list(market.frames()) == expected
        for topic, dialect in market.topics.items():
            if topic.endswith(("USD", "USDT")):
                assert (dialect is Dialect.LINEAR) == topic.endswith("USDT")


def test_subscribers_receive_the_recording_and_the_venue_keeps_its_books(
    v2_tapes: list[tuple[TapeMarket, list[TapeFrame]]],
) -> None:
    async def play(market: TapeMarket, recorded: list[TapeFrame]) -> None:
        expected: defaultdict[str, list[bytes]] = defaultdict(list)
        for topic, frame in playable(market, recorded):
            expected[topic].append(frame.raw)
        async with Venue(market, speed=math.inf) as venue:
            clients: dict[Dialect, PlainClient] = {}
            for dialect, url in ((Dialect.INVERSE, venue.inverse_url), (Dialect.LINEAR, venue.linear_url)):
                if topics := [topic for topic, spoken in market.topics.items() if spoken is dialect]:
                    clients[dialect] = client = await PlainClient.connect(url)
                    client.send({"op": "subscribe", "args": topics})
            await venue.finished.wait()
            for dialect, client in clients.items():
                topics = [topic for topic, spoken in market.topics.items() if spoken is dialect]
                if len(clients) == 1:  # else the market began before the second client came
                    for frames in expected.values():
                        for _ in frames:
                            await client.receive()
                    await client.receive()
                    received = [raw for raw in client.frames if b'"topic"' in raw]
                    assert received == [frame.raw for _, frame in playable(market, recorded)]
                for topic in topics:
                    if topic.startswith(BOOKS):
                        await compare_late(venue, topic, expected[topic])

    async def compare_late(venue: Venue, topic: str, frames: list[bytes]) -> None:
        late = await PlainClient.connect(venue.url_for(topic.rpartition(".")[2]))
        await late.ask("subscribe", topic)
        made, first, last = json.loads(await late.receive()), json.loads(frames[0]), json.loads(frames[-1])
        book = accumulated(frames)
        order = sorted(book.values(), key=lambda level: (level["side"] == "Sell", float(level["price"])))
        assert [list(level.items()) for level in levels_of(made)] == [list(level.items()) for level in order]
        assert (made["cross_seq"], made["timestamp_e6"]) == (last["cross_seq"], last["timestamp_e6"])
        assert [(key, type(value)) for key, value in made.items()] == [
            (key, type(value)) for key, value in first.items()
        ]

    async def main() -> None:
        for market, recorded in v2_tapes:
            await play(market, recorded)

    run(main)


def test_a_snapshot_made_of_a_recorded_one_is_the_same(
    v2_tapes: list[tuple[TapeMarket, list[TapeFrame]]],
) -> None:
    for market, _ in v2_tapes:
        books = Venue(market).books
        begun = set()
        for _, topic, raw in market.frames():
            if topic in books and topic not in begun:
                begun.add(topic)
                books[topic].apply(raw)
                made, recorded = (json.loads(frame, object_pairs_hook=list) for frame in (books[topic].snapshot(), raw))
                assert made == recorded  # key order included
        assert begun == set(books)
