"""A feed without a socket: applies tapes through the live frame path and counts what it cannot use."""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

import msgspec
import picows

from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.cli.output import say
from depthwire.cli.replay_report import book_report, frame_rate
from depthwire.errors import UNDECODABLE, DepthwireError, FrameError, MalformedFrame, UnexpectedTopic
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel, IgnoredChannel
from depthwire.feed.damage import is_answer
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from depthwire.feed.state_channel import StateChannel
from depthwire.tape import TapeReader

_LONG_TAPE_BYTES = 32 << 20  # shorter tapes end before a progress bar could be read
_MAX_REPORTED_KINDS = 20
_WIRE_TOPIC = re.compile(r"[\w.-]+", re.ASCII)


class Envelope(msgspec.Struct, gc=False):
    """The fields that distinguish a v5 frame from a v2 frame of a topic that both dialects have."""

    creationTime: Any = msgspec.UNSET  # spelled as on the wire
    ts: Any = msgspec.UNSET


_decode_envelope = msgspec.json.Decoder(Envelope).decode


class SkippedFrames:
    """Counts unusable frames by topic and error type, and keeps the first message of each."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], str] = {}

    def add(self, error: FrameError) -> None:
        """Count an error, and keep its message if it is the first of its type in its topic."""
        kind = error.topic, type(error).__name__
        self.counts[kind] += 1
        if kind not in self._first:
            if isinstance(error, UnexpectedTopic):
                self._first[kind] = f"{error.topic}: unknown topic"
            else:
                self._first[kind] = f"{type(error).__name__}: {error}"

    def log(self) -> None:
        """Write one line per topic and error type; sum up those beyond the first few."""
        for kind, text in islice(self._first.items(), _MAX_REPORTED_KINDS):
            count = self.counts[kind]
            say(f"skipped: {text}" + (f" (and {count - 1} more)" if count > 1 else ""))
        others = list(islice(self._first, _MAX_REPORTED_KINDS, None))
        if others:
            count = sum(self.counts[kind] for kind in others)
            say(f"skipped: {count} more frames, with {len(others)} other combinations of topic and error")


class Replay:
    """A feed without a socket, and its owner, which handles frames that have no channel."""

    def __init__(self, patterns: Sequence[str] = (), *, scanner: bool = True) -> None:
        self.feed = Feed(self)
        self._patterns = patterns
        self._scanner = scanner
        self.skipped_frames = SkippedFrames()
        self.errors: list[str] = []
        """One message for each tape without a usable frame."""
        self.seconds = 0.0
        self._skipped_lines = 0
        self._shared: dict[tuple[str, str], Channel | None] = {}

    # called by the feed

    def on_frame_error(self, error: FrameError) -> None:
        """Count an unusable frame."""
        self.skipped_frames.add(error)

    def on_control(self, message: bytes) -> None:
        """Check an answer to a request of the client that recorded the tape."""
        try:
            v5.LINEAR.answer(message)
        except MalformedFrame:
            try:
                v2.INVERSE.answer(message)
            except MalformedFrame as error:
                if is_answer(message):
                    self.skipped_frames.add(error)
                else:
                    self.feed.damaged(message, error.message)

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """Return a channel for a topic that has none. Either v2 dialect decodes the other's topics, except candles.

        v2 and v5 share some topic names, mainly private ones. For those the frame's envelope determines the dialect,
        so this function adds no channel to the feed and the feed calls it for every frame.
        """
        if not self.is_topic(topic):
            return None
        if _is_shared(topic) and self._is_asked_for(topic):
            dialect = v5.LINEAR if _has_v5_envelope(message) else v2.INVERSE
            channel = self._shared.get((dialect.name, topic))
            if channel is None:
                channel = self._shared[dialect.name, topic] = self._channel(dialect, topic)
            return channel
        channels = (self._channel(dialect, topic) for dialect in (v2.INVERSE, v2.LINEAR, v5.LINEAR))
        channel = next((channel for channel in channels if channel is not None), None)
        if not isinstance(channel, BookChannel) and not self._is_asked_for(topic):
            channel = IgnoredChannel(topic)
        if channel is not None:
            self.feed.channels.add(channel)
        return channel

    def is_topic(self, text: str) -> bool:
        """Return whether frames can have this topic. A tape may hold topics that depthwire does not know."""
        return _WIRE_TOPIC.fullmatch(text) is not None

    def _channel(self, dialect: Dialect, topic: str) -> Channel | None:
        channel = dialect.channel(topic, scanner=self._scanner)
        if channel is not None:
            channel.attach(self._report)
        return channel

    def _report(self, error: DepthwireError) -> None:
        """Count an unusable event; the frame's other events were delivered."""
        if isinstance(error, FrameError):
            self.skipped_frames.add(error)

    def _is_asked_for(self, topic: str) -> bool:
        return any(fnmatchcase(topic, pattern) for pattern in self._patterns)

    def on_connected(self, transport: picows.WSTransport) -> None:
        """Never called, because there is no socket."""

    def on_disconnected(self, transport: picows.WSTransport) -> None:
        """Never called, because there is no socket."""

    # tapes

    def apply(self, path: str) -> None:
        """Apply all frames of a tape. Raises TapeError. O(bytes)."""
        start, frames, left_out, used = time.perf_counter(), self.feed.frames, self.left_out, self.used
        for channel in self.feed.channels:
            channel.start_over()  # this tape may be older than the previous one
        with TapeReader(path) as tape, _progress(tape) as show_progress:
            for _ in tape.feed_to(self.feed.receive_lines, self.feed.receive):
                show_progress()
            self._count_lines(tape)
        self.seconds += time.perf_counter() - start
        if self.used == used:
            reason = _why_unused(self.feed.frames - frames, self.left_out - left_out)
            self.errors.append(f"{path}: {reason}")

    def _count_lines(self, tape: TapeReader) -> None:
        if tape.skipped:
            say(f"skipped: {tape.path}: {tape.skipped} malformed lines; use --verbose to see the first ones")
        if tape.torn:
            say(f"skipped: {tape.path}: {tape.torn}")
        self._skipped_lines += tape.skipped + (tape.torn is not None)

    # results

    @property
    def books(self) -> list[BookChannel]:
        """The order-book channels, in the order of their first frames."""
        return [channel for channel in self.feed.channels if isinstance(channel, BookChannel)]

    @property
    def events(self) -> list[EventChannel]:
        """The event channels (trades, candles, orders, …), in the order of their first frames."""
        channels = (*self.feed.channels, *self._shared.values())
        return [channel for channel in channels if isinstance(channel, EventChannel)]

    @property
    def left_out(self) -> int:
        """The number of frames of topics that are not selected."""
        return sum(channel.frames for channel in self.feed.channels if isinstance(channel, IgnoredChannel))

    @property
    def used(self) -> int:
        """The number of frames that changed a book or other state, plus the number of events."""
        states = [channel.state for channel in self.feed.channels if isinstance(channel, BookChannel | StateChannel)]
        return sum(state.version for state in states) + sum(channel.events for channel in self.events)

    @property
    def _dropped(self) -> int:
        return sum(channel.dropped + channel.outdated for channel in self.books)

    @property
    def skipped(self) -> int:
        """The number of lines and frames that could not be used."""
        return self._skipped_lines + self.skipped_frames.counts.total() + self._dropped

    def report(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return {
            "frames": self.feed.frames,
            "seconds": round(self.seconds, 6),
            "frames_per_s": round(frame_rate(self.feed.frames, self.seconds), 1),
            "decoded": self.feed.frames - self.left_out,
            "left_out": self.left_out,
            "skipped": self.skipped,
            "lanes": self.feed.lanes,
            "books": {channel.topic: book_report(channel.book) for channel in self.books},
            "trades": {channel.topic: channel.events for channel in self.events if _is_trades(channel.topic)},
        }

    def log_skipped(self) -> None:
        """Write what could not be used, and which books are STALE, to stderr."""
        self.skipped_frames.log()
        for channel in self.books:
            book = channel.book
            if channel.dropped:
                say(f"skipped: {book.topic}: {channel.dropped} deltas that arrived before a snapshot")
            if channel.outdated:
                say(f"skipped: {book.topic}: {channel.outdated} outdated frames")
            if book.state is BookState.STALE:
                say(f"{book.topic} is STALE: {book.stale_reason}")


def _has_v5_envelope(message: bytes) -> bool:
    try:
        envelope = _decode_envelope(message)
    except UNDECODABLE:
        return b'"creationTime"' in message
    return envelope.creationTime is not msgspec.UNSET or envelope.ts is not msgspec.UNSET


def _why_unused(frames: int, left_out: int) -> str:
    """Explain why no frame of a tape was used; ``left_out`` is the number of frames of topics that are not selected."""
    if not frames:
        return "the tape has no frames"
    if left_out:
        return f"no order book among the tape's {frames} frames; use --topics '*' to decode other topics"
    return f"none of the tape's {frames} frames could be used"


def _is_shared(topic: str) -> bool:
    """Return whether both v2 and v5 have a topic of this name."""
    return v2.INVERSE.channel(topic) is not None and v5.LINEAR.channel(topic) is not None


def _is_trades(topic: str) -> bool:
    return topic.partition(".")[0] in (v2.INVERSE.trade_kind, v5.LINEAR.trade_kind)


@contextmanager
def _progress(tape: TapeReader) -> Iterator[Callable[[], object]]:
    """Show a progress bar for a long tape if stderr is a terminal. Yields the function that updates it."""
    bar = None
    if tape.size >= _LONG_TAPE_BYTES and sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            pass  # not worth a message
        else:
            bar = Progress(console=Console(stderr=True), transient=True)
    if bar is None:
        yield lambda: None
        return
    with bar:
        task = bar.add_task(os.path.basename(tape.path), total=tape.size)  # a full path would leave no room for the bar
        yield lambda: bar.update(task, completed=tape.bytes_read)
