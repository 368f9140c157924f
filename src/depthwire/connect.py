"""Connect to one endpoint, or to two that are used as two lines."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from depthwire.arbitration.line import NO_CREDENTIALS
from depthwire.bybit.auth import Credentials
from depthwire.client import Client
from depthwire.endpoints import Endpoint, endpoint_of, masked
from depthwire.errors import AuthError, InvalidUrl, PinningError
from depthwire.runtime.busy_poll import busy_polling
from depthwire.session.options import ConnectOptions
from depthwire.session.sign_in import AuthWay
from depthwire.settings import Settings
from depthwire.simulated import SCHEME, simulated

MOST_LINES: Final = 2


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
    *,
    api_key: str | None = None,
    api_secret: str | Callable[[], str] | None = None,
    auth_way: AuthWay = "op",
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | bool | None = None,
    settings: Settings | None = None,
    scanner: bool = True,
    busy_poll: bool = False,
    cpu: int | None = None,
) -> AsyncIterator[Client]:
    """Connect to an endpoint: ``async with connect(depthwire.endpoints.V5_LINEAR_MAINNET) as client``.

    The URL's path chooses the dialect: ``/v5/public/linear``, ``inverse``, ``spot`` and ``option`` are v5, whose
    private topics are on ``/v5/private`` of the same host; ``/realtime`` is inverse, ``/realtime_public`` and
    ``/realtime_private`` are linear. The client opens as many sockets as it needs: a second one if private topics
    have their own endpoint, and on v5 more if the topics exceed the exchange's limits for one connection. ``"sim://"``
    starts the embedded venue on a loopback port and connects to its inverse market; ``"sim://linear"``,
    ``"sim://v5/linear"``, ``"sim://v5/inverse"``, ``"sim://v5/spot"`` and ``"sim://v5/option"`` to its others.

    Two URLs of one dialect, ``connect([url, other_url])``, or the same one twice, are two lines to the venue. Both
    subscribe to everything, and the first copy of each frame and event counts. One line fills the gaps of the other and
    may end without a loss; ``client.lines`` has statistics of each. One connected line suffices to start. The client
    compares their states to find losses that no sequence number shows. Books go STALE, and streams get a StreamGap,
    only if both lines miss a frame. A tap sees the frames of both.

    All URLs are in :mod:`depthwire.endpoints`. The client makes at most 500 connections in 5 minutes to one host.

    Private topics need ``api_key`` and ``api_secret``; the secret may be a callable that fetches it at each sign-in.
    If they are not given, they are read from DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET in the environment when a
    private topic is first requested. ``auth_way`` signs in with the ``auth`` operation or, on v2 only, in the URL's
    query.

    ``scanner=False`` keeps every order-book frame on msgspec's typed decoder, the reference for the faster
    scanner; ``client.lanes`` counts the frames of each.

    ``busy_poll=True`` keeps the event loop from ever sleeping while the client is open: frames are read tens of
    microseconds sooner, at the cost of one fully used CPU. ``cpu`` pins the loop's thread to that CPU until
    the loop's last client with that CPU is closed (Linux); threads that it starts meanwhile inherit that.

    TLS is verified with the system's certificates; ``ssl_context`` replaces them, as in
    ``ssl.create_default_context(cafile="ca.pem")``. ``settings`` holds deadlines, heartbeat, backoff and socket
    options.

    ``proxy``, such as ``"http://user:password@host:port"`` (also ``https://``, ``socks5://`` and ``socks5h://``), opens
    a tunnel, in which TLS is verified as usual. An ``ssl_context`` verifies an HTTPS proxy, too; a SOCKS proxy
    looks up the host's name itself. ``proxy=True`` takes the environment's: ``HTTPS_PROXY`` (for ws:// ``HTTP_PROXY``),
    ``ALL_PROXY``, ``NO_PROXY``; this machine itself needs none.

    Once connected, the client reconnects by itself until it is closed, at the block's end. A process forked meanwhile
    cannot use it: in the child its books are STALE, its streams end, and requests raise ClientForked. A child forked
    inside a coroutine shares its parent's event loop and sockets: end it with ``os._exit``, as multiprocessing does.

    Raises InvalidUrl, ConnectError, AuthError, PinningError if the loop cannot be pinned to ``cpu``, or TypeError if
    ``ssl_context`` is not an SSLContext.
    """
    if cpu is not None and not busy_poll:
        raise PinningError(f"cpu={cpu!r} needs a loop that never sleeps: add busy_poll=True, or leave cpu out")
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {ssl_context!r}")
    async with AsyncExitStack() as stack:
        credentials = Credentials.given(api_key, api_secret)
        endpoints = await _endpoints(url, stack)
        dialect = endpoints[0].dialect
        if auth_way == "url" and not dialect.signs_in_by_url:
            raise AuthError(f"{dialect.name} cannot sign in by URL; use auth_way='op'")
        if not dialect.has_public_topics:
            credentials = credentials or Credentials.from_environment()
            if credentials is None:
                raise AuthError(NO_CREDENTIALS)
        options = ConnectOptions(
            settings=settings or Settings(),
            ssl_context=ssl_context,
            proxy=proxy,
            credentials=credentials,
            auth_way=auth_way,
            scanner=scanner,
        )
        client = Client(endpoints, options)
        stack.push_async_callback(client.close)
        await client.open()
        if busy_poll:
            # Not before: the threads that looked up the host's name would be pinned, too.
            stack.enter_context(busy_polling(cpu))
        yield client


async def _endpoints(url: str | Sequence[str], stack: AsyncExitStack) -> list[Endpoint]:
    """Return the endpoints of one or two URLs; an embedded venue lives as long as the stack. Raises InvalidUrl."""
    urls = [url] if isinstance(url, str) else list(url)
    if not 1 <= len(urls) <= MOST_LINES:
        raise InvalidUrl(f"{len(urls)} URLs; a client takes one, or two of one dialect for two lines to the venue")
    simulations = {
        each: await stack.enter_async_context(simulated(each))
        for each in dict.fromkeys(map(str, urls))
        if each.startswith(SCHEME)
    }
    endpoints = [endpoint_of(simulations.get(name, name)) for name in urls]
    dialects = [endpoint.dialect.name for endpoint in endpoints]
    if len(set(dialects)) > 1:
        given, spoken = " and ".join(map(masked, urls)), " and ".join(dialects)
        raise InvalidUrl(f"{given} speak {spoken}; the lines of one client must speak one dialect")
    return endpoints
