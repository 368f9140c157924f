"""What clients ask on a v2 socket, and how the venue answers: bytes in, bytes out, no socket.

The answers have the shape of the recorded ones: ``success``, ``ret_msg``, ``conn_id`` and the request.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from depthwire.bybit.grammar import PRIVATE_KINDS
from depthwire.bybit.topics import split_topic
from depthwire.errors import UNDECODABLE
from depthwire.venue.market import Dialect

_FORM = 'expected {"op":"subscribe","args":["topic.filter"]}, "unsubscribe", "auth" or {"op":"ping"}'


class Request(NamedTuple):
    """An op and its arguments; ``error`` says why it cannot be served, "" where it can be understood.

    The arguments of ``subscribe`` and ``unsubscribe`` are texts, those of ``auth`` whatever came.
    """

    op: str
    args: list[Any] | None
    error: str = ""


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
    op, args = message.get("op"), message.get("args")
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


def encode_answer(conn_id: str, request: Request, ret_msg: str = "") -> bytes:
    """The answer to a request: a success where it has no ``error``, with ``ret_msg``."""
    return msgspec.json.encode(
        {
            "success": not request.error,
            "ret_msg": request.error or ret_msg,
            "conn_id": conn_id,
            "request": {"op": request.op, "args": request.args},
        }
    )


class Endpoint(NamedTuple):
    """A path of the venue, and the topics that are served there."""

    path: str
    dialect: Dialect
    is_public: bool
    is_private: bool


INVERSE = Endpoint("/realtime", Dialect.INVERSE, is_public=True, is_private=True)
LINEAR_PUBLIC = Endpoint("/realtime_public", Dialect.LINEAR, is_public=True, is_private=False)
LINEAR_PRIVATE = Endpoint("/realtime_private", Dialect.LINEAR, is_public=False, is_private=True)
ENDPOINTS = (INVERSE, LINEAR_PUBLIC, LINEAR_PRIVATE)


class TopicGrammar:
    """Reads the topics of a request on one path.

    Inverse: filters may be joined by a pipe (``trade.BTCUSD|XRPUSD``); ``trade.*`` and the bare ``trade``
    mean all symbols. Linear takes concrete topics only. Private topics have no filter, and need authentication.
    """

    def __init__(self, endpoint: Endpoint, topics: Mapping[str, Dialect]) -> None:
        self._endpoint = endpoint
        served = endpoint.dialect if endpoint.is_public else None
        self._topics = {topic for topic, spoken in topics.items() if spoken is served}
        self._by_channel: dict[str, list[str]] = defaultdict(list)
        for topic in topics:
            if topic in self._topics:
                self._by_channel[split_topic(topic)[0]].append(topic)

    def concrete(self, args: list[str], *, is_signed_in: bool) -> list[str]:
        """The concrete topics that the arguments name, each once. Raises ``TopicRefused``."""
        return list(dict.fromkeys(topic for arg in args for topic in self._expand(arg, is_signed_in)))

    def _expand(self, arg: str, is_signed_in: bool) -> list[str]:
        if arg in self._topics:
            return [arg]
        if arg in PRIVATE_KINDS:
            if not is_signed_in:
                raise TopicRefused(f"error:topic:{arg} needs auth first")
            if not self._endpoint.is_private:
                raise TopicRefused(f"error:unknown topic:{arg}: served on {LINEAR_PRIVATE.path}")
            return [arg]
        topics: list[str] = []
        if self._endpoint.dialect is Dialect.INVERSE:
            channel, filters = split_topic(arg)
            if arg in self._by_channel:
                return self._by_channel[arg]
            if filters == "*":
                topics = self._by_channel.get(channel, [])
            elif "|" in filters:
                topics = [f"{channel}.{symbol}" for symbol in filters.split("|")]
        if not topics or not self._topics.issuperset(topics):
            raise TopicRefused(f"error:unknown topic:{arg}")
        return topics


def _is_topic_list(args: Any) -> bool:
    return isinstance(args, list) and all(isinstance(arg, str) for arg in args)
