"""``depthwire replay``: tapes through the live frame path, offline and as fast as it goes."""

import argparse
import json
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import chain, islice
from typing import Any

import msgspec
import picows

from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.cli.command import FAILURE, OK, Command, whole_number
from depthwire.cli.output import log_levels, price_text, say, sequences, size_text, table, write
from depthwire.errors import UNDECODABLE, DepthwireError, FrameError, MalformedFrame, UnexpectedTopic
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel, IgnoredChannel
from depthwire.feed.damage import is_answer
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel
from depthwire.tape import TapeReader

_LONG_TAPE_BYTES = 32 << 20  # below, a tape is over before a progress bar could be read
_TOLD = 20
_SUMMARY_HEAD = ("topic", "state", "applied", "sequence", "bid size", "best bid", "best ask", "ask size")

_DETAILS = """\
Applies tapes, one after the other, to one set of books, as fast as it goes and through the same frame path
as a live connection, and prints what stands at their end. Topics are learnt from the tapes, and all dialects
are understood.

Only order books are decoded, and what --topics names: a pattern of topics such as 'publicTrade.*', several times if
need be, or '*' for all. A tape without a frame that could be used is an error.

With --json one object is printed:
  frames     frames read from the tapes
  seconds    how long they took; frames_per_s is the one by the other
  decoded    frames of topics that were asked for, and answers
  left_out   frames of all other topics
  skipped    lines and frames that could not be used; stderr says which and why
  lanes      order-book frames by the decoder that took them, and how many of them were rejected
  books      by topic: state, cross_seq (of v5: u and seq), applied (frames), bids and asks as [price, size],
             best first, as exact decimal text; and the reason, where the state is STALE
  trades     how many, by topic, where --topics names it

With --jobs N tapes are applied side by side, N at a time, each by itself to books of its own; of a topic that
several hold, the last tape's book is shown.

examples:
  depthwire replay monday.frames
  depthwire replay --topics 'publicTrade.*' --json monday.frames.zst tuesday.frames.zst
  depthwire replay --jobs 4 *.frames
  depthwire replay 2024-01-01_BTCUSDT_ob500.data.zip
"""


class Envelope(msgspec.Struct, gc=False):
    """What tells a frame of v5 from one of v2, where both have the topic."""

    creationTime: Any = msgspec.UNSET  # the wire's name
    ts: Any = msgspec.UNSET


_decode_envelope = msgspec.json.Decoder(Envelope).decode


