"""The v5 dialect at the venue: concrete topics, answers that are matched by ``req_id``, and the exchange's limits.

Sources: recorded answers, the refusals that clients of the exchange report, and its v5 document. The texts of two
refusals that nobody has reported are the venue's own: too long arguments, and topics of both kinds in one request.
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
MOST_SPOT_ARGS = 10
MOST_OPTION_TOPICS = 2_000
LONGEST_ARGS = 21_000


class V5Service:
    """One v5 path."""

    def __init__(self, endpoint: Endpoint, topics: Iterable[PublicTopic]) -> None:
        self.endpoint = endpoint
        self._is_spot = endpoint.category is Category.SPOT
        self._is_option = endpoint.category is Category.OPTION
        self._topics = frozenset(
            topic.name for topic in topics if (topic.dialect, topic.category) == (endpoint.dialect, endpoint.category)
        )

    def answer(self, conn_id: str, request: Request) -> bytes:
        """With ``req_id``: empty where there was none, but absent on spot and of a sign-in. Option lists the topics."""
        if self._is_option and request.op in ("subscribe", "unsubscribe") and not request.error:
            return _lists(conn_id, request)
        message: dict[str, object] = {"success": not request.error, "ret_msg": request.error}
        if request.op == "auth":
            marked = {} if request.req_id is None else {"req_id": request.req_id}
            return msgspec.json.encode({**message, "op": "auth", **marked, "conn_id": conn_id})
        if self._is_spot and not request.error:
            message["ret_msg"] = request.op
        return self._encode(conn_id, request, message)

    def pong(self, conn_id: str, request: Request) -> bytes:
        """On private an operation of its own, with the time in ms."""
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
        """One text, whatever the reason."""
        return "Params Error"

    def concrete(self, request: Request, held: Collection[str], *, is_signed_in: bool) -> list[str]:
        """See `Service.concrete`. What is held cannot be asked for again, and a request is carried out whole or not at
        all. On spot it has at most `MOST_SPOT_ARGS` topics; those of a public connection have at most `LONGEST_ARGS`
        characters.
        """
        args = request.args or []
        if self._is_option:
            return self._listed(request.op, args, held)
        if self._is_spot and len(args) > MOST_SPOT_ARGS:
            raise TopicRefused(f"args size >{MOST_SPOT_ARGS}")
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
            if self.endpoint.is_public and sum(map(len, (*held, *topics))) > LONGEST_ARGS:
                raise TopicRefused(f"error:args of a connection longer than {LONGEST_ARGS} characters")
        return topics

    def _listed(self, op: str, args: list[str], held: Collection[str]) -> list[str]:
        """Of an option request those topics that there are and that the limits leave room for: each by itself."""
        topics = [topic for topic in dict.fromkeys(args) if topic in self._topics]
        if op == "unsubscribe":
            return topics
        room = MOST_OPTION_TOPICS - len(held)
        again, new = [topic for topic in topics if topic in held], [topic for topic in topics if topic not in held]
        return again + new[:room]

    def is_private(self, topic: str) -> bool:
        """Served on the private path alone."""
        return self.endpoint.is_private and topic in PRIVATE_TOPICS


def _lists(conn_id: str, request: Request) -> bytes:
    """An answer of option: ``success`` says that the request was understood, the lists what became of each topic."""
    failed = [topic for topic in dict.fromkeys(request.args or ()) if topic not in request.granted]
    lists = {"failTopics": failed, "successTopics": request.granted}
    return msgspec.json.encode({"success": True, "conn_id": conn_id, "data": lists, "type": "COMMAND_RESP"})
