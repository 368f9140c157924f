"""A client's connection to the venue: reads requests, sends frames, and closes itself if the client is too slow."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from depthwire.venue.frames.private_frames import PrivateTopic
from depthwire.venue.market.accounts import Account
from depthwire.venue.market.market import PublicTopic
from depthwire.venue.server.fault_injector import FaultInjector
from depthwire.venue.server.faults import Faults, Moment
from depthwire.venue.server.requests import Request, Service, TopicRefused, decode_request
from depthwire.venue.server.sign_in import SignInRefused, VenueClock, account_for

_log = logging.getLogger("depthwire.venue")

BACKLOG_LIMIT = 16 << 20
"""A connection with more unread bytes than this is closed."""
MAX_REQUEST = 10 << 20
"""The maximum size of a request in bytes."""
CLOSE_GRACE_S = 1.0
"""A connection that is closed for slowness may still read for this long."""


class Host(Protocol):
    """The interface that a connection needs of its venue."""

    mute_pongs: bool
    mute_answers: bool
    clock: VenueClock
    faults: Faults

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts that may sign in, by API key."""

    def connected(self, connection: "Connection") -> None:
        """Register an open connection."""

    def disconnected(self, connection: "Connection") -> None:
        """Remove a closed connection."""

    def subscribe(self, connection: "Connection", topics: list[str]) -> None:
        """Subscribe a connection to topics that it may receive."""

    def unsubscribe(self, connection: "Connection", topics: list[str]) -> None:
        """Unsubscribe a connection from topics; it need not have subscribed to them."""

    def readers_changed(self) -> None:
        """Note that a socket became full or writable, or that a subscription changed."""


class Connection(WSListener):
    """A socket with its subscriptions and its account. ``service`` implements the endpoint's dialect."""

    transport: WSTransport
    _output: FaultInjector

    def __init__(self, host: Host, service: Service, url_sign_in: list[Any] | None) -> None:
        super().__init__()
        self._host = host
        self._service = service
        self._url_sign_in = url_sign_in
        self._conn_id = str(uuid.uuid4())
        self._fragments = bytearray()
        self.account: Account | None = None
        """The account that signed in."""
        self.topics: dict[str, PublicTopic | PrivateTopic] = {}
        """The subscribed topics, by name."""
        self.full_since: float | None = None
        """The event-loop time in seconds at which the socket became full; None while it is writable."""

    # called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._output = FaultInjector(transport, self._host.faults)
        self._host.connected(self)
        if self._url_sign_in is not None:
            self._sign_in(Request("auth", self._url_sign_in))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._output.stop()
        self._host.disconnected(self)

    def pause_writing(self) -> None:
        self.full_since = asyncio.get_running_loop().time()
        self._host.readers_changed()

    def resume_writing(self) -> None:
        self.full_since = None
        self._host.readers_changed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self._output.is_silent:
            return
        if kind == WSMsgType.CLOSE:
            self.close(WSCloseCode.OK)
        elif kind == WSMsgType.PING:
            if not self._host.mute_pongs:
                self.send(frame.get_payload_as_bytes(), WSMsgType.PONG)
        elif kind == WSMsgType.BINARY:
            self._answer(Request("", None, "error:binary frame: expected a text frame with JSON"))
        elif kind != WSMsgType.PONG:
            self._take_text(frame)

    def _take_text(self, frame: WSFrame) -> None:
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > MAX_REQUEST:
            self.close(WSCloseCode.MESSAGE_TOO_BIG, f"the request is larger than {MAX_REQUEST} bytes")
        elif frame.fin:
            raw = bytes(self._fragments)
            self._fragments.clear()
            if not self._host.mute_answers:
                self._serve(decode_request(raw))

    # requests

    def _serve(self, request: Request) -> None:
        if request.op == "ping":
            if not self._host.mute_pongs:
                self.send(self._service.pong(self._conn_id, request))
            return
        if request.op == "auth":
            self._sign_in(request)
            return
        topics: list[str] = []
        if not request.error:
            try:
                topics = self._service.resolve(request, self.topics, is_signed_in=self.account is not None)
                request = request._replace(granted=topics)
            except TopicRefused as refusal:
                request = request._replace(error=str(refusal))
        self._answer(request)
        if topics:
            change = self._host.subscribe if request.op == "subscribe" else self._host.unsubscribe
            change(self, topics)

    def _sign_in(self, request: Request) -> None:
        """Sign in. The same account may sign in again; a failure leaves the previous sign-in valid."""
        try:
            self.account = account_for(request.args, self._host.accounts, self._host.clock, self.account)
        except SignInRefused as refusal:
            request = request._replace(error=self._service.auth_error(str(refusal)))
        if self._host.faults.is_on and self._host.faults.draw(Moment.SIGN_IN):
            self._output.break_off(self._service.answer(self._conn_id, request))
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self.send(self._service.answer(self._conn_id, request))

    def topic(self, name: str) -> PublicTopic | PrivateTopic:
        """Return the topic that a name means on this connection."""
        endpoint = self._service.endpoint
        if self._service.is_private(name):
            assert self.account is not None, "private topics were refused before sign-in"
            return PrivateTopic(self.account.key, endpoint.dialect, endpoint.category, name)
        assert endpoint.category is not None, "every public endpoint has a category"
        return PublicTopic(endpoint.dialect, endpoint.category, name)

    # the socket

    def send(self, raw: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Send a frame, or close the connection if too many bytes are unread."""
        if self.transport.underlying_transport.is_closing():
            return
        if self.full_since is not None:
            backlog = self.transport.underlying_transport.get_write_buffer_size()
            if backlog > BACKLOG_LIMIT:
                self.cut_off(f"{backlog} bytes are unread")
                return
        if self._host.faults.is_on or self._output.is_busy:
            self._output.send(raw, kind)
        else:
            self.transport.send(kind, raw)

    def cut_off(self, reason: str) -> None:
        """Close the connection of a slow reader. It may read the buffered frames for `CLOSE_GRACE_S` more."""
        _log.warning("closing slow connection %s: %s", self._conn_id, reason)
        self._host.unsubscribe(self, list(self.topics))
        self.close(WSCloseCode.POLICY_VIOLATION, f"too slow: {reason}")
        asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self.transport.disconnect, False)

    def close(self, code: WSCloseCode, reason: str = "") -> None:
        """Send a close frame, then close the socket."""
        if self._output.is_silent:
            self.transport.disconnect(False)
            return
        self._output.flush()
        self.transport.send_close(code, reason.encode())
        self.transport.disconnect()
