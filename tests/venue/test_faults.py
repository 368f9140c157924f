"""Fault injection: each kind of fault as a bare client sees it, byte by byte."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from depthwire.bybit.auth import Credentials, as_query
from depthwire.venue import Fault, Faults, SyntheticMarket, Venue
from depthwire.venue.server.faults import DESCRIPTIONS, Moment
from tests.support.plain_client import run

START_NS = 1_618_677_786_000_000_000
TEXT, CONTINUATION, CLOSE = 1, 0, 8
V2, V5 = "orderBookL2_25.BTCUSD", "orderbook.50.BTCUSDT"
BOOKS = pytest.mark.parametrize("topic", [V2, V5])


class Frame(NamedTuple):
    is_last: bool
    kind: int
    payload: bytes


class Wire:
    """A WebSocket client that records frames and the end of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = 0
        self.head: dict[str, str] = {}

    @classmethod
    async def connect(cls, url: str) -> "Wire":
        parts = urlsplit(url)
        assert parts.hostname
        self = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        target = parts.path + ("?" + parts.query if parts.query else "")
        self.writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(first.split()[1])
        self.head = dict(line.split(": ", 1) for line in lines if line)
        return self

    def send(self, message: Any) -> None:
        payload = json.dumps(message).encode()
        assert len(payload) < 1 << 16
        mask = bytes(4)  # masked with zeros
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        self.writer.write(b"\x81" + size + mask + payload)

    async def receive(self) -> Frame:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return Frame(bool(first & 0x80), first & 0x0F, await self.reader.readexactly(size))

    async def receive_json(self) -> Any:
        return json.loads((await self.receive()).payload)

    async def subscribe(self, topic: str) -> bytes:
        """Receive the snapshot."""
        self.send({"op": "subscribe", "args": [topic]})
        assert (await self.receive_json())["success"]
        return (await self.receive()).payload

    async def segment(self) -> bytes:
        """Return what arrives without further action."""
        return await self.reader.read(1 << 20)


class Pair(NamedTuple):
    """A venue that does not advance by itself, with two readers of a book; one has no faults and knows the truth."""

    venue: Venue
    wire: Wire
    topic: str
    truth: list[bytes]

    async def step(self) -> bytes:
        """Advance the market by one frame of the topic, and return the intact frame."""
        told = len(self.truth)
        while len(self.truth) == told:
            self.venue.advance(0.005)
        return self.truth[-1]

    async def suffer(self, kind: str) -> bytes:
        """Inject a fault into the next frame, and return the intact frame."""
        self.venue.faults.once(kind, self.topic)
        raw = await self.step()
        assert self.venue.faults.counts[Fault(kind)] == 1
        return raw


