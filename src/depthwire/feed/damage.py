"""Damaged frames: which topics one may have been of, by the part of it that is readable, and when there are too many.

A frame that arrived and cannot be attributed is a known loss. It concerns each topic that its readable part does not
exclude. All of this runs off the path of good frames.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Final, NamedTuple

MOST_DAMAGED: Final = 3
"""So many damaged frames of one connection within DAMAGE_WINDOW_S replace it."""
DAMAGE_WINDOW_S: Final = 60.0
DAMAGE_CALM_S: Final = 300.0
"""How long no frame may arrive damaged until the wait before a reconnect starts from its shortest again."""

TOPIC_KEY: Final = b"topic"
DATA_KEYS: Final = (TOPIC_KEY, b"id", b"type", b"ts", b"data", b"cts", b"cs", b"creationTime", b"cross_seq")
ANSWER_KEYS: Final = (b"success", b"op", b"req_id", b"ret_msg", b"conn_id", b"request", b"args", b"reqId", b"retCode")
MOST_READ: Final = 4096
"""A topic begins within so many bytes, or counts as unreadable."""
MOST_WRONG: Final = 2
"""A text that a damaged part of so many bytes tells from a topic may be that topic."""
FOLLOWING: Final[tuple[bytes, ...]] = (b"", b",", b"}", b" ", b"\n", b"\r", b"\t")
"""What may follow a topic in a frame."""

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_TEXT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_BARE: Final = re.compile(rb"[-+.\w]+")
_CLEAN: Final = re.compile(rb"[\w.*/|-]*", re.ASCII)


class Suspects(NamedTuple):
    """The topics that a damaged frame may have been of.

    ``name`` is the topic that is written there in full, "" where there is none. It is one of ``topics``, or no topic is
    like it.
    """

    topics: tuple[str, ...]
    name: str = ""


def suspects(message: bytes, topics: Iterable[str]) -> Suspects:
    """Which of ``topics`` a damaged frame may have been of. O(topics)."""
    message = message[:MOST_READ]
    at = _topic_at(message)
    if at == IN_ANSWER:
        return Suspects(())
    return Suspects(tuple(topics)) if at == NOWHERE else suspects_of(message[at:], topics)


def is_answer(message: bytes) -> bool:
    """Whether a message is an answer to a request, or can be nothing else by how it begins. O(length)."""
    return _topic_at(message[:MOST_READ]) == IN_ANSWER


def suspects_of(text: bytes, topics: Iterable[str]) -> Suspects:
    """The same of what follows the quote with which a topic begins. O(topics)."""
    wrong = {topic: _wrong_bytes(text, topic.encode() + b'"') for topic in topics}
    fewest = min(wrong.values(), default=MOST_WRONG + 1)
    if fewest <= MOST_WRONG:
        found = tuple(topic for topic, count in wrong.items() if count == fewest)
        is_named = fewest == 0 and b'"' in text
        return Suspects(found, found[0] if is_named else "")
    clean = _CLEAN.match(text)
    if clean is None or text[clean.end() : clean.end() + 1] not in (b"", b'"'):
        return Suspects(tuple(wrong))
    return Suspects((), clean.group().decode() if clean.end() < len(text) else "")


NOWHERE: Final = -1
IN_ANSWER: Final = -2


def _topic_at(message: bytes) -> int:
    """Where the topic's text begins in a frame; NOWHERE if that cannot be read, IN_ANSWER where the frame has none."""
    at = _after_space(message, 0)
    if message[at : at + 1] != b"{":
        return NOWHERE
    while True:
        key = _TEXT.match(message, _after_space(message, at + 1))
        if key is None:
            return NOWHERE
        name, quote = key.groups()
        if not quote:
            return IN_ANSWER if _begins_answer(name) else NOWHERE
        if _is_key(name, ANSWER_KEYS):
            return IN_ANSWER
        at = _after_space(message, key.end())
        if message[at : at + 1] != b":":
            return NOWHERE
        at = _after_space(message, at + 1)
        if _is_key(name, (TOPIC_KEY,)):
            return at + 1 if message[at : at + 1] == b'"' else NOWHERE
        at = _after_space(message, _after_value(message, at))
        if message[at : at + 1] != b",":
            return NOWHERE


def _begins_answer(name: bytes) -> bool:
    """Whether a key that is cut can only be an answer's."""
    return not any(key.startswith(name) for key in DATA_KEYS) and any(key.startswith(name) for key in ANSWER_KEYS)


def _is_key(name: bytes, keys: tuple[bytes, ...]) -> bool:
    """Whether a text is one of these keys; of a long one, one byte may be damaged."""
    if name in DATA_KEYS + ANSWER_KEYS:
        return name in keys
    return any(len(name) == len(key) >= len(TOPIC_KEY) and _damaged_bytes(name, key) == 1 for key in keys)


def _after_space(message: bytes, at: int) -> int:
    space = _SPACE.match(message, at)
    return at if space is None else space.end()


def _after_value(message: bytes, at: int) -> int:
    """Where a JSON value ends; the end of the message where it does not, or where none begins."""
    depth = 0
    while at < len(message):
        token = _TEXT.match(message, at) or _BARE.match(message, at)
        if token is not None:
            at = token.end()
        elif message[at] in b"[{":
            depth, at = depth + 1, at + 1
        elif depth and message[at] in b"]}":
            depth, at = depth - 1, at + 1
        elif depth and message[at] in b",: \t\n\r":
            at += 1
            continue
        else:
            break
        if not depth:
            return at
    return len(message)


def _wrong_bytes(text: bytes, quoted: bytes) -> int:
    """How many bytes of a topic, its closing quote included, must have been damaged in one place to read as ``text``.

    What is cut off is not damaged; what follows the quote must be able to.
    """
    if b'"' not in text:
        return _damaged_bytes(text[: len(quoted)], quoted[: len(text)])
    stop = text.index(b'"') + 1
    counts = [_damaged_bytes(text[:at], quoted) + (text[at : at + 1] not in FOLLOWING) for at in (stop, len(quoted))]
    return min(counts)


def _damaged_bytes(text: bytes, other: bytes) -> int:
    """How long the part is in which two texts differ."""
    longest, shortest = max(len(text), len(other)), min(len(text), len(other))
    same = _same_bytes(text, other)
    return longest - min(same + _same_bytes(text[::-1], other[::-1]), shortest)


def _same_bytes(text: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


class DamageCount:
    """The damaged frames of one connection, and whether they are so many that another connection must replace it."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._times_s: deque[float] = deque(maxlen=MOST_DAMAGED)

    def add(self) -> bool:
        """One more; returns whether there were MOST_DAMAGED within the window. O(1)."""
        self._times_s.append(self._clock_s())
        return len(self._times_s) == MOST_DAMAGED and self._times_s[-1] - self._times_s[0] < DAMAGE_WINDOW_S

    def clear(self) -> None:
        """This is a new connection."""
        self._times_s.clear()
