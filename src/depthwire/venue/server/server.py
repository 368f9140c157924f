"""The embedded exchange: a WebSocket server that manages connections and subscriptions and sends a market's frames."""

import asyncio
import logging
import math
import ssl as ssl_module
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import Self

from picows import (
    WSCloseCode,
    WSMsgType,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from depthwire.bybit.topics import split_topic
from depthwire.bybit.v2.grammar import PRIVATE_KINDS
from depthwire.errors import TopicError
from depthwire.runtime.socket_log import SocketLog
from depthwire.tape import Pace
from depthwire.venue.frames.private_frames import PrivateFrame, PrivateTopic
from depthwire.venue.frames.topic_states import TopicState, V2WireBook, V5WireBook, new_state
from depthwire.venue.market.accounts import Account
from depthwire.venue.market.exchange import DEPOSITS, Exchange
from depthwire.venue.market.market import Category, Market, MarketFrame, PublicTopic, Tick
from depthwire.venue.market.orders import Number
from depthwire.venue.market.synthetic_market import SyntheticMarket
from depthwire.venue.server import service_v2, service_v5
from depthwire.venue.server.backpressure import Backpressure
from depthwire.venue.server.connection import MAX_REQUEST, Connection
from depthwire.venue.server.faults import Fault, Faults, Moment
from depthwire.venue.server.requests import Endpoint, Service
from depthwire.venue.server.sign_in import VenueClock, args_in_query

_log = logging.getLogger("depthwire.venue")
_socket_log = SocketLog(_log.getChild("socket"))

_CLOSE_TIMEOUT_S = 1.0


class Venue:
    """An exchange in this process: a WebSocket server that speaks the v2 and v5 dialects and plays a market.

    ::

        async with Venue(TapeMarket("inverse.frames"), speed=10) as venue:
            async with depthwire.connect(venue.inverse_url) as client: ...

    The market starts with the first subscription. ``speed`` is a multiple of real time. ``math.inf`` means as fast as
    the subscribers read: the market waits while a subscriber's socket is full, or while there is no subscriber, and
    closes connections that read nothing for `STALL_LIMIT_S`. A finite speed waits for no one: a connection with more
    than `BACKLOG_LIMIT` unread bytes is closed with a policy violation. With ``speed=None`` the market advances only by
    calls of `advance`.

    In a `SyntheticMarket` accounts can trade (`account`). Their private topics are sent on the connections that signed
    in with their key. A sign-in in the URL's query is answered right after connecting, like an ``auth`` request. After
    a refused sign-in the connection stays open for public topics and further attempts. The handshake's Date header
    contains the time of the venue's `clock`.

    ``faults`` injects faults; by default there are none.

    ``ssl`` (a server-side ``ssl.SSLContext``) serves wss://. ``port=0`` chooses a free port. Raises ``ValueError``
    unless ``speed`` is above zero. Not thread-safe: call it only from the event loop that runs it.
    """

    def __init__(
        self,
        market: Market,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float | None = 1.0,
        ssl: ssl_module.SSLContext | None = None,
        faults: Faults | None = None,
    ) -> None:
        if speed is not None:
            Pace(speed)  # raises for an invalid speed now rather than when the market starts
        self._market = market
        self._host, self._port = host, port
        self._speed = speed
        self._ssl = ssl
        self._services: dict[str, Service] = {
            **{endpoint.path: service_v2.V2Service(endpoint, market.topics) for endpoint in service_v2.ENDPOINTS},
            **{endpoint.path: service_v5.V5Service(endpoint, market.topics) for endpoint in service_v5.ENDPOINTS},
        }
        # Dicts keep the order of subscription, so that equal seeds give equal runs.
        self._subscribers: defaultdict[PublicTopic | PrivateTopic, dict[Connection, None]] = defaultdict(dict)
        self._open: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._player: asyncio.Task[None] | None = None
        self._backpressure = Backpressure(self._open)

        self._states: dict[PublicTopic, TopicState] = {
            topic: state for topic in market.topics if (state := new_state(topic))
        }
        self.books: Mapping[PublicTopic, V2WireBook | V5WireBook] = {
            topic: state for topic, state in self._states.items() if isinstance(state, V2WireBook | V5WireBook)
        }
        """The venue's book of each book topic, as of the last sent frame. A synthetic market publishes a book only
        while it has subscribers; otherwise the book is not live."""
        self.clock = VenueClock()
        """The clock that decides whether a sign-in has expired."""
        self.faults = faults or Faults()
        """The faults that it injects; may be changed at any time."""
        self.finished = asyncio.Event()
        """Set when the market has ended or the venue is closed."""
        self.mute_pongs = False
        """Fault: leave pings of both kinds unanswered."""
        self.mute_answers = False
        """Fault: read requests, but neither answer nor execute them."""

    # start and close

    async def start(self) -> None:
        """Listen. Raises ``OSError`` if the address is not available."""
        self._server = await ws_create_server(
            self._accept,
            self._host,
            self._port,
            ssl=self._ssl,
            enable_auto_pong=False,
            max_frame_size=MAX_REQUEST,
            logger_name=_socket_log,
            # aiofastnet reports failed TLS handshakes to the event loop in a form that logging cannot format.
            use_aiofastnet=False if self._ssl else None,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End the market and close every connection within a second. Raises the market's error, if any. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        outcome = None
        if self._player is not None:
            self._player.cancel()
            (outcome,) = await asyncio.gather(self._player, return_exceptions=True)
        for connection in tuple(self._open):
            connection.close(WSCloseCode.GOING_AWAY, "the venue is closing")
        waits = [asyncio.ensure_future(connection.transport.wait_disconnected()) for connection in self._open]
        if waits:
            await asyncio.wait(waits, timeout=_CLOSE_TIMEOUT_S)
            self.drop_connections()
            await asyncio.gather(*waits, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # addresses

    @property
    def inverse_url(self) -> str:
        """The v2 URL of the inverse symbols, for public and private topics."""
        return self.url_of(service_v2.INVERSE)

    @property
    def linear_url(self) -> str:
        """The v2 URL of the linear symbols' public topics."""
        return self.url_of(service_v2.LINEAR_PUBLIC)

    @property
    def linear_private_url(self) -> str:
        """The v2 URL of the linear symbols' private topics."""
        return self.url_of(service_v2.LINEAR_PRIVATE)

    def v5_url(self, category: str) -> str:
        """Return the v5 URL of a category's public topics.

        Raises ``ValueError`` unless ``category`` is inverse, linear, spot or option.
        """
        return self.url_of(service_v5.PUBLIC[Category(category)])

    @property
    def v5_private_url(self) -> str:
        """The v5 URL of the private topics."""
        return self.url_of(service_v5.PRIVATE)

    def url_for(self, symbol: str) -> str:
        """Return a URL that serves ``symbol``; v2 comes before v5. Raises ``TopicError`` if the market lacks it."""
        for url, symbols in self.served.items():
            if symbol in symbols:
                return url
        known = sorted({name for symbols in self.served.values() for name in symbols})
        raise TopicError(f"unknown symbol {symbol}: expected one of {', '.join(known)}")

    @property
    def served(self) -> dict[str, list[str]]:
        """The symbols of each public URL that has any, in the market's order."""
        symbols: dict[str, dict[str, None]] = {}
        for endpoint in (*service_v2.ENDPOINTS, *service_v5.ENDPOINTS):
            if endpoint.is_public:
                names = {
                    split_topic(topic.name)[1]: None
                    for topic in self._market.topics
                    if (topic.dialect, topic.category) == (endpoint.dialect, endpoint.category)
                    and not _names_a_coin(topic)
                }
                if names:
                    symbols[self.url_of(endpoint)] = names
        return {url: list(names) for url, names in symbols.items()}

    @property
    def served_private(self) -> dict[str, tuple[str, ...]]:
        """The topics of each URL that serves only private topics. On v2 inverse, `inverse_url` serves both.

        Empty for a recording, which has no accounts.
        """
        if not isinstance(self._market, SyntheticMarket):
            return {}
        return {
            self.linear_private_url: tuple(PRIVATE_KINDS),
            self.v5_private_url: service_v5.PRIVATE_TOPICS,
        }

    def url_of(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint."""
        scheme = "wss" if self._ssl else "ws"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}{endpoint.path}"

    # connections

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._open)

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        service = self._services.get(request.path.partition(b"?")[0].decode("latin-1"))
        if service is None:
            return None
        match self.faults.draw(Moment.HANDSHAKE) if self.faults.is_on else None:
            case Fault.REFUSE:
                refused = WSUpgradeResponse.create_error_response(HTTPStatus.SERVICE_UNAVAILABLE, b"try again later")
                return WSUpgradeResponseWithListener(refused, None)
            case Fault.REDIRECT:
                target = self.url_of(service.endpoint)
                redirect = WSUpgradeResponse.create_redirect_response(HTTPStatus.FOUND, target)
                return WSUpgradeResponseWithListener(redirect, None)
        now = formatdate(self.clock.now_s(), usegmt=True)
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response({"Date": now}),
            Connection(self, service, args_in_query(request.path)),
        )

    def connected(self, connection: Connection) -> None:
        """See `Host.connected`."""
        self._open[connection] = None

    def disconnected(self, connection: Connection) -> None:
        """See `Host.disconnected`."""
        self._open.pop(connection, None)
        self.unsubscribe(connection, list(connection.topics))

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """See `Host.subscribe`. A new subscription starts with the topic's current state, if it has one."""
        for name in names:
            if name not in connection.topics:
                topic = connection.topics[name] = connection.topic(name)
                subscribers = self._subscribers[topic]
                subscribers[connection] = None
                if isinstance(topic, PublicTopic):
                    self._send_state(connection, topic, is_first=len(subscribers) == 1)
        self.readers_changed()
        if self._player is None and self._speed is not None:
            self._player = asyncio.get_running_loop().create_task(self._play(self._speed))

    def unsubscribe(self, connection: Connection, names: list[str]) -> None:
        """See `Host.unsubscribe`."""
        for name in names:
            if topic := connection.topics.pop(name, None):
                subscribers = self._subscribers[topic]
                subscribers.pop(connection, None)
                if not subscribers and isinstance(topic, PublicTopic) and isinstance(self._market, SyntheticMarket):
                    self.exchange.unpublish(topic)
                    if state := self._states.get(topic):
                        state.is_live = False
        self.readers_changed()

    def _send_state(self, connection: Connection, topic: PublicTopic, *, is_first: bool) -> None:
        """Send a new subscriber the current state of a topic."""
        if is_first and isinstance(self._market, SyntheticMarket):
            for frame in self.exchange.publish(topic):
                self._release(frame)
        elif (state := self._states.get(topic)) and state.is_live:
            connection.send(state.snapshot())

    # accounts

    @cached_property
    def exchange(self) -> Exchange:
        """The market in which accounts trade; the first access opens it. Raises ``TypeError`` for a recording."""
        if not isinstance(self._market, SyntheticMarket):
            raise TypeError(f"{type(self._market).__name__} takes no orders; use a SyntheticMarket")
        exchange = self._market.open()
        exchange.listen(self._release_private)
        return exchange

    def account(self, key: str, *, secret: str | None = None, deposits: Mapping[str, Number] = DEPOSITS) -> Account:
        """Return the account with this API key; create it if it does not exist. See `Exchange.account`."""
        return self.exchange.account(key, secret=secret, deposits=deposits)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by API key; empty for a recording."""
        return self.exchange.accounts if isinstance(self._market, SyntheticMarket) else {}

    def _release_private(self, frame: PrivateFrame) -> None:
        for connection in tuple(self._subscribers.get(frame.topic, ())):
            connection.send(frame.raw)

    # the market

    def advance(self, seconds: float) -> None:
        """Advance the market time by ``seconds`` at once and send the frames. The first call opens the market.

        Raises ``ValueError`` unless ``speed`` is None.
        """
        if self._speed is not None:
            raise ValueError(f"the market runs at speed {self._speed}: advance() requires speed=None")
        until_ns = self.exchange.now_ns + round(seconds * 1e9)
        for tick in self._ticks:
            for frame in tick.frames:
                self._release(frame)
            if tick.at_ns >= until_ns:
                break

    @cached_property
    def _ticks(self) -> Iterator[Tick]:
        """The market's ticks; they can be consumed only once."""
        return self.exchange.ticks()

    async def _play(self, speed: float) -> None:
        try:
            await self._play_all(speed)
        except Exception:
            _log.exception("the market failed and has stopped")
            raise
        finally:
            self.finished.set()

    async def _play_all(self, speed: float) -> None:
        """Send all frames of the market at their times."""
        pace = Pace(speed)
        ticks: Iterable[Tick]
        if isinstance(self._market, SyntheticMarket):
            ticks = self._ticks
            for frame in next(self._ticks).frames:  # opening takes long, so pacing starts after it
                self._release(frame)
        else:
            ticks = (Tick(frame.at_ns, (frame,)) for frame in self._market.frames())
        for at_ns, frames in ticks:
            await pace.wait_until(at_ns)
            await self._wait_for_readers(speed)
            for frame in frames:
                await self._wait_for_readers(speed)
                self._release(frame)

    async def _wait_for_readers(self, speed: float) -> None:
        if math.isinf(speed):
            await self._backpressure.wait()

    def _release(self, frame: MarketFrame) -> None:
        state = self._states.get(frame.topic)
        if state is not None and not state.apply(frame.raw):
            _log.warning("%s: the venue's state waits for a snapshot after an unusable frame: %.80r", *frame[1:])
        for connection in tuple(self._subscribers[frame.topic]):  # sending may close the connection
            connection.send(frame.raw)

    def readers_changed(self) -> None:
        """See `Host.readers_changed`."""
        self._backpressure.update()

    # for tests

    def drop_connections(self) -> None:
        """Abort every connection without a close frame, as a crash would."""
        for connection in tuple(self._open):
            connection.transport.disconnect(graceful=False)

    def send_raw(self, topic: str, raw: bytes, *, binary: bool = False) -> None:
        """Send any bytes to the subscribers of a topic; the market and the venue's books ignore them.

        A private topic's subscribers are those of all accounts. Raises ``TopicError`` if the market lacks the topic.
        """
        known = {public.name for public in self._market.topics}
        if topic not in known and topic not in PRIVATE_KINDS and topic not in service_v5.PRIVATE_TOPICS:
            raise TopicError(f"unknown topic {topic}: expected one of {', '.join(sorted(known))}")
        for connection in tuple(self._open):
            if topic in connection.topics:
                connection.send(raw, WSMsgType.BINARY if binary else WSMsgType.TEXT)


def _names_a_coin(topic: PublicTopic) -> bool:
    """Return whether a topic's filter is a coin rather than a symbol."""
    is_option_trade = topic.category is Category.OPTION and topic.name.startswith("publicTrade.")
    return is_option_trade or topic.name.startswith("insurance.")
