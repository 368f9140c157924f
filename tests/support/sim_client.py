"""A client of the embedded venue, or of a server that sends what a test wrote."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from picows import WSMsgType, ws_create_server

import depthwire
from depthwire import errors
from depthwire.client import Client
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue

QUICK = Settings(timeout_s=10.0, backoff_first_s=0.01, backoff_cap_s=0.05)
BTC = "orderBookL2_25.BTCUSD"


@asynccontextmanager
async def simulated(settings: Settings = QUICK, **options: Any) -> AsyncIterator[tuple[Venue, Client]]:
    async with (
        Venue(SyntheticMarket(seed=1), **options) as venue,
        depthwire.connect(venue.inverse_url, settings=settings) as client,
    ):
        yield venue, client


def collected(client: Client) -> list[errors.DepthwireError]:
    found: list[errors.DepthwireError] = []
    client.on_error(found.append)
    return found


async def ends(stream: AsyncIterator[Any]) -> bool:
    """Read what waits; true once the iteration has ended, which `run` bounds."""
    async for _ in stream:
        pass
    return True


@asynccontextmanager
async def scripted(
    rounds: list[list[Any]],
    requests: list[Any] | None = None,
    answer: Callable[[dict[str, Any]], str | None] = lambda request: "",
) -> AsyncIterator[str]:
    """Answers and keeps every request; each subscribe is followed by the next round's messages, a tuple in fragments.

    ``answer`` may return the reason of a refusal, or None for no answer; then no round follows.
    """
    from picows import WSFrame, WSListener, WSTransport

    left = list(rounds)

    class Script(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type != WSMsgType.TEXT:
                transport.disconnect()
                return
            text = frame.get_payload_as_bytes()
            request = json.loads(text)
            if requests is not None:
                requests.append(request)
            reason = answer(request)
            if reason is not None:
                head = b'{"success":%s,"ret_msg":%s,"conn_id":"1","request":'
                success = b"false" if reason else b"true"
                transport.send(WSMsgType.TEXT, head % (success, json.dumps(reason).encode()) + text + b"}")
            if b'"subscribe"' not in text or not left or reason != "":
                return
            for message in left.pop(0):
                parts = message if isinstance(message, tuple) else (message,)
                for number, part in enumerate(parts):
                    kind = WSMsgType.CONTINUATION if number else WSMsgType.TEXT
                    transport.send(kind, part, fin=number == len(parts) - 1)

    server = await ws_create_server(lambda request: Script(), "127.0.0.1", 0, max_frame_size=1 << 20)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/realtime"
    finally:
        server.close()