class Refusals:
    """Frames that could not be used, by topic and kind of error: how many, and the first one's text."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], str] = {}

    def add(self, error: FrameError) -> None:
        """Count an error, and keep its text if it is the first of its kind in its topic."""
        kind = error.topic, type(error).__name__
        self.counts[kind] += 1
        if kind not in self._first:
            if isinstance(error, UnexpectedTopic):
                self._first[kind] = f"{error.topic}: no topic that depthwire knows"
            else:
                self._first[kind] = f"{type(error).__name__}: {error}"

    def tell(self) -> None:
        """One line for each kind; those beyond the first few are summed up."""
        for kind, text in islice(self._first.items(), _TOLD):
            count = self.counts[kind]
            say(f"skipped: {text}" + (f" (and {count - 1} more)" if count > 1 else ""))
        others = list(islice(self._first, _TOLD, None))
        if others:
            say(f"skipped: {sum(self.counts[kind] for kind in others)} frames of {len(others)} other kinds")


class Replay:
    """A feed without a socket, and the owner that it tells what is not a topic's data."""

    def __init__(self, patterns: Sequence[str] = (), *, scanner: bool = True) -> None:
        self.feed = Feed(self)
        self._patterns = patterns
        self._scanner = scanner
        self.refusals = Refusals()
        self.complaints: list[str] = []
        """Why a tape was of no use."""
        self.seconds = 0.0
        self._skipped_lines = 0
        self._shared: dict[tuple[str, str], Channel | None] = {}

    # what the feed tells

    def on_frame_error(self, error: FrameError) -> None:
        """A frame could not be used."""
        self.refusals.add(error)

    def on_control(self, message: bytes) -> None:
        """An answer to a request of whoever recorded the tape."""
        try:
            v5.LINEAR.answer(message)
        except MalformedFrame:
            try:
                v2.INVERSE.answer(message)
            except MalformedFrame as error:
                if is_answer(message):
                    self.refusals.add(error)
                else:
                    self.feed.damaged(message, error.message)

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """A topic's first frame. Both v2 dialects' channels understand both, but each has its own topics of candles.

        v2 and v5 share names of topics, the private ones above all. There the envelope of each frame tells which it is,
        so that the feed asks for each of them.
        """
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

    def _channel(self, dialect: Dialect, topic: str) -> Channel | None:
        channel = dialect.channel(topic, scanner=self._scanner)
        if channel is not None:
            channel.attach(self._report)
        return channel

    def _report(self, error: DepthwireError) -> None:
        """An event could not be used, though its neighbours could."""
        if isinstance(error, FrameError):
            self.refusals.add(error)

    def _is_asked_for(self, topic: str) -> bool:
        return any(fnmatchcase(topic, pattern) for pattern in self._patterns)

    def on_connected(self, transport: picows.WSTransport) -> None:
        """Never: there is no socket."""

    def on_disconnected(self, transport: picows.WSTransport) -> None:
        """Never: there is no socket."""

    # tapes

    def apply(self, path: str) -> None:
        """Apply all frames of a tape; raises TapeError. O(bytes)."""
        start, frames, left_out, used = time.perf_counter(), self.feed.frames, self.left_out, self.used
        for channel in self.feed.channels:
            channel.start_over()  # a tape may be older than the one before
        with TapeReader(path) as tape, _progress(tape) as tell_progress:
            for _ in tape.feed_to(self.feed.receive_lines, self.feed.receive):
                tell_progress()
            self._count_lines(tape)
        self.seconds += time.perf_counter() - start
        if self.used == used:
            self.complaints.append(f"{path}: {_nothing_in(self.feed.frames - frames, self.left_out - left_out)}")

    def _count_lines(self, tape: TapeReader) -> None:
        if tape.skipped:
            say(f"skipped: {tape.path}: {tape.skipped} malformed lines; --verbose shows the first of them")
        if tape.torn:
            say(f"skipped: {tape.path}: {tape.torn}")
        self._skipped_lines += tape.skipped + (tape.torn is not None)

    # what stands at the end

    @property
    def books(self) -> list[BookChannel]:
        """The channels of the order books, in the order of their first frames."""
        return [channel for channel in self.feed.channels if isinstance(channel, BookChannel)]

    @property
    def events(self) -> list[EventChannel]:
        """The channels of trades, candles, orders and so on, in the order of their first frames."""
        channels = (*self.feed.channels, *self._shared.values())
        return [channel for channel in channels if isinstance(channel, EventChannel)]

    @property
    def left_out(self) -> int:
        """Frames of topics that were not asked for."""
        return sum(channel.frames for channel in self.feed.channels if isinstance(channel, IgnoredChannel))

    @property
    def used(self) -> int:
        """Frames that changed a book or other state, and events."""
        states = [channel.state for channel in self.feed.channels if isinstance(channel, BookChannel | StateChannel)]
        return sum(state.version for state in states) + sum(channel.events for channel in self.events)

    @property
    def _dropped(self) -> int:
        return sum(channel.dropped + channel.outdated for channel in self.books)

    @property
    def skipped(self) -> int:
        """Lines and frames that could not be used."""
        return self._skipped_lines + self.refusals.counts.total() + self._dropped

    def report(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "frames": self.feed.frames,
            "seconds": round(self.seconds, 6),
            "frames_per_s": round(rate(self.feed.frames, self.seconds), 1),
            "decoded": self.feed.frames - self.left_out,
            "left_out": self.left_out,
            "skipped": self.skipped,
            "lanes": self.feed.lanes,
            "books": {channel.topic: _report_book(channel.book) for channel in self.books},
            "trades": {channel.topic: channel.events for channel in self.events if _is_trades(channel.topic)},
        }

    def tell(self) -> None:
        """Say what could not be used, and which books are not LIVE."""
        self.refusals.tell()
        for channel in self.books:
            book = channel.book
            if channel.dropped:
                say(f"skipped: {book.topic}: {channel.dropped} deltas came while the book waited for a snapshot")
            if channel.outdated:
                say(f"skipped: {book.topic}: {channel.outdated} frames came late and were left out")
            if book.state is BookState.STALE:
                say(f"{book.topic} is STALE: {book.stale_reason}")


def rate(frames: int, seconds: float) -> float:
    """Frames by seconds, 0 where there were none."""
    return frames / seconds if frames else 0.0


