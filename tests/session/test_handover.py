"""A connection that grows old is followed by another one, over real sockets, and its readers notice nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v5.dialect import LINEAR
from depthwire.client import Client
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream
from depthwire.session.twins import StateTwin, overlap
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, SyntheticMarket
from tests.support.offline import Offline
from tests.support.plain_client import run, until
from tests.support.watched_venue import KEY, SECRET, WatchedVenue

AGE_S = 0.2
YOUNG = Settings(
    timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05, max_connection_age_s=AGE_S, slow_callback_s=None
)
V2 = {"symbol": "BTCUSD", "trades": "trade.BTCUSD", "orders": "order v2 inverse"}
V5 = {"symbol": "BTCUSDT", "trades": "publicTrade.BTCUSDT", "orders": "order v5 None"}
DIALECTS = pytest.mark.parametrize("names", [V2, V5], ids=["v2", "v5"])


class Market:
    """A venue that goes on while a test waits, and a client of it with an account."""

    def __init__(self, venue: WatchedVenue, client: Client) -> None:
        self.venue, self.client = venue, client
        self.errors: list[errors.DepthwireError] = []
        self.states: list[tuple[str, BookState]] = []
        client.on_error(self.errors.append)

    @property
    def handovers(self) -> int:
        """Connections there were beyond the first ones."""
        connections = self.client.status().connections
        return sum(each.connects for each in connections) - len(connections)

    def watch(self, live: Any) -> Any:
        """Note each change of a state, and hold it against the venue's after each frame."""
        live.on_state(lambda live: self.states.append((live.topic, live.state)))
        if isinstance(live, LiveBook):
            live.on_change(self.compare)
        else:
            self.seen_us = 0
            live.on_change(self.compare_fields)
        return live

    def compare(self, book: LiveBook) -> None:
        now = book.snapshot()
        unit = 10 ** (now.price_decimals or 0)
        sides = tuple({price_id / unit: size for price_id, size in levels} for levels in (now.bids, now.asks))
        assert sides == self.venue.truth.books[book.topic, book.cross_seq]

    def compare_fields(self, instrument: Instrument, _: object) -> None:
        assert instrument.ts_exchange_us >= self.seen_us
        self.seen_us = instrument.ts_exchange_us
        raw = self.venue.truth.fields[instrument.topic, instrument.ts_exchange_us]
        dialect = INVERSE if b"timestamp_e6" in raw else LINEAR
        assert instrument.snapshot() == state_after(dialect, instrument.topic, raw)

    async def goes_on(self, handovers: int) -> None:
        """Until so many more connections have taken over."""
        last = self.handovers + handovers
        await self.until(lambda: self.handovers >= last)

    async def until(self, condition: Any) -> None:
        while not condition():
            self.venue.advance(0.02)
            await asyncio.sleep(0.001)


def started(dialect: Dialect, topic: str, *frames: bytes) -> Feed:
    """A feed of one topic that has received those frames."""
    owner = Offline(topic, dialect=dialect)
    for raw in frames:
        owner.send(raw)
    assert owner.errors == []
    return owner.feed


def state_after(dialect: Dialect, topic: str, *frames: bytes) -> Any:
    """What frames come to."""
    channel = started(dialect, topic, *frames).channels.get(topic)
    assert isinstance(channel, BookChannel | StateChannel)
    return channel.state.snapshot()


@asynccontextmanager
async def market(names: dict[str, str], settings: Settings = YOUNG, lines: int = 1) -> AsyncIterator[Market]:
    async with WatchedVenue(SyntheticMarket(5), speed=None) as venue:
        DemoTrader(venue.exchange, venue.account(KEY, secret=SECRET), seed=5, symbols=("BTCUSD", "BTCUSDT"))
        venue.advance(0.02)
        url = venue.inverse_url if names is V2 else venue.v5_url("linear")
        async with depthwire.connect([url] * lines, api_key=KEY, api_secret=SECRET, settings=settings) as client:
            yield Market(venue, client)


def read(stream: EventStream[Any]) -> list[Any]:
    """What a stream brings, errors included, as it comes."""
    found: list[Any] = []

    async def reading() -> None:
        while True:
            try:
                async for event in stream:
                    found.append(event)  # noqa: PERF401  # seen while it grows
                return
            except errors.DepthwireError as error:
                found.append(error)

    stream.task = asyncio.create_task(reading())  # type: ignore[attr-defined]  # for as long as the stream
    return found


def is_part(part: list[Any], whole: list[Any]) -> bool:
    """Whether events came in order, each once, without one missing."""
    return any(whole[at : at + len(part)] == part for at, event in enumerate(whole) if event == part[0])


