"""One topic that two lines bring: the channel that readers see, and how each line's own channel feeds it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from depthwire.arbitration.events import EventMerge, EventStrand
from depthwire.arbitration.states import BookMerge, LineTally, StateMerge
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
    """One topic of two lines. Readers see ``channel``; ``on_end`` is called when no line feeds it any longer."""

    def __init__(self, channel: Channel, settings: Settings, on_end: Callable[[str], object]) -> None:
        self.channel = channel
        self._record = TopicTracker(channel, settings)
        self._on_end = on_end
        self._feeding: dict[int, tuple[Channel, Session]] = {}

    def feed(self, line: int, channel: Channel, session: Session) -> None:
        """Feed this topic from a line's channel; do nothing if it already does."""
        known = self._feeding.get(line)
        if known is None or known[0] is not channel:
            self._feeding[line] = channel, session
            self._follow(line, channel, session)

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        raise NotImplementedError

    def suspect(self, line: int) -> None:
        """Handle proof that a line lost an earlier frame."""

    def _ended(self, line: int, channel: Channel, reason: str) -> None:
        """End a line's part; end the topic with the last line."""
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
        """End the topic for its readers, whatever the lines still bring."""
        self._feeding.clear()
        self.channel.finish(reason)

    def health(self, lines: Sequence[dict[str, Health]]) -> Health:
        """Return the topic's health as readers see it, with the counts of both lines. O(1)."""
        topic = self.channel.topic
        return self._record.health().of_lines([line[topic] for line in lines if topic in line])


class MergedState(MergedTopic):
    """A book or an instrument."""

    def __init__(
        self, channel: BookChannel | StateChannel, tallies: Tallies, settings: Settings, on_end: Callable[[str], object]
    ) -> None:
        super().__init__(channel, settings, on_end)
        self._merge: BookMerge | InstrumentMerge
        if isinstance(channel, BookChannel):
            self._merge = BookMerge(channel.book, *tallies, self._accuse)
        else:
            self._merge = InstrumentMerge(channel.state, tallies, self._accuse)
        channel.state.on_state(self._shown_changed)

    def _shown_changed(self, state: Any) -> None:
        """Make both lines refetch their states if the reader marked the merged state STALE."""
        if state.state is BookState.STALE and not state.finished and self._merge.is_live:
            self._merge.distrust(state.stale_reason)
            for channel, _ in tuple(self._feeding.values()):
                channel.state.mark_stale(state.stale_reason)  # type: ignore[attr-defined]  # either kind of channel has one

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        assert isinstance(channel, BookChannel | StateChannel)
        state: Any = channel.state
        self._merge.attach(line, state)

        def state_changed(_: object) -> None:
            if line not in self._feeding or self._feeding[line][0] is not channel:
                return
            self._merge.changed(line, state.state is BookState.LIVE, state.stale_reason)
            if state.finished:
                self._ended(line, channel, state.stale_reason or "the topic ended")

        state.on_state(state_changed)

    def suspect(self, line: int) -> None:
        self._merge.suspect(line)

    def health(self, lines: Sequence[dict[str, Health]]) -> Health:
        frames = self.channel.state.version  # type: ignore[attr-defined]  # either kind of channel has one
        return msgspec.structs.replace(super().health(lines), frames=frames)

    def _accuse(self, line: int, reason: str) -> None:
        """Mark a line's state STALE, because it may be wrong, and refetch it on that line alone."""
        channel, session = self._feeding[line]
        error = LinesDisagree(f"line {line + 1}: {reason}", channel.topic)
        channel.refuse(error)
        session.on_frame_error(error)


class InstrumentMerge(StateMerge):
    """Keeps ``shown`` at the state of the line that is ahead in venue time; ``cs`` changes only with trades."""

    def __init__(self, shown: Instrument, tallies: Tallies, on_accused: Callable[[int, str], object]) -> None:
        super().__init__(*tallies)
        self._shown = shown
        self._on_accused = on_accused
        self._instruments: dict[int, Instrument] = {}

    def attach(self, line: int, instrument: Instrument) -> None:
        """Follow a line's instrument."""
        self._instruments[line] = instrument

        def changed(*_: object) -> None:
            digest = hash(instrument.snapshot(allow_stale=True)) & DIGEST_MASK
            ts_exchange_us, ts_recv_ns = instrument.ts_exchange_us, instrument.ts_recv_ns
            self.took(line, ts_exchange_us, digest, ts_recv_ns // 1000, ts_recv_ns, False)

        instrument.on_change(changed)

    def show(self, line: int, is_told: bool) -> None:
        if is_told:
            self._shown.adopt(self._instruments[line])

    def hide(self, reason: str) -> None:
        self._shown.mark_stale(reason)

    def accuse(self, line: int, reason: str) -> None:
        self._on_accused(line, reason)


class MergedEvents(MergedTopic):
    """Events."""

    def __init__(
        self, channel: EventChannel, tallies: Tallies, settings: Settings, on_end: Callable[[str], object]
    ) -> None:
        super().__init__(channel, settings, on_end)
        self._merge = EventMerge(channel)
        self._strands = [EventStrand(self._merge, line, tally) for line, tally in enumerate(tallies)]
        self._merge.strands = self._strands

    def _follow(self, line: int, channel: Channel, session: Session) -> None:
        assert isinstance(channel, EventChannel)
        strand = self._strands[line]

        def ended() -> None:
            self._ended(line, channel, "the topic ended")
            if self._feeding and not session.connection.closed:  # otherwise no reader is left
                strand.lost("the topic ended on this line", time.time_ns())

        strand.begin(session, ended)
        channel.watcher = strand
        channel.join(strand)
        channel.leave(channel.view)  # no reader sees it, and it would only grow
