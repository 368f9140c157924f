"""One topic from two lines: the channel that readers see, and how each line's channel feeds it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from depthwire.arbitration.events import EventArbiter, LineEvents
from depthwire.arbitration.states import BookArbiter, LineTally, StateArbiter
from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.errors import LinesDisagree
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.session.health import Health, TopicTracker
from depthwire.session.session import Session
from depthwire.settings import Settings

Tallies = tuple[LineTally, LineTally]
DIGEST_MASK = (1 << 64) - 1


class MergedTopic:
    """One topic, merged from two lines. Readers use ``channel``; ``on_end(topic)`` is called when no line feeds it any
    longer."""

    def __init__(self, channel: Channel, settings: Settings, on_end: Callable[[str], object]) -> None:
        self.channel = channel
        self._record = TopicTracker(channel, settings)
        self._on_end = on_end
        self._feeding: dict[int, tuple[Channel, Session]] = {}

    def feed(self, line: int, channel: Channel, session: Session) -> None:
        """Feed this topic from a line's channel; do nothing if that channel feeds it already."""
        known = self._feeding.get(line)
        if known is None or known[0] is not channel:
            self._feeding[line] = channel, session
            self._follow(line, channel, session)

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        raise NotImplementedError

    def suspect(self, line: int) -> None:
        """Handle proof that a line lost an earlier frame."""

    def _ended(self, line: int, channel: Channel, reason: str) -> None:
        """Stop feeding from a line's channel; end the topic if no other line feeds it."""
        known = self._feeding.get(line)
        if known is not None and known[0] is channel:
            del self._feeding[line]
            if not self._feeding:
                if channel.failure is None:
                    self.channel.finish(reason)
                else:
                    self.channel.fail(channel.failure)
                self._on_end(self.channel.topic)

    def finish(self, reason: str) -> None:
        """End the topic for its readers, even if the lines still bring data."""
        self._feeding.clear()
        self.channel.finish(reason)

    def health(self, lines: Sequence[dict[str, Health]]) -> Health:
        """Return the topic's health as readers see it, with the counts of both lines. O(1)."""
        topic = self.channel.topic
        return self._record.health().of_lines([line[topic] for line in lines if topic in line])


class MergedState(MergedTopic):
    """The book or instrument of a topic, from two lines."""

    def __init__(
        self, channel: BookChannel | StateChannel, tallies: Tallies, settings: Settings, on_end: Callable[[str], object]
    ) -> None:
        super().__init__(channel, settings, on_end)
        self._arbiter: BookArbiter | InstrumentArbiter
        if isinstance(channel, BookChannel):
            self._arbiter = BookArbiter(channel.book, *tallies, self._refetch)
        else:
            self._arbiter = InstrumentArbiter(channel.state, tallies, self._refetch)
        channel.state.on_state(self._shown_changed)

    def _shown_changed(self, state: Any) -> None:
        """Make both lines refetch their states if the reader marked the merged state STALE."""
        if state.state is BookState.STALE and not state.finished and self._arbiter.is_live:
            self._arbiter.distrust(state.stale_reason)
            for channel, _ in tuple(self._feeding.values()):
                channel.state.mark_stale(state.stale_reason)  # type: ignore[attr-defined]  # either kind of channel has one

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        assert isinstance(channel, BookChannel | StateChannel)
        state: Any = channel.state
        self._arbiter.attach(line, state)

        def state_changed(_: object) -> None:
            if line not in self._feeding or self._feeding[line][0] is not channel:
                return
            self._arbiter.changed(line, state.state is BookState.LIVE, state.stale_reason)
            if state.finished:
                self._ended(line, channel, state.stale_reason or "the topic ended")

        state.on_state(state_changed)

    def suspect(self, line: int) -> None:
        self._arbiter.suspect(line)

    def health(self, lines: Sequence[dict[str, Health]]) -> Health:
        frames = self.channel.state.version  # type: ignore[attr-defined]  # either kind of channel has one
        return msgspec.structs.replace(super().health(lines), frames=frames)

    def _refetch(self, line: int, reason: str) -> None:
        """Mark a line's state STALE because it may be wrong, and refetch it on that line only."""
        channel, session = self._feeding[line]
        error = LinesDisagree(f"line {line + 1}: {reason}", channel.topic)
        channel.refuse(error)
        session.on_frame_error(error)


class InstrumentArbiter(StateArbiter):
    """Shows readers the instrument of the line with the later venue time; ``cs`` changes only with trades."""

    def __init__(self, shown: Instrument, tallies: Tallies, on_refetch: Callable[[int, str], object]) -> None:
        super().__init__(*tallies)
        self._shown = shown
        self._on_refetch = on_refetch
        self._instruments: dict[int, Instrument] = {}

    def attach(self, line: int, instrument: Instrument) -> None:
        """Follow a line's instrument."""
        self._instruments[line] = instrument

        def changed(*_: object) -> None:
            digest = hash(instrument.snapshot(allow_stale=True)) & DIGEST_MASK
            ts_exchange_us, ts_recv_ns = instrument.ts_exchange_us, instrument.ts_recv_ns
            self.frame_applied(line, ts_exchange_us, digest, ts_recv_ns // 1000, ts_recv_ns, False)

        instrument.on_change(changed)

    def show(self, line: int, notify: bool) -> None:
        if notify:
            self._shown.adopt(self._instruments[line])

    def hide(self, reason: str) -> None:
        self._shown.mark_stale(reason)

    def refetch(self, line: int, reason: str) -> None:
        self._on_refetch(line, reason)


class MergedEvents(MergedTopic):
    """The events of a topic, from two lines."""

    def __init__(
        self, channel: EventChannel, tallies: Tallies, settings: Settings, on_end: Callable[[str], object]
    ) -> None:
        super().__init__(channel, settings, on_end)
        self._arbiter = EventArbiter(channel)
        self._lines = [LineEvents(self._arbiter, line, tally) for line, tally in enumerate(tallies)]
        self._arbiter.lines = self._lines

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        assert isinstance(channel, EventChannel)
        mine = self._lines[line]

        def ended() -> None:
            self._ended(line, channel, "the topic ended")
            if self._feeding and not session.connection.closed:  # otherwise no reader is left
                mine.lost("the topic ended on this line", time.time_ns())

        mine.begin(session, ended)
        channel.watcher = mine
        channel.join(mine)
        channel.leave(channel.view)  # it would grow, and no reader sees it
