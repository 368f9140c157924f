"""The facade: connect to an endpoint, hold live books, read events."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from depthwire.bybit.accounts import AccountStream, Balances, OpenOrders, OpenStopOrders, Positions
from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE, Credentials
from depthwire.bybit.grammar import Topic, parse_topics
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.messages import Trade
from depthwire.bybit.private import Execution, Order, Position, StopOrder, Wallet
from depthwire.channel import BookChannel, Channel, EventChannel, LiveBook, StateChannel, callback_error
from depthwire.connection import AuthWay, asked_for
from depthwire.endpoints import Endpoint, endpoint_of
from depthwire.errors import (
    AuthError,
    ConnectError,
    DepthwireError,
    InvalidUrl,
    SubscriptionTimeout,
    TopicError,
)
from depthwire.session import Session
from depthwire.settings import Settings
from depthwire.streams import EventStream, TopicEvents
from depthwire.values import BookState

NO_CREDENTIALS: Final = (
    f"a private topic needs an API key and secret: give api_key and api_secret to connect(), or set {KEY_VARIABLE} and "
    f"{SECRET_VARIABLE}"
)
Result = TypeVar("Result")
AnyStream = TypeVar("AnyStream", bound=EventStream[Any])
Tap = Callable[[int, memoryview], object]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a client's connection at this moment.

    ``age_ns`` is the time since the last frame, None before the first. ``books`` maps each book topic to its state and
    the number of resyncs that it needed.
    """

    url: str
    connected: bool
    connects: int
    losses: int
    last_loss: str
    last_error: str
    frames: int
    age_ns: int | None
    books: dict[str, tuple[BookState, int]]


