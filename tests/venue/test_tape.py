import itertools
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire.errors import DepthwireError, TapeError
from depthwire.tape import TapeFrame, TapeReader, TapeWriter, read
from depthwire.venue import Category, Dialect, MarketFrame, PublicTopic, SyntheticMarket, TapeMarket, Venue
from tests.support.plain_client import PlainClient, run, until

BOOKS = ("orderBookL2_25.", "orderBook_200.100ms.", "orderbook.")


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
    inverse, linear = Category.INVERSE, Category.LINEAR
    assert {topic.name: topic.category for topic in TapeMarket(path).topics} == {
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
        topic = PublicTopic(Dialect.V2, Category.INVERSE, "trade.BTCUSD")
        expected = [(1000, topic, trade), (6000, topic, trade + b" ")]
        assert list(market.frames()) == expected
        assert list(market.frames()) == expected


def test_a_book_begins_with_its_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [delta(BTC, 1), delta("orderBookL2_25.XRPUSD", 1), snapshot(BTC, cross_seq=2), delta(BTC, 3)]
    with caplog.at_level(logging.WARNING, "depthwire.venue"):
        market = TapeMarket(write_tape(tmp_path / "tape", *frames))
    assert "orderBookL2_25.XRPUSD is not offered" in caplog.text
    assert [topic.name for topic in market.topics] == [BTC]
    assert [raw for _, _, raw in market.frames()] == frames[2:]


@pytest.mark.parametrize(
    ("raws", "reason"),
    [
        ([], "no public frame"),
        ([ANSWER], "no public frame"),
        ([delta(BTC, 1)], "no public frame"),
        ([b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"b":[],"a":[],"u":2}}'], "no public frame"),
        ([b'{"topic":"order.linear","creationTime":1,"data":[]}'], "no public frame"),
    ],
)
def test_a_tape_with_nothing_to_play_is_refused(tmp_path: Path, raws: list[bytes], reason: str) -> None:
    with pytest.raises(TapeError, match=reason):
        TapeMarket(write_tape(tmp_path / "tape", *raws))
    with pytest.raises(TapeError, match="missing"):
        TapeMarket(tmp_path / "missing")


def test_each_lap_of_a_loop_begins_with_the_snapshot_and_goes_on_from_the_lap_before(tmp_path: Path) -> None:
    laps = [[snapshot(BTC, cross_seq=begin), delta(BTC, begin + 1), delta(BTC, begin + 2)] for begin in (5, 8, 11)]
    market = TapeMarket(write_tape(tmp_path / "tape.zst", delta(BTC, 4), *laps[0]), loop=True)

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("subscribe", BTC)
            assert [await client.receive() for _ in range(9)] == list(itertools.chain(*laps))

    run(main)


@pytest.mark.parametrize("ts", ['"x"', "null", "[1]", "0", '"' + "9" * 5000 + '"'])
def test_an_odd_time_on_a_looped_tape_is_played_as_recorded(ts: str, tmp_path: Path) -> None:
    frame = f'{{"topic":"trade.BTCUSD","data":[],"ts":{ts}}}'.encode()
    market = TapeMarket(write_tape(tmp_path / "tape", snapshot(BTC), frame), loop=True)
    raws = [raw for _, topic, raw in itertools.islice(market.frames(), 4) if topic.name == "trade.BTCUSD"]
    assert raws == [frame, frame]


def test_numbers_of_0_stay_0_in_a_loop(tmp_path: Path) -> None:
    frame = b'{"topic":"orderbook.25.BTC-X","type":"snapshot","ts":5,"data":{"s":"BTC-X","b":[],"a":[],"u":0,"seq":7}}'
    market = TapeMarket(write_tape(tmp_path / "tape", frame), loop=True)
    _, second = itertools.islice(market.frames(), 2)
    assert second.raw == frame.replace(b'"ts":5', b'"ts":6').replace(b'"seq":7', b'"seq":8')


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize(
    ("dialect", "category", "path"),
    [
        (Dialect.V2, Category.INVERSE, "inverse_url"),
        (Dialect.V2, Category.LINEAR, "linear_url"),
        (Dialect.V5, Category.LINEAR, "v5_linear"),
    ],
)
def test_a_clients_states_stay_live_in_the_laps_of_a_loop(
    dialect: Dialect, category: Category, path: str, lines: int, tmp_path: Path
) -> None:
    symbol = "BTCUSD" if category is Category.INVERSE else "BTCUSDT"
    kinds = ("orderBookL2_25", "instrument_info.100ms", "orderbook.50", "tickers")
    market = SyntheticMarket(3)
    topics = [
        topic
        for topic in market.topics
        if (topic.dialect, topic.category) == (dialect, category)
        and topic.name in [f"{kind}.{symbol}" for kind in kinds]
    ]
    assert len(topics) == 2
    raws = [frame.raw for frame in itertools.islice(market.frames(topics), 200)]
    tape = TapeMarket(write_tape(tmp_path / "tape", *raws), loop=True)

    async def main() -> None:
        async with Venue(tape, speed=math.inf) as venue:
            url = venue.v5_url(category) if path.startswith("v5") else getattr(venue, path)
            async with depthwire.connect([url] * lines) as client:
                errors: list[DepthwireError] = []
                client.on_error(errors.append)
                for state in (await client.book(symbol), await client.instrument(symbol)):
                    states: list[str] = []
                    state.on_state(lambda each, states=states: states.append(each.state.name))  # type: ignore[misc]
                    seen = state.version
                    await until(lambda state=state, seen=seen: state.version > seen + 2 * len(raws))  # type: ignore[misc]
                    assert states == []
                assert errors == []

    run(main)


# real recordings


@pytest.fixture(scope="module")
def recordings(tapes: Path) -> list[tuple[TapeMarket, list[TapeFrame]]]:
    paths = sorted(tapes.glob("*.frames"))
    if not paths:
        pytest.skip(f"no recording in {tapes}")
    return [(TapeMarket(path), list(read(path))) for path in paths]


def playable(market: TapeMarket, recorded: list[TapeFrame]) -> list[MarketFrame]:
    """Return the frames that the venue must play: all of its topics, except deltas before a book's first snapshot."""
    topics = {topic.name: topic for topic in market.topics}
    begun: set[str] = set()
    frames = []
    for frame in recorded:
        message = json.loads(frame.raw)
        name = message.get("topic")
        if message.get("type") == "snapshot" or not str(name).startswith(BOOKS):
            begun.add(name)
        if name in topics and name in begun:
            frames.append(MarketFrame(frame.recv_ns, topics[name], frame.raw))
    return frames


def url_of(venue: Venue, topic: PublicTopic) -> str:
    if topic.dialect is Dialect.V5:
        return venue.v5_url(topic.category)
    return venue.inverse_url if topic.category is Category.INVERSE else venue.linear_url


def test_recordings_are_played_byte_for_byte(recordings: list[tuple[TapeMarket, list[TapeFrame]]]) -> None:
    for market, recorded in recordings:
        assert list(market.frames()) == playable(market, recorded)


def test_the_category_of_a_recording_is_told_by_its_frames(tapes: Path) -> None:
    for path in tapes.glob("*.frames"):
        dialect = Dialect.V5 if path.name.startswith("v5") else Dialect.V2
        for topic in TapeMarket(path).topics:
            assert topic.dialect is dialect
            assert topic.category in path.name.replace("v5-", "")


def v2_levels(frame: Any) -> list[dict[str, Any]]:
    data = frame["data"]
    levels: list[dict[str, Any]] = data if isinstance(data, list) else data["order_book"]
    return levels


def v2_book(frames: list[Any]) -> list[Any]:
    """Return the levels after the frames, in the order of a snapshot."""
    book: dict[str, dict[str, Any]] = {}
    for frame in frames:
        if frame["type"] == "snapshot":
            book = {str(level["id"]): level for level in v2_levels(frame)}
            continue
        for level in frame["data"]["delete"]:
            book.pop(str(level["id"]), None)
        book |= {str(level["id"]): level for action in ("update", "insert") for level in frame["data"][action]}
    return sorted(book.values(), key=lambda level: (level["side"] == "Sell", float(level["price"])))


def v5_book(frames: list[Any]) -> list[Any]:
    sides: tuple[dict[str, str], dict[str, str]] = {}, {}
    for frame in frames:
        for side, name in zip(sides, "ba", strict=True):
            if frame["type"] == "snapshot":
                side.clear()
            side.update(frame["data"][name])
            for price in [price for price, size in side.items() if size == "0"]:
                del side[price]
    return [
        [[price, side[price]] for price in sorted(side, key=lambda price, sign=sign: sign * float(price))]
        for side, sign in zip(sides, (-1, 1), strict=True)
    ]


def test_subscribers_receive_the_recording_and_the_venue_keeps_its_books(
    recordings: list[tuple[TapeMarket, list[TapeFrame]]],
) -> None:
    async def play(market: TapeMarket, recorded: list[TapeFrame]) -> None:
        expected = playable(market, recorded)
        async with Venue(market, speed=math.inf) as venue:
            (url,) = {url_of(venue, topic) for topic in market.topics}
            client = await PlainClient.connect(url)
            client.send({"op": "subscribe", "args": [topic.name for topic in market.topics]})
            await venue.finished.wait()
            await until(lambda: len(client.frames) == len(expected) + 1)
            assert json.loads(client.frames[0])["success"]
            assert client.frames[1:] == [frame.raw for frame in expected]
            for topic in market.topics:
                if topic.name.startswith(BOOKS):
                    frames = [json.loads(frame.raw) for frame in expected if frame.topic == topic]
                    await compare_late(url, topic, frames)

    async def compare_late(url: str, topic: PublicTopic, frames: list[Any]) -> None:
        late = await PlainClient.connect(url)
        await late.ask("subscribe", topic.name)
        made, first, last = json.loads(await late.receive()), frames[0], frames[-1]
        assert [(key, type(value)) for key, value in made.items()] == [
            (key, type(value)) for key, value in first.items()
        ]
        if topic.dialect is Dialect.V5:
            assert [made["data"]["b"], made["data"]["a"]] == v5_book(frames)
            assert (made["ts"], made["cts"]) == (last["ts"], last["cts"])
            assert {**made["data"], "b": 0, "a": 0} == {**last["data"], "b": 0, "a": 0}
        else:
            assert [list(level.items()) for level in v2_levels(made)] == [
                list(level.items()) for level in v2_book(frames)
            ]
            assert (made["cross_seq"], made["timestamp_e6"]) == (last["cross_seq"], last["timestamp_e6"])

    async def main() -> None:
        for market, recorded in recordings:
            await play(market, recorded)

    run(main)


def test_a_snapshot_made_of_a_recorded_one_is_the_same(
    recordings: list[tuple[TapeMarket, list[TapeFrame]]],
) -> None:
    for market, _ in recordings:
        books = Venue(market).books
        begun = set()
        for _, topic, raw in market.frames():
            if topic in books and topic not in begun:
                begun.add(topic)
                books[topic].apply(raw)
                made, recorded = (json.loads(frame, object_pairs_hook=list) for frame in (books[topic].snapshot(), raw))
                assert made == recorded  # including key order
        assert begun == set(books)


def test_a_late_reader_of_v5_tickers_gets_the_merged_state(tapes: Path) -> None:
    async def main() -> None:
        async with Venue(TapeMarket(tapes / "v5-linear-2026-08-09.frames"), speed=math.inf) as venue:
            early = await PlainClient.connect(venue.v5_url("linear"))
            await early.ask("subscribe", "tickers.BTCUSDT")
            await venue.finished.wait()
            late = await PlainClient.connect(venue.v5_url("linear"))
            await late.ask("subscribe", "tickers.BTCUSDT")
            made = await late.receive_json()
            frames = [json.loads(raw) for raw in early.frames[1:]]
            state: dict[str, str] = {}
            for frame in frames:
                state |= frame["data"]
            assert made["type"] == "snapshot"
            assert made["data"] == state
            assert (made["cs"], made["ts"]) == (frames[-1]["cs"], frames[-1]["ts"])

    run(main)
