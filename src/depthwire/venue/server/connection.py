"""One client's socket at the venue: reads its requests, and never lets it keep the venue waiting."""

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
"""Bytes that may wait for a reader before it is cut off."""
MAX_REQUEST = 10 << 20
"""Bytes of a request."""
FAREWELL_S = 1.0
"""How long a reader that is cut off may still read."""


class Host(Protocol):
    """What a connection needs of its venue."""

    mute_pongs: bool
    mute_answers: bool
    clock: VenueClock
    faults: Faults

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Who may sign in."""

    def connected(self, connection: "Connection") -> None:
        """The socket is open."""

    def gone(self, connection: "Connection") -> None:
        """The socket is closed."""

    def subscribe(self, connection: "Connection", topics: list[str]) -> None:
        """Concrete topics that the connection may see."""

    def unsubscribe(self, connection: "Connection", topics: list[str]) -> None:
        """The same, or topics that were never subscribed."""

    def readers_changed(self) -> None:
        """A socket is full, or takes more again."""


class Connection(WSListener):
    """The socket, its subscriptions, and who signed in on it. ``service`` knows the dialect that is spoken."""

    transport: WSTransport
    _line: FaultInjector

    def __init__(self, host: Host, service: Service, url_sign_in: list[Any] | None) -> None:
        super().__init__()
        self._host = host
        self._service = service
        self._url_sign_in = url_sign_in
        self._conn_id = str(uuid.uuid4())
        self._fragments = bytearray()
        self.account: Account | None = None
        """Who signed in."""
        self.topics: dict[str, PublicTopic | PrivateTopic] = {}
        """What it is subscribed to, by name."""
        self.full_since: float | None = None
        """Since when (event-loop seconds) the socket takes nothing more; None while it does."""

    # what picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._line = FaultInjector(transport, self._host.faults)
        self._host.connected(self)
        if self._url_sign_in is not None:
            self._sign_in(Request("auth", self._url_sign_in))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._line.stop()
        self._host.gone(self)

    def pause_writing(self) -> None:
        self.full_since = asyncio.get_running_loop().time()
        self._host.readers_changed()

    def resume_writing(self) -> None:
        self.full_since = None
        self._host.readers_changed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self._line.is_silent:
            return
        if kind == WSMsgType.CLOSE:
            self.close(WSCloseCode.OK)
        elif kind == WSMsgType.PING:
            if not self._host.mute_pongs:
                self.send(frame.get_payload_as_bytes(), WSMsgType.PONG)
        elif kind == WSMsgType.BINARY:
            self._answer(Request("", None, "error:binary frame: expected JSON text"))
        elif kind != WSMsgType.PONG:
            self._take_text(frame)

    def _take_text(self, frame: WSFrame) -> None:
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > MAX_REQUEST:
            self.close(WSCloseCode.MESSAGE_TOO_BIG, f"a request may have {MAX_REQUEST} bytes")
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
                topics = self._service.concrete(request, self.topics, is_signed_in=self.account is not None)
                request = request._replace(granted=topics)
            except TopicRefused as refusal:
                request = request._replace(error=str(refusal))
        self._answer(request)
        if topics:
            act = self._host.subscribe if request.op == "subscribe" else self._host.unsubscribe
            act(self, topics)

    def _sign_in(self, request: Request) -> None:
        """Signing in again is fine, as the same account; what was signed in stays so where it fails."""
        try:
            self.account = account_for(request.args, self._host.accounts, self._host.clock, self.account)
        except SignInRefused as refusal:
            request = request._replace(error=self._service.auth_error(str(refusal)))
        if self._host.faults.is_on and self._host.faults.draw(Moment.SIGN_IN):
            self._line.break_off(self._service.answer(self._conn_id, request))
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self.send(self._service.answer(self._conn_id, request))

    def topic(self, name: str) -> PublicTopic | PrivateTopic:
        """What a name means on this connection."""
        endpoint = self._service.endpoint
        if self._service.is_private(name):
            assert self.account is not None, "private topics are refused before"
            return PrivateTopic(self.account.key, endpoint.dialect, endpoint.category, name)
        assert endpoint.category is not None, "every public endpoint has one"
        return PublicTopic(endpoint.dialect, endpoint.category, name)

    # the socket

    def send(self, raw: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Sends a frame, or cuts the reader off where too much waits for it already."""
        if self.transport.underlying_transport.is_closing():
            return  # nobody is there any more
        if self.full_since is not None:
            backlog = self.transport.underlying_transport.get_write_buffer_size()
            if backlog > BACKLOG_LIMIT:
                self.cut_off(f"{backlog} bytes are waiting to be read")
                return
        if self._host.faults.is_on or self._line.is_busy:
            self._line.send(raw, kind)
        else:
            self.transport.send(kind, raw)

    def cut_off(self, reason: str) -> None:
        """Ends the connection of a reader that is too slow: it may still read what waits, for a moment."""
        _log.warning("connection %s cut off: %s", self._conn_id, reason)
        self._host.unsubscribe(self, list(self.topics))
        self.close(WSCloseCode.POLICY_VIOLATION, f"too slow: {reason}")
        asyncio.get_running_loop().call_later(FAREWELL_S, self.transport.disconnect, False)

    def close(self, code: WSCloseCode, reason: str = "") -> None:
        """A close frame, and the end of the socket once it has been sent."""
        if self._line.is_silent:
            self.transport.disconnect(False)
            return
        self._line.flush()
        self.transport.send_close(code, reason.encode())
        self.transport.disconnect()
