"""What readers iterate over: conflated changes of a state, and lossless, bounded streams of events."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from depthwire.book.types import BookState
from depthwire.errors import DepthwireError, ReaderOverflow, StreamGap
from depthwire.feed.callbacks import Callbacks

Item = TypeVar("Item")


class Wakeup:
    """One waiting reader, woken from the feed's call stack. ``set`` is cheap if no reader waits."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def set(self, *_: object) -> None:
        """Wake the reader, if one waits. O(1)."""
        if self._waiter is not None and not self._waiter.done():
            try:
                self._waiter.set_result(None)
            except RuntimeError:
                if not self._waiter.get_loop().is_closed():  # otherwise no reader runs
                    raise

    async def wait(self) -> None:
        """Wait for the next ``set``. Raises RuntimeError if another task is waiting already."""
        if self._waiter is not None:
            raise RuntimeError("another task is already reading this stream; use one stream per reader")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Watched(Protocol):
    """The interface that :func:`changes` needs of a state, such as a live book."""

    @property
    def version(self) -> int: ...
    @property
    def state(self) -> BookState: ...
    @property
    def finished(self) -> bool: ...
    @property
    def failure(self) -> DepthwireError | None: ...
    def on_change(self, callback: Callable[..., object], /) -> Callable[[], None]: ...
    def on_state(self, callback: Callable[[object], object], /) -> Callable[[], None]: ...


State = TypeVar("State", bound=Watched)


async def changes(state: State) -> AsyncIterator[State]:
    """Yield ``state`` now and after each change, always at its latest; changes while the reader works are conflated.

    Only a LIVE state is yielded. Ends when the state's client is closed; raises the state's ``failure``.
    """
    wakeup = Wakeup()
    removers = (state.on_change(wakeup.set), state.on_state(wakeup.set))
    seen = 0
    try:
        while not state.finished:
            if state.state is BookState.LIVE and state.version != seen:
                seen = state.version
                yield state
            else:
                await wakeup.wait()
        if state.failure is not None:
            raise state.failure
    finally:
        for remove in removers:
            remove()


class EventReader(Protocol):
    """A reader of a channel's events."""

    def push(self, events: list[Any], report: Callable[[BaseException, str], object]) -> object: ...
    def break_off(self, error: DepthwireError) -> object: ...
    def finish(self) -> object: ...


class ConnectionWatcher(Protocol):
    """Follows the connection of an event channel: requests, losses, recoveries and damaged frames."""

    def asked(self) -> object: ...
    def lost(self, reason: str, since_ns: int) -> object: ...
    def back(self, until_ns: int) -> object: ...
    def damaged(self, gap: StreamGap) -> object: ...


class LiveState(Protocol):
    """A state that a channel keeps current. ``apply`` raises FrameError; ``report`` receives subscribers' errors."""

    report: Callable[[DepthwireError], object]
    odd_fields: int

    @property
    def state(self) -> BookState: ...
    def apply(self, message: Any, ts_recv_ns: int) -> object: ...
    def mark_stale(self, reason: str) -> object: ...
    def finish(self, reason: str) -> object: ...
    def fail(self, error: DepthwireError) -> object: ...


class EventStream(AsyncIterator[Item], Generic[Item]):
    """Events in the venue's order. One reader takes them with ``async for`` or in a callback given to :meth:`on_event`.

    Events are queued from the subscription on, at most ``capacity`` of them. If the reader is too slow, further events
    are lost, and a :class:`~depthwire.errors.ReaderOverflow` with their number is raised in their place. Other errors
    are raised in their places too: a :class:`~depthwire.errors.StreamGap` after a lost connection or a damaged frame
    that may have held events of this topic, a :class:`~depthwire.errors.FrameError` for a frame that could not be
    decoded, a :class:`~depthwire.errors.MalformedEvent` for an event that could not, and an
    :class:`~depthwire.errors.AuthError` if a sign-in is refused after a reconnect. Reading can go on after each.
    """

    def __init__(self, topic: str, capacity: int, *, on_close: Callable[["EventStream[Item]"], object]) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.topic = topic
        self.capacity = capacity
        self._on_close = on_close
        self._queue: deque[Item | DepthwireError] = deque()
        self._callbacks: Callbacks[Callable[[Item], object]] = Callbacks()
        self._lost = 0
        self._wakeup = Wakeup()
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of events and errors that wait for the reader. O(1)."""
        return len(self._queue)

    def on_event(self, callback: Callable[[Item], object]) -> Callable[[], None]:
        """Call ``callback(event)`` inside the frame's call stack. Returns a function that removes it.

        What it raises is handled as for :meth:`~depthwire.feed.live_book.LiveBook.on_change`. Raises TypeError if it is
        async or not callable.
        """
        return self._callbacks.add(callback)

    def push(self, events: list[Item], report: Callable[[BaseException, str], object]) -> None:
        """Take a frame's events: call the callbacks and wake the reader. O(events)."""
        if not self._callbacks.now and not self._lost and len(self._queue) + len(events) <= self.capacity:
            self._queue.extend(events)
            self._wakeup.set()
            return
        for event in events:
            for callback in self._callbacks.now:
                try:
                    callback(event)
                except BaseException as error:
                    report(error, self.topic)
            self._put(event)
        self._wakeup.set()

    def break_off(self, error: DepthwireError) -> None:
        """Queue an error at this point of the stream."""
        self._put(error)
        self._wakeup.set()

    def _put(self, item: Item | DepthwireError) -> None:
        if len(self._queue) >= self.capacity:
            self._lost += 1
            return
        self._queue_overflow()
        self._queue.append(item)

    def _queue_overflow(self) -> None:
        if self._lost:
            self._queue.append(ReaderOverflow(self._lost, self.capacity, self.topic))
            self._lost = 0

    async def __anext__(self) -> Item:
        if not self._queue:
            await self.ready()
        if not self.has_next:
            raise StopAsyncIteration
        item = self.pop()
        if not isinstance(item, DepthwireError):
            return item
        try:
            raise item
        finally:
            del item  # it refers to this call's frame, which refers to it: a cycle

    async def ready(self) -> None:
        """Wait until :meth:`pop` has something to return or the stream has ended."""
        while not (self.has_next or self._closed):
            await self._wakeup.wait()

    @property
    def has_next(self) -> bool:
        """Whether :meth:`pop` has something to return. O(1)."""
        return bool(self._queue or self._lost)

    def pop(self) -> Item | DepthwireError:
        """Remove and return the next event or error; raise IndexError if there is none. O(1)."""
        if not self._queue:
            self._queue_overflow()
        return self._queue.popleft()

    def finish(self) -> None:
        """End the stream: the reader gets the events that wait, then its iteration ends."""
        self._closed = True
        self._wakeup.set()

    def close(self) -> None:
        """Stop reading. Other readers of the same topic are not affected."""
        self._on_close(self)
        self.finish()