class Client:
    """Live books, events and accounts of one endpoint. Made by :func:`connect`; belongs to the loop it was made in."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None = None,
        credentials: Credentials | None = None,
        auth_way: AuthWay = "op",
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        one_socket = endpoint.public_url == endpoint.private_url

        def session(url: str) -> Session:
            return Session(url, endpoint.dialect, settings, ssl_context=ssl_context, auth_way=auth_way)

        self._public = session(endpoint.public_url)
        self._private = self._public if one_socket else session(endpoint.private_url)
        self._private.connection.credentials = credentials
        self._signing_in: asyncio.Task[None] | None = None

    @property
    def _sessions(self) -> tuple[Session, ...]:
        return (self._public,) if self._private is self._public else (self._public, self._private)

    @property
    def url(self) -> str:
        """The endpoint, without what may be secret in it."""
        return self._public.connection.url

    # ---- books and events

    async def book(self, symbol: str, depth: int = 25) -> LiveBook:
        """Subscribe to a symbol's order book; returns it once its snapshot is in.

        ``depth`` is 25 (pushed every 20 ms) or 200 (every 100 ms). Asking again gives the same book.

        Raises TopicError (no such depth, no symbol), SubscriptionRejected (with the venue's reason) or
        SubscriptionTimeout (no answer, or no snapshot, within ``timeout_s``).
        """
        book: LiveBook = await self._live(self._public.dialect.book_topic(symbol, depth))
        return book

    async def instrument(self, symbol: str) -> Instrument:
        """Subscribe to a symbol's merged live state: prices, funding, volumes, open interest; once its snapshot is in.

        Raises as :meth:`book` does.
        """
        instrument: Instrument = await self._live(self._public.dialect.instrument_topic(symbol))
        return instrument

    async def trades(self, symbol: str, capacity: int = 10_000) -> EventStream[Trade]:
        """Subscribe to a symbol's trades; each call gives a stream of its own, for one reader.

        At most ``capacity`` trades wait for the reader; see :class:`~depthwire.streams.EventStream` for what happens
        then. Raises as :meth:`book` does.
        """
        return await self._events(self._public.dialect.trade_topic(symbol), capacity)

    # ---- the account

    async def orders(self, capacity: int = 10_000) -> AccountStream[Order, OpenOrders]:
        """Every change of the account's orders, in order; ``.view`` holds the open ones by id.

        The protocol has no private snapshots: the view starts empty, and after a lost connection the stream carries a
        StreamGap and ``.view.gap`` is set until you reconcile. A stream that is asked for while the connection is lost
        comes once the venue serves the topic again, without a gap from before it; the view it shares still has one.

        Signs in first. Raises AuthError where there is no key or the venue refuses it, and as :meth:`book` does.
        """
        return await self._account("order", capacity)

    async def stop_orders(self, capacity: int = 10_000) -> AccountStream[StopOrder, OpenStopOrders]:
        """As :meth:`orders`, for conditional orders; ``.view`` holds those that are not triggered yet, by id."""
        return await self._account("stop_order", capacity)

    async def positions(self, capacity: int = 10_000) -> AccountStream[Position, Positions]:
        """Every change of the account's positions; ``.view`` holds the latest by (symbol, side). As :meth:`orders`."""
        return await self._account("position", capacity)

    async def wallet(self, capacity: int = 10_000) -> AccountStream[Wallet, Balances]:
        """Every change of the account's balances; ``.view`` holds the latest by coin. As :meth:`orders`."""
        return await self._account("wallet", capacity)

    async def executions(self, capacity: int = 10_000) -> EventStream[Execution]:
        """Every execution but funding, each once. As :meth:`orders`, without a view."""
        return await self._events("execution", capacity)

    async def _account(self, topic: str, capacity: int) -> AccountStream[Any, Any]:
        def stream_of(channel: EventChannel) -> AccountStream[Any, Any]:
            return AccountStream(topic, capacity, channel.view, on_close=channel.leave)

        return await self._read(topic, stream_of)

    # ---- any topic

    async def subscribe(self, *topics: str, capacity: int = 10_000) -> TopicEvents:
        """Subscribe by the topic grammar, as in ``subscribe("trade.BTCUSD|XRPUSD", "liquidation")``.

        The stream yields TopicEvent(topic, data) with the concrete topic and the typed event of each frame; on book
        topics ``data`` is the live book, after each applied frame. Events come as in :class:`EventStream`. Private
        topics sign in first.

        Raises TopicError where a topic is malformed (nothing is sent), AuthError where a private one lacks a key, and
        as :meth:`book` does.
        """
        wanted = [topic for text in topics for topic in self._parse(text)]
        if not wanted:
            raise TopicError("name at least one topic, such as 'trade.BTCUSD'")
        stream = TopicEvents(", ".join(topics), capacity, on_close=lambda closed: None)
        try:
            await self._confirmed(wanted, partial(connect_inlet, stream, self._public.report))
        except BaseException:
            stream.close()
            raise
        return stream

    async def unsubscribe(self, *topics: str) -> None:
        """End topics, such as ``book.topic`` or ``"trade.*"``: their books go STALE for good, their streams end after
        what waits in them.

        Raises TopicError where one is not subscribed, SubscriptionRejected or SubscriptionTimeout where the venue does
        not confirm it.
        """
        for text in topics:
            wanted = self._parse(text)
            await self._session_of(wanted[0]).unsubscribe(wanted)

    def _parse(self, text: str) -> tuple[Topic, ...]:
        return parse_topics(text, self._public.dialect.name)

    def _session_of(self, topic: Topic) -> Session:
        return self._private if topic.is_private else self._public

    async def _confirmed(self, topics: Iterable[Topic], on_channel: Callable[[Channel], object]) -> None:
        """Subscribe and wait for the venue's word; signs in first where a topic is private."""
        by_session: dict[Session, list[Topic]] = {}
        for topic in topics:
            by_session.setdefault(self._session_of(topic), []).append(topic)
            if topic.is_private:
                await self._sign_in()
        for session, wanted in by_session.items():
            await session.confirmed(session.add(wanted, on_channel))

    async def _sign_in(self) -> None:
        """Make sure that private topics may be asked for; raises AuthError or ConnectError."""
        if self._signing_in is None:
            self._signing_in = asyncio.create_task(self._sign_in_now())
            self._signing_in.add_done_callback(asked_for)
        try:
            await asyncio.shield(self._signing_in)
        except (AuthError, ConnectError):
            self._signing_in = None  # the next caller tries again
            raise

    async def _sign_in_now(self) -> None:
        credentials = self._credentials or Credentials.from_environment()
        if credentials is None:
            raise AuthError(NO_CREDENTIALS)
        if self._private is not self._public:
            self._private.connection.credentials = credentials
            await self._private.open()
        elif self._credentials is None:
            await self._public.connection.sign_in(credentials)

    async def _events(self, topic: str, capacity: int) -> EventStream[Any]:
        def stream_of(channel: EventChannel) -> EventStream[Any]:
            return EventStream(topic, capacity, on_close=channel.leave)

        return await self._read(topic, stream_of)

    async def _read(self, text: str, stream_of: Callable[[EventChannel], AnyStream]) -> AnyStream:
        """A new stream of one topic's events, confirmed by the venue."""
        streams: list[AnyStream] = []

        def join(channel: Channel) -> None:
            assert isinstance(channel, EventChannel)
            streams.append(stream_of(channel))
            channel.join(streams[0])

        try:
            await self._confirmed(self._parse(text), join)
        except BaseException:
            for stream in streams:
                stream.close()
            raise
        return streams[0]

    async def _live(self, topic: str) -> Any:
        """The live state of one public topic, once the venue has confirmed it and its snapshot is in."""
        found: list[Any] = []

        def keep(channel: Channel) -> None:
            assert isinstance(channel, BookChannel | StateChannel)
            found.append(channel.state)

        await self._confirmed(self._parse(topic), keep)
        (state,) = found
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
        reconnects, subscribers that raised. Without a callback they are logged as warnings of the logger "depthwire".

        Returns a function that ends it.
        """
        removers = [session.on_error(callback) for session in self._sessions]

        def remove() -> None:
            for each in removers:
                each()

        return remove

    @property
    def tap(self) -> Tap | None:
        """``tap(ts_recv_ns, payload)`` sees each message before it is routed; the memoryview holds for that call.

        It sees answers to sign-ins, too, which repeat the key and the signature.
        """
        return self._public.feed.tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        for session in self._sessions:
            session.feed.tap = tap

    @property
    def lanes(self) -> dict[str, int]:
        """How many order-book frames each decoder took."""
        return self._public.feed.lanes

    def status(self) -> Status:
        """What is known at this moment. O(topics)."""
        session, feed, record = self._public, self._public.feed, self._public.connection.record
        return Status(
            url=self.url,
            connected=session.connection.connected,
            connects=record.connects,
            losses=record.losses,
            last_loss=record.last_loss,
            last_error=session.last_error,
            frames=feed.frames,
            age_ns=time.time_ns() - feed.last_recv_ns if feed.frames else None,
            books={
                channel.topic: (
                    channel.book.state,
                    session.resyncs[channel.topic].count if channel.topic in session.resyncs else 0,
                )
                for channel in feed.channels
                if isinstance(channel, BookChannel)
            },
        )

    async def open(self) -> None:
        """Connect; :func:`connect` does it."""
        await self._public.open()

    async def close(self) -> None:
        """Close the connections and end all readers. Closing twice is fine."""
        for session in self._sessions:
            session.connection.begin_close()  # all at once: the waiting below may be cancelled
        if self._signing_in is not None:
            self._signing_in.cancel()
            await asyncio.gather(self._signing_in, return_exceptions=True)
        for session in self._sessions:
            await session.close()

    def __repr__(self) -> str:
        return f"<Client {self.url} {'connected' if self._public.connection.connected else 'not connected'}>"


def connect_inlet(stream: TopicEvents, report: Callable[[DepthwireError], object], channel: Channel) -> None:
    """Let a stream of many topics read one more channel, of events or of a live state.

    Not where its reader has gone before a pattern's frames brought the topic, nor where a pattern and a name both did.
    """
    if stream.closed or stream.reads(channel.topic):
        return
    inlet = stream.inlet(channel.topic)
    if isinstance(channel, EventChannel):
        channel.join(inlet)
        stream.when_closed(partial(channel.leave, inlet))
        return
    assert isinstance(channel, BookChannel | StateChannel)
    state = channel.state

    def failed(error: Exception, topic: str) -> None:
        report(callback_error(error, topic))

    stream.when_closed(state.on_change(lambda *_: inlet.push([state], failed)))
    stream.when_closed(state.on_state(lambda *_: inlet.finish() if state.finished else None))


@asynccontextmanager
async def connect(
    url: str,
    *,
    api_key: str | None = None,
    api_secret: str | Callable[[], str] | None = None,
    auth_way: AuthWay = "op",
    ssl_context: ssl.SSLContext | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Client]:
    """Connect to an endpoint: ``async with connect("wss://stream.bybit.com/realtime") as client``.

    The URL's path chooses the dialect: ``/realtime`` is inverse, ``/realtime_public`` and ``/realtime_private`` are
    linear's two sockets behind one client. ``"sim://"`` starts the embedded venue on a loopback port and connects to
    its inverse market, ``"sim://linear"`` to its linear one.

    Private topics need ``api_key`` and ``api_secret``; the secret may be a callable that fetches it at each sign-in.
    Without them, and not before a private topic is asked for, DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET are looked up
    in the environment. ``auth_way`` signs in with the ``auth`` operation or in the URL's query.

    TLS is verified with the system's certificates; ``ssl_context`` replaces them. ``settings`` holds deadlines,
    heartbeat and backoff. Once connected, the client reconnects by itself until it is closed, at the block's end.

    Raises InvalidUrl, ConnectError or AuthError.
    """
    settings = settings or Settings()
    async with AsyncExitStack() as stack:
        credentials = Credentials.given(api_key, api_secret)
        if str(url).startswith("sim:"):
            url = await stack.enter_async_context(_simulated(url))
        client = Client(endpoint_of(url), settings, ssl_context=ssl_context, credentials=credentials, auth_way=auth_way)
        stack.push_async_callback(client.close)
        await client.open()
        yield client


@asynccontextmanager
async def _simulated(url: str) -> AsyncIterator[str]:
    """The URL of an embedded venue that lives as long as the block."""
    from depthwire.venue import SyntheticMarket, Venue

    async with Venue(SyntheticMarket()) as venue:
        urls = {"sim://": venue.inverse_url, "sim://inverse": venue.inverse_url, "sim://linear": venue.linear_url}
        if url not in urls:
            raise InvalidUrl(f"{url!r} is no embedded venue; there are {', '.join(urls)}")
        yield urls[url]


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on uvloop where that is installed, else on asyncio: ``asyncio.run`` with a choice."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed (the extra ``uvloop``); None means asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
