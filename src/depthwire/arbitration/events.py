"""Two lines' events of one topic as one stream: the first copy of each event counts.

The venue tells both lines the same events in the same order. What one line brought, the other is awaited to bring,
too; when it does, that is a copy. What stood before it and did not come, that line has lost. Events that carry an id
are told apart by it; of all others, which may be equal without being the same, each copy stands for one.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from depthwire.arbitration.states import LineTally
from depthwire.errors import AuthError, DepthwireError, FrameError, MalformedEvent, StreamGap
from depthwire.feed.event_channel import EventChannel

MOST_AWAITED: Final = 10_000
"""How many events a line may be behind the other; beyond that, copies are told again."""
MOST_PASSED: Final = 32
"""How far behind its place an event may still come on its own line."""
MOST_FAULTS: Final = 32
"""How many frames or events that one line could not read wait for what the other line brings of them."""
LATEST_NS: Final = 1_000_000_000
"""How far apart two lines may bring one event: a pong proves what its own server had sent, not what the venue had."""
MOST_IDS: Final = 256
"""How many events' ids are remembered: a new subscriber is told the last ones again."""
ID_FIELDS: Final = ("trade_id", "exec_id")


class EventSource(Protocol):
    """Where a line's events come from."""

    @property
    def last_recv_ns(self) -> int: ...
    def probe(self) -> Callable[[], bool]: ...


class Awaited(NamedTuple):
    """An event that one line brought and the other is yet to bring.

    ``behind_fault`` tells that the one line could not read something before it, and that it is not known what that was.
    """

    key: Any
    ts_recv_ns: int
    behind_fault: bool


class EventStrand:
    """One line's side of a topic of events: the reader and the watcher of its channel."""

    def __init__(self, merge: "EventMerge", line: int, tally: LineTally) -> None:
        self.tally = tally
        self.may_bring = False  # the venue was asked for the topic
        self.is_up = False  # and serves it
        self.is_shut_out = False  # its sign-in was refused
        self.up_since_ns = 0
        self.reached_ns = 0  # until when it was up, the last time
        self.alone_since_ns = 0  # for what was told from then on until the other came back, there is this line alone
        self.reason = ""
        self.faults: list[FrameError] = []  # what it could not read and the other line may still bring
        self.doubt: StreamGap | None = None  # of a damaged frame, which may have held what the other is yet to bring
        self.is_made_up: Callable[[], bool] = _always  # the other has got so far
        self.awaited: deque[Awaited] = deque(maxlen=MOST_AWAITED)
        self.passed: deque[Any] = deque(maxlen=MOST_PASSED)
        self.latest: list[Any] = []  # its last frame's events
        self._merge, self._line = merge, line
        self._source: EventSource | None = None
        self.has_caught_up: Callable[[], bool] = _always  # all has come that was told before the other line came back
        self._on_end: Callable[[], object] = _nothing

    def begin(self, source: "EventSource", on_end: Callable[[], object]) -> None:
        """Events come from ``source`` from now on; ``on_end`` is called when no more will."""
        self._source, self._on_end = source, on_end

    @property
    def is_pending(self) -> bool:
        """Whether the venue has yet to say, for the first time, that it serves the topic on this line."""
        return self._source is not None and not self.up_since_ns and not self.is_shut_out

    def now_ns(self) -> int:
        """When the line's latest frame came, in ns since the epoch."""
        return 0 if self._source is None else self._source.last_recv_ns

    def vouch(self, since_ns: int) -> None:
        """The other line is back, and lacks what was told since then: learn when this one has got so far."""
        if self._source is not None:
            if self.has_caught_up():
                self.alone_since_ns = max(since_ns, self.up_since_ns)
            self.has_caught_up = self._source.probe()

    def push(self, events: list[Any], report: object) -> None:
        """Take a frame's events."""
        self._merge.push(self._line, events)

    def break_off(self, error: DepthwireError) -> None:
        """Something could not be read, or a sign-in was refused; the watcher knows of all other losses already."""
        if isinstance(error, FrameError):
            self._merge.fail(self._line, error)
        elif isinstance(error, AuthError):
            self._merge.shut_out(self._line, error)

    def finish(self) -> None:
        """No more events will come."""
        self._source = None
        self._on_end()

    def asked(self) -> None:
        """From now on it may bring what the other brings."""
        self.may_bring = True

    def lost(self, reason: str, since_ns: int) -> None:
        """Its connection is."""
        self._merge.lost(self._line, reason, since_ns)

    def back(self, until_ns: int) -> None:
        """The venue serves the topic."""
        self._merge.back(self._line, until_ns)

    def damaged(self, gap: StreamGap) -> None:
        """A frame that may have been of this topic arrived damaged."""
        self._merge.damaged(self._line, gap)

    def rely_on(self, other: "EventStrand", gap: StreamGap) -> None:
        """The other line makes up for a damaged frame, if it stays undamaged until it has brought all that was sent."""
        earlier = self.taken_doubt(gap.until_ns)
        self.doubt = gap if earlier is None else StreamGap(gap.topic, gap.reason, earlier.since_ns, gap.until_ns)
        self.is_made_up = other.probe()

    def taken_doubt(self, now_ns: int) -> StreamGap | None:
        """The gap that the other line has not made up for at ``now_ns``, which is no longer in doubt then.

        It has with its pong, but not before the time is over in which it may still bring the same event.
        """
        doubt, self.doubt = self.doubt, None
        if doubt is None or (self.is_made_up() and now_ns - doubt.until_ns >= LATEST_NS):
            return None
        return doubt

    def taken_faults(self) -> bool:
        """Whether it could not read something in whose place the other line brought nothing; asked once for each."""
        is_unfilled = bool(self.faults) and not self.awaited
        if is_unfilled:
            self.faults = []
        return is_unfilled

    def probe(self) -> Callable[[], bool]:
        """What is returned tells whether all has come on this line that was sent before now."""
        return _always if self._source is None else self._source.probe()

    def forget(self) -> None:
        """What it has missed is no late copy when it comes back."""
        self.awaited.clear()
        self.passed.clear()
        self.latest = []
        self.faults = []
        self.has_caught_up = _always


