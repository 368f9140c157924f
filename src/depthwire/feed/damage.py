"""Damaged frames: which topics one may belong to, judged by its readable part, and when there are too many.

A frame that arrived and cannot be attributed is a known loss. It affects every topic that its readable part does not
exclude. In a message that is not one JSON object, a topic counts as readable only if it is subscribed and followed by
what follows it in a good frame. In a JSON object, a text that is neither subscribed nor a topic of the dialect excludes
nothing, but the symbols of its data do. Good frames never come here.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec

from depthwire.errors import UNDECODABLE

MOST_DAMAGED: Final = 3
"""The number of damaged frames within DAMAGE_WINDOW_S after which a connection is replaced."""
DAMAGE_WINDOW_S: Final = 60.0
DAMAGE_CALM_S: Final = 300.0
"""After this time without a damaged frame, the reconnect backoff starts over."""

TOPIC_KEY: Final = b"topic"
DATA_KEYS: Final = (TOPIC_KEY, b"id", b"type", b"ts", b"data", b"cts", b"cs", b"creationTime", b"cross_seq")
ANSWER_KEYS: Final = (b"success", b"op", b"req_id", b"ret_msg", b"conn_id", b"request", b"args", b"reqId", b"retCode")
MOST_READ: Final = 4096
"""A topic that begins after this many bytes counts as unreadable."""
MOST_SCANNED: Final = 65_536
"""The longest message to be parsed byte by byte; a longer one would block the event loop."""
MOST_WRONG: Final = 2
"""A text may be a damaged form of a topic if the two differ in one part of at most this many bytes."""
MOST_GLUED: Final = 16
"""A message with more topics than this excludes none."""
BINARY_MARK: Final = b"binary: "
"""Precedes a binary message on a tape, where every line is text."""
PATTERN: Final = ".*"
FOLLOWING: Final[tuple[bytes, ...]] = (b"", b",", b"}", b" ", b"\n", b"\r", b"\t")
"""What may follow a topic in a frame."""

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_TEXT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_BARE: Final = re.compile(rb"[-+.\w]+")
_TOPIC: Final = re.compile(rb'"topic"\s*:\s*"')
_SYMBOL: Final = re.compile(rb'"(?:symbol|s)"\s*:\s*"([\w-]{1,40})"', re.ASCII)
_LAST: Final = re.compile(r"[\w-]+", re.ASCII)
_INTERVAL: Final = re.compile(rb'"(?:interval|period)"\s*:\s*"(\w{1,8})"', re.ASCII)


class Suspects(NamedTuple):
    """The topics that a damaged frame may belong to. ``name`` is its topic if that is readable, else ""."""

    topics: tuple[str, ...]
    name: str = ""


def suspects(message: bytes, topics: Iterable[str]) -> Suspects:
    """Return which of ``topics``, which may include patterns, a damaged message may belong to. O(topics + length)."""
    message, topics = message.removeprefix(BINARY_MARK), tuple(topics)
    if is_answer(message):
        return Suspects(())
    head = message[:MOST_READ]
    begin = _topic_at(head)
    begins = {begin, *(found.end() for found in _TOPIC.finditer(message))}
    rest = _after_object(message) if len(message) <= MOST_SCANNED else b""
    if begin == NOWHERE or len(begins) > MOST_GLUED or (rest and _topic_at(rest[:MOST_READ]) == NOWHERE):
        return Suspects(topics)
    found = [_read(message[at : at + MOST_READ], topics) for at in sorted(begins)]
    if len(found) == 1:
        return found[0]
    concerned = {topic for each in found for topic in each.topics}
    return Suspects(tuple(topic for topic in topics if topic in concerned))


def is_answer(message: bytes) -> bool:
    """Whether a message can only be an answer to a request: it begins like one and has no topic. O(length)."""
    return _TOPIC.search(message) is None and _topic_at(message[:MOST_READ]) == IN_ANSWER


def symbols_in(message: bytes) -> tuple[str, ...]:
    """Return the symbols that a frame names, each once, with the base coins of options. O(length)."""
    names = {name.decode() for name in _SYMBOL.findall(message)}
    return tuple(sorted(names | {name.partition("-")[0] for name in names}))


def may_name(topic: str, symbols: tuple[str, ...]) -> bool:
    """Whether a frame with these symbols may belong to a topic: no symbols exclude none. O(symbols)."""
    return not symbols or _has_symbol("", symbols, topic)


def siblings(topic: str, message: bytes) -> tuple[str, ...]:
    """Return the topics of the same kind that a frame's symbols and intervals name. O(length)."""
    kind, _, own = topic.rpartition(".")
    word, _, interval = kind.partition(".")
    kinds = {kind, *(f"{word}.{name.decode()}" for name in _INTERVAL.findall(message) if interval)}
    found = {f"{each}.{symbol}" for each in kinds for symbol in (own, *symbols_in(message))}
    return tuple(sorted(found - {topic}))


