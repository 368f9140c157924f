"""A client's book, compared with the venue's at each checkpoint."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from depthwire.book.types import BookState
from depthwire.feed.live_book import LiveBook
from depthwire.session.connection import Connection
from tests.reliability import digest
from tests.reliability.lines import Line
from tests.reliability.rules import Numbers, Rules, Sides, rules_of
from tests.reliability.truth import AnyTopic, WatchedVenue

FRAME_FIELDS: Final = re.compile(rb'"(?:type|cross_seq|u|seq)":("?\w+)')
MOST_SHOWN: Final = 40
Arrays = list[tuple[Any, Any]]
RIGHT, NOT_LIVE, UNPROVABLE, WRONG = "right", "not live", "unprovable", "wrong"


class LineBook:
    """The book that one line keeps. While it is right, what came is forgotten; while it is not, it must be what came
    made it.

    ``verdict`` is that of the last checkpoint, ``counts`` counts them all: ``right``; ``not live``; ``unprovable``:
    not the venue's, but the very book that the frames that came make, of which none breaks the protocol's rules;
    ``wrong``: any other. ``causes`` counts how often a book ceased to be right, by what had happened to its frames.
    """

    def __init__(self, topic: AnyTopic, book: LiveBook, line: Line, connection: Connection) -> None:
        self.topic, self.book, self.line = topic, book, line
        self._connection = connection
        self.taken: list[Numbers] = []
        """The numbers of the book after each frame that it applied since the last checkpoint, where that is watched."""
        self.verdict = NOT_LIVE
        self.counts: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.defects: list[str] = []
        self.applied: dict[Numbers, int] = {}
        """The digests of the book after each frame since the last checkpoint, or since it was right."""
        self.rules = rules_of(book.topic)
        self._was_followed = False
        self._log = line.by_topic.setdefault(book.topic, [])
        self._right: tuple[Numbers, Arrays] | None = None
        self._before: tuple[Numbers, Arrays] | None = None

    def check(self, venue: WatchedVenue) -> None:
        """Compare the book with the venue's at the same numbers."""
        self._was_followed = was_followed = self.verdict in (UNPROVABLE, WRONG)
        self._before = self._right
        book, arrays = self.book, None
        numbers = numbers_of(book)
        if book.state is not BookState.LIVE:
            self.verdict = NOT_LIVE
        elif not self._connection.connected:
            self.verdict = self._defect(f"LIVE at {numbers}, though its connection is lost")
        elif self._right is not None and numbers < self._right[0]:
            self.verdict = self._defect(f"LIVE at {numbers}, though it was LIVE at {self._right[0]} before")
        else:
            arrays = arrays_of(book)
            is_right = was_sent(venue, self.topic, numbers, arrays)
            if not is_right and not was_followed:
                self.causes[self._cause(venue, numbers)] += 1
            if is_right and book.topic not in self.line.doubtful:
                self.verdict = RIGHT
            else:  # after a damaged frame the book must not be LIVE, even if it is right
                explained = self._explained(venue, numbers, sides_of(arrays), was_followed=was_followed)
                self.verdict = RIGHT if is_right and explained is UNPROVABLE else explained
        self._right = (numbers, arrays) if self.verdict is RIGHT and arrays else None
        self.counts[self.verdict] += 1

    def watch(self) -> None:
        """Keep the numbers of each frame that the book applies."""
        self.book.on_change(lambda book: self.taken.append(numbers_of(book)))

    def forget(self) -> None:
        """End the checkpoint."""
        self._log.clear()
        self.taken.clear()

    def seen(self, venue: WatchedVenue) -> dict[Numbers, int]:
        """Return the digests of the book after each frame that it applied since it was last known to be right."""
        if self.verdict in (UNPROVABLE, WRONG):
            return self.applied
        seen: dict[Numbers, int] = dict(self.applied) if self._was_followed else {}
        rules = self.rules if self._was_followed else rules_of(self.book.topic)
        if self._before is not None:
            self._take_up(rules, self._before, venue)
            seen[rules.numbers] = digest.of_sides(rules.sides)
        for raw in self._log:
            rules.receive(raw)
            if rules.is_live and rules.numbers in self.taken:
                seen[rules.numbers] = digest.of_sides(rules.sides)
        return seen

    def _explained(self, venue: WatchedVenue, numbers: Numbers, sides: Sides, *, was_followed: bool) -> str:
        """Return why a LIVE book differs from the venue's: whether the frames that arrived give this book."""
        if not was_followed:
            self.applied.clear()
            if self._right is None:
                self.rules.begin(None, ({}, {}))
            else:
                self._take_up(self.rules, self._right, venue)
        broken = None
        for raw in self._log:
            broken = self.rules.receive(raw) or (None if self.rules.is_live else broken)
            if self.rules.is_live:
                self.applied[self.rules.numbers] = digest.of_sides(self.rules.sides)
        if not self.rules.is_live:
            return self._defect(f"LIVE at {numbers}, though its frames break a rule: {broken}; {self._latest()}")
        if numbers != self.rules.numbers or sides != self.rules.sides:
            return self._defect(f"at {numbers} not what its frames give, which end at {self.rules.numbers}")
        return UNPROVABLE

    def _take_up(self, rules: Rules, right: tuple[Numbers, Arrays], venue: WatchedVenue) -> None:
        """Start the rules with a book that was right."""
        numbers, arrays = right
        rules.begin(numbers, sides_of(arrays), (each for each in venue.sent[self.topic] if each <= numbers))

    def _cause(self, venue: WatchedVenue, numbers: Numbers) -> str:
        """Return what happened to the frames since the book was right."""
        sent = venue.sent[self.topic]
        true = {book.frame for book in sent.values()} | venue.snapshots
        came = [hash(raw) for raw in self._log]
        is_altered, is_lost = any(frame not in true for frame in came), False
        if self._right is not None:
            was = self._right[0]
            is_lost = bool({book.frame for each, book in sent.items() if was < each <= numbers}.difference(came))
        names = [name for name, holds in (("altered", is_altered), ("lost or late", is_lost)) if holds]
        return " and ".join(names) or "neither"

    def _latest(self) -> str:
        """Return the last frames, to find the cause."""
        shown = [frame_text(raw) for raw in self._log[-MOST_SHOWN:]]
        damaged = self.line.doubtful.get(self.book.topic)
        arrived = "nothing" if damaged is None else f"{damaged[:80]!r} of {len(damaged)} bytes"
        return f"of {len(self._log)} frames the last: {', '.join(shown)}; damaged: {arrived}; {self.line.state()}"

    def _defect(self, text: str) -> str:
        self.defects.append(f"line {self.line.name}, {self.topic.dialect} {self.book.topic}: {text}")
        return WRONG


