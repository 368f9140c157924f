"""A small server that speaks v5's operations and pushes frames of a test: real sockets, and explicit faults."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from picows.picows import WSUpgradeRequest

from depthwire.bybit.auth import signature
from tests.support.wire import encode

OPTION_PATH = "/v5/public/option"
KEY, SECRET = "a-key", "hush-hush"
BOUND_S = 60.0


def book(symbol: str, *, u: int = 1, kind: str = "snapshot", depth: int = 50, **sides: Any) -> dict[str, Any]:
    """An order-book frame; a snapshot has one level per side by default."""
    levels: dict[str, Any] = (
        {"b": [["100.50", "1"]], "a": [["100.60", "2"]]} if kind == "snapshot" else {"b": [], "a": []}
    )
    data = {"s": symbol, **levels, **sides, "u": u, "seq": 1000 + u}
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": 1_700_000_000_000 + u, "data": data, "cts": u}


def ticker(symbol: str, kind: str = "snapshot", **data: str) -> dict[str, Any]:
    return {"topic": f"tickers.{symbol}", "type": kind, "data": {"symbol": symbol, **data}, "cs": 1, "ts": 1}


def private(topic: str, *data: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "topic": topic, "creationTime": 1, "data": data}


class V5Connection(WSListener):
    """One client's connection, with the subscriptions that it holds."""

    def __init__(self, server: "V5Server", path: str) -> None:
        super().__init__()
        self.server = server
        self.path = path
        self.topics: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.signed_in = False
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.server.connections.append(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        request = json.loads(frame.get_payload_as_bytes())
        self.requests.append(request)
        self.server.answer(self, request)

    def send(self, message: Any) -> None:
        if self.transport is not None:
            self.transport.send(WSMsgType.TEXT, message if isinstance(message, bytes) else encode(message))


class V5Server:
    """``snapshots`` maps a topic to its first frame; a topic that ``refused`` names is answered with that reason.

    ``names_requests=False`` answers as spot was recorded: without req_id. Where ``held_answers`` is a list, answers of
    option wait in it. ``before_answer`` is called with each request before it is answered.
    """

    def __init__(self, *, args_length: int = 21_000, most_args: int = 10**9, names_requests: bool = True) -> None:
        self.connections: list[V5Connection] = []
        self.snapshots: Callable[[str], dict[str, Any] | None] = lambda topic: (
            book(topic.rpartition(".")[2]) if topic.startswith("orderbook.50.") else None
        )
        self.refused: dict[str, str] = {}
        self.answers_pings = True
        self.held_answers: list[Callable[[], None]] | None = None
        self.before_answer: Callable[[V5Connection, dict[str, Any]], object] = lambda connection, request: None
        self.url = ""
        self._args_length = args_length
        self._most_args = most_args
        self._names_requests = names_requests

    @property
    def open(self) -> list[V5Connection]:
        return [connection for connection in self.connections if not self.is_gone(connection)]

    @staticmethod
    def is_gone(connection: V5Connection) -> bool:
        return connection.transport is None or connection.transport.is_disconnected

    def held(self, topic: str) -> list[V5Connection]:
        return [connection for connection in self.open if topic in connection.topics]

    def push(self, message: Any) -> None:
        for connection in self.held(message["topic"]):
            connection.send(message)

    def answer(self, connection: V5Connection, request: dict[str, Any]) -> None:
        self.before_answer(connection, request)
        op, args, req_id = request["op"], request.get("args", []), request["req_id"]
        named = {"req_id": req_id} if self._names_requests else {}
        if op == "ping":
            if self.answers_pings and connection.path == OPTION_PATH:
                connection.send({"args": ["1675418560633"], "op": "pong"})
            elif self.answers_pings and connection.path == "/v5/private":
                connection.send({**named, "op": "pong", "args": ["1675418560633"], "conn_id": "x"})
            elif self.answers_pings:
                connection.send({"success": True, "ret_msg": "pong", "conn_id": "x", **named, "op": "ping"})
            return
        if connection.path == OPTION_PATH:
            self._answer_by_topic(connection, op, args)
            return
        reason = self._refusal(connection, op, args)
        found = []
        if not reason and op == "subscribe":
            found = [self.snapshots(topic) for topic in args]
            connection.topics += args
        elif not reason and op == "unsubscribe":
            connection.topics = [topic for topic in connection.topics if topic not in args]
        connection.send({"success": not reason, "ret_msg": reason, "conn_id": "x", **named, "op": op})
        for message in found:
            if message is not None:
                connection.send(message)

    def _answer_by_topic(self, connection: V5Connection, op: str, args: list[str]) -> None:
        failed = [topic for topic in args if topic in self.refused]
        good = [topic for topic in args if topic not in failed]
        if op == "subscribe":
            connection.topics += good
        else:
            connection.topics = [topic for topic in connection.topics if topic not in good]
        lists = {"failTopics": failed, "successTopics": good}
        answer = {"success": True, "conn_id": "x", "data": lists, "type": "COMMAND_RESP"}
        snapshots = [found for topic in good if op == "subscribe" and (found := self.snapshots(topic)) is not None]

        def send() -> None:
            for message in (answer, *snapshots):
                connection.send(message)

        if self.held_answers is None:
            send()
        else:
            self.held_answers.append(send)

    def _refusal(self, connection: V5Connection, op: str, args: list[Any]) -> str:
        if op == "auth":
            api_key, expires, signed = args
            connection.signed_in = (api_key, signed) == (KEY, signature(SECRET, expires))
            return "" if connection.signed_in else "error:invalid signature"
        if op != "subscribe":
            return ""
        if connection.path == "/v5/private" and not connection.signed_in:
            return "Request not authorized"
        if len(args) > self._most_args:
            return "args size >10"
        if len(json.dumps(connection.topics + args, separators=(",", ":"))) > self._args_length:
            return "args too long"
        for topic in args:
            if topic in connection.topics:
                return f"error:already subscribed,topic:{topic}"
            if topic in self.refused:
                return self.refused[topic]
        return ""


@asynccontextmanager
async def v5_server(category: str = "linear", **options: Any) -> AsyncIterator[V5Server]:
    made = V5Server(**options)

    def accept(request: WSUpgradeRequest) -> V5Connection | None:
        path = request.path.decode().partition("?")[0]
        return V5Connection(made, path) if path.startswith("/v5/") else None

    server = await ws_create_server(accept, "127.0.0.1", 0)
    made.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v5/public/{category}"
    try:
        yield made
    finally:
        for connection in made.open:
            assert connection.transport is not None
            connection.transport.disconnect(graceful=False)
        server.close()


@contextmanager
def served(begin: Callable[[V5Server], object]) -> Iterator[V5Server]:
    """A v5 server in a separate thread, like another process; ``begin`` prepares it."""
    ready, over, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    found: list[V5Server] = []

    async def serve() -> None:
        async with v5_server() as server:
            begin(server)
            found.append(server)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="v5")
    thread.start()
    try:
        assert ready.wait(BOUND_S)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(BOUND_S)
        loop.close()


def market(server: V5Server) -> None:
    """On each subscription the server sends what the topic has, so that a command ends by its frames, not by time."""

    def frames_of(topic: str) -> dict[str, Any] | None:
        kind, symbol = topic.rpartition(".")[::2]
        if kind.startswith("orderbook."):
            return book(symbol, depth=int(kind.rpartition(".")[2]))
        if kind == "tickers":
            return ticker(symbol, lastPrice="100.50", preOpenPrice="")
        one = {"T": 1, "s": symbol, "S": "Buy", "v": "0.0040", "p": "100.60", "i": "x", "BT": False, "seq": 9}
        return {"topic": topic, "type": "snapshot", "ts": 1, "data": [one]}

    server.snapshots = frames_of
