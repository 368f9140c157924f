"""The embedded exchange: who is connected, who is subscribed to what, and who is told what when.

What happens is the market's affair (`depthwire.venue.market.market`); this module releases its frames at their pace.
"""

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
from depthwire.venue.server.connection import MAX_REQUEST, Connection
from depthwire.venue.server.faults import Fault, Faults, Moment
from depthwire.venue.server.requests import Endpoint, Service
from depthwire.venue.server.sign_in import VenueClock, args_in_query

_log = logging.getLogger("depthwire.venue")
_socket_log = SocketLog(_log.getChild("socket"))

STALL_LIMIT_S = 60.0
"""How long an unpaced market waits for a reader that takes nothing before it is cut off."""
_GOODBYE_S = 1.0


class Venue:
    """An exchange in this process: a WebSocket server that speaks the v2 and v5 dialects and plays a market.

    ::

        async with Venue(TapeMarket("inverse.frames"), speed=10) as venue:
            async with depthwire.connect(venue.inverse_url) as client: ...

    The market begins with the first subscription. ``speed`` multiplies its pace; ``math.inf`` goes as fast as
    the readers drain: the market then stands still while any subscriber's socket is full, or while there is
    no subscriber, and a reader that takes nothing for `STALL_LIMIT_S` is cut off. At a finite speed nobody is
    waited for: a reader with more than `BACKLOG_LIMIT` bytes waiting is cut off with a policy-violation
    close.

    ``speed=None``: the market stands still, but for what `advance` lets happen.

    In a `SyntheticMarket` accounts trade (`account`), and are told on the private topics of the sockets that signed in
    with their key. A sign-in in the URL's query is answered like the ``auth`` operation, with a frame of its own right
    after connecting; a refused one leaves the connection open for public topics, or another try. The handshake's Date
    header tells the venue's `clock`.

    ``faults`` is how the venue lies, by default not at all: see `Faults`.

    ``ssl`` (a server-side ``ssl.SSLContext``) serves wss://. ``port=0`` takes a free port. Raises
    ``ValueError`` where ``speed`` is not above zero. Not thread-safe: all calls belong to the event loop that
    runs it.
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
            Pace(speed)  # a bad speed is told here, not when the market begins
        self._market = market
        self._host, self._port = host, port
        self._speed = speed
        self._ssl = ssl
        self._services: dict[str, Service] = {
            **{endpoint.path: service_v2.V2Service(endpoint, market.topics) for endpoint in service_v2.ENDPOINTS},
            **{endpoint.path: service_v5.V5Service(endpoint, market.topics) for endpoint in service_v5.ENDPOINTS},
        }
        # In the order in which they came, so that equal seeds give equal runs.
        self._subscribers: defaultdict[PublicTopic | PrivateTopic, dict[Connection, None]] = defaultdict(dict)
        self._open: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._player: asyncio.Task[None] | None = None
        self._readers_drained = asyncio.Event()

        self._states: dict[PublicTopic, TopicState] = {
            topic: state for topic in market.topics if (state := new_state(topic))
        }
        self.books: Mapping[PublicTopic, V2WireBook | V5WireBook] = {
            topic: state for topic, state in self._states.items() if isinstance(state, V2WireBook | V5WireBook)
        }
        """The venue's own book of every book topic, as of the last frame released. A synthetic market tells of a book
        while it has subscribers: without, it is not live."""
        self.clock = VenueClock()
        """By which sign-ins expire."""
        self.faults = faults or Faults()
        """What goes wrong on its connections; may be changed at any time."""
        self.finished = asyncio.Event()
        """Set when the market's frames are over, or the venue is closed."""
        self.mute_pongs = False
        """Fault: pings, of either kind, stay unanswered."""
        self.mute_answers = False
        """Fault: requests are read and ignored, neither answered nor carried out."""

    # life

    async def start(self) -> None:
        """Listens. Raises ``OSError`` where the address cannot be had."""
        self._server = await ws_create_server(
            self._accept,
            self._host,
            self._port,
            ssl=self._ssl,
            enable_auto_pong=False,
            max_frame_size=MAX_REQUEST,
            logger_name=_socket_log,
            # aiofastnet reports each failed handshake to the loop, in a form that logging cannot print.
            use_aiofastnet=False if self._ssl else None,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends the market, closes every socket within a second, raises what the market raised. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        outcome = None
        if self._player is not None:
            self._player.cancel()
            (outcome,) = await asyncio.gather(self._player, return_exceptions=True)
        for connection in tuple(self._open):
            connection.close(WSCloseCode.GOING_AWAY, "the venue closes")
        waits = [asyncio.ensure_future(connection.transport.wait_disconnected()) for connection in self._open]
        if waits:
            await asyncio.wait(waits, timeout=_GOODBYE_S)
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
        """Where the inverse symbols are served on v2, public and private topics."""
        return self.url_of(service_v2.INVERSE)

    @property
    def linear_url(self) -> str:
        """Where the public topics of the linear symbols are served on v2."""
        return self.url_of(service_v2.LINEAR_PUBLIC)

    @property
    def linear_private_url(self) -> str:
        """Where the private topics of the linear symbols are served on v2."""
        return self.url_of(service_v2.LINEAR_PRIVATE)

    def v5_url(self, category: str) -> str:
        """Where the public topics of a category (inverse, linear, spot, option) are served on v5. ValueError for any
        other.
        """
        return self.url_of(service_v5.PUBLIC[Category(category)])

    @property
    def v5_private_url(self) -> str:
        """Where the private topics are served on v5."""
        return self.url_of(service_v5.PRIVATE)

    def url_for(self, symbol: str) -> str:
        """The URL that serves ``symbol``; where there are several, v2's first. Raises ``TopicError`` where the market
        has no such symbol.
        """
        for url, symbols in self.served.items():
            if symbol in symbols:
                return url
        known = sorted({name for symbols in self.served.values() for name in symbols})
        raise TopicError(f"{symbol}: not in this market, which has {', '.join(known)}")

    @property
    def served(self) -> dict[str, list[str]]:
        """The symbols of the public URLs that have any, in the market's order."""
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
        """The topics of the URLs that have private ones alone; of v2's inverse symbols those are on `inverse_url`.

        None where the market is a recording, in which no account trades.
        """
        if not isinstance(self._market, SyntheticMarket):
            return {}
        return {
            self.linear_private_url: tuple(PRIVATE_KINDS),
            self.v5_private_url: service_v5.PRIVATE_TOPICS,
        }

    def url_of(self, endpoint: Endpoint) -> str:
        """The URL of one of the venue's paths."""
        scheme = "wss" if self._ssl else "ws"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}{endpoint.path}"

    # who is there

    @property
    def connections(self) -> int:
        """How many sockets are connected."""
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
                elsewhere = self.url_of(service.endpoint)
                redirect = WSUpgradeResponse.create_redirect_response(HTTPStatus.FOUND, elsewhere)
                return WSUpgradeResponseWithListener(redirect, None)
        now = formatdate(self.clock.now_s(), usegmt=True)
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response({"Date": now}),
            Connection(self, service, args_in_query(request.path)),
        )

    def connected(self, connection: Connection) -> None:
        """A socket is open."""
        self._open[connection] = None

    def gone(self, connection: Connection) -> None:
        """A socket is closed."""
        self._open.pop(connection, None)
        self.unsubscribe(connection, list(connection.topics))

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """Adds concrete topics that the connection may see; a new one begins with a greeting where it has one."""
        for name in names:
            if name not in connection.topics:
                topic = connection.topics[name] = connection.topic(name)
                subscribers = self._subscribers[topic]
                subscribers[connection] = None
                if isinstance(topic, PublicTopic):
                    self._greet(connection, topic, is_first=len(subscribers) == 1)
        self.readers_changed()
        if self._player is None and self._speed is not None:
            self._player = asyncio.get_running_loop().create_task(self._play(self._speed))

    def unsubscribe(self, connection: Connection, names: list[str]) -> None:
        """Ends topics, subscribed or not."""
        for name in names:
            if topic := connection.topics.pop(name, None):
                subscribers = self._subscribers[topic]
                subscribers.pop(connection, None)
                if not subscribers and isinstance(topic, PublicTopic) and isinstance(self._market, SyntheticMarket):
                    self.exchange.unpublish(topic)
                    if state := self._states.get(topic):
                        state.is_live = False
        self.readers_changed()

    def _greet(self, connection: Connection, topic: PublicTopic, *, is_first: bool) -> None:
        """Sends a new subscriber what comes before the next frame: how things are."""
        if is_first and isinstance(self._market, SyntheticMarket):
            for frame in self.exchange.publish(topic):
                self._release(frame)
        elif (state := self._states.get(topic)) and state.is_live:
            connection.send(state.snapshot())

    # the accounts

    @cached_property
    def exchange(self) -> Exchange:
        """The market that accounts trade in, opened at the first call. Raises ``TypeError`` where it is a recording."""
        if not isinstance(self._market, SyntheticMarket):
            raise TypeError(f"{type(self._market).__name__} takes no orders: use a SyntheticMarket to trade")
        exchange = self._market.open()
        exchange.listen(self._release_private)
        return exchange

    def account(self, key: str, *, secret: str | None = None, deposits: Mapping[str, Number] = DEPOSITS) -> Account:
        """The account with this API key, made where there is none: see `Exchange.account`."""
        return self.exchange.account(key, secret=secret, deposits=deposits)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by API key; none in a recording."""
        return self.exchange.accounts if isinstance(self._market, SyntheticMarket) else {}

    def _release_private(self, frame: PrivateFrame) -> None:
        for connection in tuple(self._subscribers.get(frame.topic, ())):
            connection.send(frame.raw)

    # the market

    def advance(self, seconds: float) -> None:
        """Lets so much of the market's time happen at once, and sends its frames; the first call opens it.

        For ``speed=None``; raises ``ValueError`` where the market has a pace of its own.
        """
        if self._speed is not None:
            raise ValueError(f"the market plays at speed {self._speed}: only one with speed=None is advanced")
        until_ns = self.exchange.now_ns + round(seconds * 1e9)
        for tick in self._ticks:
            for frame in tick.frames:
                self._release(frame)
            if tick.at_ns >= until_ns:
                break

    @cached_property
    def _ticks(self) -> Iterator[Tick]:
        """The market's ticks, to be taken once."""
        return self.exchange.ticks()

    async def _play(self, speed: float) -> None:
        try:
            await self._play_all(speed)
        except Exception:
            _log.exception("the market failed; no more frames will come")
            raise
        finally:
            self.finished.set()

    async def _play_all(self, speed: float) -> None:
        pace = Pace(speed)
        ticks: Iterable[Tick]
        if isinstance(self._market, SyntheticMarket):
            ticks = self._ticks
            for frame in next(self._ticks).frames:  # the opening takes long: the pace begins after it
                self._release(frame)
        else:
            ticks = (Tick(frame.at_ns, (frame,)) for frame in self._market.frames())
        for at_ns, frames in ticks:
            await pace.wait_until(at_ns)
            await self._readers_ready(speed)
            for frame in frames:
                await self._readers_ready(speed)
                self._release(frame)

    async def _readers_ready(self, speed: float) -> None:
        while math.isinf(speed) and not self._readers_drained.is_set():
            await self._wait_for_readers()

    def _release(self, frame: MarketFrame) -> None:
        state = self._states.get(frame.topic)
        if state is not None and not state.apply(frame.raw):
            _log.warning("%s: the venue waits for a snapshot: unusable frame %.80r", *frame[1:])
        for connection in tuple(self._subscribers[frame.topic]):  # a send may cut the reader off
            connection.send(frame.raw)

    def readers_changed(self) -> None:
        """A socket is full, or takes more again, or nobody listens any more."""
        readers = [connection for connection in self._open if connection.topics]
        if readers and all(connection.full_since is None for connection in readers):
            self._readers_drained.set()
        else:
            self._readers_drained.clear()

    async def _wait_for_readers(self) -> None:
        try:
            async with asyncio.timeout(STALL_LIMIT_S / 10):
                await self._readers_drained.wait()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self._open):
                if connection.full_since is not None and now - connection.full_since > STALL_LIMIT_S:
                    connection.cut_off(f"nothing read for {STALL_LIMIT_S:g} s")

    # doors for tests

    def drop_connections(self) -> None:
        """Aborts every socket without a close frame, as a crash would."""
        for connection in tuple(self._open):
            connection.transport.disconnect(graceful=False)

    def send_raw(self, topic: str, raw: bytes, *, binary: bool = False) -> None:
        """Sends any bytes to the subscribers of a topic, past the market and the venue's book; those of a private
        topic are all accounts'.

        Raises ``TopicError`` where the market has no such topic.
        """
        known = {public.name for public in self._market.topics}
        if topic not in known and topic not in PRIVATE_KINDS and topic not in service_v5.PRIVATE_TOPICS:
            raise TopicError(f"{topic}: not in this market, which has {', '.join(sorted(known))}")
        for connection in tuple(self._open):
            if topic in connection.topics:
                connection.send(raw, WSMsgType.BINARY if binary else WSMsgType.TEXT)


def _names_a_coin(topic: PublicTopic) -> bool:
    """Whether a topic ends in a coin rather than a symbol."""
    is_option_trade = topic.category is Category.OPTION and topic.name.startswith("publicTrade.")
    return is_option_trade or topic.name.startswith("insurance.")
