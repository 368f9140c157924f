"""The v5 endpoints: single topics, answers with a ``req_id``, and the exchange's limits.

Sources: recorded answers, refusals that users of the exchange reported, and its v5 documentation. Two texts are
invented, because no report shows them: arguments that are too long, and all-in-one with categorised topics in one
request.
"""

import time
from collections.abc import Collection, Iterable

import msgspec

from depthwire.venue.market.market import Category, Dialect, PublicTopic
from depthwire.venue.server.requests import Endpoint, Request, TopicRefused

PUBLIC = {
    category: Endpoint(f"/v5/public/{category}", Dialect.V5, category, is_public=True, is_private=False)
    for category in Category
}
PRIVATE = Endpoint("/v5/private", Dialect.V5, None, is_public=False, is_private=True)
ENDPOINTS = (*PUBLIC.values(), PRIVATE)

_ALL_IN_ONE = ("order", "execution", "execution.fast", "position", "wallet", "greeks")
_CATEGORISED = {
    f"{kind}.{category}": kind
    for kind in ("order", "execution", "execution.fast", "position")
    for category in ("spot", "linear", "inverse", "option")
    if (kind, category) != ("position", "spot")
}
PRIVATE_TOPICS = (*_ALL_IN_ONE, *_CATEGORISED)
MAX_SPOT_ARGS = 10
MAX_OPTION_TOPICS = 2_000
MAX_ARGS_LENGTH = 21_000


class V5Service:
    """Answers the requests of one v5 path."""

    def __init__(self, endpoint: Endpoint, topics: Iterable[PublicTopic]) -> None:
        self.endpoint = endpoint
        self._is_spot = endpoint.category is Category.SPOT
        self._is_option = endpoint.category is Category.OPTION
        self._topics = frozenset(
            topic.name for topic in topics if (topic.dialect, topic.category) == (endpoint.dialect, endpoint.category)
        )

    def answer(self, conn_id: str, request: Request) -> bytes:
        """See `Service.answer`. A missing ``req_id`` is answered with "", but omitted on spot and for a sign-in."""
        if self._is_option and request.op in ("subscribe", "unsubscribe") and not request.error:
            return _option_answer(conn_id, request)
        message: dict[str, object] = {"success": not request.error, "ret_msg": request.error}
        if request.op == "auth":
            req_id = {} if request.req_id is None else {"req_id": request.req_id}
            return msgspec.json.encode({**message, "op": "auth", **req_id, "conn_id": conn_id})
        if self._is_spot and not request.error:
            message["ret_msg"] = request.op
        return self._encode(conn_id, request, message)

    def pong(self, conn_id: str, request: Request) -> bytes:
        """See `Service.pong`. Private and option endpoints send an ``op`` of ``pong`` with the time in ms."""
        now = str(time.time_ns() // 1_000_000)
        if self._is_option:
            return msgspec.json.encode({"args": [now], "op": "pong"})
        if self.endpoint.is_private:
            return msgspec.json.encode(
                {"req_id": request.req_id or "", "op": "pong", "args": [now], "conn_id": conn_id}
            )
        return self._encode(conn_id, request, {"success": True, "ret_msg": "pong"})

    def _encode(self, conn_id: str, request: Request, message: dict[str, object]) -> bytes:
        message["conn_id"] = conn_id
        if request.req_id is not None or not self._is_spot:
            message["req_id"] = request.req_id or ""
        message["op"] = request.op
        return msgspec.json.encode(message)

    def auth_error(self, reason: str) -> str:
        """See `Service.auth_error`. The text is the same for every reason."""
        return "Params Error"

    def resolve(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """See `Service.resolve`. A request succeeds or fails as a whole, and cannot name a subscribed topic again.

        A spot request has at most `MAX_SPOT_ARGS` topics. All topics of a public connection have at most
        `MAX_ARGS_LENGTH` characters.
        """
        args = request.args or []
        if self._is_option:
            return self._resolve_option(request.op, args, held)
        if self._is_spot and len(args) > MAX_SPOT_ARGS:
            raise TopicRefused(f"args size >{MAX_SPOT_ARGS}")
        for arg in args:
            if self.is_private(arg):
                if not is_signed_in:
                    raise TopicRefused("Request not authorized")
            elif arg not in self._topics:
                raise TopicRefused(f"error:handler not found,topic:{arg}")
        for arg in args:
            if _CATEGORISED.get(arg) in args:
                raise TopicRefused(f"error:all-in-one and categorised topic in one request,topic:{arg}")
        topics = list(dict.fromkeys(args))
        if request.op == "subscribe":
            for topic in topics:
                if topic in held:
                    raise TopicRefused(f"error:already subscribed,topic:{topic}")
            if self.endpoint.is_public and sum(map(len, (*held, *topics))) > MAX_ARGS_LENGTH:
                raise TopicRefused(f"error:args of a connection longer than {MAX_ARGS_LENGTH} characters")
        return topics

    def _resolve_option(self, op: str, args: list[str], held: Collection[str]) -> list[str]:
        """Return the topics of an option request that exist and fit the limit; each is granted separately."""
        topics = [topic for topic in dict.fromkeys(args) if topic in self._topics]
        if op == "unsubscribe":
            return topics
        room = MAX_OPTION_TOPICS - len(held)
        again, new = [topic for topic in topics if topic in held], [topic for topic in topics if topic not in held]
        return again + new[:room]

    def is_private(self, topic: str) -> bool:
        """See `Service.is_private`."""
        return self.endpoint.is_private and topic in PRIVATE_TOPICS


def _option_answer(conn_id: str, request: Request) -> bytes:
    """Return an answer of the option endpoint, which lists the failed and the successful topics."""
    failed = [topic for topic in dict.fromkeys(request.args or ()) if topic not in request.granted]
    lists = {"failTopics": failed, "successTopics": request.granted}
    return msgspec.json.encode({"success": True, "conn_id": conn_id, "data": lists, "type": "COMMAND_RESP"})