def similar_topics(topic: str, symbols: tuple[str, ...], topics: Iterable[str], *, is_topic: bool) -> tuple[str, ...]:
    """Return which of ``topics`` a frame with an unknown topic and these symbols may belong to. O(topics).

    These are the topics spelled nearly alike and, if none of them has one of the symbols, the topics of the symbols. If
    the text is not a topic (``is_topic``) and no topic is spelled nearly alike, only the symbols exclude topics.
    """
    last = topic.rpartition(".")[2]
    others = {other: other.removesuffix("*") + last if other.endswith(PATTERN) else other for other in topics}
    others.pop(topic, None)
    near = {
        other for other, text in others.items() if _is_near(topic, text) or (is_topic and _has_repeated(topic, text))
    }
    if symbols and not any(others[other].rpartition(".")[2] in symbols for other in near):
        holds = partial(_may_hold, topic) if is_topic else _has_symbol
        held = {other for other, text in others.items() if holds(last, symbols, text)}
        near |= held | _joined(topic, {others[other] for other in held}, others)
    elif not is_topic and all("." not in topic and other.endswith(PATTERN) for other in near):
        near = set(others)  # a pattern's topic may end like any text
    return tuple(other for other in others if other in near)


def is_covered(topic: str, patterns: Iterable[str]) -> bool:
    """Whether a topic belongs to one of these patterns; other topics among them are ignored. O(patterns)."""
    kind, _, last = topic.rpartition(".")
    return _LAST.fullmatch(last) is not None and any(each == kind + PATTERN for each in patterns)


def _is_near(topic: str, other: str) -> bool:
    """Whether damage to a few bytes, or the loss of a part, can turn the other topic into this one."""
    wrong = _damaged_bytes(topic.encode(), other.encode())
    return wrong <= MOST_WRONG or wrong == len(other.encode()) - len(topic.encode())


def _has_repeated(topic: str, other: str) -> bool:
    """Whether this topic is the other one with a part repeated."""
    one, two = topic.encode(), other.encode()
    return len(one) > len(two) and _same_bytes(one, two) + _same_bytes(one[::-1], two[::-1]) >= len(one)


def _may_hold(topic: str, last: str, symbols: tuple[str, ...], other: str) -> bool:
    """Whether the other topic may be the true topic of a frame with these symbols."""
    kind, _, own = other.rpartition(".")
    if last in symbols:  # the topic agrees with its content, so at most its kind is damaged, and a part of that is not
        wrong = _damaged_bytes(topic.encode(), other.encode())
        most = len(kind) - 1 if len(topic) == len(other) else max(len(kind), len(topic) - len(last) - 1) // 2
        return own == last and wrong <= most
    return _has_symbol(last, symbols, other)


def _has_symbol(last: str, symbols: tuple[str, ...], other: str) -> bool:
    """Whether the other topic has one of these symbols, or the coin in which it settles; or no symbol at all."""
    kind, _, own = other.rpartition(".")
    return own == last or not kind or own.islower() or any(symbol.endswith(own) for symbol in symbols)


def _joined(topic: str, held: set[str], others: dict[str, str]) -> set[str]:
    """Return the topics whose beginning, followed by the end of one of ``held``, is this text. O(topics).

    Then everything between the beginning of one frame and the end of another was lost. None if a part of one of
    ``held`` that was lost or repeated explains the text.
    """
    if any(_is_near(topic, each) or _has_repeated(topic, each) for each in held):
        return set()
    one = topic.encode()
    rest = len(one) - max((_same_bytes(one[::-1], each.encode()[::-1]) for each in held), default=0)
    return {other for other, text in others.items() if _same_bytes(one, text.encode()) >= max(rest, 1)}


