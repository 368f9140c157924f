"""Two lines' events of one topic as one stream: the first copy of each event counts.

The venue sends both lines the same events in the same order. An event that one line brought is expected on the other
line, where it is a copy. Expected events that come before the copy and do not arrive are lost on that line. Events with
an id are identified by it. Other events may be equal without being the same, so each copy counts for one event.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from depthwire.arbitration.states import LineTally
from depthwire.errors import AuthError, DepthwireError, FrameError, MalformedEvent, StreamGap
from depthwire.feed.event_channel import EventChannel

MOST_AWAITED: Final = 10_000
"""How many events a line may lag behind the other; beyond that, readers get copies again."""
MOST_PASSED: Final = 32
"""How many events may overtake an event on its own line."""
MOST_FAULTS: Final = 32
"""How many frames or events that one line could not read may wait for the other line."""
LATEST_NS: Final = 1_000_000_000
"""How far apart two lines may bring one event: a pong proves only what that line's server had sent."""
MOST_IDS: Final = 256
"""How many ids are remembered: the venue sends the last events to a new subscriber again."""
ID_FIELDS: Final = ("trade_id", "exec_id")


class EventSource(Protocol):
    """The source of a line's events."""

    @property
    def last_recv_ns(self) -> int: ...
    def probe(self) -> Callable[[], bool]: ...


class Awaited(NamedTuple):
    """An event that one line brought and the other is expected to bring.

    ``follows_fault`` is True if the first line could not read something before it.
    """

    key: Any
    ts_recv_ns: int
    follows_fault: bool


class EventStrand:
    """One line's side of a topic of events: the reader and the watcher of the line's channel."""

    def __init__(self, merge: "EventMerge", line: int, tally: LineTally) -> None:
        self.tally = tally
        self.may_bring = False  # the topic was requested
        self.is_up = False  # the venue serves it
        self.is_shut_out = False  # its sign-in was refused
        self.up_since_ns = 0
        self.reached_ns = 0  # when it was last up
        self.alone_since_ns = 0  # only this line had the events from then until the other came back
        self.reason = ""
        self.faults: list[FrameError] = []  # what it could not read and the other line may still bring
        self.doubt: StreamGap | None = None  # for a damaged frame that the other line may make up for
        self.is_made_up: Callable[[], bool] = _always  # whether the other line has caught up
        self.awaited: deque[Awaited] = deque(maxlen=MOST_AWAITED)
        self.passed: deque[Any] = deque(maxlen=MOST_PASSED)
        self.latest: list[Any] = []  # the events of its last frame
        self._merge, self._line = merge, line
        self._source: EventSource | None = None
        self.has_caught_up: Callable[[], bool] = _always  # with the events before the other's return
        self._on_end: Callable[[], object] = _nothing

    def begin(self, source: "EventSource", on_end: Callable[[], object]) -> None:
        """Take events from ``source``; call ``on_end`` when they end."""
        self._source, self._on_end = source, on_end

    @property
    def is_pending(self) -> bool:
        """Whether the venue has not yet confirmed the topic on this line for the first time."""
        return self._source is not None and not self.up_since_ns and not self.is_shut_out

    def now_ns(self) -> int:
        """Return when the line's latest frame arrived (ns since the epoch)."""
        return 0 if self._source is None else self._source.last_recv_ns

    def vouch(self, since_ns: int) -> None:
        """Find out when this line has caught up: the other is back and lacks the events since ``since_ns``."""
        if self._source is not None:
            if self.has_caught_up():
                self.alone_since_ns = max(since_ns, self.up_since_ns)
            self.has_caught_up = self._source.probe()

    def push(self, events: list[Any], report: object) -> None:
        """Take a frame's events."""
        self._merge.push(self._line, events)

    def break_off(self, error: DepthwireError) -> None:
        """Handle an unreadable frame or a refused sign-in; the watcher handles all other losses."""
        if isinstance(error, FrameError):
            self._merge.fail(self._line, error)
        elif isinstance(error, AuthError):
            self._merge.shut_out(self._line, error)

    def finish(self) -> None:
        """End the line's events."""
        self._source = None
        self._on_end()

    def asked(self) -> None:
        """Note that the topic was requested: the line may bring events from now on."""
        self.may_bring = True

    def lost(self, reason: str, since_ns: int) -> None:
        """Note that the connection is lost."""
        self._merge.lost(self._line, reason, since_ns)

    def back(self, until_ns: int) -> None:
        """Note that the venue serves the topic."""
        self._merge.back(self._line, until_ns)

    def damaged(self, gap: StreamGap) -> None:
        """Handle a damaged frame that may belong to this topic."""
        self._merge.damaged(self._line, gap)

    def rely_on(self, other: "EventStrand", gap: StreamGap) -> None:
        """Rely on the other line for what a damaged frame may have held, until it has brought all sent so far."""
        earlier = self.taken_doubt(gap.until_ns)
        self.doubt = gap if earlier is None else StreamGap(gap.topic, gap.reason, earlier.since_ns, gap.until_ns)
        self.is_made_up = other.probe()

    def taken_doubt(self, now_ns: int) -> StreamGap | None:
        """Return and clear the gap that the other line has not made up for at ``now_ns``, or None.

        The other line has made up for it after its pong and after the time in which it may still bring the same event.
        """
        doubt, self.doubt = self.doubt, None
        if doubt is None or (self.is_made_up() and now_ns - doubt.until_ns >= LATEST_NS):
            return None
        return doubt

    def taken_faults(self) -> bool:
        """Whether it could not read something that the other line did not bring either; clears the faults if so."""
        is_unfilled = bool(self.faults) and not self.awaited
        if is_unfilled:
            self.faults = []
        return is_unfilled

    def probe(self) -> Callable[[], bool]:
        """Return a function that tells whether this line has brought everything sent before now."""
        return _always if self._source is None else self._source.probe()

    def forget(self) -> None:
        """Clear what the line missed: after its return that cannot arrive as a late copy."""
        self.awaited.clear()
        self.passed.clear()
        self.latest = []
        self.faults = []
        self.has_caught_up = _always


