"""The v2 endpoints: topics with filters, and answers that repeat the request.

As in recordings, an answer has ``success``, ``ret_msg``, ``conn_id`` and the request.
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
    """Answers the requests of one v2 path.

    On inverse, a pipe joins filters (``trade.BTCUSD|XRPUSD``), and ``trade.*`` or just ``trade`` means all symbols.
    Linear accepts only single topics. Private topics have no filter and require sign-in.
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
        """See `Service.answer`."""
        return _answer(conn_id, request, request.error)

    def pong(self, conn_id: str, request: Request) -> bytes:
        """See `Service.pong`."""
        return _answer(conn_id, request, "pong")

    def auth_error(self, reason: str) -> str:
        """See `Service.auth_error`."""
        return f"error:{reason}"

    def resolve(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """See `Service.resolve`. The client may subscribe to a topic again."""
        args = request.args or []
        return list(dict.fromkeys(topic for arg in args for topic in self._expand(arg, is_signed_in)))

    def is_private(self, topic: str) -> bool:
        """See `Service.is_private`."""
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
