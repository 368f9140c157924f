"""A stream of events, compared with the venue's: each event arrived, or an error is in its place."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from depthwire.bybit.accounts import AccountStream
from depthwire.errors import DepthwireError, ReaderOverflow, StreamGap
from depthwire.feed.streams import EventStream
from tests.reliability.lines import Line
from tests.reliability.truth import AnyTopic, TrueEvent, WatchedVenue, key_of

LATE_S: Final = 5.0
"""How much later an event may still come, since its frame was reordered, or a StreamGap: of two lines one may be found
silent only when its pong is due, and that there was no line before the other one came back.
"""
RECONCILE_EVERY: Final = 500
DELAY_NS: Final = 2_000_000_000
"""How long a frame may be delayed by earlier ones: until its connection's pong is missed."""


class Missing(NamedTuple):
    """A missing event: when that was noticed, at which item of the stream, and the event."""

    noticed_s: float
    position: int
    key: bytes
    event: TrueEvent


class EventReader:
    """A reader of a stream to its end, including errors.

    ``counts`` has the number of events that ``came``, that came ``again``, or that came ``altered``, unlike any event of
    the venue. Missing events are ``reported`` if an error is in their place; ``unprovable`` if their frame was lost on a
    line, or altered invisibly, and arrived intact on none; or ``displaced`` if it arrived intact on one of two lines
    after an altered copy on the other (``causes`` counts the faults). All other missing events are ``lost``.
    """

    def __init__(self, topic: AnyTopic, stream: EventStream[Any], lines: Sequence[Line]) -> None:
        self.topic, self.stream, self.lines = topic, stream, lines
        self.counts: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.defects: list[str] = []
        self._items: list[bytes | DepthwireError] = []
        self._position = 0
        self._error_at = self._overflow_at = -1
        self._frame_at = 0
        self._last: TrueEvent | None = None
        self._missing: dict[int, Missing] = {}
        self._gaps: deque[tuple[int, int]] = deque(maxlen=10)  # since and until when
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                async for event in self.stream:
                    self._items.append(key_of(event))
            except DepthwireError as error:
                self._items.append(error)
                self._reconcile()
            else:
                return

    def _reconcile(self) -> None:
        """Reconcile as users should after a gap, and drop closed orders from the view to keep it small."""
        if isinstance(self.stream, AccountStream):
            self.stream.view.reconcile()

    @property
    def came(self) -> int:
        """Return the number of events so far."""
        return self.counts["came"] + len(self._items)

    def check(self, venue: WatchedVenue, *, is_end: bool = False) -> None:
        """Account for the events since the last call; at the end, for all missing ones."""
        items, self._items = self._items, []
        for item in items:
            self._position += 1
            if self._position % RECONCILE_EVERY == 0:
                self._reconcile()
            if isinstance(item, DepthwireError):
                self.counts["errors"] += 1
                self._error_at = self._position
                if isinstance(item, ReaderOverflow):
                    self._overflow_at = self._position
                if isinstance(item, StreamGap):
                    self._gaps.append((item.since_ns, item.until_ns))
            else:
                self._take(venue, item)
        for number, missing in tuple(self._missing.items()):
            if is_end or asyncio.get_running_loop().time() > missing.noticed_s + LATE_S:
                self._account_for(venue, number)

    def _take(self, venue: WatchedVenue, key: bytes) -> None:
        events = venue.events[self.topic]
        event = events.known.get(key)
        if event is None:
            self.counts["altered"] += 1
            return
        last = self._last
        if self._missing.pop(event.number, None):
            self.counts["came"] += 1
            return
        if last is not None and event.number <= last.number:
            self.counts["again"] += 1
            return
        self.counts["came"] += 1
        if last is not None:
            # A delayed frame may have arrived between an error and the events that the error reports.
            is_reported = self._error_at >= self._frame_at - 1
            for number in range(last.number + 1, event.number):
                if is_reported:
                    self.counts["reported"] += 1
                elif number in events.keys:
                    now_s, absent = asyncio.get_running_loop().time(), events.keys[number]
                    self._missing[number] = Missing(now_s, self._position, absent, events.known[absent])
                else:
                    self._lose(f"event {number} is missing, and too old to tell why")
        if last is None or last.frame != event.frame:
            self._frame_at = self._position
        self._last = event

    def _account_for(self, venue: WatchedVenue, number: int) -> None:
        _, position, key, event = self._missing.pop(number)
        # An event that one of two lines lacks is reported when the other turns out to lack it, too.
        if len(self.lines) > 1 and (
            self._error_at > position or any(since - DELAY_NS <= event.at_ns <= until for since, until in self._gaps)
        ):
            self.counts["reported"] += 1
            return
        whole = [line.name for line in self.lines if event.frame in line.hashes.get(self.topic.name, ())]
        by_line = [venue.suffered.get((line.name, self.topic), {}).get(key) for line in self.lines]
        suffered = [each.fault for each in by_line if each]
        if not whole and all(
            each and each.number in line.damaged for each, line in zip(by_line, self.lines, strict=True)
        ):
            self._lose(f"event {number} came damaged, which the stream does not report: {key!r}")
        elif suffered and (not whole or (len(self.lines) > 1 and self.counts["altered"])):
            # With two lines the other may have been down, or have brought it after an altered copy with the same id.
            self.counts["displaced" if whole else "unprovable"] += 1
            self.causes.update(suffered)
        elif whole and self._overflow_at > position:
            self.counts["reported"] += 1  # it arrived late, and was one of the last that did not fit
        elif whole:
            self._lose(f"event {number} arrived intact at the socket of {whole}, but not in the stream: {key!r}")
        else:
            gaps = ", ".join(f"{since} to {until}" for since, until in self._gaps)
            states = " | ".join(line.state() for line in self.lines)
            self._lose(f"event {number}, sent at {event.at_ns}, is missing; gaps: {gaps}; lines: {states}; {key!r}")

    def _lose(self, text: str) -> None:
        self.counts["lost"] += 1
        names = " and ".join(line.name for line in self.lines)
        self.defects.append(f"lines {names}, {self.topic.dialect} {self.topic.name}: {text}")