class EventMerge:
    """Hands each event of two lines once to the readers of ``channel``, which gets no frames itself."""

    def __init__(self, channel: EventChannel) -> None:
        self.channel = channel
        self.strands: list[EventStrand] = []  # of line 0 and of line 1
        self._key: Callable[[Any], Any] | None = None
        self._ids: dict[Any, None] | None = None

    def _pair(self, line: int) -> tuple[EventStrand, EventStrand]:
        return self.strands[line], self.strands[1 - line]

    # ---- events

    def push(self, line: int, events: list[Any]) -> None:
        """Take the events of a line's frame. O(events), plus O(awaited) for each new event while others are awaited."""
        mine, other = self._pair(line)
        ts_recv_ns = mine.now_ns()
        if not mine.is_up:
            self.back(line, ts_recv_ns)  # data may come before the answer
        if self.channel.view is not None and events == mine.latest:
            return  # an account's state, sent twice on one line
        mine.latest = events
        new = []
        for event in events:
            key = self._key_of(event)
            if self._is_copy(mine, other, key, ts_recv_ns):
                continue
            new.append(event)
            if self._ids is not None:
                self._ids[key] = None
                if len(self._ids) > MOST_IDS:
                    del self._ids[next(iter(self._ids))]
            if other.may_bring:
                other.awaited.append(Awaited(key, ts_recv_ns, bool(mine.faults)))
        if new:
            mine.tally.wins += len(new)
            self.channel.hand(new)

    def _key_of(self, event: Any) -> Any:
        if self._key is None:
            field = next((name for name in ID_FIELDS if hasattr(event, name)), None)
            self._key = attrgetter(field) if field else _itself
            self._ids = {} if field else None
        return self._key(event)

    def _is_copy(self, mine: EventStrand, other: EventStrand, key: Any, ts_recv_ns: int) -> bool:
        for place, awaited in enumerate(mine.awaited):
            if awaited.key == key:
                self._met(mine, other, place, ts_recv_ns)
                return True
        if key in mine.passed:
            mine.passed.remove(key)
            mine.tally.losses -= 1
            return True
        return self._ids is not None and key in self._ids

    def _met(self, mine: EventStrand, other: EventStrand, place: int, ts_recv_ns: int) -> None:
        """Settle an event that both lines have brought: what either still lacks from before it is lost on that line."""
        missed, lacking = [mine.awaited.popleft().key for _ in range(place)], [each.key for each in other.awaited]
        met = mine.awaited.popleft()
        other.awaited.clear()
        mine.tally.late(ts_recv_ns - met.ts_recv_ns)
        for strand, keys in ((mine, missed), (other, lacking)):
            strand.passed.extend(keys)
            strand.tally.losses += len(keys)
        self._settle(mine, len(missed))
        if met.follows_fault:
            self._settle(other, len(lacking))

    # ---- frames and events that could not be read

    def fail(self, line: int, error: FrameError) -> None:
        """Report something that a line could not read, unless the other line may still bring it.

        If neither line can read an event, the venue sent it so; readers get the error once.
        """
        mine, other = self._pair(line)
        copy = next((fault for fault in other.faults if is_copy(error, fault)), None)
        if copy is not None:
            other.faults.remove(copy)
            self.channel.refuse(copy)
        elif (
            not other.is_up
            or len(mine.faults) == MOST_FAULTS
            or other.taken_doubt(mine.now_ns())
            or other.taken_faults()
        ):
            self.channel.refuse(error)
        else:
            mine.faults.append(error)

    def _settle(self, strand: EventStrand, brought: int) -> None:
        """Clear a line's faults; report them if the other line ``brought`` fewer events that this one lacks."""
        faults, strand.faults = strand.faults, []
        if brought < len(faults):
            for error in faults:
                self.channel.refuse(error)

    def damaged(self, line: int, gap: StreamGap) -> None:
        """Report a gap for a line's damaged frame, unless the other line may still bring what it held."""
        mine, other = self._pair(line)
        if not mine.is_up:
            return
        unproven = other.taken_doubt(gap.until_ns)
        if not other.is_up or unproven is not None or other.taken_faults() or not mine.has_caught_up():
            since_ns = gap.since_ns if unproven is None else min(gap.since_ns, unproven.since_ns)
            self.channel.break_off(StreamGap(gap.topic, gap.reason, since_ns, gap.until_ns))
        else:
            mine.rely_on(other, gap)

    # ---- connections

    def shut_out(self, line: int, error: AuthError) -> None:
        """Report a line's refused sign-in if the other line does not serve the readers."""
        mine, other = self._pair(line)
        mine.is_shut_out = True
        if not other.is_up and not other.is_pending:
            self.channel.refuse(error)

    def lost(self, line: int, reason: str, since_ns: int) -> None:
        """Handle the loss of a line's connection; its events end at ``since_ns``."""
        mine, other = self._pair(line)
        mine.may_bring = False
        if mine.is_up and (gap := other.taken_doubt(since_ns)) is not None:
            self.channel.break_off(gap)
        if not mine.is_up:
            mine.forget()
            return
        mine.is_up, mine.reached_ns, mine.reason = False, since_ns, reason
        if other.is_up and len(mine.awaited) < len(mine.faults):
            # The other line may still bring what this one could not read, as with a damaged frame.
            reason, mine.faults = str(mine.faults[-1]), []
            mine.rely_on(other, StreamGap(self.channel.topic, reason, mine.up_since_ns, max(since_ns, mine.now_ns())))
        for strand in (mine, other):
            self._settle(strand, len(strand.awaited))
        has_caught_up = mine.has_caught_up()
        mine.forget()
        if has_caught_up and other.is_up:
            return
        # No line is left, or the remaining one never caught up, so that neither brought the events from before.
        self.channel.connection_lost(
            self._reasons(), max(since_ns, other.reached_ns) if has_caught_up else mine.alone_since_ns
        )
        if other.is_up:
            self.channel.connection_back(other.up_since_ns)

    def _reasons(self) -> str:
        return "; ".join(
            f"line {number}: {strand.reason or 'not served yet'}" for number, strand in enumerate(self.strands, 1)
        )

    def back(self, line: int, until_ns: int) -> None:
        """Note that the venue serves the topic on a line, since ``until_ns``."""
        mine, other = self._pair(line)
        if mine.is_up:
            return
        mine.may_bring = mine.is_up = True
        mine.is_shut_out = False
        mine.up_since_ns = until_ns
        if other.is_up:
            other.vouch(mine.reached_ns)
        else:
            self.channel.connection_back(until_ns)


def is_copy(error: FrameError, other: FrameError) -> bool:
    """Whether two lines' errors concern one event."""
    return isinstance(error, MalformedEvent) and isinstance(other, MalformedEvent) and error.raw == other.raw


def _itself(event: Any) -> Any:
    return event


def _nothing() -> None:
    pass


def _always() -> bool:
    return True
