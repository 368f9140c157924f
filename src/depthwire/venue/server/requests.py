"""What clients ask on a socket, and what a dialect must know to answer: bytes in, bytes out, no socket."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from depthwire.errors import UNDECODABLE
from depthwire.venue.market.market import Category, Dialect

_FORM = 'expected {"op":"subscribe","args":["topic.filter"]}, "unsubscribe", "auth" or {"op":"ping"}'


class Request(NamedTuple):
    """An op and its arguments; ``error`` says why it cannot be served, "" where it can be understood.

    The arguments of ``subscribe`` and ``unsubscribe`` are texts, those of ``auth`` whatever came. ``req_id`` is what a
    v5 client may mark its request with, as text; None where it has none. ``granted`` are those of the topics that it
    names which it may have.
    """

    op: str
    args: list[Any] | None
    error: str = ""
    req_id: str | None = None
    granted: Sequence[str] = ()


class TopicRefused(Exception):
    """The topic cannot be subscribed to; the text is the answer's ``ret_msg``."""


def decode_request(raw: bytes) -> Request:
    """Never raises: what is not understood comes back with its ``error``."""
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
    """A path of the venue, and the topics that are served there; of all categories where it names none."""

    path: str
    dialect: Dialect
    category: Category | None
    is_public: bool
    is_private: bool


class Service(Protocol):
    """How one endpoint understands requests and answers them: a dialect, as a connection holds it."""

    @property
    def endpoint(self) -> Endpoint:
        """Which."""

    def answer(self, conn_id: str, request: Request) -> bytes:
        """The answer to a request: a success where it has no ``error``."""

    def pong(self, conn_id: str, request: Request) -> bytes:
        """The answer to a ping."""

    def auth_error(self, reason: str) -> str:
        """What the answer to a refused sign-in says."""

    def concrete(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """The concrete topics that the arguments of a (un)subscription name, each once; ``held`` are those that the
        connection has. Raises ``TopicRefused``.
        """

    def is_private(self, topic: str) -> bool:
        """Whether a topic tells of an account."""
