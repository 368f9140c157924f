"""What readers iterate over: conflated changes of a book, and lossless, bounded events."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from depthwire.book.types import BookState
from depthwire.errors import DepthwireError, ReaderOverflow, StreamGap
from depthwire.feed.callbacks import Callbacks

Item = TypeVar("Item")


class Wakeup:
    """One waiting reader, woken from the feed's call stack. ``set`` costs next to nothing while nobody waits."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def set(self, *_: object) -> None:
        """Wake the reader, if one waits. O(1)."""
        if self._waiter is not None and not self._waiter.done():
            try:
                self._waiter.set_result(None)
            except RuntimeError:
                if not self._waiter.get_loop().is_closed():  # else no reader runs any more
                    raise

    async def wait(self) -> None:
        """Wait for the next ``set``. Raises RuntimeError where another task waits already."""
        if self._waiter is not None:
            raise RuntimeError("another task reads this stream already; ask for one stream per reader")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Watched(Protocol):
    """A state that changes: what :func:`changes` needs to know of a live book."""

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
    """Yield ``state`` now and after changes, always at its latest: changes that come while the reader works are one.

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
    """What a channel of events hands them to."""

    def push(self, events: list[Any], report: Callable[[BaseException, str], object]) -> object: ...
    def break_off(self, error: DepthwireError) -> object: ...
    def finish(self) -> object: ...


class ConnectionWatcher(Protocol):
    """What a channel of events tells of its connection."""

    def asked(self) -> object: ...
    def lost(self, reason: str, since_ns: int) -> object: ...
    def back(self, until_ns: int) -> object: ...
    def damaged(self, gap: StreamGap) -> object: ...


class LiveState(Protocol):
    """What a channel of a merged state keeps current."""

    report: Callable[[DepthwireError], object]
    odd_fields: int

    @property
    def state(self) -> BookState: ...
    def apply(self, message: Any, ts_recv_ns: int) -> object: ...
    def mark_stale(self, reason: str) -> object: ...
    def finish(self, reason: str) -> object: ...
    def fail(self, error: DepthwireError) -> object: ...


class EventStream(AsyncIterator[Item], Generic[Item]):
    """Events in the venue's order, for one reader: with ``async for``, or a callback given to :meth:`on_event`.

    Events are kept from the subscription on. At most ``capacity`` wait for the ``async for`` reader; those beyond are
    lost, and the reader meets a :class:`~depthwire.errors.ReaderOverflow` that counts them at the place where they
    are missing. A :class:`~depthwire.errors.StreamGap` stands where the connection was lost, or where a frame arrived
    so damaged that it may have held events of this topic, a :class:`~depthwire.errors.FrameError` where a frame could
    not be decoded, a :class:`~depthwire.errors.MalformedEvent` where one of its events could not, an
    :class:`~depthwire.errors.AuthError` where a sign-in was refused after a reconnect. Reading goes on after any.
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
        """How many events wait for the reader. O(1)."""
        return len(self._queue)

    def on_event(self, callback: Callable[[Item], object]) -> Callable[[], None]:
        """Call ``callback(event)`` inside the frame's call stack. Returns a function that removes it.

        What it raises is handled as for :meth:`~depthwire.feed.live_book.LiveBook.on_change`. Raises TypeError if it is
        not callable, or async.
        """
        return self._callbacks.add(callback)

    def push(self, events: list[Item], report: Callable[[BaseException, str], object]) -> None:
        """Take a frame's events: callbacks run now, the reader is woken. O(events)."""
        for event in events:
            for callback in self._callbacks.now:
                try:
                    callback(event)
                except BaseException as error:
                    report(error, self.topic)
            self._put(event)
        self._wakeup.set()

    def break_off(self, error: DepthwireError) -> None:
        """Place an error between the events before and after it."""
        self._put(error)
        self._wakeup.set()

    def _put(self, item: Item | DepthwireError) -> None:
        if len(self._queue) >= self.capacity:
            self._lost += 1
            return
        self._tell_losses()
        self._queue.append(item)

    def _tell_losses(self) -> None:
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
            del item  # it would hold this call's frame, which holds it, for the garbage collector

    async def ready(self) -> None:
        """Wait until there is something to :meth:`pop`, or never will be."""
        while not (self.has_next or self._closed):
            await self._wakeup.wait()

    @property
    def has_next(self) -> bool:
        """Whether there is something to :meth:`pop`. O(1)."""
        return bool(self._queue or self._lost)

    def pop(self) -> Item | DepthwireError:
        """Take what is next, an event or the error in its place; raises IndexError where there is nothing. O(1)."""
        if not self._queue:
            self._tell_losses()
        return self._queue.popleft()

    def finish(self) -> None:
        """No more events will come: the reader gets those that wait, then its iteration ends."""
        self._closed = True
        self._wakeup.set()

    def close(self) -> None:
        """Stop listening. Other readers of the same topic go on."""
        self._on_close(self)
        self.finish()


