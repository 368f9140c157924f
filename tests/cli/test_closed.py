"""Commands with a closed stdin, stdout or stderr: ``depthwire watch … <&-``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from depthwire.runtime import event_loop as loops
from tests.support.cli_process import BOUND_S, COMMAND, NEEDS_SIGNALS, heed_interrupts, synthetic, write_tape

STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}
CLOSED = [(0,), (1,), (2,), (0, 1, 2)]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no descriptors to close here")


@contextmanager
def started_without(closed: tuple[int, ...], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    def close() -> None:
        heed_interrupts()
        for fd in closed:
            os.close(fd)

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=close) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("command", ["watch", "record", "replay", "demo"])
def test_a_command_ends_as_it_should_whatever_its_caller_closed(command: str, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "a.frames", synthetic(3, "orderBookL2_25.BTCUSD"))
    arguments = {
        "watch": ["BTCUSD", "--sim", "--seconds", "0.5"],
        "record": ["BTCUSD", "--url", "sim://", "--frames", "3", "--out"],
        "replay": [str(tape)],
        "demo": ["--seconds", "0.5"],
    }[command]
    with ExitStack() as stack:
        running = []
        for closed in CLOSED:
            out = [str(tmp_path / f"{len(running)}.frames")] if command == "record" else []
            running.append(stack.enter_context(started_without(closed, *COMMAND, command, *arguments, *out)))
        for closed, process in zip(CLOSED, running, strict=True):
            out, err = process.communicate(timeout=BOUND_S)
            assert process.returncode == 0, (closed, err)
            assert b"Traceback" not in err
            if command != "record":
                assert bool(out) == (1 not in closed)


@NEEDS_SIGNALS
@pytest.mark.parametrize("closed", [(0,), (1,), (2,)], ids=STREAMS.get)
def test_a_venue_without_a_stream_ends_as_it_should(closed: tuple[int, ...]) -> None:
    with started_without(closed, *COMMAND, "venue", "--trader") as process:
        listening = process.stdout if 1 not in closed else process.stderr
        assert listening is not None
        assert b"127.0.0.1" in listening.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=BOUND_S)
        assert process.returncode == 0, err


@pytest.mark.parametrize(
    "face", ["depthwire.run(main())", "with blocking.connect('sim://') as client: client.book('BTCUSD')"]
)
def test_a_program_of_the_librarys_own_does_not_abort_either(face: str) -> None:
    script = f"""
import depthwire
from depthwire import blocking
async def main():
    async with depthwire.connect("sim://") as client:
        await client.book("BTCUSD")
{face}
"""
    with started_without((0, 1, 2), sys.executable, "-c", script) as process:
        process.communicate(timeout=BOUND_S)
        assert process.returncode == 0


def test_descriptors_that_are_open_are_left_alone() -> None:
    before = [os.fstat(fd) for fd in STREAMS]
    loops.open_standard_fds()
    assert [os.fstat(fd).st_ino for fd in STREAMS] == [stat.st_ino for stat in before]