@DIALECTS
@pytest.mark.parametrize(("faults", "lines"), [("", 1), ("delay=0.002", 1), ("", 2), ("delay=0.002", 2)])
def test_readers_notice_nothing(names: dict[str, str], faults: str, lines: int) -> None:
    """Even if one connection lags 0.2 s or more."""

    async def main() -> None:
        async with market(names, lines=lines) as at:
            at.venue.faults.set(faults)
            client, symbol = at.client, names["symbol"]
            trades = read(await client.trades(symbol, 100_000))
            orders = read(await client.orders(100_000))
            books = [at.watch(await client.book(symbol, depth)) for depth in ((25, 200) if names is V2 else (50, 200))]
            info = at.watch(await client.instrument(symbol))
            before = at.venue.connections
            await at.goes_on(12)
            versions = [live.version for live in (*books, info)]
            events = len(trades), len(orders)
            await at.until(
                lambda: (
                    all(live.version > version for live, version in zip((*books, info), versions, strict=True))
                    and len(trades) > events[0]
                    and len(orders) > events[1]
                )
            )
            assert at.states == []
            assert at.errors == []
            assert is_part([trade.trade_id for trade in trades], at.venue.truth.events[names["trades"]])
            told = [(each.order_id, each.order_status, float(each.cum_exec_qty or 0)) for each in orders]
            assert is_part(told, at.venue.truth.events[names["orders"]])
            status = client.status()
            assert (status.losses, status.last_loss, status.connected) == (0, "", True)
            assert {health.resyncs for health in client.health().values()} == {0}
            await at.until(lambda: before <= at.venue.connections <= before + 2)

    run(main)


def test_the_old_connection_is_closed_and_its_sessions_tasks_go_on() -> None:
    quick = Settings(timeout_s=5.0, max_connection_age_s=AGE_S, book_silence_s=0.4, instrument_silence_s=None)

    async def main() -> None:
        async with market(V5, quick) as at:
            await at.client.book("BTCUSDT")
            await at.goes_on(3)
            # The market has stopped; the new connection must notice the silence, too.
            await until(lambda: any(isinstance(error, errors.TopicSilent) for error in at.errors))
            await at.until(lambda: at.client.health()["orderbook.50.BTCUSDT"].state is BookState.LIVE)

    run(main)


def test_a_pattern_is_handed_over_with_topics_that_come_later() -> None:
    async def main() -> None:
        async with market(V2) as at:
            events = read(await at.client.subscribe("trade.*", capacity=100_000))
            await at.goes_on(6)
            count = len(events)
            wanted = {"trade.BTCUSD", "trade.ETHUSD"}
            await at.until(lambda: len(events) > count and wanted <= {event.topic for event in events})
            by_topic: dict[str, list[str]] = {}
            for event in events:
                by_topic.setdefault(event.topic, []).append(event.data.trade_id)
            for topic, ids in by_topic.items():
                assert is_part(ids, at.venue.truth.events[topic])
            assert at.errors == []

    run(main)


def test_topics_that_come_and_go_meanwhile() -> None:
    async def main() -> None:
        async with market(V2) as at:
            client, over = at.client, at.handovers + 8

            async def come_and_go() -> None:
                while at.handovers < over:
                    book = await client.book("ETHUSD")
                    trades = await client.trades("ETHUSD", 100_000)
                    await anext(trades)
                    await client.unsubscribe(book.topic, "trade.ETHUSD")

            kept = at.watch(await client.book("BTCUSD"))
            coming = asyncio.create_task(come_and_go())
            await at.until(coming.done)
            coming.result()
            assert at.states == []
            assert kept.state is BookState.LIVE
            assert client.health().keys() == {kept.topic}
            version = kept.version
            await at.until(lambda: kept.version > version)
            assert [error for error in at.errors if not isinstance(error, errors.UnexpectedTopic)] == []

    run(main)


@DIALECTS
def test_a_venue_that_refuses_the_new_connection_keeps_the_old_one(names: dict[str, str]) -> None:
    async def main() -> None:
        async with market(names) as at:
            book = at.watch(await at.client.book(names["symbol"]))
            at.venue.faults.set("refuse=1")
            await at.until(lambda: len(at.errors) >= 2)
            assert {type(error) for error in at.errors} == {errors.ConnectError}
            assert at.client.status().connected
            at.venue.faults.set("")
            await at.goes_on(2)
            version = book.version
            await at.until(lambda: book.version > version)
            assert at.states == []

    run(main)


