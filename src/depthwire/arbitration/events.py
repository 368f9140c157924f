"""Two lines' events of one topic as one stream: the first copy of each event counts.

The venue sends both lines the same events in the same order. An event that one line brought is expected on the other
line too, as a copy. Expected events that come before the copy and do not arrive are lost on that line. Events with
an id are identified by it. Other events may be equal without being the same, so each copy counts for one event.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from depthwire.arbitration.states import LineTally
from depthwire.errors import AuthError, DepthwireError, FrameError, MalformedEvent, StreamGap, SubscriptionRejected
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


class LineEvents:
    """One line's side of an event topic: the reader and the watcher of the line's channel."""

    def __init__(self, arbiter: "EventArbiter", line: int, tally: LineTally) -> None:
        self.tally = tally
        self.may_bring = False  # the topic was requested
        self.is_up = False  # the venue serves it
        self.is_shut_out = False  # its sign-in or subscription was refused
        self.up_since_ns = 0
        self.reached_ns = 0  # when it was last up
        self.alone_since_ns = 0  # the other line lacks the events from then until it came back
        self.reason = ""
        self.faults: list[FrameError] = []  # for what it could not read and the other line may still bring
        self.doubt: StreamGap | None = None  # for a damaged frame whose events the other line may bring
        self.other_has_caught_up: Callable[[], bool] = _always  # with everything sent before the damaged frame
        self.awaited: deque[Awaited] = deque(maxlen=MOST_AWAITED)
        self.passed: deque[Any] = deque(maxlen=MOST_PASSED)
        self.latest: list[Any] = []  # the events of its last frame
        self._arbiter, self._line = arbiter, line
        self._source: EventSource | None = None
        self.has_caught_up: Callable[[], bool] = _always  # with everything sent before the other line came back
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
        """Note that the other line is back and lacks events since ``since_ns``; probe when this line catches up."""
        if self._source is not None:
            if self.has_caught_up():
                self.alone_since_ns = max(since_ns, self.up_since_ns)
            self.has_caught_up = self._source.probe()

    def push(self, events: list[Any], report: object) -> None:
        """Take a frame's events."""
        self._arbiter.push(self._line, events)

    def break_off(self, error: DepthwireError) -> None:
        """Handle an unreadable frame, a refused sign-in or subscription; the watcher handles all other losses."""
        if isinstance(error, FrameError):
            self._arbiter.fail(self._line, error)
        elif isinstance(error, AuthError | SubscriptionRejected):
            self._arbiter.shut_out(self._line, error)

    def finish(self) -> None:
        """End the line's events."""
        self._source = None
        self._on_end()

    def asked(self) -> None:
        """Note that the topic was requested: the line may bring events from now on."""
        self.may_bring = True

    def lost(self, reason: str, since_ns: int) -> None:
        """Note that the connection is lost."""
        self._arbiter.lost(self._line, reason, since_ns)

    def back(self, until_ns: int) -> None:
        """Note that the venue serves the topic."""
        self._arbiter.back(self._line, until_ns)

    def damaged(self, gap: StreamGap) -> None:
        """Handle a damaged frame that may belong to this topic."""
        self._arbiter.damaged(self._line, gap)

    def rely_on(self, other: "LineEvents", gap: StreamGap) -> None:
        """Expect a damaged frame's events from the other line, until that line has brought everything sent so far."""
        earlier = self.take_doubt(gap.until_ns)
        self.doubt = gap if earlier is None else StreamGap(gap.topic, gap.reason, earlier.since_ns, gap.until_ns)
        self.other_has_caught_up = other.probe()

    def take_doubt(self, now_ns: int) -> StreamGap | None:
        """Clear the gap of a damaged frame; return it if the other line may still lack its events at ``now_ns``.

        The other line has them when its pong has arrived and LATEST_NS has passed.
        """
        doubt, self.doubt = self.doubt, None
        if doubt is None or (self.other_has_caught_up() and now_ns - doubt.until_ns >= LATEST_NS):
            return None
        return doubt

    def take_unfilled_faults(self) -> bool:
        """Return whether neither line brought something that this one could not read; clear the faults if so."""
        is_unfilled = bool(self.faults) and not self.awaited
        if is_unfilled:
            self.faults = []
        return is_unfilled

    def probe(self) -> Callable[[], bool]:
        """Return a function that returns whether this line has brought everything sent before this call."""
        return _always if self._source is None else self._source.probe()

    def forget(self) -> None:
        """Clear what the line missed, because none of it can arrive as a late copy after a reconnect."""
        self.awaited.clear()
        self.passed.clear()
        self.latest = []
        self.faults = []
        self.has_caught_up = _always


