"""One connection at a time to one endpoint: connect, send requests, heartbeat, reconnect."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
import picows

from depthwire.bybit.auth import Credentials
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
from depthwire.session.authentication import Authentication
from depthwire.session.dial import Dialer
from depthwire.session.futures import mark_retrieved
from depthwire.session.handshake import spread_s, timestamp
from depthwire.session.loss import TOO_BIG, Loss, loss_of
from depthwire.session.options import ConnectOptions
from depthwire.session.phase import ConnectionStatus, Phase
from depthwire.session.rate_limit import connection_wait_s
from depthwire.session.requests import Requests

# The codes with which the venue ends old connections; the exchange's advice is to reconnect at once. 1012 and 1013, a
# restart and overload, are not among them: the registry of close codes asks for a delay.
GOODBYES: Final = 1000, 1001
log = logging.getLogger("depthwire")


class ConnectionOwner(Protocol):
    """Gets a connection's events: when it comes and goes, and frames without a channel."""

    def connection_up(self) -> object: ...
    def connection_down(self, reason: str) -> object: ...
    def signed_in(self) -> object: ...
    def sign_in_refused(self, error: AuthError) -> object: ...
    def on_frame_error(self, error: FrameError) -> object: ...
    def on_unrouted(self, topic: str, message: bytes) -> Channel | None: ...
    def report(self, error: DepthwireError) -> object: ...


