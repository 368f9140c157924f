"""``depthwire record``: write every received frame to a tape, byte for byte."""

import argparse
import asyncio
import itertools
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from depthwire.bybit.dialect import Dialect
from depthwire.cli.command import (
    OK,
    Command,
    add_seconds,
    run_for,
    run_until_signalled,
    whole_number,
)
from depthwire.cli.output import say
from depthwire.cli.targets import (
    KEY_NOTE,
    add_simulation,
    add_targets,
    dialect_of,
    is_symbol,
    simulated_url,
    topics_of,
    trades_of,
)
from depthwire.client import Client
from depthwire.connect import connect
from depthwire.errors import SubscriptionTimeout, TapeError, TopicError
from depthwire.tape import TapeWriter, is_secret

_FLUSH_EVERY_S = 1.0
_FLUSHES_PER_PROGRESS_LINE = 60  # if stderr is not a terminal
_LONGEST_NAME = 100

_DETAILS = f"""\
For a symbol, record writes its order book and its trades; for a topic, the
frames of that topic. It accepts any topic of the exchange, including those
that "depthwire topics" does not list.

Each received frame, including answers to requests, becomes one line:
receive time in ns since the epoch, a tab, the raw bytes. If FILE ends in .zst,
the tape is compressed (needs the extra "zstd"). Frames reach the file within a
second, so a crash loses at most that. Frames with keys or signatures are never
written. An existing file is never overwritten.

If the file is removed or moved while recording, record notices within two
seconds, reports it, creates the file again (with its folder if necessary) and
resubscribes, so that the new file starts with snapshots. With "--on-lost fail"
it stops with an error instead. It always stops with an error if another file
took its place, if it was truncated, or if it is missing at the end.

{KEY_NOTE}
examples:
  depthwire record BTCUSDT ETHUSDT --url wss://stream.bybit.com/v5/public/linear --out monday.frames.zst
  depthwire record BTCUSD --sim --depth 200 --no-trades --seconds 10
  depthwire record 'trade.*' klineV2.1.BTCUSD --sim --frames 100
"""


class Recorder:
    """A client's tap that writes every frame to a tape, up to ``most_frames`` frames.

    It buffers frames until `begin`, so that a failed subscription leaves no file.
    """

    def __init__(self, most_frames: int | None = None) -> None:
        self.frames = 0
        self.bytes = 0
        self.finished = asyncio.Event()
        self.failure: TapeError | None = None
        self.tape: TapeWriter | None = None
        self._most_frames = most_frames
        self._early: list[tuple[int, bytes]] = []

    def __call__(self, recv_ns: int, payload: memoryview) -> None:
        """Write one frame. Called on the frame path, so it does not raise."""
        if is_secret(payload):
            return
        if self.tape is None:
            self._early.append((recv_ns, bytes(payload)))
        else:
            self._write(self.tape, recv_ns, payload)

    def begin(self, tape: TapeWriter) -> None:
        """Write to this tape from now on and count from 0. The first tape also receives the buffered frames."""
        self.tape = tape
        self.frames = self.bytes = 0
        for recv_ns, payload in self._early:
            self._write(tape, recv_ns, payload)
        self._early.clear()

    def _write(self, tape: TapeWriter, recv_ns: int, payload: bytes | memoryview) -> None:
        if self.finished.is_set():
            return
        try:
            tape.write(recv_ns, payload)
        except TapeError as error:
            self.failure = error
            self.finished.set()
            return
        self.frames += 1
        self.bytes += len(payload)
        if self.frames == self._most_frames:
            self.finished.set()

    def __str__(self) -> str:
        return f"{self.frames:,} frames, {self.bytes:,} bytes"


