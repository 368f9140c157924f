"""A/B arbitration: uses two lines to a venue as one. Both subscribe to everything, and the first copy counts.

A line is a connection to one endpoint, with its own reconnects and resyncs. Readers hold channels that both lines feed
(:mod:`depthwire.arbitration.topic`), so that a line's loss affects them only if the other line lost the same.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from depthwire.arbitration.line import Line
from depthwire.arbitration.states import LineTally
from depthwire.arbitration.topic import MergedEvents, MergedState, MergedTopic
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.topics import Topic
from depthwire.errors import (
    AuthError,
    ClientClosed,
    ConnectError,
    ContinuityError,
    DepthwireError,
    OutOfSequence,
    SnapshotMissing,
    SubscriptionTimeout,
)
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel, with_raw
from depthwire.feed.event_channel import EventChannel, RawChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.session.futures import mark_retrieved
from depthwire.session.health import Health
from depthwire.session.reports import Reports
from depthwire.session.session import Held, Session, withdrawn_on_failure
from depthwire.session.subscription import Subscription, raise_all, refuse_unsubscribed
from depthwire.settings import Settings


class LineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of one of two lines, over all topics.

    ``wins`` counts the frames of books and instruments, and the events, that it brought first; ``losses`` counts those
    that only the other line brought, as far as both can be compared; ``gaps`` counts its frames that were not
    contiguous with its own state. ``lags_us`` is a histogram of how much later than the other line it was: it maps
    upper bounds in µs to counts; the last bound is infinite.
    """

    url: str
    connected: bool
    wins: int
    losses: int
    gaps: int
    lags_us: dict[float, int]


class LineReports(Reports):
    """Passes one line's errors to ``on_error``, then reports them to ``reports``."""

    def __init__(self, reports: Reports, on_error: Callable[[DepthwireError], object]) -> None:
        super().__init__()
        self._reports, self._on_error = reports, on_error

    def report(self, error: DepthwireError) -> bool:
        """Report an error, like :meth:`Reports.report`."""
        self._on_error(error)
        return self._reports.report(error)


MakeLine = Callable[[int, Reports], Line]