class EventArbiter:
    """Passes each event of two lines to the readers of ``channel`` once; the channel itself gets no frames."""

    def __init__(self, channel: EventChannel) -> None:
        self.channel = channel
        self.lines: list[LineEvents] = []  # of line 0 and of line 1
        self._key: Callable[[Any], Any] | None = None
        self._ids: dict[Any, None] | None = None

    def _pair(self, line: int) -> tuple[LineEvents, LineEvents]:
        return self.lines[line], self.lines[1 - line]

    # ---- events

    def push(self, line: int, events: list[Any]) -> None:
        """Take the events of a line's frame. O(events), plus O(awaited) for each new event while others are awaited."""
        mine, other = self._pair(line)
        ts_recv_ns = mine.now_ns()
        if not mine.is_up:
            self.back(line, ts_recv_ns)  # data may arrive before the answer
        if self.channel.view is not None and events == mine.latest:
            return  # an account's state that one line sent twice
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

    def _is_copy(self, mine: LineEvents, other: LineEvents, key: Any, ts_recv_ns: int) -> bool:
        for place, awaited in enumerate(mine.awaited):
            if awaited.key == key:
                self._met(mine, other, place, ts_recv_ns)
                return True
        if key in mine.passed:
            mine.passed.remove(key)
            mine.tally.losses -= 1
            return True
        return self._ids is not None and key in self._ids

    def _met(self, mine: LineEvents, other: LineEvents, place: int, ts_recv_ns: int) -> None:
        """Handle an event that both lines have brought: earlier events that a line still lacks are lost on it."""
        missed, lacking = [mine.awaited.popleft().key for _ in range(place)], [each.key for each in other.awaited]
        met = mine.awaited.popleft()
        other.awaited.clear()
        mine.tally.late(ts_recv_ns - met.ts_recv_ns)
        for side, keys in ((mine, missed), (other, lacking)):
            side.passed.extend(keys)
            side.tally.losses += len(keys)
        self._settle(mine, len(missed))
        if met.follows_fault:
            self._settle(other, len(lacking))

    # ---- frames and events that could not be read

    def fail(self, line: int, error: FrameError) -> None:
        """Report something that a line could not read, unless the other line may still bring it.

        If neither line can read an event, the venue sent it that way; readers get the error once.
        """
        mine, other = self._pair(line)
        copy = next((fault for fault in other.faults if is_copy(error, fault)), None)
        if copy is not None:
            other.faults.remove(copy)
            self.channel.refuse(copy)
        elif (
            not other.is_up
            or len(mine.faults) == MOST_FAULTS
            or other.take_doubt(mine.now_ns())
            or other.take_unfilled_faults()
        ):
            self.channel.refuse(error)
        else:
            mine.faults.append(error)

    def _settle(self, side: LineEvents, brought: int) -> None:
        """Clear a line's faults; report them if the other line brought fewer events (``brought``) than there are
        faults."""
        faults, side.faults = side.faults, []
        if brought < len(faults):
            for error in faults:
                self.channel.refuse(error)

    def damaged(self, line: int, gap: StreamGap) -> None:
        """Report a gap for a line's damaged frame, unless the other line may still bring its events."""
        mine, other = self._pair(line)
        if not mine.is_up:
            return
        unproven = other.take_doubt(gap.until_ns)
        if not other.is_up or unproven is not None or other.take_unfilled_faults() or not mine.has_caught_up():
            since_ns = gap.since_ns if unproven is None else min(gap.since_ns, unproven.since_ns)
            self.channel.break_off(StreamGap(gap.topic, gap.reason, since_ns, gap.until_ns))
        else:
            mine.rely_on(other, gap)

    # ---- connections

    def shut_out(self, line: int, error: AuthError | SubscriptionRejected) -> None:
        """Report a line's refused sign-in or subscription if the other line does not serve the readers."""
        mine, other = self._pair(line)
        mine.is_shut_out = True
        if not other.is_up and not other.is_pending:
            self.channel.refuse(error)

    def lost(self, line: int, reason: str, since_ns: int) -> None:
        """Handle the loss of a line's connection; its events end at ``since_ns``."""
        mine, other = self._pair(line)
        mine.may_bring = False
        if mine.is_up and (gap := other.take_doubt(since_ns)) is not None:
            self.channel.break_off(gap)
        if not mine.is_up:
            mine.forget()
            return
        mine.is_up, mine.reached_ns, mine.reason = False, since_ns, reason
        if other.is_up and len(mine.awaited) < len(mine.faults):
            # The other line may still bring what this one could not read, as with a damaged frame.
            reason, mine.faults = str(mine.faults[-1]), []
            mine.rely_on(other, StreamGap(self.channel.topic, reason, mine.up_since_ns, max(since_ns, mine.now_ns())))
        for side in (mine, other):
            self._settle(side, len(side.awaited))
        has_caught_up = mine.has_caught_up()
        mine.forget()
        if has_caught_up and other.is_up:
            return
        # No line is left, or the remaining one never caught up, so neither brought the earlier events.
        self.channel.connection_lost(
            self._reasons(), max(since_ns, other.reached_ns) if has_caught_up else mine.alone_since_ns
        )
        if other.is_up:
            self.channel.connection_back(other.up_since_ns)

    def _reasons(self) -> str:
        return "; ".join(
            f"line {number}: {side.reason or 'not served yet'}" for number, side in enumerate(self.lines, 1)
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
