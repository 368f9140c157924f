"""The base of both drop-ins: a client in a separate thread, which keeps the wire's objects for the script.

The client checks each frame. The readers here decode the frames that it accepts again, with the wire's own names.
"""

import asyncio
import atexit
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

import msgspec

from depthwire.blocking.loop_thread import LoopThread
from depthwire.book.types import BookState
from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE
from depthwire.bybit.topics import Topic, raw_topic, split_topic
from depthwire.bybit.v2.dialect import V2Dialect
from depthwire.connect import connect
from depthwire.endpoints import endpoint_of, masked
from depthwire.errors import (
    AuthError,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DepthwireError,
    InvalidUrl,
    ReaderOverflow,
    StreamGap,
    SubscriptionError,
    TopicError,
)
from depthwire.settings import Settings

Message = dict[str, Any]
"""A decoded frame, with the wire's own names."""
LatestMessage = Callable[[], Message]
STANDALONE_KINDS: Final = ("klineV2", "candle", "insurance")
"""Each message of these topics is complete, so that the next one replaces a lost one."""
log = logging.getLogger("depthwire.compat")


def kind_of(topic: str) -> str:
    """Return the kind of a topic: ``"klineV2"`` for ``"klineV2.1.BTCUSD"``."""
    return topic.partition(".")[0]


def is_linear(symbol: str) -> bool:
    """Return whether a symbol is settled in USDT, and so linear."""
    return symbol.endswith("USDT")


class Live(Protocol):
    """A live book or instrument."""

    @property
    def state(self) -> BookState: ...


class Event(Protocol):
    """An event that a client's ``subscribe`` yields."""

    @property
    def topic(self) -> str: ...
    @property
    def data(self) -> Any: ...


class EventStream(Protocol):
    """A stream that a client's ``subscribe`` returns."""

    @property
    def has_next(self) -> bool: ...
    def pop(self) -> object: ...
    async def ready(self) -> None: ...


class Frames:
    """The frame in whose call stack callbacks run, and its number."""

    def __init__(self) -> None:
        self.number = 0
        self._payload = b""

    def keep(self, ts_recv_ns: int, payload: memoryview) -> None:
        """Keep one more frame; a tap."""
        self.number += 1
        self._payload = bytes(payload)

    def message(self) -> Message:
        """Decode the latest frame."""
        return cast(Message, msgspec.json.decode(self._payload))


class Reader(ABC):
    """One topic's data, written by the feed's thread and read by another one."""

    def __init__(self, topic: str, message: LatestMessage) -> None:
        self.topic = topic
        self.frame = 0
        self._message = message

    @abstractmethod
    def push(self, data: Any) -> None:
        """Take the latest message. ``data`` is one of its events, or the live state that it has changed."""

    @abstractmethod
    def break_off(self, error: DepthwireError) -> None:
        """Messages may be missing here."""

    @abstractmethod
    def check(self) -> None:
        """Raise the next error since the last call, once."""

    @abstractmethod
    def take(self) -> Any:
        """Return the data since the last call; empty if there is none."""


class EventReader(Reader):
    """The messages of an event topic."""

    def __init__(self, topic: str, message: LatestMessage) -> None:
        super().__init__(topic, message)
        self._lock = threading.Lock()
        self._errors: deque[DepthwireError] = deque(maxlen=16)

    def push(self, data: Any) -> None:
        with self._lock:
            self.receive(self._message())

    def break_off(self, error: DepthwireError) -> None:
        if not (isinstance(error, StreamGap) and kind_of(self.topic) in STANDALONE_KINDS):
            with self._lock:
                self._errors.append(error)

    def check(self) -> None:
        with self._lock:
            if self._errors:
                raise self._errors.popleft()

    @abstractmethod
    def receive(self, message: Message) -> None:
        """Keep a message. The caller holds the lock."""


class WindowReader(EventReader):
    """Keeps the latest ``capacity`` items; with ``counts_losses``, counts the dropped ones."""

    def __init__(self, topic: str, message: LatestMessage, capacity: int, counts_losses: bool = True) -> None:
        super().__init__(topic, message)
        self._window: deque[Any] = deque()
        self._capacity = capacity
        self._counts_losses = counts_losses
        self._lost = 0

    def keep(self, item: Any) -> None:
        """Keep one more item. The caller holds the lock."""
        if len(self._window) == self._capacity:
            self._window.popleft()
            self._lost += self._counts_losses
        self._window.append(item)

    def check(self) -> None:
        super().check()
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            raise ReaderOverflow(lost, self._capacity, self.topic)