class Lines:
    """Two lines, each made by ``make(number, reports)``, with the interface of one Line."""

    def __init__(self, make: MakeLine, dialect: Dialect, settings: Settings, reports: Reports) -> None:
        self._dialect = dialect
        self._settings = settings
        self._report = reports.report
        self._tallies = (LineTally(), LineTally())
        self._lines = [make(number, LineReports(reports, partial(self._count_error, number))) for number in range(2)]
        self._topics: dict[str, MergedTopic] = {}
        self._raw_tallies = (LineTally(), LineTally())  # not shown, because the other tallies count the same messages
        self._raw_topics: dict[str, MergedTopic] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Both endpoints' URLs, without secrets."""
        return ", ".join(line.url for line in self._lines)

    @property
    def sessions(self) -> list[Session]:
        """The sessions of both lines."""
        return [session for line in self._lines for session in line.sessions]

    def status(self) -> tuple[LineStatus, ...]:
        """Return the statistics of each line. O(1)."""
        return tuple(
            LineStatus(
                url=line.url,
                connected=line.public.connection.connected,
                wins=tally.wins,
                losses=tally.losses,
                gaps=tally.gaps,
                lags_us={
                    2.0**bucket if bucket < len(tally.lags) - 1 else float("inf"): count
                    for bucket, count in enumerate(tally.lags)
                },
            )
            for line, tally in zip(self._lines, self._tallies, strict=True)
        )

    def health(self) -> dict[str, Health]:
        """Return the health of each topic as readers see it. O(topics)."""
        lines = [line.health() for line in self._lines]
        topics = self._raw_topics | self._topics
        return {topic: merged.health(lines) for topic, merged in topics.items()}

    def _count_error(self, number: int, error: DepthwireError) -> None:
        if not isinstance(error, ContinuityError):
            return
        self._tallies[number].gaps += 1
        merged = self._topics.get(error.topic)
        if merged is not None and not isinstance(error, OutOfSequence | SnapshotMissing):
            merged.suspect(number)

    # ---- connecting

    async def open(self) -> None:
        """Connect; return once one line is connected, while the other keeps trying. Raises the first line's error."""
        await self._any([line.open() for line in self._lines], [line.public for line in self._lines])

    async def _sign_in(self) -> None:
        await self._any([line.sign_in() for line in self._lines], [line.private for line in self._lines])

    async def _any(self, works: Sequence[Coroutine[Any, Any, None]], sessions: Sequence[Session]) -> None:
        """Wait until one succeeds. The failure of another is reported, and its session keeps trying to connect.

        Raises the first error if all fail.
        """
        tasks = [asyncio.create_task(work) for work in works]
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(mark_retrieved)
            task.add_done_callback(self._tasks.discard)
        waiting = set(tasks)
        while waiting and not any(map(succeeded, tasks)):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not any(map(succeeded, tasks)):
            if tasks[0].cancelled():
                raise ClientClosed("the client was closed")
            tasks[0].result()
        for task, session in zip(tasks, sessions, strict=True):
            task.add_done_callback(partial(self._keep_trying, session))

    def _keep_trying(self, session: Session, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AuthError | ConnectError) and not session.connection.closed:
            self._report(error)
            session.keep_trying()

    def _refuse_closed(self) -> None:
        for line in self._lines:
            line.public.connection.refuse_closed()

    # ---- topics

    async def subscribe(
        self, topics: Sequence[Topic], on_channel: Callable[[Channel], object], *, raw: bool = False
    ) -> Held:
        """Subscribe to topics on both lines, and wait until each is confirmed on one; sign in first if one is private.

        ``on_channel`` gets the merged channel of each topic. Raises as :meth:`Line.subscribe` does, if both fail.
        """
        self._refuse_closed()
        if any(topic.is_private for topic in topics):
            await self._sign_in()
        reported: set[str] = set()

        def channel_added(number: int, channel: Channel) -> None:
            merged = self._merged(number, channel)
            if channel.topic not in reported:
                reported.add(channel.topic)
                on_channel(merged.channel)

        served: dict[Topic, list[tuple[Session, Subscription]]] = {}
        for number, line in enumerate(self._lines):
            for session, subscriptions in line.add(topics, partial(channel_added, number), raw=raw).items():
                for subscription in subscriptions:
                    served.setdefault(subscription.topic, []).append((session, subscription))
        deadline_s = asyncio.get_running_loop().time() + self._settings.timeout_s
        by_session: dict[Session, list[Subscription]] = {}
        for session, subscription in (held for by_line in served.values() for held in by_line):
            by_session.setdefault(session, []).append(subscription)
        async with withdrawn_on_failure(by_session):
            confirmations = (self._confirmed(by_line, deadline_s) for by_line in served.values())
            raise_all(await asyncio.gather(*confirmations, return_exceptions=True))
        return by_session

    async def _confirmed(self, by_line: Sequence[tuple[Session, Subscription]], deadline_s: float) -> None:
        """Wait until a topic is confirmed on one line; raise the first line's error if it is on none."""
        futures = [subscription.confirmed for _, subscription in by_line]
        waiting = set(futures)
        while waiting and not any(map(succeeded, futures)):
            left_s = deadline_s - asyncio.get_running_loop().time()
            done, waiting = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                topic = by_line[0][1].topic.text
                error = SubscriptionTimeout(f"{topic}: not confirmed within {self._settings.timeout_s:g} s")
                for session, subscription in by_line:
                    if not subscription.established:
                        session.give_up(subscription, error)
                raise error
        if not any(map(succeeded, futures)):
            futures[0].result()
        for (_, subscription), future in zip(by_line, futures, strict=True):
            # One line serves the readers, so the topic stays requested on the other line, whatever happens there.
            subscription.established = True
            if future.done() and (refusal := future.exception()) is not None:
                self._report(refusal)  # type: ignore[arg-type]  # sessions set no other

    def _merged(self, number: int, channel: Channel) -> MergedTopic:
        """Return the topic's merged channel, and feed it from this line's channel as well."""
        topic = channel.topic
        topics = self._raw_topics if isinstance(channel, RawChannel) else self._topics
        merged = topics.get(topic)
        if merged is None:
            merged = topics[topic] = self._new_merged(channel)
        session = next(each for each in self._lines[number].sessions if channel in with_raw(each.held(topic)))
        merged.feed(number, channel, session)
        return merged

    def _new_merged(self, channel: Channel) -> MergedTopic:
        topic = channel.topic
        if isinstance(channel, RawChannel):
            raw = type(channel)(topic)
            raw.attach(self._report)
            return MergedEvents(raw, self._raw_tallies, self._settings, self._raw_topics.pop)
        shown = self._dialect.channel(topic)
        assert isinstance(shown, BookChannel | StateChannel | EventChannel), "a line has no other kind of channel"
        shown.attach(self._report)
        if isinstance(shown, EventChannel):
            return MergedEvents(shown, self._tallies, self._settings, self._topics.pop)
        return MergedState(shown, self._tallies, self._settings, self._topics.pop)

    async def unsubscribe(self, topics: Iterable[Topic]) -> None:
        """End topics on both lines; raise as :meth:`Line.unsubscribe` does."""
        self._refuse_closed()
        topics = list(topics)
        by_line = [[topic for topic in topics if topic in line.holder(topic).subscriptions] for line in self._lines]
        refuse_unsubscribed(topics, {topic for held in by_line for topic in held})
        works = [line.unsubscribe(held) for line, held in zip(self._lines, by_line, strict=True)]
        raise_all(await asyncio.gather(*works, return_exceptions=True))

    # ---- the end

    def begin_close(self) -> None:
        """Start to close all connections at once."""
        for line in self._lines:
            line.begin_close()
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Close both lines and end all readers."""
        self.begin_close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for merged in (*self._topics.values(), *self._raw_topics.values()):
            merged.finish("the client was closed")
        await asyncio.gather(*(line.close() for line in self._lines))


def succeeded(future: "asyncio.Future[None]") -> bool:
    """Whether a future is done without an error."""
    return future.done() and not future.cancelled() and future.exception() is None
