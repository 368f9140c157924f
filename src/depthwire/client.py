"""The async client: live books, events and accounts of one endpoint."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from depthwire.arbitration.line import Line
from depthwire.arbitration.lines import Lines, LineStatus
from depthwire.bybit import events
from depthwire.bybit.accounts import AccountStream, Open, OpenStopOrders, SymbolPositions, View
from depthwire.bybit.dialect import any_topics
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.topics import Topic
from depthwire.bybit.v2.private import StopOrder
from depthwire.endpoints import Endpoint
from depthwire.errors import DepthwireError, SubscriptionTimeout, TopicError
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream, TopicEvent, TopicEvents
from depthwire.feed.taps import Tap, Taps
from depthwire.feed.topic_reader import read_channel
from depthwire.session.health import Health
from depthwire.session.options import ConnectOptions
from depthwire.session.reports import Reports
from depthwire.session.session import Session, withdrawn_on_failure
from depthwire.session.status import Status, lanes_of, status_of

AnyStream = TypeVar("AnyStream", bound=EventStream[Any])


class Client:
    """Live books, events and accounts of one endpoint, over one line or two.

    Created by :func:`depthwire.connect`; belongs to the event loop in which it was created.
    """

    def __init__(self, endpoints: Sequence[Endpoint], options: ConnectOptions) -> None:
        self.dialect = endpoints[0].dialect
        self._settings = options.settings
        self._reports = Reports()
        self._taps = Taps(self._reports.report, lambda: [session.feed for session in self._sessions])

        def line(number: int, reports: Reports) -> Line:
            def session(url: str) -> Session:
                made = Session(url, self.dialect, options, reports)
                self._taps.attach(made.feed)
                return made

            return Line(endpoints[number], session, options.credentials, persistent=len(endpoints) > 1)

        self._served: Line | Lines
        if len(endpoints) == 1:
            self._served = line(0, self._reports)
        else:
            self._served = Lines(line, self.dialect, options.settings, self._reports)

    @property
    def _sessions(self) -> list[Session]:
        return self._served.sessions

    @property
    def _public(self) -> Session:
        return self._sessions[0]

    @property
    def url(self) -> str:
        """The endpoint, or both lines' endpoints, without user names, passwords and queries."""
        return self._served.url

    # ---- books and events

    async def book(self, symbol: str, depth: int | None = None) -> LiveBook:
        """Subscribe to a symbol's order book; return it when its snapshot has arrived.

        On v2 ``depth`` is 25 (pushed every 20 ms) or 200 (every 100 ms). On v5 it is 1 (every 10 ms), 50 (20 ms), 200
        (100 ms) or 1000 (200 ms); for options 25 (20 ms) or 100 (100 ms). The default is 25 on v2 and for options, else
        50. A second call returns the same book.

        Raises TopicError (invalid depth or symbol), SubscriptionRejected (with the venue's reason) or
        SubscriptionTimeout (no answer, or no snapshot, within ``timeout_s``).
        """
        book: LiveBook = await self._live(self.dialect.book_topic(symbol, depth))
        return book

    async def instrument(self, symbol: str) -> Instrument:
        """Subscribe to a symbol's merged state: prices, funding, volumes, open interest; return it with its snapshot.

        Raises as :meth:`book` does.
        """
        instrument: Instrument = await self._live(self.dialect.instrument_topic(symbol))
        return instrument

    async def trades(self, symbol: str, capacity: int = 10_000) -> EventStream[events.Trade]:
        """Subscribe to a symbol's trades, for options a base coin's; each call returns a stream for one reader.

        At most ``capacity`` trades wait for the reader; see :class:`~depthwire.feed.streams.EventStream` for what
        happens to more. Raises as :meth:`book` does.
        """
        return await self._events(self.dialect.trade_topic(symbol), capacity)

    # ---- the account

    async def orders(self, capacity: int = 10_000) -> AccountStream[events.Order, Open[events.Order]]:
        """Subscribe to every change of the account's orders; ``.view`` holds the open orders by id.

        On v5 this includes conditional orders, with ``order_status`` Untriggered until they are triggered.

        The protocol has no private snapshots: the view starts empty. After a lost connection the stream carries a
        StreamGap, and ``.view.gap`` is set until you reconcile. If the connection is down, the call returns when the
        venue serves the topic again; the stream then has no StreamGap, but ``.view.gap`` is set.

        Signs in first. Raises AuthError if the key is missing or refused, and as :meth:`book` does.
        """
        return await self._account("order", capacity)

    async def stop_orders(self, capacity: int = 10_000) -> AccountStream[StopOrder, OpenStopOrders]:
        """Subscribe to conditional orders, like :meth:`orders`; ``.view`` holds the untriggered ones by id.

        Raises TopicError on v5, where :meth:`orders` includes them.
        """
        return await self._account("stop_order", capacity)

    async def positions(
        self, capacity: int = 10_000
    ) -> AccountStream[events.Position, SymbolPositions[str | int, events.Position]]:
        """Subscribe to every change of the account's positions, like :meth:`orders`.

        ``.view`` holds the latest by (symbol, side), on v5 by (symbol, position_idx).
        """
        return await self._account("position", capacity)

    async def wallet(
        self, capacity: int = 10_000
    ) -> AccountStream[events.Wallet, View[str, events.Balance, events.Wallet]]:
        """Subscribe to every change of the account's balances, like :meth:`orders`; ``.view`` holds them by coin."""
        return await self._account("wallet", capacity)

    async def executions(self, capacity: int = 10_000) -> EventStream[events.Execution]:
        """Subscribe to executions, each once, on v2 without funding. Like :meth:`orders`, but without a view."""
        return await self._events("execution", capacity)

    async def _account(self, topic: str, capacity: int) -> AccountStream[Any, Any]:
        def stream_of(channel: EventChannel) -> AccountStream[Any, Any]:
            return AccountStream(topic, capacity, channel.view, on_close=channel.leave)

        return await self._read(topic, stream_of)

    # ---- any topic

    async def subscribe(
        self, *topics: str, capacity: int = 10_000, on_event: Callable[[TopicEvent], object] | None = None
    ) -> TopicEvents:
        """Subscribe by the dialect's topic grammar, as in ``subscribe("trade.BTCUSD|XRPUSD", "liquidation")``, or on v5
        ``subscribe("publicTrade.BTCUSDT", "kline.1.BTCUSDT")``.

        The stream yields TopicEvent(topic, data) with the concrete topic and the typed event of each frame; on book
        topics ``data`` is the live book, after each applied frame. Events come as in :class:`EventStream`. Private
        topics sign in first. ``on_event`` is registered as by :meth:`EventStream.on_event`, before the first event.

        Raises TopicError if a topic is malformed (no request is sent), AuthError if a private one lacks a key, and as
        :meth:`book` does when the venue has answered for all: a SubscriptionRejected names all refused topics. In that
        case, or if the call is cancelled, topics that only this call requested are unsubscribed again.
        """
        return await self._topic_events(topics, self.dialect.parse, capacity, on_event=on_event)

    async def subscribe_raw(self, *topics: str, capacity: int = 10_000) -> TopicEvents:
        """Subscribe to any topics, including those that depthwire has no types for; patterns as in :meth:`subscribe`.

        The stream yields TopicEvent(topic, data) with the raw bytes of each frame. A topic may be read both raw and
        typed. A topic that is only read raw is neither decoded nor checked nor refetched. Events come as in
        :class:`EventStream`, with a StreamGap if frames may be missing: after a reconnect or an unusable frame.

        With two lines, the first copy of each frame counts; copies have equal bytes. A frame whose bytes differ between
        the lines, such as the snapshot that answers a subscription, comes from both.

        Raises as :meth:`subscribe` does, but TopicError only if no request can carry the text.
        """
        return await self._topic_events(topics, partial(any_topics, self.dialect), capacity, raw=True)

    async def _topic_events(
        self,
        texts: Sequence[str],
        parse: Callable[[str], Sequence[Topic]],
        capacity: int,
        *,
        raw: bool = False,
        on_event: Callable[[TopicEvent], object] | None = None,
    ) -> TopicEvents:
        wanted = [topic for text in texts for topic in parse(text)]
        if not wanted:
            raise TopicError("name at least one topic, such as 'trade.BTCUSD'")
        stream = TopicEvents(", ".join(texts), capacity, on_close=lambda closed: None)
        if on_event is not None:
            stream.on_event(on_event)
        try:
            await self._served.subscribe(wanted, partial(read_channel, stream, self._reports.report), raw=raw)
        except BaseException:
            stream.close()
            raise
        return stream

    async def unsubscribe(self, *topics: str) -> None:
        """Unsubscribe from topics, such as ``book.topic`` or ``"trade.*"``.

        Their books go STALE for good; their streams end after the events that wait in them. Sends as few requests as
        the exchange's limits allow. If another topic that is read shares frames with one of them, as ``trade.BTCUSD``
        does with ``trade.*``, the venue ends it too, and it is subscribed again: its streams get a StreamGap, its book
        is STALE until the new snapshot.

        Raises TopicError if a topic is not subscribed (then no topic ends), SubscriptionRejected with all topics that
        the venue refuses, or SubscriptionTimeout if it does not answer. After the last two, the readers end, too.
        """
        wanted = dict.fromkeys(topic for text in topics for topic in any_topics(self.dialect, text))
        if wanted:
            await self._served.unsubscribe(wanted)

    async def _events(self, topic: str, capacity: int) -> EventStream[Any]:
        def stream_of(channel: EventChannel) -> EventStream[Any]:
            return EventStream(topic, capacity, on_close=channel.leave)

        return await self._read(topic, stream_of)

    async def _read(self, text: str, stream_of: Callable[[EventChannel], AnyStream]) -> AnyStream:
        """Return a new stream of one topic's events when the venue has confirmed the subscription."""
        streams: list[AnyStream] = []

        def join(channel: Channel) -> None:
            assert isinstance(channel, EventChannel)
            streams.append(stream_of(channel))
            channel.join(streams[0])

        try:
            await self._served.subscribe(self.dialect.parse(text), join)
        except BaseException:
            for stream in streams:
                stream.close()
            raise
        return streams[0]

    async def _live(self, topic: str) -> Any:
        """Return the live state of one public topic when its snapshot has arrived."""
        found: list[Any] = []

        def keep(channel: Channel) -> None:
            assert isinstance(channel, BookChannel | StateChannel)
            found.append(channel.state)

        held = await self._served.subscribe(self.dialect.parse(topic), keep)
        (state,) = found
        async with withdrawn_on_failure(held):
            return await self._with_snapshot(topic, state)

    async def _with_snapshot(self, topic: str, state: Any) -> Any:
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                async for _ in state.changes():
                    return state
        except TimeoutError:
            now = f"{state.state}" + (f" ({state.stale_reason})" if state.stale_reason else "")
            raise SubscriptionTimeout(
                f"{topic}: subscribed, but no usable snapshot within {timeout_s:g} s; it is {now}"
            ) from None
        raise SubscriptionTimeout(f"{topic}: the subscription ended before its snapshot came")

    # ---- the client itself

    def on_error(self, callback: Callable[[DepthwireError], object]) -> Callable[[], None]:
        """Call ``callback(error)`` for each error that no caller waits for: unusable frames, lost connections, failed
        reconnects, callbacks that raised. Without a callback they are logged as warnings of the logger "depthwire".

        What ``callback`` itself raises is logged; SystemExit and KeyboardInterrupt then end the event loop. Returns a
        function that removes it. Raises TypeError if the callback is async or not callable.
        """
        return self._reports.on_error(callback)

    def add_tap(self, tap: Tap) -> Callable[[], None]:
        """Call ``tap(ts_recv_ns, payload)`` with each message before it is routed; returns a function that removes it.

        The memoryview is valid during the call only. The messages include answers to sign-ins, which repeat the key and
        the signature. With two lines, the tap sees the messages of both. What a tap raises is reported as a
        CallbackError; other taps and the message's topic still get the message. SystemExit and KeyboardInterrupt are
        reported, too, and then end the event loop.

        Raises TypeError if ``tap`` is async or not callable.
        """
        return self._taps.add(tap)

    @property
    def lanes(self) -> dict[str, int]:
        """The number of order-book frames that each decoder took."""
        return lanes_of(self._sessions)

    @property
    def lines(self) -> tuple[LineStatus, ...]:
        """Statistics of each of two lines; empty if the client has one. O(1)."""
        return self._served.status() if isinstance(self._served, Lines) else ()

    def status(self) -> Status:
        """Return the current status of the client and its connections. O(topics)."""
        return status_of(self.url, self._sessions, self._reports.last)

    def health(self) -> dict[str, Health]:
        """Return the current health of each topic. O(topics)."""
        return self._served.health()

    async def ping(self) -> float:
        """Ask the venue whether it is there; return the seconds until its answer. With two lines, asks on the first.

        Nothing depends on it: each connection sends pings every ``ping_interval_s``. Raises ConnectionLost, or
        TimeoutError if no answer comes within ``timeout_s``.
        """
        asked_s = time.perf_counter()
        try:
            await self._public.connection.ask("ping", ())
        except TimeoutError:
            raise TimeoutError(
                f"{self._public.connection.url}: no pong within {self._settings.timeout_s:g} s"
            ) from None
        return time.perf_counter() - asked_s

    async def open(self) -> None:
        """Connect. :func:`depthwire.connect` calls it."""
        await self._served.open()

    async def close(self) -> None:
        """Close the connections and end all readers. Closing twice is fine.

        Does nothing in a forked child, or after the client's event loop was closed.
        """
        if not self._public.connection.is_stranded:
            await self._served.close()

    def __repr__(self) -> str:
        return f"<Client {self.url} {'connected' if self.status().connected else 'not connected'}>"
