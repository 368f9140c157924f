"""The v2 dialects at the venue: topics by filter, answers that repeat the request.

The answers have the shape of the recorded ones: ``success``, ``ret_msg``, ``conn_id`` and the request.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

from depthwire.bybit.topics import split_topic
from depthwire.bybit.v2.grammar import PRIVATE_KINDS
from depthwire.venue.market.market import Category, Dialect, PublicTopic
from depthwire.venue.server.requests import Endpoint, Request, TopicRefused

INVERSE = Endpoint("/realtime", Dialect.V2, Category.INVERSE, is_public=True, is_private=True)
LINEAR_PUBLIC = Endpoint("/realtime_public", Dialect.V2, Category.LINEAR, is_public=True, is_private=False)
LINEAR_PRIVATE = Endpoint("/realtime_private", Dialect.V2, Category.LINEAR, is_public=False, is_private=True)
ENDPOINTS = (INVERSE, LINEAR_PUBLIC, LINEAR_PRIVATE)


class V2Service:
    """One v2 path.

    Inverse: filters may be joined by a pipe (``trade.BTCUSD|XRPUSD``); ``trade.*`` and the bare ``trade``
    mean all symbols. Linear takes concrete topics only. Private topics have no filter, and need authentication.
    """

    def __init__(self, endpoint: Endpoint, topics: Iterable[PublicTopic]) -> None:
        self.endpoint = endpoint
        self._topics = dict.fromkeys(
            topic.name
            for topic in topics
            if endpoint.is_public and (topic.dialect, topic.category) == (endpoint.dialect, endpoint.category)
        )
        self._by_channel: defaultdict[str, list[str]] = defaultdict(list)
        for topic in self._topics:
            self._by_channel[split_topic(topic)[0]].append(topic)

    def answer(self, conn_id: str, request: Request) -> bytes:
        """With the request inside."""
        return _answer(conn_id, request, request.error)

    def pong(self, conn_id: str, request: Request) -> bytes:
        """An answer that says so."""
        return _answer(conn_id, request, "pong")

    def auth_error(self, reason: str) -> str:
        """The reason."""
        return f"error:{reason}"

    def concrete(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """See `Service.concrete`; what is held may be asked for again."""
        args = request.args or []
        return list(dict.fromkeys(topic for arg in args for topic in self._expand(arg, is_signed_in)))

    def is_private(self, topic: str) -> bool:
        """Private topics have no symbol."""
        return topic in PRIVATE_KINDS

    def _expand(self, arg: str, is_signed_in: bool) -> list[str]:
        if arg in self._topics:
            return [arg]
        if self.is_private(arg):
            if not is_signed_in:
                raise TopicRefused(f"error:topic:{arg} needs auth first")
            if not self.endpoint.is_private:
                raise TopicRefused(f"error:unknown topic:{arg}: served on {LINEAR_PRIVATE.path}")
            return [arg]
        topics: list[str] = []
        if self.endpoint.category is Category.INVERSE:
            channel, filters = split_topic(arg)
            if arg in self._by_channel:
                return self._by_channel[arg]
            if filters == "*":
                topics = self._by_channel.get(channel, [])
            elif "|" in filters:
                topics = [f"{channel}.{symbol}" for symbol in filters.split("|")]
        if not topics or not self._topics.keys() >= set(topics):
            raise TopicRefused(f"error:unknown topic:{arg}")
        return topics


def _answer(conn_id: str, request: Request, ret_msg: str) -> bytes:
    return msgspec.json.encode(
        {
            "success": not request.error,
            "ret_msg": ret_msg,
            "conn_id": conn_id,
            "request": {"op": request.op, "args": request.args},
        }
    )