class Connection:
    """Keeps a connection to one endpoint alive until it is closed.

    Its ``feed`` receives the frames. ``owner`` may change; ``live_since_s`` is the loop's time when it last connected.
    ``auth`` signs in: before :meth:`open` returns, and after each reconnect, after :meth:`connection_up` of the owner.
    If it ``is_private``, it serves nothing without a sign-in, and does not reconnect before one may be tried. ``lost``
    is done when the current connection is lost.
    """

    def __init__(self, owner: ConnectionOwner, url: str, dialect: Dialect, options: ConnectOptions) -> None:
        settings = options.settings
        self.url = masked(url)  # shown; the real one may be secret
        self.status = ConnectionStatus(url=self.url)
        self.owner = owner
        self.feed = Feed(self, settings.max_message_size)
        self.live_since_s = 0.0
        self._url = url
        self._dialect = dialect
        self._settings = settings
        self._options = options
        self._dialer = Dialer(url, options)
        self.auth = Authentication(self, dialect, options)
        self.is_private = not dialect.has_public_topics
        self._is_up = False
        self._handshake_s = 0.0
        self.damage = DamageCount()
        self._backoff = settings.backoff()
        self._transport: picows.WSTransport | None = None
        self.lost: asyncio.Future[None] | None = None
        self._drop_reason = ""
        self._probe: asyncio.Future[Answer] | None = None  # the ping of the current turn of the loop
        self._requests = Requests()
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = self.forked = self.is_stranded = self.is_kept = False

    @property
    def connected(self) -> bool:
        """Whether it is connected and its owner has been notified."""
        return self._is_up

    def another(self, owner: ConnectionOwner) -> "Connection":
        """Return a new connection to the same endpoint, with the same sign-in; it is not opened."""
        made = Connection(owner, self._url, self._dialect, self._options)
        made.auth.policy, made.is_private = self.auth.policy, self.is_private
        made._backoff = self._backoff
        return made

    def succeed(self, old: "Connection", owner: ConnectionOwner) -> None:
        """Take an older connection's place: serve its ``owner``, continue its counts, and feed its tap."""
        self.owner, self.feed.tap = owner, old.feed.tap
        self.status = msgspec.structs.replace(
            old.status,
            phase=self.status.phase,
            until_ns=self.status.until_ns,
            attempts=old.status.attempts + self.status.attempts,
            connects=old.status.connects + self.status.connects,
            sign_in_refusal=self.status.sign_in_refusal,
            sign_in_ns=self.status.sign_in_ns,
        )

    def note(self, phase: Phase, *, wait_s: float | None = None, **changes: Any) -> None:
        """Enter a phase that lasts ``wait_s``, if that is known; after closing it stays CLOSED."""
        if self.closed:
            phase, wait_s = Phase.CLOSED, None
        until_ns = None if wait_s is None else time.time_ns() + round(wait_s * 1e9)
        self.status = msgspec.structs.replace(self.status, phase=phase, until_ns=until_ns, **changes)

    # ---- opening and closing

    async def open(self) -> None:
        """Connect, and reconnect from now on; raises ConnectError or AuthError if the first attempt fails."""
        self.refuse_closed()
        try:
            await self._connect(is_first=True)
            if self.auth.is_due:
                self.note(Phase.SIGNING_IN)
                await self.auth.sign_in_or_raise()
        except BaseException as error:
            self._abandon()
            self.note(Phase.IDLE)  # there is no retry
            if isinstance(error, ConnectionLost):
                raise ConnectError(f"{self._dialer.name}: lost while signing in: {error}") from None
            raise
        self._begin()
        self.keep_trying()

    def keep_trying(self) -> None:
        """Keep trying to connect after :meth:`open` failed; each failure is reported to the owner."""
        self.is_kept = True
        self.spawn(self._keep_connected())

    def begin_close(self) -> None:
        """Send a close frame and cancel all tasks: the part of :meth:`close` that does not wait."""
        if self.closed:
            return
        self.closed = True
        self.note(Phase.CLOSED)
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._drop_reason = "the client was closed"
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def after_fork(self) -> None:
        """Give up in a forked child, without touching the socket, which belongs to the parent."""
        self.forked = True
        self.strand()

    def strand(self) -> None:
        """Give up because the event loop no longer runs: nothing can be sent or awaited."""
        self.closed = self.is_stranded = True
        self._is_up = self.auth.signed_in = False
        self.note(Phase.CLOSED)
        self._transport = None

    def refuse_closed(self) -> None:
        """Raise ClientClosed or ClientForked if the connection can no longer be used."""
        if self.forked:
            raise ClientForked("the client belongs to the process that this one was forked from; make a new one here")
        if self.closed:
            raise ClientClosed("the client was closed; make a new one")

    async def close(self) -> None:
        """Close and wait for the end; after one second the socket is closed without the venue's answer."""
        self.begin_close()
        if self.is_stranded:
            return  # its tasks belong to a loop that does not run
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None and self.lost is not None:
            try:
                async with asyncio.timeout(1.0):
                    await asyncio.shield(self.lost)
            except TimeoutError:
                self._transport.disconnect(graceful=False)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a task until it is done or the connection is closed; the loop reports what it raises."""
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
        """Connect; retry once, at once, if a signed handshake was refused because of the clock."""
        try:
            await self._connect_once(is_first=is_first)
        except ConnectError:
            if not self.auth.is_clock_corrected:
                raise
            await self._connect_once(is_first=is_first)

    async def _connect_once(self, *, is_first: bool) -> None:
        await self._take_turn()
        self.note(Phase.CONNECTING, attempts=self.status.attempts + 1)
        on_refused = partial(self.auth.handshake_refused, is_first=is_first)
        try:
            await self._dialer.dial(self.auth.target(self._url), self.feed, on_refused, doubts_tls=is_first)
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Close a connection that the owner does not know yet, without reporting it."""
        transport, self._transport = self._transport, None
        self.auth.signed_in = False
        self._requests.clear()
        if transport is not None:
            transport.disconnect(graceful=False)

    def _begin(self) -> None:
        """Tell the owner that the connection is up, and sign in if that is due."""
        self.live_since_s = asyncio.get_running_loop().time()
        self._is_up = True
        self.note(Phase.LIVE)
        self.owner.connection_up()
        if self.auth.is_due:
            self.spawn(self.auth.sign_in_until_accepted())

    async def _take_turn(self) -> None:
        """Wait for the rate limiter; the deadline for connecting starts after that."""
        wait_s = connection_wait_s(urlsplit(self._url).hostname or "")
        if wait_s > 0:
            log.warning(
                "%s: waiting %.0f s before connecting: too many connections were made recently", self.url, wait_s
            )
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        self.note(Phase.WAITING, wait_s=wait_s)
        await asyncio.sleep(wait_s)

    async def sign_in(self, credentials: Credentials) -> None:
        """Sign in now, and after each connect from now on; raises AuthError."""
        self.auth.use(credentials)
        try:
            await self.auth.sign_in_or_raise()
        except ConnectionLost:
            pass  # it signs in after the next connect
        except AuthError:
            self.auth.credentials = None
            raise

    # ---- staying connected

    async def _keep_connected(self) -> None:
        while True:
            await self._live()
            at_once = self.status.close_code in GOODBYES
            retry_after_s = 0.0
            while not self._is_up:
                sign_in_s = self.auth.policy.wait_s() if self.is_private else 0.0
                if sign_in_s is None:
                    self.is_kept = False
                    self.note(Phase.IDLE)  # the key was refused for good
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
        """Send pings until the connection is lost; drop it if a pong is overdue."""
        lost = self.lost
        while lost is not None and not lost.done():
            await asyncio.wait((lost,), timeout=self._settings.ping_interval_s)
            if lost.done():
                break
            pong = self.request(*self._dialect.ping())
            await asyncio.wait((lost, pong), timeout=self._settings.pong_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not pong.done() and not lost.done():
                self.drop(f"no pong within {self._settings.pong_timeout_s:g} s")
                await lost

    def drop(self, reason: str) -> None:
        """Close an unusable connection at once; it reconnects."""
        self._drop_reason = reason
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # ---- called by the feed

    def on_connected(self, transport: picows.WSTransport) -> None:
        """Note that the handshake is done."""
        self._transport = transport
        self.lost = asyncio.get_running_loop().create_future()
        self._drop_reason = ""
        self._handshake_s = time.time()
        self.damage.clear()
        self.note(Phase.CONNECTING, connects=self.status.connects + 1)

    def clock_offset_s(self) -> float | None:
        """Return this machine's clock less the venue's, by its handshake's Date, to a second or so; None if unknown."""
        date = self._transport.response.headers.get("Date", "") if self._transport is not None else ""
        venue_s = timestamp(date)
        return None if venue_s is None else self._handshake_s - venue_s

    def on_disconnected(self, transport: picows.WSTransport) -> None:
        """Fail all open requests and report the loss to the owner."""
        loss = Loss(self._drop_reason) if self._drop_reason else loss_of(transport)
        # Otherwise asyncio would log its exception as never retrieved.
        end = asyncio.ensure_future(transport.wait_disconnected())
        end.add_done_callback(mark_retrieved)
        if transport is not self._transport:
            return  # it was abandoned
        self._transport = None
        was_up, self._is_up = self._is_up, False
        self.note(
            Phase.WAITING,
            losses=self.status.losses + 1,
            last_loss=loss.text,
            lost_ns=time.time_ns(),
            close_code=loss.code,
            close_reason=loss.reason,
        )
        error = ConnectionLost(f"{self.url}: connection lost: {loss.text}", loss.code, loss.reason)
        self._requests.fail(error)
        if not self.closed:
            self.owner.connection_down(f"connection lost: {loss.text}")
            if loss.is_ours and loss.code == TOO_BIG:
                self.owner.report(MalformedFrame(f"too large: {loss.reason or 'a message above max_message_size'}"))
            self.owner.report(error)
        self.auth.connection_lost(loss.text, is_reported=was_up and not self.closed)
        if self.lost is not None and not self.lost.done():
            self.lost.set_result(None)

    def on_frame_error(self, error: FrameError) -> None:
        """Report an unusable frame; replace the connection after too many damaged ones."""
        self.owner.on_frame_error(error)
        if error.is_damage:
            self._backoff.disturb(DAMAGE_CALM_S)
            if self.damage.add():
                self.drop(f"{MOST_DAMAGED} damaged frames within {DAMAGE_WINDOW_S:g} s")

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """Return the channel for a frame whose topic has none yet."""
        return self.owner.on_unrouted(topic, message)

    def is_topic(self, text: str) -> bool:
        """Return whether frames can have this topic, subscribed or not."""
        return self._dialect.is_topic(text)

    def on_control(self, message: bytes) -> None:
        """Give an answer to the request that waits for it."""
        try:
            answer = self._dialect.answer(message)
        except MalformedFrame as error:
            if is_answer(message):
                self.owner.report(error)
            else:
                self.feed.damaged(message, error.message)
            return
        self.auth.server_has_spoken()
        if not self._requests.answered(answer) and not self.auth.answered(answer) and not answer.success:
            self.owner.report(MalformedFrame(f"the venue refused a request that was not sent: {answer.reason[:200]!r}"))

    # ---- requests

    def request(
        self, key: RequestKey, payload: bytes, topics: Sequence[str] = (), *, timeout_s: float | None = None
    ) -> "asyncio.Future[Answer]":
        """Send a request; the future gets its answer, ConnectionLost, or TimeoutError after ``timeout_s``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        future.add_done_callback(mark_retrieved)
        if self._transport is None:
            future.set_exception(ConnectionLost(f"{self.url}: not connected"))
            return future

        def settle(outcome: Answer | Exception) -> None:
            if future.done():
                return  # given up
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        request = self._requests.add(key, topics, settle, now_s=loop.time(), timeout_s=timeout_s)
        timers = [loop.call_at(due_s, self._requests.expire, request, due_s) for due_s in request.due_s]

        def end(_: object) -> None:
            self._requests.remove(request)
            for timer in timers:
                timer.cancel()

        future.add_done_callback(end)
        self._transport.send(picows.WSMsgType.TEXT, payload)
        return future

    async def ask(self, op: str, topics: Sequence[str]) -> Answer:
        """Send a request for topics and wait for its answer; raises ConnectionLost or TimeoutError.

        If answers have named some of the topics after half of ``timeout_s``, those are the answer.
        """
        key, payload = self._dialect.request(op, topics)
        return await self.request(key, payload, topics, timeout_s=self._settings.timeout_s)

    async def catch_up(self) -> None:
        """Wait until everything that was sent before now has arrived, by a ping. Raises as :meth:`ask` does."""
        await self.request(*self._dialect.ping(), timeout_s=self._settings.timeout_s)

    def probe(self) -> Callable[[], bool]:
        """Send a ping; the returned function returns whether its pong, and so all earlier messages, have arrived.

        One ping serves all callers within one turn of the loop: a damaged frame makes each of its topics ask.
        """
        pong = self._probe
        if pong is None:
            pong = self._probe = self.request(*self._dialect.ping())
            asyncio.get_running_loop().call_soon(self._end_probe)
        return lambda: pong.done() and pong.exception() is None

    def _end_probe(self) -> None:
        self._probe = None
