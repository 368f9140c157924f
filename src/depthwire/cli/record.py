"""``depthwire record``: every frame that arrives, byte for byte, onto a tape."""

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
from depthwire.client import Client, connect
from depthwire.errors import SubscriptionTimeout, TapeError, TopicError
from depthwire.tape import TapeWriter, is_secret

_FLUSH_EVERY_S = 1.0
_FLUSHES_A_LINE = 60  # where stderr is no terminal
_LONGEST_NAME = 100

_DETAILS = f"""\
Of a symbol its book and its trades are recorded, of a topic what it says ("depthwire topics" lists those that
depthwire can read; any other that the exchange has is recorded, too).
Writes every frame that arrives, answers included, as recv_ns<TAB>raw. A name that ends in .zst compresses the
tape (needs the extra "zstd"). What was received reaches the file within a second, so a crash costs no more.
Frames that carry keys or signatures are left out. An existing file is never overwritten.

A file that is removed or moved meanwhile is noticed within two seconds, reported and started again, in a new folder
if need be; the topics are subscribed again, so that it begins with snapshots. With "--on-lost fail" the recording
ends with an error instead, as it always does where the file was replaced, cut short, or lost when the recording ends.

{KEY_NOTE}
examples:
  depthwire record BTCUSDT ETHUSDT --url wss://stream.bybit.com/v5/public/linear --out monday.frames.zst
  depthwire record BTCUSD --sim --depth 200 --no-trades --seconds 10
  depthwire record 'trade.*' klineV2.1.BTCUSD --sim --frames 100
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
        self.tape: TapeWriter | None = None
        self._most_frames = most_frames
        self._early: list[tuple[int, bytes]] = []

    def __call__(self, recv_ns: int, payload: memoryview) -> None:
        """Take one frame; called inside the frame path, so it does not raise."""
        if is_secret(payload):
            return
        if self.tape is None:
            self._early.append((recv_ns, bytes(payload)))
        else:
            self._write(self.tape, recv_ns, payload)

    def begin(self, tape: TapeWriter) -> None:
        """From now on frames go to a tape, and are counted from 0; to the first one also those that came before."""
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
    """One recorder's file, which is started again where it is lost."""

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
        """Until the recorder is finished: frames reach the file also when none follow, and progress is reported.

        Raises TapeError where the file cannot be written, or is lost and not started again.
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
            elif flushes % _FLUSHES_A_LINE == 0:
                say(f"{self._recorder} so far")
            if self._recorder.finished.is_set():
                break
        if on_terminal:
            print(file=sys.stderr)

    async def _start_again(self, loss: str) -> None:
        if not self._may_start_again():
            raise self._loss_error(loss)
        say(f"{self._path} {loss}, with {self._recorder} in it: starting it again")
        former = self._tape
        try:
            os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        except OSError as error:
            raise TapeError(f"{self._path} {loss}, and its folder cannot be made: {error.strerror}") from None
        self._tape = _new_tape(self._path)
        self._recorder.begin(self._tape)
        former.close()
        # A connection that does not answer is replaced by the client: that is no reason to stop.
        with suppress(SubscriptionTimeout):
            await self._client.unsubscribe(*self._topics)
        while True:
            try:
                await _subscribe(self._client, self._topics)
                break
            except SubscriptionTimeout as error:
                say(f"{error}: asking again")

    def _may_start_again(self) -> bool:
        """Whether that is wanted, and no other file has taken the place of the one that was lost."""
        return self._on_lost == "restart" and not self._recorder.finished.is_set() and not os.path.lexists(self._path)

    def _loss_error(self, loss: str) -> TapeError:
        return TapeError(f"{self._path} {loss} while it was recorded to; {self._recorder} were in it")

    def end(self) -> None:
        """Close the file and report what is in it; raises TapeError where it cannot be written, or was lost."""
        loss = self._tape.lost()
        self._tape.close()
        if loss:
            raise self._loss_error(loss)
        say(f"{self._recorder} in {self._path}")


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
    """Ask for topics: as raw frames for those that no type is known of, and the others so that gaps are repaired."""
    known = [topic for topic in topics if _is_known(topic, client.dialect)]
    unknown = [topic for topic in topics if topic not in known]
    # No one reads these streams: their capacity bounds what they hold.
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
            raise TapeError(f"{path} exists already, and is not overwritten: name another file") from None
        raise


def _default_path(targets: Sequence[str]) -> str:
    name = re.sub(r"[^\w.-]", "+", "-".join(targets))[:_LONGEST_NAME]
    return f"{name}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.frames"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_targets(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="the endpoint, for example wss://stream.bybit.com/v5/public/linear")
    add_simulation(source)
    parser.add_argument("--out", metavar="FILE", help="the tape (default: what is recorded, and the time)")
    parser.add_argument(
        "--trades", action=argparse.BooleanOptionalAction, default=True, help="of symbols record the trades, too"
    )
    parser.add_argument(
        "--on-lost",
        choices=("restart", "fail"),
        default="restart",
        help="where the file is removed or moved: start it again (default), or end with an error",
    )
    add_seconds(parser, None, "stop after S seconds (default: at Ctrl-C)")
    parser.add_argument("--frames", type=whole_number, metavar="N", help="stop when the tape has N frames")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_record(arguments))


COMMAND = Command("record", "record a connection's frames to a tape", _DETAILS, _configure, _run)