class TopicEvent(NamedTuple):
    """An event and its concrete topic."""

    topic: str
    data: Any
    """The typed event; for a book or an instrument, the live object, which has just changed."""


class TopicEvents(EventStream[TopicEvent]):
    """The events of many topics in one stream, which ends with the last of its topics."""

    def __init__(self, topic: str, capacity: int, *, on_close: Callable[["EventStream[TopicEvent]"], object]) -> None:
        super().__init__(topic, capacity, on_close=on_close)
        self._inputs: dict[str, TopicInput] = {}
        self._leaving: list[Callable[[], object]] = []

    @property
    def closed(self) -> bool:
        """Whether the stream has ended. O(1)."""
        return self._closed

    def reads(self, topic: str) -> bool:
        """Whether the stream reads a concrete topic. O(1)."""
        return topic in self._inputs

    def add_topic(self, topic: str) -> "TopicInput":
        """Return the reader for one concrete topic's events."""
        source = self._inputs[topic] = TopicInput(self, topic)
        return source

    def when_closed(self, leave: Callable[[], object]) -> None:
        """Call ``leave`` when the reader closes the stream."""
        self._leaving.append(leave)

    def close(self) -> None:
        for leave in self._leaving:
            leave()
        self._leaving.clear()
        super().close()

    def add_pattern(self, pattern: str, settle: Callable[[int], object]) -> "PatternInput":
        """Return the reader for a pattern's gaps; ``settle(until_ns)`` places a gap that waits for the connection."""
        source = self._inputs[pattern] = PatternInput(self, pattern, settle)
        return source

    def break_off_topic(self, topic: str, error: DepthwireError) -> None:
        """Queue a topic's error, unless a pattern's gap already reports the same loss."""
        patterns = [source for source in self._inputs.values() if isinstance(source, PatternInput)]
        if not (isinstance(error, StreamGap) and any(source.reports(topic, error) for source in patterns)):
            self.break_off(error)

    def remove(self, source: "TopicInput") -> None:
        """Remove a topic that has ended."""
        self._inputs.pop(source.topic, None)
        if not self._inputs:
            self.finish()


class TopicInput:
    """Reads one topic's events for a :class:`TopicEvents`."""

    def __init__(self, stream: TopicEvents, topic: str) -> None:
        self.topic = topic
        self._stream = stream

    def push(self, events: list[Any], report: Callable[[BaseException, str], object]) -> None:
        """Pass on events with their topic."""
        self._stream.push([TopicEvent(self.topic, event) for event in events], report)

    def break_off(self, error: DepthwireError) -> None:
        """Pass on an error."""
        self._stream.break_off_topic(self.topic, error)

    def finish(self) -> None:
        """End the topic."""
        self._stream.remove(self)


class PatternInput(TopicInput):
    """Reads a pattern's gaps. Each concerns every topic that the pattern covers, seen before or not."""

    def __init__(self, stream: TopicEvents, pattern: str, settle: Callable[[int], object]) -> None:
        super().__init__(stream, pattern)
        self._prefix = pattern.removesuffix("*")
        self._settle = settle
        self._gap: StreamGap | None = None  # the latest

    def break_off(self, error: DepthwireError) -> None:
        if isinstance(error, StreamGap):
            self._gap = error
        self._stream.break_off(error)

    def reports(self, topic: str, error: StreamGap) -> bool:
        """Whether the pattern's gap and a topic's gap are from one lost connection or one damaged frame."""
        if not topic.startswith(self._prefix):
            return False
        self._settle(error.until_ns)
        gap = self._gap
        return gap is not None and (gap.since_ns == error.since_ns or gap.until_ns == error.until_ns)