class Recording:
    """A recorder's output file, which is created again if it is lost."""

    def __init__(self, client: Client, topics: Sequence[str], path: str, recorder: Recorder, on_lost: str) -> None:
        self._client = client
        self._topics = topics
        self._path = path
        self._recorder = recorder
        self._on_lost = on_lost
        self._tape = _new_tape(path)
        recorder.begin(self._tape)
        say(f"recording to {path}")

    async def run(self) -> None:
        """Flush the file each second and report progress until the recorder is finished.

        Raises TapeError if the file cannot be written, or if it is lost and not created again.
        """
        on_terminal = sys.stderr.isatty()
        for flushes in itertools.count(1):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._recorder.finished.wait(), _FLUSH_EVERY_S)
            if self._recorder.failure is not None:
                raise self._recorder.failure
            self._tape.flush()
            if loss := self._tape.lost():
                await self._start_again(loss)
            if on_terminal:
                print(f"\r{self._recorder} ", end="", file=sys.stderr, flush=True)
            elif flushes % _FLUSHES_PER_PROGRESS_LINE == 0:
                say(f"{self._recorder} so far")
            if self._recorder.finished.is_set():
                break
        if on_terminal:
            print(file=sys.stderr)

    async def _start_again(self, loss: str) -> None:
        if not self._may_start_again():
            raise self._loss_error(loss)
        say(f"{self._path} {loss}; it held {self._recorder}; creating it again")
        former = self._tape
        try:
            os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        except OSError as error:
            raise TapeError(f"{self._path} {loss}, and its folder cannot be created: {error.strerror}") from None
        self._tape = _new_tape(self._path)
        self._recorder.begin(self._tape)
        former.close()
        # The client replaces a connection that does not answer, so the recording can go on.
        with suppress(SubscriptionTimeout):
            await self._client.unsubscribe(*self._topics)
        while True:
            try:
                await _subscribe(self._client, self._topics)
                break
            except SubscriptionTimeout as error:
                say(f"{error}; retrying")

    def _may_start_again(self) -> bool:
        """Return whether ``--on-lost`` allows it and no other file has taken the place of the lost one."""
        return self._on_lost == "restart" and not self._recorder.finished.is_set() and not os.path.lexists(self._path)

    def _loss_error(self, loss: str) -> TapeError:
        return TapeError(f"{self._path} {loss} during the recording; it held {self._recorder}")

    def end(self) -> None:
        """Close the file and report its contents. Raises TapeError if it cannot be written or was lost."""
        loss = self._tape.lost()
        self._tape.close()
        if loss:
            raise self._loss_error(loss)
        say(f"recorded {self._recorder} to {self._path}")


async def _record(arguments: argparse.Namespace) -> int:
    url = arguments.url or simulated_url(arguments.targets)
    path = arguments.out or _default_path(arguments.targets)
    dialect = dialect_of(url)
    symbols = filter(is_symbol, arguments.targets if arguments.trades else ())
    wanted = [*arguments.targets, *(trades_of(symbol, dialect) for symbol in symbols)]
    topics = [topic.text for topic in topics_of(wanted, dialect, arguments.depth, any_text=True)]
    async with connect(url) as client:
        recorder = Recorder(arguments.frames)
        remove_tap = client.add_tap(recorder)
        await _subscribe(client, topics)
        recording = Recording(client, topics, path, recorder, arguments.on_lost)
        try:
            await run_for(arguments.seconds, recording.run())
        finally:
            remove_tap()
            recording.end()
    return OK


async def _subscribe(client: Client, topics: Sequence[str]) -> None:
    """Subscribe to topics: typed if depthwire knows them, so that gaps are repaired, else as raw frames."""
    known = [topic for topic in topics if _is_known(topic, client.dialect)]
    unknown = [topic for topic in topics if topic not in known]
    # Nothing reads these streams; a capacity of 1 bounds their memory.
    if known:
        await client.subscribe(*known, capacity=1)
    if unknown:
        await client.subscribe_raw(*unknown, capacity=1)


def _is_known(topic: str, dialect: Dialect) -> bool:
    try:
        dialect.parse(topic)
    except TopicError:
        return False
    return True


def _new_tape(path: str) -> TapeWriter:
    try:
        return TapeWriter(path)
    except TapeError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise TapeError(f"{path} already exists and is not overwritten; choose another --out") from None
        raise


def _default_path(targets: Sequence[str]) -> str:
    name = re.sub(r"[^\w.-]", "+", "-".join(targets))[:_LONGEST_NAME]
    return f"{name}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.frames"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_targets(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="endpoint, for example wss://stream.bybit.com/v5/public/linear")
    add_simulation(source)
    parser.add_argument("--out", metavar="FILE", help="tape to create (default: named after topics and time)")
    parser.add_argument(
        "--trades",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="record the trades of each symbol as well as its book (default: on)",
    )
    parser.add_argument(
        "--on-lost",
        choices=("restart", "fail"),
        default="restart",
        help="if the file is removed or moved: create it again (default) or stop with an error",
    )
    add_seconds(parser, None, "stop after S seconds (default: run until Ctrl-C)")
    parser.add_argument("--frames", type=whole_number, metavar="N", help="stop after N frames")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_record(arguments))


COMMAND = Command("record", "record topics to a tape, byte for byte", _DETAILS, _configure, _run)
