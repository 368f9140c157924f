"""One connection at a time to one endpoint: connect, sign in, ask and be answered, heartbeat, reconnect."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
import picows

from depthwire.bybit.auth import Credentials, as_query
from depthwire.bybit.dialect import Answer, Dialect, RequestKey
from depthwire.endpoints import masked
from depthwire.errors import (
    AuthError,
    ClientClosed,
    ClientForked,
    ConnectError,
    ConnectionLost,
    DepthwireError,
    FrameError,
    MalformedFrame,
)
from depthwire.feed.channel import Channel
from depthwire.feed.damage import DAMAGE_CALM_S, DAMAGE_WINDOW_S, MOST_DAMAGED, DamageCount, is_answer
from depthwire.feed.listener import Feed
from depthwire.runtime.socket_log import SocketLog
from depthwire.runtime.tls_reports import leave_out_ended_handshakes
from depthwire.session.handshake import (
    Refusal,
    proxy_refusal_of,
    refusal_of,
    refuse_unrequested,
    secrets_of,
    spread_s,
    timestamp,
)
from depthwire.session.loss import TOO_BIG, Loss, describe, loss_of
from depthwire.session.options import ConnectOptions
from depthwire.session.phase import ConnectionStatus, Phase
from depthwire.session.proxies import proxy_for
from depthwire.session.rate_limit import connection_wait_s
from depthwire.session.sign_in import Arguments, SignIn
from depthwire.session.sockets import connected_socket, hang_up
from depthwire.settings import Settings

# What the venue says to a connection that has stood for long enough; the exchange's advice is to reconnect at once. Not
# so 1012 and 1013, a restart and too much load, where the close codes' registry asks for a delay.
GOODBYES: Final = 1000, 1001
# A signed URL may be why: the request is wrong, or from an address that the key is not for, or the server blocks all.
PERHAPS_THE_KEY: Final = HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN
PLAIN_AFTER_S: Final = 1.0
PLAIN: Final = "the port speaks WebSocket without TLS: use ws://"
PLAIN_PROXY: Final = "the proxy speaks HTTP without TLS: use http:// for it"
log = logging.getLogger("depthwire")
socket_log = SocketLog(log.getChild("socket"))


class ConnectionOwner(Protocol):
    """Whom a connection tells of its ups and downs, and of frames that went to no channel."""

    def connection_up(self) -> object: ...
    def connection_down(self, reason: str) -> object: ...
    def signed_in(self) -> object: ...
    def sign_in_refused(self, error: AuthError) -> object: ...
    def on_frame_error(self, error: FrameError) -> object: ...
    def on_unrouted(self, topic: str, message: bytes) -> Channel | None: ...
    def report(self, error: DepthwireError) -> object: ...


class Connection:
    """Keeps a connection to one endpoint alive until it is closed.

    Its ``feed`` receives the frames. ``owner`` may change; ``live_since_s`` is when it was connected last, in the
    loop's time. ``signing`` says whether and how it signs in: before :meth:`open` returns, and after each reconnect
    once its owner knows that it is up. One that ``is_private`` serves nothing without a sign-in, and is not connected
    again before one may be tried.
    """

    def __init__(self, owner: ConnectionOwner, url: str, dialect: Dialect, options: ConnectOptions) -> None:
        settings = options.settings
        self.url = masked(url)
        self.status = ConnectionStatus(url=self.url)
        self.owner = owner
        self.feed = Feed(self, settings.max_message_size)
        self.live_since_s = 0.0
        self._target = url
        self._dialect = dialect
        self._settings = settings
        self._options = options
        self._ssl_context = options.ssl_context
        self._proxy = proxy = proxy_for(url, options.proxy)
        self._is_proxy_in_tls = proxy is not None and proxy.startswith("https:")
        self._through = "" if proxy is None else f" through {masked(proxy)}"
        self.signing = SignIn(settings.auth_window_s, options.auth_way, settings.backoff())
        self.is_private = not dialect.has_public_topics
        self.signed_in = False
        self._is_asked = False  # a sign-in that is neither answered nor given up
        self._is_clock_corrected = False  # because the latest handshake was refused
        self._is_up = False
        self._handshake_s = 0.0
        self.damage = DamageCount()
        self._backoff = settings.backoff()
        self._transport: picows.WSTransport | None = None
        self._lost: asyncio.Future[None] | None = None
        self._drop_reason = ""
        self._plain = ""
        self._probe: asyncio.Future[Answer] | None = None  # the ping of this turn of the loop
        self._pending: dict[RequestKey, list[asyncio.Future[Answer]]] = {}
        self._pending_topics: dict[RequestKey, frozenset[str]] = {}  # of which no answer has told yet
        self._told_topics: dict[RequestKey, dict[str, str]] = {}  # why each was refused, or ""
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = self.forked = self.is_stranded = self.is_kept = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now, of which the owner knows."""
        return self._is_up

    def another(self, owner: ConnectionOwner) -> "Connection":
        """A new one to the same endpoint, which signs in the same way; yet to be opened."""
        made = Connection(owner, self._target, self._dialect, self._options)
        made.signing, made.is_private = self.signing, self.is_private
        made._backoff = self._backoff
        return made

    def _note(self, phase: Phase, *, wait_s: float | None = None, **changes: Any) -> None:
        """Enter a phase, which lasts ``wait_s`` where that is known; what is closed stays so."""
        if self.closed:
            phase, wait_s = Phase.CLOSED, None
        until_ns = None if wait_s is None else time.time_ns() + round(wait_s * 1e9)
        self.status = msgspec.structs.replace(self.status, phase=phase, until_ns=until_ns, **changes)

    # ---- opening and closing

    async def open(self) -> None:
        """Connect, and from then on keep connected; raises ConnectError or AuthError where the first attempt fails."""
        self.refuse_closed()
        try:
            await self._connect(is_first=True)
            if self._wants_sign_in:
                self._note(Phase.SIGNING_IN)
                await self._sign_in_or_raise()
        except BaseException as error:
            self._abandon()
            self._note(Phase.IDLE)  # nothing tries again
            if isinstance(error, ConnectionLost):
                raise ConnectError(f"{self.url}{self._through}: lost while signing in: {error}") from None
            raise
        self._begin()
        self.keep_trying()

    def keep_trying(self) -> None:
        """Connect as soon as that can be done, where :meth:`open` has failed; each failure is told to the owner."""
        self.is_kept = True
        self.spawn(self._keep_connected())

    def begin_close(self) -> None:
        """Say goodbye and stop all tasks; what is left of :meth:`close`, where that is cancelled."""
        if self.closed:
            return
        self.closed = True
        self._note(Phase.CLOSED)
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._drop_reason = "the client was closed"
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def after_fork(self) -> None:
        """This is a forked child: the socket is its parent's, and is left alone."""
        self.forked = True
        self.strand()

    def strand(self) -> None:
        """Its loop does not run, here or anywhere: there is nothing to be done any more, and nothing to wait for."""
        self.closed = self.is_stranded = True
        self._is_up = self.signed_in = False
        self._note(Phase.CLOSED)
        self._transport = None

    def refuse_closed(self) -> None:
        """Raise ClientClosed or ClientForked where no more can be asked."""
        if self.forked:
            raise ClientForked("the client belongs to the process that this one was forked from; make a new one here")
        if self.closed:
            raise ClientClosed("the client was closed; make a new one")

    async def close(self) -> None:
        """Close, and wait until all is over; a venue that does not let go is hung up on after a second."""
        self.begin_close()
        if self.is_stranded:
            return  # its tasks belong to a loop that does not run
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None and self._lost is not None:
            try:
                async with asyncio.timeout(1.0):
                    await asyncio.shield(self._lost)
            except TimeoutError:
                self._transport.disconnect(graceful=False)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run in the background until done or closed; what it raises unexpectedly is not lost."""
        task = asyncio.create_task(work, name=f"depthwire {self.url}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)

    async def _connect(self, *, is_first: bool = False) -> None:
        """Connect; once more at once if the handshake signs in and the server refuses it because of the clock."""
        try:
            await self._connect_once(is_first=is_first)
        except ConnectError:
            if not self._is_clock_corrected:
                raise
            await self._connect_once(is_first=is_first)

    async def _connect_once(self, *, is_first: bool) -> None:
        await self._take_turn()
        self._note(Phase.CONNECTING, attempts=self.status.attempts + 1)
        sock: socket.socket | None = None
        doubt: asyncio.Task[None] | None = None

        async def make_socket(url: picows.WSParsedURL) -> socket.socket:
            nonlocal sock, doubt
            sock = await connected_socket(url.host, url.port, self._settings)
            if is_first and url.scheme == "wss":
                doubt = self.spawn(self._doubt_tls(sock))
            elif is_first and url.scheme == "https":
                doubt = self.spawn(self._doubt_proxy_tls(sock, url.host, url.port))
            return sock

        timeout_s = self._settings.timeout_s
        target = self._signed_target()
        uses_tls = self.url.startswith("wss:") or self._is_proxy_in_tls
        if uses_tls:
            leave_out_ended_handshakes()
        try:
            async with asyncio.timeout(timeout_s):
                _, listener = await picows.ws_connect(
                    self._accept,
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
                self._refuse_unanswered(listener)
        except TimeoutError:
            self._abandon(sock)
            raise ConnectError(f"{self.url}{self._through}: no connection within {timeout_s:g} s") from None
        except picows.WSHandshakeError as error:
            self._abandon(sock)
            refusal = refusal_of(error, secrets_of(target, self._proxy))
            message = f"{self.url}{self._through}: {refusal.text}"
            if self._is_asked:
                self._signed_handshake_refused(refusal, is_first=is_first)
            raise ConnectError(message, refusal.status, refusal.retry_after_s) from None
        except Exception as error:
            self._abandon(sock)
            # What fails at a SOCKS proxy has no base in common, and not all of it a public name.
            if self._proxy is None and not isinstance(error, OSError | picows.WSError | ValueError):
                raise
            by_proxy = proxy_refusal_of(error, secrets_of(target, self._proxy))
            refusal = by_proxy or Refusal(self._plain or describe(error, sock is not None and uses_tls))
            message = f"{self.url}{self._through}: {refusal.text}"
            raise ConnectError(message, refusal.status, refusal.retry_after_s) from None
        except BaseException:
            self._abandon(sock)
            raise
        finally:
            if doubt is not None:
                doubt.cancel()
                await asyncio.wait((doubt,))

    async def _doubt_tls(self, sock: socket.socket) -> None:
        """Hang up on a server that does not answer TLS, but would open a WebSocket without it.

        A server that waits for the end of an HTTP request that never comes would else be silent until the deadline.
        """
        await asyncio.sleep(PLAIN_AFTER_S)
        parts = urlsplit(self.url)  # without its query, which may be secret
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

    def _abandon(self, sock: socket.socket | None = None) -> None:
        """Hang up on a connection that its owner never knew of, and does not hear of."""
        hang_up(sock)
        transport, self._transport = self._transport, None
        self.signed_in = False
        self._pending.clear()
        self._pending_topics.clear()
        self._told_topics.clear()
        if transport is not None:
            transport.disconnect(graceful=False)

    def _begin(self) -> None:
        """The connection is of use from now on: its owner asks for what it wants."""
        self.live_since_s = asyncio.get_running_loop().time()
        self._is_up = True
        self._note(Phase.LIVE)
        self.owner.connection_up()
        if self._wants_sign_in:
            self.spawn(self._sign_in_until_accepted())

    def _accept(self, _: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse) -> Feed:
        """What takes the frames, once the server's answer to the handshake proved to be what was asked for."""
        refuse_unrequested(response)
        return self.feed

    def _refuse_unanswered(self, listener: picows.WSListener | None) -> None:
        """Raise WSError where picows returned because the connection was over before its handshake was."""
        if listener is None:
            hint = "; it may speak TLS: try wss://" if self.url.startswith("ws:") else ""
            raise picows.WSError(f"closed by the other side before it answered the WebSocket handshake{hint}")

    async def _take_turn(self) -> None:
        """Wait as long as the exchange wants between so many connections; a connect's deadline begins behind it."""
        wait_s = connection_wait_s(urlsplit(self._target).hostname or "")
        if wait_s > 0:
            log.warning(
                "%s: waiting %.0f s before connecting: there were too many connections of late", self.url, wait_s
            )
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        self._note(Phase.WAITING, wait_s=wait_s)
        await asyncio.sleep(wait_s)

    # ---- signing in

    @property
    def _wants_sign_in(self) -> bool:
        return self.signing.credentials is not None and not self.signed_in

    def _signed_target(self) -> str:
        """The URL to connect to, which signs in where that is to be done there and may be tried now."""
        self.signed_in = self._is_asked = self._is_clock_corrected = False
        arguments = None
        if self.signing.credentials is not None and self.signing.way == "url":
            with suppress(AuthError):  # reported where it is tried again, once connected
                arguments = self.signing.arguments()
        if arguments is None:
            return self._target
        self.signed_in = self._is_asked = True
        joint = "&" if "?" in self._target else "?"
        return f"{self._target}{joint}{as_query(arguments)}"

    async def _sign_in(self) -> bool:
        """Sign in, once more if the clock was corrected; returns False if that may not be tried yet.

        Raises AuthError or ConnectionLost.
        """
        while (arguments := self.signing.arguments()) is not None:
            error = await self._failure_to_sign_in(arguments)
            if error is None:
                return True
            if self.signing.wait_s() != 0.0:
                raise error
        return False

    async def _sign_in_or_raise(self) -> None:
        if not await self._sign_in():
            raise AuthError(str(self.signing.refusal))

    async def _failure_to_sign_in(self, arguments: Arguments) -> AuthError | None:
        """Send one sign-in and wait for its answer; returns why it failed, or None. Raises ConnectionLost."""
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                self._is_asked = self._transport is not None
                answer = await self._request(*self._dialect.auth_request(*arguments))
        except TimeoutError:
            error = self.signing.unanswered(f"none came within {timeout_s:g} s")
            if self.is_private:
                self.drop(str(error))  # nothing else is served here: a new connection may be answered
            return error
        finally:
            self._is_asked = False
        if not answer.success:
            return self.signing.refused(answer.reason, self._clock_offset_s())
        self._signed_in()
        return None

    def _signed_handshake_refused(self, refusal: Refusal, *, is_first: bool) -> None:
        """Note that a handshake whose URL signs in was refused: public topics return with the next one, without it."""
        self._is_asked = False
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            offset_s = None if refusal.date_s is None else time.time() - refusal.date_s
            error = self.signing.refused(refusal.text, offset_s, names_cause=False)
            self._is_clock_corrected = self.signing.wait_s() == 0.0
        elif refusal.status in PERHAPS_THE_KEY:
            error = self.signing.blocked(refusal.text)
        else:
            return
        if not self._is_clock_corrected and not is_first:
            self._sign_in_failed(error)

    def _signed_in(self) -> None:
        self.signed_in = True
        self.signing.accepted()
        self._note(self.status.phase, sign_in_refusal="", sign_in_ns=None)

    async def sign_in(self, credentials: Credentials) -> None:
        """Sign in now, and after each connect from now on; raises AuthError."""
        self.signing.credentials, self.signing.way = credentials, "op"
        try:
            await self._sign_in_or_raise()
        except ConnectionLost:
            pass  # done with the next connect
        except AuthError:
            self.signing.credentials = None
            raise

    async def _sign_in_until_accepted(self) -> None:
        """Sign in each time that may be tried, until it is accepted or the connection is lost."""
        lost = self._lost
        while lost is not None and not lost.done():
            try:
                self._note(Phase.SIGNING_IN)
                if await self._sign_in():
                    if not lost.done():
                        self._note(Phase.LIVE)
                        self.owner.signed_in()
                    return
            except ConnectionLost:
                return
            except AuthError as error:
                self._sign_in_failed(error)
            else:
                self._show_refusal(AuthError(str(self.signing.refusal)))
            wait_s = self.signing.wait_s()
            if wait_s is None:
                return
            await asyncio.wait((lost,), timeout=wait_s)

    def _sign_in_failed(self, error: AuthError) -> None:
        """Report a sign-in that failed."""
        self.signed_in = False
        self.owner.report(error)
        self._show_refusal(error)

    def _show_refusal(self, error: AuthError) -> None:
        """Show why topics that need a sign-in are not served; their readers get the error once for each reason."""
        wait_s = self.signing.wait_s()
        is_new = str(error) != self.status.sign_in_refusal
        next_ns = None if wait_s is None else time.time_ns() + round(wait_s * 1e9)
        self.status = msgspec.structs.replace(self.status, sign_in_refusal=str(error), sign_in_ns=next_ns)
        if self._is_up:
            self._note(Phase.LIVE)
        if is_new:
            self.owner.sign_in_refused(error)

    def _clock_offset_s(self) -> float | None:
        """This machine's clock less the venue's, by the Date of its handshake; known to a second or two, if at all."""
        date = self._transport.response.headers.get("Date", "") if self._transport is not None else ""
        venue_s = timestamp(date)
        return None if venue_s is None else self._handshake_s - venue_s

    # ---- staying connected

    async def _keep_connected(self) -> None:
        while True:
            await self._live()
            at_once = self.status.close_code in GOODBYES
            retry_after_s = 0.0
            while not self._is_up:
                sign_in_s = self.signing.wait_s() if self.is_private else 0.0
                if sign_in_s is None:
                    self.is_kept = False
                    self._note(Phase.IDLE)  # another key needs another client
                    return
                await self._wait(max(self._backoff.next_s(at_once=at_once), retry_after_s, sign_in_s))
                try:
                    await self._connect()
                except ConnectError as error:
                    self.owner.report(error)
                    retry_after_s = spread_s(error.retry_after_s or 0.0)
                else:
                    self._begin()

    async def _live(self) -> None:
        """Send pings until the connection is lost; drop it where a pong fails to come."""
        lost = self._lost
        while lost is not None and not lost.done():
            await asyncio.wait((lost,), timeout=self._settings.ping_interval_s)
            if lost.done():
                break
            pong = self._request(*self._dialect.ping())
            await asyncio.wait((lost, pong), timeout=self._settings.pong_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not pong.done() and not lost.done():
                self.drop(f"no pong within {self._settings.pong_timeout_s:g} s")
                await lost

    def drop(self, reason: str) -> None:
        """End a connection that is good for nothing; a new one is made."""
        self._drop_reason = reason
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # ---- what the feed tells

    def on_connected(self, transport: picows.WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._lost = asyncio.get_running_loop().create_future()
        self._drop_reason = ""
        self._handshake_s = time.time()
        self.damage.clear()
        self._note(Phase.CONNECTING, connects=self.status.connects + 1)

    def on_disconnected(self, transport: picows.WSTransport) -> None:
        """The connection is gone: whoever waits for an answer learns it, and so does the owner."""
        loss = Loss(self._drop_reason) if self._drop_reason else loss_of(transport)
        # Asked for, so that asyncio does not warn of an exception that nobody asked for.
        end = asyncio.ensure_future(transport.wait_disconnected())
        end.add_done_callback(asked_for)
        if transport is not self._transport:
            return  # abandoned, or its client was
        self._transport = None
        is_unanswered = self._is_asked and self._is_up
        self._is_up = self.signed_in = self._is_asked = False
        self._note(
            Phase.WAITING,
            losses=self.status.losses + 1,
            last_loss=loss.text,
            lost_ns=time.time_ns(),
            close_code=loss.code,
            close_reason=loss.reason,
        )
        error = ConnectionLost(f"{self.url}: connection lost: {loss.text}", loss.code, loss.reason)
        for futures in self._pending.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._pending.clear()
        self._pending_topics.clear()
        self._told_topics.clear()
        if not self.closed:
            self.owner.connection_down(f"connection lost: {loss.text}")
            if loss.is_ours and loss.code == TOO_BIG:
                self.owner.report(MalformedFrame(f"too large: {loss.reason or 'a message above max_message_size'}"))
            self.owner.report(error)
            if is_unanswered:
                self._sign_in_failed(self.signing.unanswered(f"the connection was lost before one came: {loss.text}"))
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def on_frame_error(self, error: FrameError) -> None:
        """A frame could not be used; too many that arrived damaged replace the connection."""
        self.owner.on_frame_error(error)
        if error.is_damage:
            self._backoff.disturb(DAMAGE_CALM_S)
            if self.damage.add():
                self.drop(f"{MOST_DAMAGED} damaged frames within {DAMAGE_WINDOW_S:g} s")

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """A topic's frame that no channel stands for."""
        return self.owner.on_unrouted(topic, message)

    def on_control(self, message: bytes) -> None:
        """An answer to a request: hand it to whoever waits for it."""
        try:
            answer = self._dialect.answer(message)
        except MalformedFrame as error:
            if is_answer(message):
                self.owner.report(error)
            else:
                self.feed.damaged(message, error.message)
            return
        future = self._asked_first(answer) if answer.by_topic is None else None
        self._is_asked &= self.signing.way == "op"  # whoever answers here has let a signed URL in, or refuses it now
        if future is not None:
            future.set_result(answer)
            return
        if answer.by_topic is not None and self._note_topics(answer.by_topic):
            return
        if self.signed_in and self.signing.way == "url":
            # A sign-in by URL has no request of its own: what nobody asked for is its answer.
            if answer.success:
                self._signed_in()
            else:
                self._sign_in_failed(self.signing.refused(answer.reason, self._clock_offset_s()))
                self.spawn(self._sign_in_until_accepted())
        elif not answer.success:
            self.owner.report(MalformedFrame(f"the venue refused what nobody asked for: {answer.reason[:200]!r}"))

    def _asked_first(self, answer: Answer) -> "asyncio.Future[Answer] | None":
        """The oldest open request that an answer may belong to: the very one, or, if it names none, of its op."""
        op, name = answer.key
        asked = [answer.key] if name or answer.key in self._pending else [k for k in self._pending if k[0] == op]
        open_ones = (future for each in asked for future in self._pending.get(each, ()) if not future.done())
        return next(open_ones, None)

    def _note_topics(self, told: Mapping[str, str]) -> bool:
        """Take an answer that names topics alone; False where no request fits.

        It belongs to the oldest request for these topics, or else for these and others, or else for some of them. That
        is answered once each of its topics was named, be it by several answers.
        """
        about = told.keys()
        fitting = [key for key, topics in self._pending_topics.items() if about & topics or not about]
        if not fitting:
            return False
        key = min(fitting, key=lambda key: (about != self._pending_topics[key], not about <= self._pending_topics[key]))
        found = self._told_topics.setdefault(key, {})
        found.update({topic: told[topic] for topic in about & self._pending_topics[key]})
        self._pending_topics[key] -= about
        if not about or not self._pending_topics[key]:
            for future in self._pending.get(key, ()):
                if not future.done():
                    future.set_result(answer_of(key, found))
        return True

    def _settled(self, key: RequestKey, future: "asyncio.Future[Answer]") -> None:
        """A request is open no more: answered, given up, or lost with its connection."""
        futures = self._pending.get(key, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._pending[key]
                self._pending_topics.pop(key, None)
                self._told_topics.pop(key, None)

    # ---- requests

    def _request(self, key: RequestKey, payload: bytes) -> "asyncio.Future[Answer]":
        """Send a request; the future gets its answer, or ConnectionLost."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.add_done_callback(asked_for)
        if self._transport is None:
            future.set_exception(ConnectionLost(f"{self.url}: not connected"))
        else:
            self._pending.setdefault(key, []).append(future)
            future.add_done_callback(partial(self._settled, key))
            self._transport.send(picows.WSMsgType.TEXT, payload)
        return future

    def probe(self) -> Callable[[], bool]:
        """Send a ping; what is returned tells whether its pong has come, and with it all that was sent before.

        One ping serves all who ask within one turn of the loop, as a damaged frame makes each of its topics do.
        """
        pong = self._probe
        if pong is None:
            pong = self._probe = self._request(*self._dialect.ping())
            asyncio.get_running_loop().call_soon(self._end_probe)
        return lambda: pong.done() and pong.exception() is None

    def _end_probe(self) -> None:
        self._probe = None

    async def ask(self, op: str, topics: Sequence[str]) -> Answer:
        """Send a request and wait for its answer; raises ConnectionLost or TimeoutError.

        Where answers told of some of the topics by half of that time, those are the answer.
        """
        key, payload = self._dialect.request(op, topics)
        told: dict[str, str] = {}
        timeout_s = self._settings.timeout_s
        future = self._request(key, payload)
        if topics and not future.done():
            self._pending_topics[key], self._told_topics[key] = frozenset(topics), told

        def settle_for_some() -> None:
            if told and not future.done():
                future.set_result(answer_of(key, told))

        timer = asyncio.get_running_loop().call_later(timeout_s / 2, settle_for_some)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            timer.cancel()

    async def catch_up(self) -> None:
        """Wait until all has come that was sent before now: the pong comes behind it. Raises as :meth:`ask` does."""
        async with asyncio.timeout(self._settings.timeout_s):
            await self._request(*self._dialect.ping())


def answer_of(key: RequestKey, told: Mapping[str, str]) -> Answer:
    """The answer to a request whose topics were named, each with why it was refused, or ""."""
    reason = next(filter(None, told.values()), "")
    return Answer(key, not reason, reason, by_topic=told)


async def opens_websocket(url: str, settings: Settings) -> bool:
    """Whether a server accepts a WebSocket at a URL; the connection is ended at once."""
    sock: socket.socket | None = None

    async def make_socket(parsed: picows.WSParsedURL) -> socket.socket:
        nonlocal sock
        sock = await connected_socket(parsed.host, parsed.port, settings)
        return sock

    try:
        transport, listener = await picows.ws_connect(
            picows.WSListener,
            url,
            socket_factory=make_socket,
            websocket_handshake_timeout=settings.timeout_s,
            max_redirects=0,
            logger_name=socket_log,
        )
    except (OSError, picows.WSError, ValueError):
        return False
    finally:
        hang_up(sock)
    transport.disconnect(graceful=False)
    return listener is not None


async def answers_http(host: str, port: int, settings: Settings) -> bool:
    """Whether a server answers HTTP without TLS; the connection is ended at once."""
    try:
        async with asyncio.timeout(settings.timeout_s):
            reader, writer = await asyncio.open_connection(sock=await connected_socket(host, port, settings))
            try:
                writer.write(b"OPTIONS * HTTP/1.0\r\n\r\n")
                return await reader.read(5) == b"HTTP/"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def asked_for(future: "asyncio.Future[Any]") -> None:
    """Take note of a future's exception, so that asyncio does not report it as never retrieved."""
    if not future.cancelled():
        future.exception()