class MergedReader(Reader):
    """The state of a book or an instrument, in the form of its snapshot.

    Each frame replaces ``_content``, which is never modified, so that any thread may read it.
    """

    def __init__(self, topic: str, message: LatestMessage) -> None:
        super().__init__(topic, message)
        self._live: Live | None = None
        self._content: dict[Any, Any] = {}
        self._envelope: Message = {}
        self._taken: dict[Any, Any] | None = None

    def push(self, data: Live) -> None:
        message = self._message()
        is_snapshot = message["type"] == "snapshot"
        self._content = self.snapshot(message["data"]) if is_snapshot else self.merged(message["data"])
        self._envelope = message
        self._live = data

    def break_off(self, error: DepthwireError) -> None:
        """Do nothing: the state is empty until its next snapshot."""

    @abstractmethod
    def snapshot(self, data: Any) -> dict[Any, Any]:
        """Return the content of a snapshot."""

    @abstractmethod
    def merged(self, data: Any) -> dict[Any, Any]:
        """Return the content after a delta, in a new dict."""

    @abstractmethod
    def shown(self, content: dict[Any, Any]) -> Any:
        """Return the content in the form of a snapshot on the wire."""

    def check(self) -> None:
        """Do nothing, like :meth:`break_off`."""

    @property
    def _is_live(self) -> bool:
        return self._live is not None and self._live.state is BookState.LIVE

    def read(self) -> Any:
        """Return the current state; empty while it is not LIVE."""
        return self.shown(self._content if self._is_live else {})

    def read_message(self) -> Message:
        """Return the current state as a snapshot message; empty while it is not LIVE."""
        data = self.read()
        return {**self._envelope, "type": "snapshot", "data": data} if data else {}

    def take(self) -> Any:
        content = self._content
        if content is self._taken or not self._is_live:
            return self.shown({})
        self._taken = content
        return self.shown(content)


class MergedBook(MergedReader):
    """A book as a list of levels, lowest price first, with the wire's keys and values."""

    def snapshot(self, data: Any) -> dict[Any, Any]:
        levels = data["order_book"] if isinstance(data, dict) else data
        return {(level["side"], int(level["id"])): level for level in levels}

    def merged(self, data: Any) -> dict[Any, Any]:
        levels = dict(self._content)
        for level in data["delete"]:
            del levels[level["side"], int(level["id"])]
        for level in data["update"] + data["insert"]:
            levels[level["side"], int(level["id"])] = level
        return levels

    def shown(self, content: dict[Any, Any]) -> list[dict[str, Any]]:
        return [dict(level) for level in sorted(content.values(), key=lambda level: int(level["id"]))]


class MergedInstrument(MergedReader):
    """An instrument's fields with the wire's keys and values."""

    def snapshot(self, data: Any) -> dict[Any, Any]:
        return dict(data)

    def merged(self, data: Any) -> dict[Any, Any]:
        fields = dict(self._content)
        for part in (*data.get("update", ()), *data.get("insert", ())):
            fields |= part
        return fields

    def shown(self, content: dict[Any, Any]) -> dict[str, Any]:
        return dict(content)