def _read(text: bytes, topics: tuple[str, ...]) -> Suspects:
    """Return the topics that the text after a topic's opening quote allows. O(topics)."""
    quoted = {topic: topic.encode() + b'"' for topic in topics if not topic.endswith(PATTERN)}
    for topic, known in quoted.items():
        if text.startswith(known) and _follows(text[len(known) :]):
            return Suspects((topic,), topic)
    kinds = {topic: topic.encode()[:-1] for topic in topics if topic not in quoted}
    whole = {topic for topic, kind in kinds.items() if text.startswith(kind)}
    cut = {topic for topic, known in (quoted | kinds).items() if known.startswith(text)} if b'"' not in text else set()
    if not cut:
        shared = {topic: _same_bytes(text, known) for topic, known in (quoted | kinds).items()}
        least = max(shared.values(), default=0) - MOST_WRONG
        cut = {topic for topic, known in (quoted | kinds).items() if shared[topic] >= least or _is_alike(text, known)}
    return Suspects(tuple(topic for topic in topics if topic in cut or topic in whole))


def _is_alike(text: bytes, known: bytes) -> bool:
    """Whether a text, which may be cut, begins like a quoted topic with a few damaged bytes."""
    end = text.find(b'"') + 1
    if not end and len(text) <= len(known):
        known, end = known[: len(text)], len(text)
    return bool(end) and _damaged_bytes(text[:end], known) <= MOST_WRONG


def _follows(text: bytes) -> bool:
    """Whether a text may follow a topic's closing quote."""
    at = _after_space(text, 0)
    return text[at : at + 1] in (b"", b",", b"}")


def _after_object(message: bytes) -> bytes:
    """Return what follows the JSON value that a message begins with; "" if it begins with none."""
    end = _after_value(message, _after_space(message, 0))
    rest = message[end:].strip()
    if rest:
        try:
            msgspec.json.decode(message[:end], type=msgspec.Raw)
        except UNDECODABLE:
            return b""
    return rest


NOWHERE: Final = -1
IN_ANSWER: Final = -2


def _topic_at(message: bytes) -> int:
    """Return where the topic's text begins in a frame; IN_ANSWER for an answer, NOWHERE if it is unreadable."""
    otherwise = NOWHERE
    at = _after_space(message, 0)
    if message[at : at + 1] != b"{":
        return NOWHERE
    while True:
        key = _TEXT.match(message, _after_space(message, at + 1))
        if key is None:
            return otherwise
        name, quote = key.groups()
        if not quote:
            return IN_ANSWER if _begins_answer(name) else otherwise
        if _is_key(name, ANSWER_KEYS):
            otherwise = IN_ANSWER
        at = _after_space(message, key.end())
        if message[at : at + 1] != b":":
            return otherwise
        at = _after_space(message, at + 1)
        if _is_key(name, (TOPIC_KEY,)):
            return at + 1 if message[at : at + 1] == b'"' else NOWHERE
        at = _after_space(message, _after_value(message, at))
        if message[at : at + 1] != b",":
            return otherwise


def _begins_answer(name: bytes) -> bool:
    """Whether a truncated key can only belong to an answer."""
    return not any(key.startswith(name) for key in DATA_KEYS) and any(key.startswith(name) for key in ANSWER_KEYS)


def _is_key(name: bytes, keys: tuple[bytes, ...]) -> bool:
    """Whether a text is one of these keys, with at most one damaged byte if the key is long."""
    if name in DATA_KEYS + ANSWER_KEYS:
        return name in keys
    return any(len(name) == len(key) >= len(TOPIC_KEY) and _damaged_bytes(name, key) == 1 for key in keys)


def _after_space(message: bytes, at: int) -> int:
    space = _SPACE.match(message, at)
    return at if space is None else space.end()


def _after_value(message: bytes, at: int) -> int:
    """Return where a JSON value ends; the end of the message if it is incomplete or missing."""
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


def _damaged_bytes(text: bytes, other: bytes) -> int:
    """Return the length of the part in which two texts differ."""
    longest, shortest = max(len(text), len(other)), min(len(text), len(other))
    same = _same_bytes(text, other)
    return longest - min(same + _same_bytes(text[::-1], other[::-1]), shortest)


def _same_bytes(text: bytes, other: bytes) -> int:
    """Return the length of the common prefix of two texts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


class DamageCount:
    """Counts the damaged frames of one connection, and decides when it must be replaced."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._times_s: deque[float] = deque(maxlen=MOST_DAMAGED)

    def add(self) -> bool:
        """Count one more damaged frame; return whether there were MOST_DAMAGED within the window. O(1)."""
        self._times_s.append(self._clock_s())
        return len(self._times_s) == MOST_DAMAGED and self._times_s[-1] - self._times_s[0] < DAMAGE_WINDOW_S

    def clear(self) -> None:
        """Start over, on a new connection."""
        self._times_s.clear()
