"""The same losses on one of two lines, which the other one can repair.

One line brings every frame, the other lacks one; each of them is first with every frame in turn. A line whose book is
STALE is given a snapshot before its next frame, as its resync would.
"""

from typing import Any

import msgspec

from depthwire.arbitration.states import LineTally
from depthwire.arbitration.topic import MergedState
from depthwire.book.types import BookState
from depthwire.errors import ContinuityError, FrameError, OutOfSequence, SnapshotMissing
from depthwire.feed.book_channel import BookChannel
from depthwire.settings import Settings
from tests.reliability.replayed import Clean, Reader, channel_of, shown_by
from tests.reliability.streams import Stream

LOSSY, WHOLE = 0, 1


class Outcome(msgspec.Struct, frozen=True):
    """What became of one frame that one line lost; numbers count frames of the topic from the next one on.

    ``error`` is what found it, with frame ``found_after``; both empty where nothing did. ``wrong`` counts the frames
    that had come on both lines when the reader's book was LIVE and wrong, ``wrong_between`` those of which one line's
    copy was still to come; ``stale`` the copies after which the reader's book was not LIVE.
    """

    number: int
    error: str
    found_after: int
    wrong: int
    wrong_between: int
    stale: int


class Line(Reader):
    """One of the two lines, which reports unusable frames like a session."""

    def __init__(self, topic: str, merged: MergedState, number: int) -> None:
        super().__init__(topic)
        self._merged, self._number = merged, number
        merged.feed(number, self.channel, self)  # type: ignore[arg-type]  # the part of a session that is used

    def on_frame_error(self, error: FrameError) -> None:
        """Suspect the line when a session's owner would."""
        super().on_frame_error(error)
        if isinstance(error, ContinuityError) and not isinstance(error, OutOfSequence | SnapshotMissing):
            self._merged.suspect(self._number)


def lost_on_one(stream: Stream, clean: Clean, number: int, first: int) -> Outcome:
    """Leave frame ``number`` out on one line; ``first`` is the line whose copies arrive first."""
    channel = channel_of(stream.topic)
    merged = MergedState(channel, (LineTally(), LineTally()), Settings(), lambda topic: None)
    lines = [Line(stream.topic, merged, each) for each in (LOSSY, WHOLE)]
    at = dict(zip(clean.numbers, clean.shown, strict=True))
    found_after, error = 0, ""
    counts = {"wrong": 0, "wrong_between": 0, "stale": 0}
    if stream.snapshots[number]:
        for line in lines:
            line.receive(stream.snapshots[number])
    for after, frame in enumerate(range(number, len(stream.raws))):
        for copy, each in enumerate((first, 1 - first)):
            if each == LOSSY and frame == number:
                continue
            line = lines[each]
            if line.error is not None and line.book.state is not BookState.LIVE and stream.snapshots[frame]:
                line.receive(stream.snapshots[frame])
            line.receive(stream.raws[frame])
            if not error and (caught := lines[LOSSY].error or lines[WHOLE].error):
                error, found_after = type(caught).__name__, after
            shown = shown_by(channel.book)
            if not shown:
                counts["stale"] += bool(after)
            elif shown != at.get(numbers_of(channel)):
                counts["wrong" if copy else "wrong_between"] += 1
        if after and all(
            each.shown() == clean.shown[frame] and each.numbers() == clean.numbers[frame] for each in lines
        ):
            break
    return Outcome(number=number, error=error, found_after=found_after, **counts)


def numbers_of(channel: BookChannel) -> tuple[int, int, int]:
    """Return the numbers that identify the undisturbed book to compare with."""
    return channel.book.cross_seq, channel.book.update_id, channel.book.ts_exchange_us


def summary(outcomes: list[Outcome], missed_alone: set[int], wrong_alone: set[int]) -> dict[str, Any]:
    """Counts; ``missed_alone`` are the frames whose loss one line alone does not notice, ``wrong_alone`` those of them
    that left it with a wrong book.
    """
    return {
        "disturbances": len(outcomes),
        "found": sum(bool(outcome.error) for outcome in outcomes),
        "missed_alone": sum(outcome.number in missed_alone for outcome in outcomes),
        "found_of_these": sum(outcome.number in missed_alone and bool(outcome.error) for outcome in outcomes),
        "wrong_alone": sum(outcome.number in wrong_alone for outcome in outcomes),
        "found_of_the_wrong": sum(outcome.number in wrong_alone and bool(outcome.error) for outcome in outcomes),
        "latest": max((outcome.found_after for outcome in outcomes), default=0),
        "wrong": sum(outcome.wrong for outcome in outcomes),
        "wrong_between": sum(outcome.wrong_between for outcome in outcomes),
        "stale": sum(outcome.stale for outcome in outcomes),
    }