def merged(reports: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """One report of tapes that were applied side by side; of a topic on several, the last tape's book."""
    frames = sum(report["frames"] for report in reports)
    counts: dict[str, Counter[str]] = {"lanes": Counter(), "trades": Counter()}
    books: dict[str, Any] = {}
    for report in reports:
        books |= report["books"]
        for name, counter in counts.items():
            counter.update(report[name])
    return {
        "frames": frames,
        "seconds": round(seconds, 6),
        "frames_per_s": round(rate(frames, seconds), 1),
        **{name: sum(report[name] for report in reports) for name in ("decoded", "left_out", "skipped")},
        "lanes": dict(counts["lanes"]),
        "books": books,
        "trades": dict(counts["trades"]),
    }


def summary(report: dict[str, Any]) -> str:
    """A report for people."""
    rows = [_summary_row(topic, book) for topic, book in report["books"].items()]
    lines = [table([_SUMMARY_HEAD, *rows])] if rows else []
    lines += [f"{topic}: {trades:,} trades\n" for topic, trades in report["trades"].items()]
    lines.append(
        f"{report['frames']:,} frames in {report['seconds']:.3f} s ({report['frames_per_s']:,.0f} frames/s), "
        f"{report['decoded']:,} decoded, {report['skipped']:,} skipped\n"
    )
    return "".join(lines)


def _report_book(book: LiveBook) -> dict[str, Any]:
    snapshot = book.snapshot(allow_stale=True)
    report: dict[str, Any] = {
        "state": snapshot.state,
        **sequences(book.topic, snapshot.cross_seq, snapshot.update_id),
        "applied": snapshot.version,
        "bids": [_level(level, snapshot.price_decimals) for level in snapshot.bids],
        "asks": [_level(level, snapshot.price_decimals) for level in snapshot.asks],
    }
    if snapshot.state is BookState.STALE:
        report["reason"] = snapshot.stale_reason
    return report


def _has_v5_envelope(message: bytes) -> bool:
    try:
        envelope = _decode_envelope(message)
    except UNDECODABLE:
        return b'"creationTime"' in message
    return envelope.creationTime is not msgspec.UNSET or envelope.ts is not msgspec.UNSET


def _nothing_in(frames: int, left_out: int) -> str:
    """Why so many frames of a tape, some of topics that were not asked for, were of no use."""
    if not frames:
        return "no frame in it"
    if left_out:
        return f"no order book among its {frames} frames; --topics '*' decodes the others"
    return f"not one of its {frames} frames could be used"


def _is_shared(topic: str) -> bool:
    """Whether a topic may be of either generation."""
    return v2.INVERSE.channel(topic) is not None and v5.LINEAR.channel(topic) is not None


def _is_trades(topic: str) -> bool:
    return topic.partition(".")[0] in (v2.INVERSE.trade_kind, v5.LINEAR.trade_kind)


def _level(level: tuple[int, float], price_decimals: int | None) -> list[str]:
    price_id, size = level
    return [price_text(price_id, price_decimals), size_text(size)]


def _summary_row(topic: str, book: dict[str, Any]) -> tuple[str, ...]:
    (bid, bid_size), (ask, ask_size) = (book[side][0] if book[side] else ("-", "-") for side in ("bids", "asks"))
    number = book["u"] if "u" in book else book["cross_seq"]
    return (topic, book["state"], f"{book['applied']:,}", str(number), bid_size, bid, ask, ask_size)


@contextmanager
def _progress(tape: TapeReader) -> Iterator[Callable[[], object]]:
    """A progress bar on a terminal, for a long tape; the function given moves it to where the tape is."""
    bar = None
    if tape.size >= _LONG_TAPE_BYTES and sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            pass  # a progress bar is worth no word
        else:
            bar = Progress(console=Console(stderr=True), transient=True)
    if bar is None:
        yield lambda: None
        return
    with bar:
        task = bar.add_task(os.path.basename(tape.path), total=tape.size)  # a long path leaves the bar no room
        yield lambda: bar.update(task, completed=tape.bytes_read)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tapes", nargs="+", metavar="TAPE", help="a recording, plain or zstd, or raw frames")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--topics", action="append", default=[], metavar="PATTERN", help="decode these, too, not only order books"
    )
    parser.add_argument("--lane", choices=("scanner", "msgspec"), default="scanner", help="msgspec: scan no frame")
    parser.add_argument("--jobs", type=whole_number, default=1, metavar="N", help="each tape by itself, N at a time")


def apply_all(
    tapes: Sequence[str], patterns: Sequence[str], lane: str, verbose: bool
) -> tuple[dict[str, Any], list[str]]:
    """Apply tapes one after the other to one set of books and report skipped frames; returns the report, and why tapes
    were of no use.
    """
    replay = Replay(patterns, scanner=lane == "scanner")
    # A reader's own words about each line are too many where the file turns out to be no tape.
    with log_levels({} if verbose else {"depthwire.tape": logging.ERROR}):
        for path in tapes:
            replay.apply(path)
    replay.tell()
    return replay.report(), replay.complaints


def _side_by_side(
    tapes: Sequence[str], patterns: Sequence[str], lane: str, verbose: bool, jobs: int
) -> tuple[dict[str, Any], list[str]]:
    start = time.perf_counter()
    # Not forked: a fork copies whatever threads and locks its parent has.
    with ProcessPoolExecutor(min(jobs, len(tapes)), multiprocessing.get_context("spawn")) as processes:
        waiting = [processes.submit(apply_all, [tape], patterns, lane, verbose) for tape in tapes]
        reports, complaints = zip(*(each.result() for each in waiting), strict=True)
        return merged(reports, time.perf_counter() - start), list(chain.from_iterable(complaints))


def _run(arguments: argparse.Namespace) -> int:
    how = arguments.tapes, arguments.topics, arguments.lane, arguments.verbose
    report, complaints = apply_all(*how) if arguments.jobs == 1 else _side_by_side(*how, arguments.jobs)
    write(json.dumps(report) + "\n" if arguments.json else summary(report))
    for complaint in complaints:
        say(f"error: {complaint}")
    return FAILURE if complaints else OK


COMMAND = Command("replay", "apply tapes offline and print how they end", _DETAILS, _configure, _run)