class PlainFeed:
    """Connects, and keeps a :class:`Reader` for each subscribed topic, until it is closed or Python ends.

    ``event_reader(topic, message)`` creates the reader of an event topic. ``restart=False`` ends it with its
    connection. The caller's next call raises errors that concern no single topic; ``log_warning(text, error)`` gets
    errors from which the client recovers. Thread-safe.

    Raises InvalidUrl, ConnectError or AuthError.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        api_secret: str | None,
        event_reader: Callable[[str, LatestMessage], EventReader],
        log_warning: Callable[[str, DepthwireError], object],
        *,
        settings: Settings | None = None,
        restart: bool = True,
    ) -> None:
        endpoint = endpoint_of(url)
        if not isinstance(endpoint.dialect, V2Dialect):
            raise InvalidUrl(f"{masked(url)!r}: these clients speak v2 only; for v5 use depthwire.connect()")
        if not api_key and not api_secret:
            api_key, api_secret = os.environ.get(KEY_VARIABLE), os.environ.get(SECRET_VARIABLE)
        self.dialect = endpoint.dialect
        self._settings = settings or Settings()
        self._event_reader = event_reader
        self._log_warning = log_warning
        self._restart = restart
        self._frames = Frames()
        self._readers: dict[str, Reader] = {}
        self._asked: tuple[Topic, ...] = ()
        self._errors: deque[DepthwireError] = deque(maxlen=16)
        self._end: DepthwireError | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing_lock, self._subscribing_lock = threading.Lock(), threading.Lock()
        self._thread = LoopThread()
        connection = connect(url, api_key=api_key, api_secret=api_secret, settings=self._settings)
        try:
            self._client = self._thread.call(connection.__aenter__())
            self._thread.at_end = partial(connection.__aexit__, None, None, None)
            self._client.add_tap(self._frames.keep)
            self._client.on_error(self._on_error)
        except BaseException:
            self._thread.stop()
            raise
        atexit.register(self.close)

    def subscribe(self, *texts: str) -> None:
        """Subscribe by the topic grammar; a repetition has no effect.

        Raises TopicError, AuthError, SubscriptionRejected or SubscriptionTimeout.
        """
        self.check()
        topics = [topic for text in texts for topic in self.dialect.parse(text)]
        if not topics:
            raise TopicError("name at least one topic, such as 'trade.BTCUSD'")
        with self._subscribing_lock:
            try:
                self._thread.call(self._subscribe(topics))
                self._asked += tuple(topics)
            finally:
                for name in list(self._readers):
                    if not any(asked.covers(name) for asked in self._asked):
                        del self._readers[name]  # refused; made again if it is asked for again

    async def _subscribe(self, topics: Sequence[Topic]) -> None:
        new = [topic.text for topic in dict.fromkeys(topics) if topic not in self._asked]
        if not new:
            return
        streams: list[EventStream] = []

        def on_event(event: Event) -> None:
            for stream in streams:
                self._take_errors(stream)
            self._push(event)

        for topic in topics:
            if not topic.is_pattern:
                self._reader(topic.text)
        streams.append(await self._client.subscribe(*new, on_event=on_event))
        self._spawn(self._watch(streams[0]))

    def _reader(self, topic: str) -> Reader:
        if topic in self._readers:
            return self._readers[topic]
        (kind, _), message = split_topic(topic), self._frames.message
        if kind in self.dialect.books:
            reader: Reader = MergedBook(topic, message)
        elif kind == self.dialect.instrument_kind:
            reader = MergedInstrument(topic, message)
        else:
            reader = self._event_reader(topic, message)
        self._readers[topic] = reader
        return reader

    def _push(self, event: Event) -> None:
        reader = self._reader(event.topic)
        if reader.frame != self._frames.number:  # else it has the message: of another event, or by another pattern
            reader.frame = self._frames.number
            reader.push(event.data)

    def _take_errors(self, stream: EventStream) -> None:
        """Hand a stream's errors to the readers that they concern. Its events were handed over as they came."""
        while stream.has_next:
            error = stream.pop()
            if isinstance(error, DepthwireError) and not isinstance(error, ReaderOverflow):
                topic = getattr(error, "topic", "")
                for reader in list(self._readers.values()):
                    if topic in (reader.topic, ""):
                        reader.break_off(error)
                    elif isinstance(error, StreamGap) and raw_topic(topic).covers(reader.topic):
                        reader.break_off(StreamGap(reader.topic, error.reason, error.since_ns, error.until_ns))

    async def _watch(self, stream: EventStream) -> None:
        await stream.ready()
        while stream.has_next:
            self._take_errors(stream)
            await stream.ready()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def readers(self, text: str) -> list[Reader]:
        """Return the readers of a topic, or of all topics under a pattern that have had a frame.

        Raises TopicError if it is not subscribed, and the errors of :meth:`check`.
        """
        self.check()
        if text in self._readers:
            return [self._readers[text]]
        topics = self.dialect.parse(text)
        for topic in topics:
            if not any(asked.covers(topic.text) for asked in self._asked):
                raise TopicError(f"{topic.text!r} is not subscribed")
        found = list(self._readers.items())
        return [reader for name, reader in found if any(topic.covers(name) for topic in topics)]

    def ping(self) -> None:
        """Ask the venue whether it is there; raises ConnectionLost or TimeoutError."""
        self.check()
        self._thread.call(self._client.ping())

    def check(self) -> None:
        """Raise the next background error that was not raised yet, or ClientClosed after :meth:`close`."""
        if self._end is not None:
            raise self._end
        if self._errors:
            raise self._errors.popleft()

    def close(self) -> None:
        """End the connection and the thread. Closing twice is fine."""
        with self._closing_lock:
            if isinstance(self._end, ClientClosed):
                return
            self._end = ClientClosed("exit() was called; create a new client")
        atexit.unregister(self.close)
        self._thread.stop()

    def _on_error(self, error: DepthwireError) -> None:
        if isinstance(error, ConnectionLost) and not self._restart:
            self._end = self._end or error
            self._spawn(self._client.close())
        elif isinstance(error, AuthError | SubscriptionError) or self._stays_away(error):
            self._errors.append(error)
        else:
            self._log_warning("%s", error)

    def _stays_away(self, error: DepthwireError) -> bool:
        """Return whether reconnecting has failed for longer than ``timeout_s``."""
        age_ns = self._client.status().age_ns or 0
        return isinstance(error, ConnectError) and age_ns > self._settings.timeout_s * 1e9


def yield_to_feed() -> None:
    """Let the feed's thread run: scripts poll in loops that would keep the interpreter to themselves."""
    time.sleep(0)
