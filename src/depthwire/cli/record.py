"""``depthwire record``: every frame that arrives, byte for byte, onto a tape."""

import argparse
import asyncio
import itertools
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from depthwire.cli.command import (
    OK,
    Command,
    add_seconds,
    run_for,
    run_until_signalled,
    whole_number,
)
from depthwire.cli.output import say
from depthwire.cli.targets import KEY_NOTE, add_targets, dialect_of, is_symbol, topics_of
from depthwire.client import connect
from depthwire.errors import TapeError
from depthwire.tape import TapeWriter, is_secret

_FLUSH_EVERY_S = 1.0
_FLUSHES_A_LINE = 60  # where stderr is no terminal
_LONGEST_NAME = 100

_DETAILS = f"""\
Of a symbol its book and its trades are recorded, of a topic what it says ("depthwire topics" lists them).
Writes every frame that arrives, answers included, as recv_ns<TAB>raw. A name that ends in .zst compresses the
tape (needs the extra "zstd"). What was received reaches the file within a second, so a crash costs no more.
Frames that carry keys or signatures are left out. An existing file is never overwritten.

{KEY_NOTE}
examples:
  depthwire record BTCUSDT ETHUSDT --url wss://stream.bybit.com/v5/public/linear --out monday.frames.zst
  depthwire record BTCUSD --url sim:// --depth 200 --no-trades --seconds 10
  depthwire record 'trade.*' klineV2.1.BTCUSD --url sim:// --frames 100
"""


class Recorder:
    """A client's tap that writes what it sees to a tape, up to ``most_frames`` frames.

    Until `begin` it keeps the frames: a recording whose subscription fails leaves no file.
    """

    def __init__(self, most_frames: int | None = None) -> None:
        self.frames = 0
        self.bytes = 0
        self.finished = asyncio.Event()
        self.failure: TapeError | None = None
        self._most_frames = most_frames
        self._tape: TapeWriter | None = None
        self._early: list[tuple[int, bytes]] = []

    def __call__(self, recv_ns: int, payload: memoryview) -> None:
        """Take one frame; called inside the frame path, so it does not raise."""
        if is_secret(payload):
            return
        if self._tape is None:
            self._early.append((recv_ns, bytes(payload)))
        else:
            self._write(self._tape, recv_ns, payload)

    def begin(self, tape: TapeWriter) -> None:
        """From now on frames go to a tape, first those that came before."""
        self._tape = tape
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


async def _record(arguments: argparse.Namespace) -> int:
    path = arguments.out or _default_path(arguments.targets)
    dialect = dialect_of(arguments.url)
    symbols = filter(is_symbol, arguments.targets if arguments.trades else ())
    wanted = [*arguments.targets, *map(dialect.trade_topic, symbols)]
    topics = topics_of(wanted, dialect, arguments.depth)
    async with connect(arguments.url) as client:
        recorder = Recorder(arguments.frames)
        remove_tap = client.add_tap(recorder)
        # Nobody reads this stream: what it holds is bounded by its capacity.
        await client.subscribe(*(topic.text for topic in topics), capacity=1)
        with _new_tape(path) as tape:
            recorder.begin(tape)
            say(f"recording to {path}")
            try:
                await run_for(arguments.seconds, _keep_flushed(recorder, tape))
            finally:
                remove_tap()
                say(f"{recorder} in {path}")
    if recorder.failure is not None:
        raise recorder.failure
    return OK


def _new_tape(path: str) -> TapeWriter:
    try:
        return TapeWriter(path)
    except TapeError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise TapeError(f"{path} exists already, and is not overwritten: name another file") from None
        raise


async def _keep_flushed(recorder: Recorder, tape: TapeWriter) -> None:
    """Until the recorder is finished: frames reach the file also when none follow, and progress is told."""
    on_terminal = sys.stderr.isatty()
    for flushes in itertools.count(1):
        with suppress(TimeoutError):
            await asyncio.wait_for(recorder.finished.wait(), _FLUSH_EVERY_S)
        tape.flush()
        if on_terminal:
            print(f"\r{recorder} ", end="", file=sys.stderr, flush=True)
        elif flushes % _FLUSHES_A_LINE == 0:
            say(f"{recorder} so far")
        if recorder.finished.is_set():
            break
    if on_terminal:
        print(file=sys.stderr)


def _default_path(targets: Sequence[str]) -> str:
    name = re.sub(r"[^\w.-]", "+", "-".join(targets))[:_LONGEST_NAME]
    return f"{name}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.frames"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_targets(parser)
    parser.add_argument(
        "--url", required=True, help="the endpoint, for example wss://stream.bybit.com/v5/public/linear"
    )
    parser.add_argument("--out", metavar="FILE", help="the tape (default: what is recorded, and the time)")
    parser.add_argument(
        "--trades", action=argparse.BooleanOptionalAction, default=True, help="of symbols record the trades, too"
    )
    add_seconds(parser, None, "stop after S seconds (default: at Ctrl-C)")
    parser.add_argument("--frames", type=whole_number, metavar="N", help="stop after N frames")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_record(arguments))


COMMAND = Command("record", "record a connection's frames to a tape", _DETAILS, _configure, _run)
