"""Requests of clients, and the interface through which a dialect answers them. Sans I/O: bytes in, bytes out."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from depthwire.errors import UNDECODABLE
from depthwire.venue.market.market import Category, Dialect

_FORM = 'expected {"op":"subscribe","args":["topic.filter"]}, "unsubscribe", "auth" or {"op":"ping"}'


class Request(NamedTuple):
    """A client's request; ``error`` is the reason why it is refused, or "".

    The arguments of ``subscribe`` and ``unsubscribe`` are strings; those of ``auth`` are unchecked. ``req_id`` is the
    identifier that a v5 client may attach, as text, or None. ``granted`` are the topics that the venue grants.
    """

    op: str
    args: list[Any] | None
    error: str = ""
    req_id: str | None = None
    granted: Sequence[str] = ()


class TopicRefused(Exception):
    """The venue refuses a topic; the text is the answer's ``ret_msg``."""


def decode_request(raw: bytes) -> Request:
    """Decode a request. Never raises: an invalid request has an ``error``."""
    try:
        message = msgspec.json.decode(raw)
    except UNDECODABLE as error:
        return Request("", None, f"error:not JSON:{error}: {_FORM}")
    if not isinstance(message, dict):
        return Request("", None, f"error:not an object: {_FORM}")
    req_id = message.get("req_id")
    return _read(message.get("op"), message.get("args"))._replace(req_id=None if req_id is None else str(req_id))


def _read(op: Any, args: Any) -> Request:
    if op == "auth":
        return Request(op, args if isinstance(args, list) else None)
    if not _is_topic_list(args):
        args = None
    match op:
        case "ping":
            return Request(op, None)
        case "subscribe" | "unsubscribe" if args:
            return Request(op, args)
        case "subscribe" | "unsubscribe":
            return Request(op, args, "error:args is not a list of topics: " + _FORM)
        case str():
            return Request(op, args, f"error:unknown op:{op}: {_FORM}")
        case _:
            return Request("", args, f"error:no op: {_FORM}")


def _is_topic_list(args: Any) -> bool:
    return isinstance(args, list) and all(isinstance(arg, str) for arg in args)


class Endpoint(NamedTuple):
    """A path of the venue and the topics that it serves; ``category`` is None for all categories."""

    path: str
    dialect: Dialect
    category: Category | None
    is_public: bool
    is_private: bool


class Service(Protocol):
    """Answers the requests of one endpoint in its dialect."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that it serves."""

    def answer(self, conn_id: str, request: Request) -> bytes:
        """Return the answer to a request: success unless it has an ``error``."""

    def pong(self, conn_id: str, request: Request) -> bytes:
        """Return the answer to a ping."""

    def auth_error(self, reason: str) -> str:
        """Return the ``error`` of a refused sign-in."""

    def resolve(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """Return the topics that a request to subscribe or unsubscribe names, each once. Raises ``TopicRefused``.

        ``held`` are the connection's current topics.
        """

    def is_private(self, topic: str) -> bool:
        """Return whether a topic is private."""