class BookReader:
    """The book that a client shows, of one line or of two.

    ``counts`` as those of a LineBook. What two lines show is ``unprovable`` only where it is one line's unprovable
    book, and the lines' books never differed at numbers that both have reached.
    """

    def __init__(self, topic: AnyTopic, book: LiveBook, lines: Sequence[LineBook]) -> None:
        self.topic, self.book, self.lines = topic, book, lines
        self.counts: Counter[str] = Counter()
        self.defects: list[str] = []
        self._unprovable: tuple[Numbers, int] | None = None  # the last result
        if len(lines) > 1:
            for line in lines:
                line.watch()

    def check(self, venue: WatchedVenue) -> None:
        """Compare the book with the venue's at the same numbers."""
        for line in self.lines:
            line.check(venue)
        self.counts[self._verdict(venue)] += 1
        for line in self.lines:
            line.forget()

    def _verdict(self, venue: WatchedVenue) -> str:
        if len(self.lines) == 1:
            return self.lines[0].verdict
        book = self.book
        if book.state is not BookState.LIVE:
            return NOT_LIVE
        numbers, arrays = numbers_of(book), arrays_of(book)
        if all(line.book.state is not BookState.LIVE for line in self.lines):
            return self._defect(f"LIVE at {numbers}, though no line's book is")
        if was_sent(venue, self.topic, numbers, arrays):
            return RIGHT
        shown = digest.of_sides(sides_of(arrays))
        if (numbers, shown) == self._unprovable:
            return UNPROVABLE  # it does not change: that line ended, and the other lags
        first, second = (line.seen(venue) for line in self.lines)
        disagreed = [each for each, total in first.items() if second.get(each, total) != total]
        if not disagreed and shown in (first.get(numbers), second.get(numbers)):
            self._unprovable = numbers, shown
            return UNPROVABLE
        why = f"the lines' books differ at {disagreed[0]}" if disagreed else "no line's frames give it"
        return self._defect(f"wrong at {numbers}: {why}")

    def _defect(self, text: str) -> str:
        names = ", ".join(f"{line.line.name} {line.verdict}" for line in self.lines)
        self.defects.append(f"lines {names}, {self.topic.dialect} {self.book.topic}: {text}")
        return WRONG


def frame_text(raw: bytes) -> str:
    """Return a frame's type and numbers as text for a defect."""
    found = [match.decode() for match in FRAME_FIELDS.findall(raw)]
    return " ".join(found) or f"{raw[:40]!r}"


def numbers_of(book: LiveBook) -> Numbers:
    """Return a book's numbers in the form of the rules."""
    return book.cross_seq, book.update_id, book.ts_exchange_us


def was_sent(venue: WatchedVenue, topic: AnyTopic, numbers: Numbers, arrays: Arrays) -> bool:
    """Return whether this is the venue's book at these numbers."""
    sent = venue.sent[topic].get(numbers)
    return sent is not None and sent.digest == digest.total(
        *(digest.of_side(side, *levels) for side, levels in enumerate(arrays))
    )


def arrays_of(book: LiveBook) -> Arrays:
    """Return copies of the prices and sizes of both sides."""
    unit = 10.0 ** (book.price_decimals or 0)
    return [(ids / unit, np.ascontiguousarray(sizes)) for ids, sizes in (book.bids, book.asks)]


def sides_of(arrays: Arrays) -> Sides:
    """Return both sides as dicts from price to size."""
    bids, asks = (dict(zip(prices.tolist(), sizes.tolist(), strict=True)) for prices, sizes in arrays)
    return bids, asks