def test_the_old_connection_may_die_before_it_is_handed_over() -> None:
    async def main() -> None:
        async with market(V5) as at:
            book = at.watch(await at.client.book("BTCUSDT"))
            at.venue.mute_answers = True
            await at.until(lambda: at.venue.connections == 2)  # the new one waits for its answer
            at.venue.drop_connections()
            await until(lambda: at.states == [(book.topic, BookState.STALE)])
            at.venue.mute_answers = False
            await at.until(lambda: at.states == [(book.topic, BookState.STALE), (book.topic, BookState.LIVE)])
            await at.goes_on(3)
            assert len(at.states) == 2

    run(main)


def test_closing_while_it_is_handed_over_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with market(V2) as at:
            await at.client.book("BTCUSD")
            at.venue.mute_answers = True
            await at.until(lambda: at.venue.connections == 2)
            await at.client.close()
            await until(lambda: at.venue.connections == 0)
            assert [task for task in asyncio.all_tasks() if task.get_name().startswith("depthwire ")] == []

    run(main)


def test_a_tape_of_it_replays_without_a_hole() -> None:
    async def main() -> None:
        async with market(V5) as at:
            taped: list[bytes] = []
            remove = at.client.add_tap(lambda ts_recv_ns, payload: taped.append(bytes(payload)))
            book = await at.client.book("BTCUSDT")
            await at.goes_on(5)
            remove()
            frames = [raw for raw in taped if b'"topic":"' + book.topic.encode() in raw]
            assert state_after(LINEAR, book.topic, *frames).bids == book.snapshot().bids

    run(main)


# one instrument on two connections


def info(kind: str, ts: int, seq: int = 7, **fields: int) -> bytes:
    """A frame of BTCUSD's instrument."""
    data: Any = {"symbol": "BTCUSD", **fields}
    if kind == "delta":
        data = {"delete": [], "update": [data], "insert": []}
    return msgspec.json.encode(
        {"topic": "instrument_info.100ms.BTCUSD", "type": kind, "data": data, "cross_seq": seq, "timestamp_e6": ts}
    )


def ticker(kind: str, ts: int, seq: int = 7, **fields: int) -> bytes:
    """The same on v5."""
    data = {"symbol": "BTCUSDT", **{camel: str(fields[name]) for name, camel in CAMEL.items() if name in fields}}
    return msgspec.json.encode({"topic": "tickers.BTCUSDT", "type": kind, "data": data, "ts": ts, "cs": seq})


CAMEL = {"mark_price_e4": "markPrice", "open_interest": "openInterest"}


@pytest.mark.parametrize(
    ("dialect", "topic", "frame", "mark"),
    [
        (INVERSE, "instrument_info.100ms.BTCUSD", info, "mark_price_e4"),
        (LINEAR, "tickers.BTCUSDT", ticker, "mark_price"),
    ],
    ids=["v2", "v5"],
)
@pytest.mark.parametrize("behind", [0, 1, 2])
def test_an_instrument_goes_on_from_the_new_connections_state(
    dialect: Dialect, topic: str, frame: Any, mark: str, behind: int
) -> None:
    """Without trades the sequence rests, and time alone tells which of the states is the later one."""
    frames = [
        frame("snapshot", 1, mark_price_e4=1, open_interest=10),
        frame("delta", 2, mark_price_e4=2),
        frame("delta", 3, mark_price_e4=3),
        frame("delta", 4, open_interest=11),
        frame("delta", 5, open_interest=12),
    ]
    at = 3 - behind
    old, new = started(dialect, topic, *frames[:2]), started(dialect, topic, *frames[:at])
    seen: list[tuple[int, int]] = []
    reader = old.channels.get(topic).state
    reader.on_change(lambda reader, _: seen.append((int(getattr(reader, mark)), int(reader.open_interest))))
    StateTwin(old.channels.get(topic), new.channels.get(topic)).join(new)
    for raw in frames[at:]:
        new.receive(raw, 1)
    expected = [(3, 10), (3, 11), (3, 12)]
    assert seen[-len(expected) :] == expected
    assert set(seen[: -len(expected)]) <= {(2, 10)}
    assert reader.state is BookState.LIVE


# where one stream goes on in another


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", None),
        ("abc", "", None),
        ("abc", "bc", (3, 2, 2)),
        ("abc", "cde", (3, 1, 1)),
        ("abcd", "bc", (3, 2, 2)),
        ("abc", "abc", (3, 3, 3)),
        ("abc", "xyz", None),
        ("", "x", None),
        ("aab", "ab", (3, 2, 2)),
        ("aaa", "aa", (2, 2, 2)),
    ],
)
def test_two_parts_of_a_stream_overlap(old: str, new: str, expected: tuple[int, int, int] | None) -> None:
    assert overlap(list(old), list(new)) == expected
