"""Ways to damage a message, and whether the damage is visible: a second opinion, without depthwire's code.

The venue sends JSON objects, and each data frame names its topic. If a frame arrives that is not JSON or names another
topic, the damage is visible: its reader knows of a loss, though not always of which topic. The harness knows the topic,
and expects the reader to report the loss there.
"""

import json
import zlib
from collections.abc import Callable
from typing import Final

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""Errors that reading hostile JSON may raise."""


def is_damaged(raw: bytes, topic: str) -> bool:
    """Return whether a message sent as a frame of a topic is visibly damaged. O(size)."""
    try:
        return bool(json.loads(raw.decode(errors="replace"))["topic"] != topic)
    except UNREADABLE:
        return True


def payload_of(frame: bytes) -> bytes:
    """Return the payload of a server's WebSocket frame, which is not masked: RFC 6455, 5.2. O(size)."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def topic_end(raw: bytes) -> int:
    """Return the position of the quote that ends a frame's topic."""
    return raw.index(b'"', raw.index(b'"topic":"') + len(b'"topic":"'))


def with_byte(raw: bytes, at: int, byte: bytes) -> bytes:
    """Return the message with another byte in one place."""
    return raw[:at] + byte + raw[at + 1 :]


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "nothing left": lambda raw: b"",
    "cut after a byte": lambda raw: raw[:1],
    "cut inside the topic": lambda raw: raw[: topic_end(raw) - 3],
    "cut before the topic's quote": lambda raw: raw[: topic_end(raw)],
    "cut just after the topic": lambda raw: raw[: topic_end(raw) + 2],
    "cut in the middle": lambda raw: raw[: len(raw) // 2],
    "another key for the topic": lambda raw: raw.replace(b'"topic"', b'"tobic"', 1),
    "a key that is not text": lambda raw: raw.replace(b'"topic"', b'"to\xffic"', 1),
    "another topic": lambda raw: with_byte(raw, topic_end(raw) - 1, b"~"),
    "a topic that is not text": lambda raw: with_byte(raw, topic_end(raw) - 1, b"\xff"),
    "no quote after the topic": lambda raw: with_byte(raw, topic_end(raw), b"x"),
    "not JSON from the start": lambda raw: with_byte(raw, 0, b"x"),
    "not JSON at the end": lambda raw: raw[:-1] + b"x",
    "compressed": zlib.compress,
}
"""Functions that damage a frame visibly, by name."""
