"""Injects faults into the frames of one connection: takes intact frames and writes bytes to the socket."""

import asyncio
from collections import defaultdict, deque
from typing import Any

import msgspec
from picows import WSCloseCode, WSMsgType, WSTransport

from depthwire.errors import UNDECODABLE
from depthwire.venue.server.faults import Fault, Faults, Moment

_BOOK_TOPICS = ("orderBook", "orderbook")
_TOPIC = b'"topic":"'
_HEAD = 128  # topic and type are within this many bytes
_DELAY_S = 0.2
_SPLIT_S = 0.001  # makes the next piece a separate segment
_TRICKLE_PIECES, _TRICKLE_S = 20, 0.01
_TYPES: tuple[Any, ...] = (7, "text", [], {}, True, None)


class FaultInjector:
    """Writes a connection's frames in order and injects the venue's faults into them."""

    def __init__(self, transport: WSTransport, faults: Faults) -> None:
        self._transport = transport
        self._faults = faults
        self._waiting: deque[tuple[float, bytes]] = deque()  # (pause in seconds before it, frame)
        self._held: dict[str, bytes] = {}
        self._deltas: defaultdict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=2))
        self._snapshots: dict[str, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.is_silent = False
        """Whether the connection is half-open: it neither sends nor reads."""

    @property
    def is_busy(self) -> bool:
        """Whether a fault is still in progress, so that further frames must pass through the injector."""
        return self.is_silent or bool(self._waiting or self._held)

    def send(self, raw: bytes, kind: WSMsgType) -> None:
        """Send a message. Control frames stay in order but get no faults."""
        if self.is_silent:
            return
        if kind not in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._write(_encoded(raw, kind))
            return
        topic = _topic_of(raw)
        is_book = topic.startswith(_BOOK_TOPICS)
        if is_book and _is_type(b"snapshot", raw) and self._faults.draw(Moment.SNAPSHOT, topic, raw):
            self.break_off(raw)
            return
        held = self._held.pop(topic, None)
        self._inject(self._draw(topic, raw, held), topic, raw, kind)
        if held is not None and not self.is_silent:
            self._write(held)
        if is_book and _is_type(b"delta", raw):
            self._deltas[topic].append(raw)
        elif is_book and _is_type(b"snapshot", raw):
            self._snapshots[topic] = raw

    def _draw(self, topic: str, raw: bytes, held: bytes | None) -> Fault | None:
        without = set()
        if not self._earlier(topic):
            without.add(Fault.STALE)
        if held is not None:
            without.add(Fault.REORDER)
        if len(raw) < 2:
            without |= {Fault.CORRUPT, Fault.TRUNCATE, Fault.SPLIT_FRAMES}
        return self._faults.draw(Moment.FRAME, topic, raw, without=without)

    def _inject(self, fault: Fault | None, topic: str, raw: bytes, kind: WSMsgType) -> None:
        frame, chance = _encoded(raw, kind), self._faults.random
        match fault:
            case None:
                self._write(frame)
            case Fault.DROP:
                pass
            case Fault.DUPLICATE:
                self._write(frame + frame)
            case Fault.REORDER:
                self._held[topic] = frame
            case Fault.DELAY:
                self._write(frame, _DELAY_S)
            case Fault.CORRUPT:
                at = chance.randrange(len(raw))
                other = raw[at] ^ chance.randrange(1, 256)
                self._write(_encoded(raw[:at] + bytes([other]) + raw[at + 1 :], kind))
            case Fault.TRUNCATE:
                self._write(_encoded(raw[: chance.randrange(1, len(raw))], kind))
            case Fault.WRONG_TYPE:
                self._write(_encoded(self._retyped(raw), kind))
            case Fault.STALE:
                self._write(frame + _encoded(chance.choice(self._earlier(topic)), kind))
            case Fault.SPLIT_TCP:
                self._write_pieces(self._pieces(frame, chance.randint(2, 5)), _SPLIT_S)
            case Fault.SPLIT_FRAMES:
                first, *rest = self._pieces(raw, chance.randint(2, 5))
                self._write(_encoded(first, kind, is_last=False))
                for number, piece in enumerate(rest, 1):
                    self._write(_encoded(piece, WSMsgType.CONTINUATION, is_last=number == len(rest)))
            case Fault.TRICKLE:
                self._write_pieces(self._pieces(frame, _TRICKLE_PIECES), _TRICKLE_S)
            case Fault.SILENT:
                self.stop()
            case Fault.CLOSE_MID_FRAME:
                self.break_off(raw, kind)
            case Fault.CLOSE_24H:
                self.flush()
                self._transport.send_close(WSCloseCode.GOING_AWAY, b"the connection is 24 hours old")
                self._transport.disconnect()
                self.stop()

    def _earlier(self, topic: str) -> list[bytes]:
        """Return a book's last snapshot and its second-to-last delta."""
        found = [self._snapshots[topic]] if topic in self._snapshots else []
        deltas = self._deltas[topic]
        return [*found, deltas[0]] if len(deltas) == 2 else found

    def break_off(self, raw: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """End the connection in the middle of this frame."""
        frame = _encoded(raw, kind)
        self.flush()
        self._write(frame[: self._faults.random.randrange(1, len(frame))])
        self._transport.disconnect()
        self.stop()

    def flush(self) -> None:
        """Write all waiting frames at once, because the connection is about to end."""
        waiting = [*(frame for _, frame in self._waiting), *self._held.values()]
        self._waiting.clear()
        self._held.clear()
        for frame in waiting:
            self._transport.underlying_transport.write(frame)

    def stop(self) -> None:
        """Stop writing and reading."""
        self.is_silent = True
        self._waiting.clear()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()

    # bytes

    def _write(self, frame: bytes, pause_s: float = 0.0) -> None:
        if not (self._waiting or pause_s):
            self._transport.underlying_transport.write(frame)
            return
        self._waiting.append((pause_s, frame))
        if len(self._waiting) == 1:
            self._wait()

    def _write_pieces(self, pieces: list[bytes], pause_s: float) -> None:
        first, *rest = pieces
        self._write(first)
        for piece in rest:
            self._write(piece, pause_s)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._waiting[0][0], self._write_next)

    def _write_next(self) -> None:
        while self._waiting:
            _, frame = self._waiting.popleft()
            self._transport.underlying_transport.write(frame)
            if self._waiting and self._waiting[0][0]:
                self._wait()
                return

    def _pieces(self, text: bytes, count: int) -> list[bytes]:
        """Split bytes into ``count`` pieces at most, none of them empty."""
        cuts = sorted(self._faults.random.sample(range(1, len(text)), min(count, len(text)) - 1))
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _retyped(self, raw: bytes) -> bytes:
        """Change one value of a JSON message, except the topic, to another type. Returns ``7`` if there is none."""
        try:
            message = msgspec.json.decode(raw)
        except UNDECODABLE:
            message = None
        places = [place for place in _places(message) if place[1] != "topic"]
        if not places:
            return b"7"
        holder, key = self._faults.random.choice(places)
        others = [value for value in _TYPES if not isinstance(value, type(holder[key]))]
        holder[key] = self._faults.random.choice(others)
        return msgspec.json.encode(message)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return the places of all nested values: (list or object, index or name)."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found = [(value, key) for key in keys]
    return found + [place for key in keys for place in _places(value[key])]


def _topic_of(raw: bytes) -> str:
    """Return the topic at the beginning of a frame, or ""."""
    start = raw.find(_TOPIC, 0, _HEAD) + len(_TOPIC)
    end = raw.find(b'"', start)
    return raw[start:end].decode("latin-1") if start >= len(_TOPIC) and end > 0 else ""


def _is_type(name: bytes, raw: bytes) -> bool:
    return raw.find(b'"type":"%b"' % name, 0, _HEAD) >= 0


def _encoded(payload: bytes, kind: WSMsgType, *, is_last: bool = True) -> bytes:
    """Return an unmasked WebSocket frame, as servers send it: RFC 6455, 5.2."""
    size = len(payload)
    head = bytes([kind.value | 0x80 * is_last])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 1 << 16:
        return head + b"\x7e" + size.to_bytes(2) + payload
    return head + b"\x7f" + size.to_bytes(8) + payload
