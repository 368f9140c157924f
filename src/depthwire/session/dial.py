"""Opens one WebSocket: TCP, proxy, TLS and handshake, and says in plain words why that failed."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import picows

from depthwire.endpoints import masked
from depthwire.errors import ConnectError
from depthwire.feed.listener import Feed
from depthwire.runtime.tls_reports import leave_out_ended_handshakes
from depthwire.session.handshake import Refusal, proxy_refusal_of, refusal_of, refuse_unrequested, secrets_of
from depthwire.session.loss import describe
from depthwire.session.options import ConnectOptions
from depthwire.session.probes import answers_http, opens_websocket, socket_log
from depthwire.session.proxies import proxy_for
from depthwire.session.sockets import connected_socket, hang_up

Accept = Callable[[picows.WSUpgradeRequest, picows.WSUpgradeResponse], Feed]
MakeSocket = Callable[[picows.WSParsedURL], Awaitable[socket.socket]]
PLAIN_AFTER_S: Final = 1.0
PLAIN: Final = "the port speaks WebSocket without TLS: use ws://"
PLAIN_PROXY: Final = "the proxy speaks HTTP without TLS: use http:// for it"


class Dialer:
    """Opens WebSockets to one endpoint, directly or through a proxy. ``name`` is the endpoint in error texts."""

    def __init__(self, url: str, options: ConnectOptions) -> None:
        self._url = masked(url)
        self._settings = options.settings
        self._ssl_context = options.ssl_context
        self._proxy = proxy_for(url, options.proxy)
        self._is_proxy_in_tls = self._proxy is not None and self._proxy.startswith("https:")
        self._uses_tls = self._url.startswith("wss:") or self._is_proxy_in_tls
        self._plain = ""  # what speaks plain text where TLS was tried
        self.name = self._url if self._proxy is None else f"{self._url} through {masked(self._proxy)}"

    async def dial(
        self, target: str, feed: Feed, on_refused: Callable[[Refusal], object], *, doubts_tls: bool = False
    ) -> None:
        """Connect to ``target``, the endpoint's URL, perhaps with a signed query; ``feed`` gets the frames.

        ``on_refused`` is called if the server refuses a handshake. If it ``doubts_tls``, and TLS is not answered soon,
        it checks whether the other side speaks plain text.

        Raises ConnectError; then no socket is left open.
        """
        sock: socket.socket | None = None
        doubt: asyncio.Task[None] | None = None

        async def make_socket(url: picows.WSParsedURL) -> socket.socket:
            nonlocal sock, doubt
            sock = await connected_socket(url.host, url.port, self._settings)
            if doubts_tls and url.scheme == "wss":
                doubt = asyncio.create_task(self._doubt_tls(sock))
            elif doubts_tls and url.scheme == "https":
                doubt = asyncio.create_task(self._doubt_proxy_tls(sock, url.host, url.port))
            return sock

        def accept(_: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse) -> Feed:
            refuse_unrequested(response)
            return feed

        if self._uses_tls:
            leave_out_ended_handshakes()
        try:
            await self._open(target, accept, make_socket)
        except BaseException as error:
            hang_up(sock)
            refusal = self._refusal_of(error, target, has_socket=sock is not None)
            if refusal is None:
                raise
            if isinstance(error, picows.WSHandshakeError):
                on_refused(refusal)
            raise ConnectError(f"{self.name}: {refusal.text}", refusal.status, refusal.retry_after_s) from None
        finally:
            if doubt is not None:
                doubt.cancel()
                await asyncio.wait((doubt,))

    async def _open(self, target: str, accept: Accept, make_socket: MakeSocket) -> None:
        async with asyncio.timeout(self._settings.timeout_s):
            _, listener = await picows.ws_connect(
                accept,
                target,
                ssl_context=self._ssl_context,
                proxy=self._proxy,
                proxy_ssl_context=self._ssl_context if self._is_proxy_in_tls else None,
                socket_factory=make_socket,
                disconnect_on_exception=False,
                enable_auto_pong=False,  # the feed does, once it has checked the frame
                websocket_handshake_timeout=None,
                max_frame_size=self._settings.max_message_size,
                # A redirect could carry credentials to another host.
                max_redirects=0,
                logger_name=socket_log,
            )
        if listener is None:  # picows returns, although the connection ended before its handshake
            hint = "; it may speak TLS: try wss://" if self._url.startswith("ws:") else ""
            raise picows.WSError(f"closed by the other side before it answered the WebSocket handshake{hint}")

    def _refusal_of(self, error: BaseException, target: str, *, has_socket: bool) -> Refusal | None:
        """Return why connecting failed; None if ``error`` is not of that kind."""
        secrets = secrets_of(target, self._proxy)
        if isinstance(error, TimeoutError):
            return Refusal(f"no connection within {self._settings.timeout_s:g} s")
        if isinstance(error, picows.WSHandshakeError):
            return refusal_of(error, secrets)
        # What fails at a SOCKS proxy has no common base class, and not always a public name.
        kinds = OSError | picows.WSError | ValueError if self._proxy is None else Exception
        if not isinstance(error, kinds):
            return None
        by_proxy = proxy_refusal_of(error, secrets)
        return by_proxy or Refusal(self._plain or describe(error, has_socket and self._uses_tls))

    async def _doubt_tls(self, sock: socket.socket) -> None:
        """Hang up on a server that does not answer TLS, but would open a WebSocket without it.

        A server that waits for the end of an HTTP request would otherwise stay silent until the deadline.
        """
        await asyncio.sleep(PLAIN_AFTER_S)
        parts = urlsplit(self._url)  # without its query, which may be secret
        port = parts.port or 443
        plain = parts._replace(scheme="ws", netloc=f"{parts.netloc.removesuffix(f':{port}')}:{port}").geturl()
        if await opens_websocket(plain, self._settings):
            self._plain = PLAIN
            hang_up(sock)

    async def _doubt_proxy_tls(self, sock: socket.socket, host: str, port: int) -> None:
        """Hang up on a proxy that does not answer TLS, but would answer HTTP without it."""
        await asyncio.sleep(PLAIN_AFTER_S)
        if await answers_http(host, port, self._settings):
            self._plain = PLAIN_PROXY
            hang_up(sock)