class TopicEvent(NamedTuple):
    """An event with the concrete topic that it came on."""

    topic: str
    data: Any
    """The typed event; on a book's or an instrument's topic the live object itself, which has just changed."""


class TopicEvents(EventStream[TopicEvent]):
    """The events of many topics in one stream. Ends when the last of its topics does."""

    def __init__(self, topic: str, capacity: int, *, on_close: Callable[["EventStream[TopicEvent]"], object]) -> None:
        super().__init__(topic, capacity, on_close=on_close)
        self._inlets: dict[str, TopicInlet] = {}
        self._leaving: list[Callable[[], object]] = []

    @property
    def closed(self) -> bool:
        """Whether no more events will come. O(1)."""
        return self._closed

    def reads(self, topic: str) -> bool:
        """Whether a concrete topic's events come in already. O(1)."""
        return topic in self._inlets

    def inlet(self, topic: str) -> "TopicInlet":
        """Where one concrete topic's events come in."""
        inlet = self._inlets[topic] = TopicInlet(self, topic)
        return inlet

    def when_closed(self, leave: Callable[[], object]) -> None:
        """Call ``leave`` when the reader closes this stream."""
        self._leaving.append(leave)

    def close(self) -> None:
        for leave in self._leaving:
            leave()
        self._leaving.clear()
        super().close()

    def pattern_inlet(self, pattern: str, settle: Callable[[int], object]) -> "PatternInlet":
        """Where a pattern's gaps come in; ``settle(until_ns)`` places the one that waits for its connection, if any."""
        inlet = self._inlets[pattern] = PatternInlet(self, pattern, settle)
        return inlet

    def break_off_topic(self, topic: str, error: DepthwireError) -> None:
        """Place one topic's error, unless the gap of a pattern that covers the topic reports the same loss."""
        patterns = [inlet for inlet in self._inlets.values() if isinstance(inlet, PatternInlet)]
        if not (isinstance(error, StreamGap) and any(inlet.reports(topic, error) for inlet in patterns)):
            self.break_off(error)

    def shut(self, inlet: "TopicInlet") -> None:
        """One topic has ended."""
        self._inlets.pop(inlet.topic, None)
        if not self._inlets:
            self.finish()


class TopicInlet:
    """Takes one topic's events for a :class:`TopicEvents`, as an EventStream does."""

    def __init__(self, stream: TopicEvents, topic: str) -> None:
        self.topic = topic
        self._stream = stream

    def push(self, events: list[Any], report: Callable[[BaseException, str], object]) -> None:
        """Pass events on, with their topic."""
        self._stream.push([TopicEvent(self.topic, event) for event in events], report)

    def break_off(self, error: DepthwireError) -> None:
        """Pass an error on to its place."""
        self._stream.break_off_topic(self.topic, error)

    def finish(self) -> None:
        """The topic has ended."""
        self._stream.shut(self)


class PatternInlet(TopicInlet):
    """Takes a pattern's gaps: each concerns every topic that the pattern covers, seen before or not."""

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
        """Whether the pattern's gap reports a topic's gap, too: both are of one lost connection or damaged frame."""
        if not topic.startswith(self._prefix):
            return False
        self._settle(error.until_ns)
        gap = self._gap
        return gap is not None and (gap.since_ns == error.since_ns or gap.until_ns == error.until_ns)