class EventMerge:
    """Hands the events of two lines to the readers of ``channel``, which no frame reaches, each once."""

    def __init__(self, channel: EventChannel) -> None:
        self.channel = channel
        self.strands: list[EventStrand] = []  # of line 0 and of line 1
        self._key: Callable[[Any], Any] | None = None
        self._ids: dict[Any, None] | None = None

    def _pair(self, line: int) -> tuple[EventStrand, EventStrand]:
        return self.strands[line], self.strands[1 - line]

    # ---- events

    def push(self, line: int, events: list[Any]) -> None:
        """A frame's events have come on a line. O(events), O(awaited) for one that is new while others are awaited."""
        mine, other = self._pair(line)
        ts_recv_ns = mine.now_ns()
        if not mine.is_up:
            self.back(line, ts_recv_ns)  # data may come before the answer
        if self.channel.view is not None and events == mine.latest:
            return  # an account's state, told twice on one line
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
        """Both lines have brought an event: what each of them lacks of those before it, it has lost."""
        missed, lacking = [mine.awaited.popleft().key for _ in range(place)], [each.key for each in other.awaited]
        met = mine.awaited.popleft()
        other.awaited.clear()
        mine.tally.late(ts_recv_ns - met.ts_recv_ns)
        for strand, keys in ((mine, missed), (other, lacking)):
            strand.passed.extend(keys)
            strand.tally.losses += len(keys)
        self._settle(mine, len(missed))
        if met.behind_fault:
            self._settle(other, len(lacking))

    # ---- frames and events that could not be read

    def fail(self, line: int, error: FrameError) -> None:
        """A line could not read something: readers are told, unless the other line may still fill the hole.

        An event that neither line can read is the venue's doing, which readers are told once.
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
        """The other line ``brought`` so many events that ``strand`` lacks: each may be one that it could not read."""
        faults, strand.faults = strand.faults, []
        if brought < len(faults):
            for error in faults:
                self.channel.refuse(error)

    def damaged(self, line: int, gap: StreamGap) -> None:
        """A line's frame arrived damaged, and may have held events: a gap, unless the other line brings them."""
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
        """A line's sign-in was refused: readers are told where the other line does not serve them."""
        mine, other = self._pair(line)
        mine.is_shut_out = True
        if not other.is_up and not other.is_pending:
            self.channel.refuse(error)

    def lost(self, line: int, reason: str, since_ns: int) -> None:
        """A line brings nothing any more; what it brought ends at ``since_ns``."""
        mine, other = self._pair(line)
        mine.may_bring = False
        if mine.is_up and (gap := other.taken_doubt(since_ns)) is not None:
            self.channel.break_off(gap)
        if not mine.is_up:
            mine.forget()
            return
        mine.is_up, mine.reached_ns, mine.reason = False, since_ns, reason
        if other.is_up and len(mine.awaited) < len(mine.faults):
            # What it could not read the other may still bring, as of a damaged frame.
            reason, mine.faults = str(mine.faults[-1]), []
            mine.rely_on(other, StreamGap(self.channel.topic, reason, mine.up_since_ns, max(since_ns, mine.now_ns())))
        for strand in (mine, other):
            self._settle(strand, len(strand.awaited))
        has_caught_up = mine.has_caught_up()
        mine.forget()
        if has_caught_up and other.is_up:
            return
        # No line is left; or it was silent or late when the other came back, and neither brought what was told before.
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
        """The venue serves the topic on a line since ``until_ns``."""
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
    """Whether two lines' errors are of one event."""
    return isinstance(error, MalformedEvent) and isinstance(other, MalformedEvent) and error.raw == other.raw


def _itself(event: Any) -> Any:
    return event


def _nothing() -> None:
    pass


def _always() -> bool:
    return True