class TellingVenue(Venue):
    """A venue that records the frames it sends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.truth: list[bytes] = []

    def _release(self, frame: Any) -> None:
        self.truth.append(frame.raw)
        super()._release(frame)


def url_of(venue: Venue, topic: str) -> str:
    return venue.inverse_url if topic == V2 else venue.v5_url("linear")


@asynccontextmanager
async def pair(topic: str) -> AsyncIterator[Pair]:
    async with TellingVenue(SyntheticMarket(5, start_ns=START_NS), speed=None) as venue:
        venue.advance(0.1)
        wire = await Wire.connect(url_of(venue, topic))
        assert await wire.subscribe(topic) == venue.truth[-1]
        yield Pair(venue, wire, topic, venue.truth)
        wire.writer.close()


# the frames


@BOOKS
def test_a_dropped_frame_never_comes(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            await both.suffer("drop")
            after = await both.step()
            assert (await both.wire.receive()).payload == after

    run(main)


@BOOKS
def test_a_duplicate_comes_twice(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("duplicate")
            after = await both.step()
            assert [(await both.wire.receive()).payload for _ in range(3)] == [raw, raw, after]

    run(main)


@BOOKS
def test_two_frames_change_places(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("reorder")
            after = await both.step()
            last = await both.step()
            assert [(await both.wire.receive()).payload for _ in range(3)] == [after, raw, last]

    run(main)


@BOOKS
def test_a_delay_holds_up_what_is_behind(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("delay")
            after = await both.step()
            both.wire.send({"op": "ping"})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await both.wire.receive()
            assert [(await both.wire.receive()).payload for _ in range(2)] == [raw, after]
            assert (await both.wire.receive_json())["ret_msg"] == "pong"

    run(main)


@BOOKS
def test_one_byte_is_another(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("corrupt")
            got = (await both.wire.receive()).payload
            assert len(got) == len(raw)
            assert sum(one != other for one, other in zip(got, raw, strict=True)) == 1

    run(main)


@BOOKS
def test_a_text_ends_early(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("truncate")
            got = (await both.wire.receive()).payload
            assert 0 < len(got) < len(raw)
            assert raw.startswith(got)
            after = await both.step()
            assert (await both.wire.receive()).payload == after

    run(main)


@BOOKS
def test_a_frame_comes_in_segments(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("split-tcp")
            after = await both.step()
            first = await both.wire.segment()
            assert first[1:2]  # the header, or part of it
            assert len(first) < len(raw)
            rest = b""
            while not rest.endswith(after):
                rest += await both.wire.segment()
            assert raw in first + rest

    run(main)


@BOOKS
def test_a_message_comes_in_fragments(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("split-frames")
            frames = [await both.wire.receive()]
            while not frames[-1].is_last:
                frames.append(await both.wire.receive())
            assert [frame.kind for frame in frames] == [TEXT] + [CONTINUATION] * (len(frames) - 1)
            assert len(frames) >= 2
            assert b"".join(frame.payload for frame in frames) == raw

    run(main)


@BOOKS
def test_one_value_has_another_type(topic: str) -> None:
    def places(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        found = {path: type(value) if isinstance(value, dict | list) else (type(value), value)}
        for key, inner in items:
            found |= places(inner, (*path, key))
        return found

    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("wrong-type")
            got, true = places(await both.wire.receive_json()), places(json.loads(raw))
            changed = min((path for path in got.keys() & true.keys() if got[path] != true[path]), key=len)
            assert all(path[: len(changed)] == changed for path in got.keys() ^ true.keys())
            assert got["topic",] == true["topic",]

    run(main)


@BOOKS
def test_a_delta_from_before_comes_again(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            both.venue.faults.once("stale", topic)
            raws = [await both.step() for _ in range(3)]
            after = await both.step()
            assert [(await both.wire.receive()).payload for _ in range(5)] == [*raws, raws[0], after]
            assert both.venue.faults.counts[Fault.STALE] == 1

    run(main)


def test_a_snapshot_from_before_comes_again() -> None:
    async def main() -> None:
        topic = "orderbook.1.BTCUSDT"
        async with pair(topic) as both:
            both.venue.faults.once("stale", topic)
            raws = [await both.step() for _ in range(3)]
            assert {json.loads(raw)["type"] for raw in raws} == {"snapshot"}
            assert [(await both.wire.receive()).payload for _ in range(4)] == [*raws[:2], raws[0], raws[2]]

    run(main)


@BOOKS
def test_a_trickle_is_whole_in_the_end(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("trickle")
            segments = [await both.wire.segment()]
            while not segments[-1].endswith(raw[-1:]) or raw not in b"".join(segments):
                segments.append(await both.wire.segment())
            assert len(segments) > 3

    run(main)


# the connection


@BOOKS
def test_a_silent_connection_is_open_and_dead(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            await both.suffer("silent")
            await both.step()
            both.wire.send({"op": "ping"})
            other = await Wire.connect(url_of(both.venue, topic))
            other.send({"op": "ping"})
            assert await other.receive()  # so that the venue has read the silent connection's ping
            assert both.venue.connections == 2
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await both.wire.reader.read(1)
            other.writer.close()

    run(main)


@BOOKS
def test_a_connection_ends_within_a_frame(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            raw = await both.suffer("close-mid-frame")
            got = await both.wire.reader.read()
            assert 0 < len(got) < len(raw) + 4

    run(main)


@BOOKS
def test_a_day_old_connection_is_closed_in_order(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            await both.suffer("close-24h")
            frame = await both.wire.receive()
            assert (frame.kind, frame.payload) == (CLOSE, struct.pack("!H", 1001) + b"the connection is 24 hours old")
            assert await both.wire.reader.read() == b""

    run(main)


@BOOKS
def test_a_connection_ends_within_a_snapshot(topic: str) -> None:
    async def main() -> None:
        async with pair(topic) as both:
            both.venue.faults.once("close-mid-snapshot")
            await both.step()
            await both.wire.receive()  # a delta is not a snapshot
            wire = await Wire.connect(url_of(both.venue, topic))
            wire.send({"op": "subscribe", "args": [topic]})
            assert (await wire.receive_json())["success"]
            rest = await wire.reader.read()
            assert len(rest) < len(both.truth[0])
            assert both.venue.faults.counts[Fault.CLOSE_MID_SNAPSHOT] == 1
            wire.writer.close()

    run(main)


@pytest.mark.parametrize("way", ["v2", "v5", "url"])
def test_a_connection_ends_within_the_answer_to_a_sign_in(way: str) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5, start_ns=START_NS), speed=None) as venue:
            account = venue.account("key", secret="hush")
            credentials = Credentials.given(account.key, account.secret)
            assert credentials is not None
            url = venue.v5_private_url if way == "v5" else venue.inverse_url
            venue.faults.once("close-mid-auth")
            for is_broken in (True, False):
                wire = await Wire.connect(
                    f"{url}?{as_query(credentials.signed(credentials.secret(), 5))}" if way == "url" else url
                )
                if way != "url":
                    wire.send({"op": "auth", "args": credentials.signed(credentials.secret(), 5)})
                if is_broken:
                    got = await wire.reader.read()
                    assert b'"success":true' not in got or not got.endswith(b"}")
                else:
                    assert (await wire.receive_json())["success"]
                wire.writer.close()

    run(main)


@pytest.mark.parametrize(("kind", "status"), [("refuse", 503), ("redirect", 302)])
@pytest.mark.parametrize("path", ["v2", "v5"])
def test_a_handshake_is_turned_away(kind: str, status: int, path: str) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5), speed=None) as venue:
            url = venue.inverse_url if path == "v2" else venue.v5_private_url
            venue.faults.once(kind)
            wires = [await Wire.connect(url) for _ in range(2)]
            assert [wire.status for wire in wires] == [status, 101]
            assert wires[0].head.get("Location") == (url if kind == "redirect" else None)
            for wire in wires:
                wire.writer.close()

    run(main)


# rates


async def told(spec: str, seed: int) -> bytes:
    """Return what a client receives while the market advances."""
    faults = Faults(spec, seed)
    async with Venue(SyntheticMarket(5, start_ns=START_NS), speed=None, faults=faults) as venue:
        venue.advance(0.02)
        wire = await Wire.connect(venue.inverse_url)
        wire.send({"op": "subscribe", "args": [V2]})
        await wire.receive()
        venue.advance(20)
        venue.faults.set("")
        wire.send({"op": "bye"})
        frames = []
        while b"unknown op" not in (frame := await wire.receive()).payload:
            frames.append(frame)
        wire.writer.close()
        assert sum(faults.counts.values()) > 5 or not spec
        return b"".join(bytes([frame.kind, frame.is_last]) + frame.payload for frame in frames)


def test_a_seed_gives_the_same_faults() -> None:
    spec = (
        "drop=0.05,duplicate=0.05,reorder=0.05,corrupt=0.05,truncate=0.05,split-frames=0.05,wrong-type=0.05,stale=0.05"
    )

    async def main() -> None:
        clean, one, again, other = [await told(*plan) for plan in (("", 1), (spec, 1), (spec, 1), (spec, 2))]
        assert one == again
        assert len({clean, one, other}) == 3

    run(main)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nope=0.1", "unknown fault 'nope': expected one of drop, duplicate"),
        ("drop", "expected drop=RATE, 0 to 1, such as drop=0.01"),
        ("drop=", "expected drop=RATE"),
        ("drop=often", "expected drop=RATE"),
        ("drop=1.5", "expected drop=RATE"),
        ("drop=-0.1", "expected drop=RATE"),
        ("drop=nan", "expected drop=RATE"),
        ("drop=0.1,,", "unknown fault ''"),
        ("drop=0.1,drop=0.2", "drop appears twice"),
        ("drop=0.6,stale=0.6", "when a frame is sent add up to 1.2"),
    ],
)
def test_a_bad_spec_is_told_and_changes_nothing(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults(spec)
    faults = Faults("refuse=1")
    with pytest.raises(ValueError, match=message):
        faults.set(spec)
    assert faults.draw(Moment.HANDSHAKE) is Fault.REFUSE


def test_rates_are_met_and_counted() -> None:
    faults = Faults(" drop=0.25, corrupt=0.5 ,refuse=1", seed=3)
    heard: list[tuple[str, str, bytes]] = []
    faults.listen(lambda *told: heard.append(told))
    drawn = [faults.draw(Moment.FRAME, "trade.X", b"{}") for _ in range(10_000)]
    assert faults.counts[Fault.DROP] == drawn.count(Fault.DROP) == pytest.approx(2_500, rel=0.1)
    assert faults.counts[Fault.CORRUPT] == drawn.count(Fault.CORRUPT) == pytest.approx(5_000, rel=0.1)
    assert heard == [(fault, "trade.X", b"{}") for fault in drawn if fault]
    assert faults.draw(Moment.SIGN_IN) is None


def test_none_is_the_default_and_can_be_had_again() -> None:
    faults = Faults()
    assert not faults.is_on
    faults.once("drop", "trade.X")
    assert faults.is_on
    assert faults.draw(Moment.FRAME, "trade.Y") is None
    assert faults.draw(Moment.FRAME, "trade.X") is Fault.DROP
    assert not faults.is_on
    faults.set("drop=1")
    faults.set("drop=0")
    assert not faults.is_on
    with pytest.raises(ValueError, match="expected one of drop, "):
        faults.once("dorp")


def test_every_kind_is_explained() -> None:
    assert list(DESCRIPTIONS) == list(Fault)
