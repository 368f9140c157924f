import asyncio
import io
import logging
import math
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from depthwire.errors import TapeError
from depthwire.tape import TapeFrame, TapeReader, TapeWriter, is_secret, play, read

SECOND = 1_000_000_000
FRAMES = [TapeFrame(SECOND * n, b'{"topic":"t","n":%d}' % n) for n in range(1, 6)]
LINES = [b"%d\t%b\n" % frame for frame in FRAMES]
SUFFIXES = [".frames", ".frames.zst"]


def write(path: Path, frames: list[TapeFrame], *, append: bool = False) -> Path:
    with TapeWriter(path, append=append) as tape:
        for frame in frames:
            tape.write(*frame)
    return path


def text_of(path: Path) -> bytes:
    """The tape's lines by another way than the reader's."""
    data = path.read_bytes()
    if path.suffix != ".zst":
        return data
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
        return stream.read()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"tape{suffix}", FRAMES)
    assert text_of(path) == b"".join(LINES)
    with TapeReader(path) as tape:
        assert list(tape) == FRAMES
        assert (tape.skipped, tape.torn) == (0, None)
        assert tape.bytes_read == tape.size == path.stat().st_size


@given(
    frames=st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.binary(max_size=200).map(lambda raw: raw.rstrip(b"\r"))),
        max_size=20,
    ),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_bytes_come_back_but_line_ends_become_spaces(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, bytes]], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("tape") / f"tape{suffix}"
    write(path, [TapeFrame(*frame) for frame in frames])
    assert list(read(path)) == [(recv_ns, raw.replace(b"\n", b" ").replace(b"\r", b" ")) for recv_ns, raw in frames]


def test_a_memoryview_is_written_as_its_bytes(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "tape") as tape:
        tape.write(7, memoryview(b'xx{"a":\n1}yy')[2:-2])
    assert list(read(tmp_path / "tape")) == [(7, b'{"a": 1}')]


def test_every_iteration_starts_at_the_first_frame(tmp_path: Path) -> None:
    with TapeReader(write(tmp_path / "tape", FRAMES)) as tape:
        assert next(iter(tape)) == FRAMES[0]
        assert list(tape) == FRAMES
        assert list(tape) == FRAMES
    with pytest.raises(TapeError, match="closed"):
        iter(tape)


def test_a_tape_longer_than_the_reader_s_chunks(tmp_path: Path) -> None:
    frames = [TapeFrame(n, os.urandom(1000).hex().encode()) for n in range(2000)]
    for suffix in SUFFIXES:
        assert list(read(write(tmp_path / f"tape{suffix}", frames))) == frames


def test_several_zstd_frames_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "tape.zst"
    packed = [zstandard.compress(part) for part in (b"".join(LINES[:2]), b"", b"".join(LINES[2:]))]
    path.write_bytes(b"".join(packed))
    assert list(read(path)) == FRAMES


def test_crlf_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b"".join(LINES).replace(b"\n", b"\r\n"))
    assert list(read(path)) == FRAMES


def test_an_empty_tape_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.touch()
    with TapeReader(path) as tape:
        assert list(tape) == []
        assert (tape.skipped, tape.torn) == (0, None)


@pytest.mark.parametrize(
    ("end", "kept", "torn"),
    [
        (b'6\t{"whole":true}', True, False),
        (b'6\t{"whole":true}\r', True, False),
        (b'6\t{"cut":"of', False, True),
        (b"6\t", False, True),
        (b"6", False, True),
        (b'6\t{"text":"\xff"}', False, True),
        (b"\0\0\0\0", False, True),
    ],
)
def test_a_last_line_without_newline_is_kept_if_it_is_whole(
    tmp_path: Path, end: bytes, kept: bool, torn: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b"".join(LINES) + end)
    with TapeReader(path) as tape:
        frames = list(tape)
        assert frames[:5] == FRAMES
        assert frames[5:] == ([(6, b'{"whole":true}')] if kept else [])
        assert (tape.torn is not None) == torn == ("torn" in caplog.text)
        assert tape.skipped == 0
        if tape.torn:
            assert "line 6" in tape.torn


def test_a_tape_of_one_torn_line_is_torn_and_no_error(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b'123\t{"topic":"or')
    with TapeReader(path) as tape:
        assert list(tape) == []
        assert tape.torn


def test_malformed_lines_are_skipped_and_told_by_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = [
        b"no tab here\n",
        b"12.5\t{}\n",
        b"-3\t{}\n",
        b"\n",
        b"99999999999999999999\t{}\n",
        b"9" * 19 + b"\t{}\n",
    ]
    path = tmp_path / "tape"
    path.write_bytes(LINES[0] + b"".join(bad) + b"".join(LINES[1:]))
    with TapeReader(path) as tape:
        assert list(tape) == FRAMES
        assert tape.skipped == len(bad)
    for number in range(2, 8):
        assert f"line {number} skipped" in caplog.text


def test_many_malformed_lines_do_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tape"
    path.write_bytes(LINES[0] + b"bad\n" * 5000)
    with TapeReader(path) as tape:
        assert list(tape) == FRAMES[:1]
        assert tape.skipped == 5000
    assert len(caplog.records) < 50


@pytest.mark.parametrize(
    "content",
    [
        b'"topic":"trade.BTCUSD"\n' * 3,
        b'["trade.BTCUSD"]\n' * 5000,
        b"hello",
        b"\n",
        b"\x7fELF" + bytes(3000),
    ],
)
def test_a_file_without_a_single_line_of_a_tape_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with TapeReader(path) as tape, pytest.raises(TapeError, match=r"not a tape: .*recv_ns<TAB>raw"):
        list(tape)


def test_a_file_without_newlines_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # a hole: it takes no room on the disk
    with TapeReader(path) as tape:
        with pytest.raises(TapeError, match="longer than"):
            list(tape)
        assert tape.bytes_read < 1 << 26


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_an_unreadable_path_is_told_with_its_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(TapeError, match=r"cannot be opened: .+"):
        TapeReader(tmp_path / name)


def test_a_compressed_tape_without_zstandard_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "tape.zst", FRAMES)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(TapeError, match=r"pip install 'depthwire\[zstd\]'"):
        TapeReader(path)
    with pytest.raises(TapeError, match=r"pip install 'depthwire\[zstd\]'"):
        TapeWriter(tmp_path / "new.zst")
    assert not (tmp_path / "new.zst").exists()


def test_a_truncated_zstd_stream_gives_its_whole_lines(tmp_path: Path) -> None:
    frames = [TapeFrame(n * SECOND, os.urandom(200).hex().encode()) for n in range(100)]
    data = write(tmp_path / "whole.zst", frames).read_bytes()
    path = tmp_path / "torn.zst"
    for keep in (5, len(data) // 3, len(data) - 1):
        path.write_bytes(data[:keep])
        with TapeReader(path) as tape:
            read_frames = list(tape)
            assert tape.torn
        assert read_frames == frames[: len(read_frames)]
        assert len(read_frames) >= 100 * keep // len(data) - 2


def test_corrupt_zstd_data_are_an_error_after_the_frames_before(tmp_path: Path) -> None:
    path = tmp_path / "tape.zst"
    path.write_bytes(zstandard.compress(b"".join(LINES)) + b"garbage, and no zstd frame")
    frames: list[TapeFrame] = []
    with TapeReader(path) as tape, pytest.raises(TapeError, match="corrupt zstd"):
        frames.extend(frame for frame in tape)
    assert frames == FRAMES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_file_is_never_overwritten(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"tape{suffix}", FRAMES[:2])
    before = path.read_bytes()
    with pytest.raises(TapeError, match="append=True"):
        TapeWriter(path)
    assert path.read_bytes() == before
    write(path, FRAMES[2:], append=True)
    assert list(read(path)) == FRAMES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_appending_to_nothing_begins_a_tape(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tape{suffix}"
    write(path, FRAMES[:1], append=True)
    write(path, FRAMES[1:], append=True)
    assert list(read(path)) == FRAMES
    (tmp_path / f"empty{suffix}").touch()
    assert list(read(write(tmp_path / f"empty{suffix}", FRAMES, append=True))) == FRAMES


@pytest.mark.parametrize(("end", "kept"), [(b'9\t{"cut":', 0), (b'9\t{"a":1}', 1), (b"9", 0)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_appending_mends_a_torn_end(tmp_path: Path, end: bytes, kept: int, suffix: str) -> None:
    path = tmp_path / f"tape{suffix}"
    text = b"".join(LINES[:3]) + end
    path.write_bytes(text if suffix == ".frames" else zstandard.compress(text))
    write(path, FRAMES[3:], append=True)
    assert list(read(path)) == FRAMES[:3] + [TapeFrame(9, b'{"a":1}')] * kept + FRAMES[3:]


def test_appending_mends_a_torn_zstd_frame(tmp_path: Path) -> None:
    frames = [TapeFrame(n * SECOND, os.urandom(200).hex().encode()) for n in range(100)]
    data = write(tmp_path / "whole.zst", frames).read_bytes()
    path = tmp_path / "torn.zst"
    for keep in (5, len(data) // 3, len(data) - 1):
        path.write_bytes(zstandard.compress(b"".join(LINES)) + data[:keep])
        survivors = list(read(path))
        write(path, FRAMES, append=True)
        with TapeReader(path) as tape:
            assert list(tape) == survivors + FRAMES
            assert tape.torn is None


def test_a_long_torn_zstd_frame_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = b"".join(b"%d\t%b\n" % (n, os.urandom(500).hex().encode()) for n in range(30_000))
    path = tmp_path / "tape.zst"
    path.write_bytes(zstandard.compress(text)[:-10])
    size = path.stat().st_size
    with pytest.raises(TapeError, match="too long to repair"):
        TapeWriter(path, append=True)
    assert path.stat().st_size == size


def test_appending_to_a_file_that_is_no_tape_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary")
    with pytest.raises(TapeError, match="not a tape"):
        TapeWriter(path, append=True)
    assert path.read_bytes() == b"dear diary"


def test_the_content_decides_how_appending_writes(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.zst", tmp_path / "packed.frames"
    plain.write_bytes(LINES[0])
    packed.write_bytes(zstandard.compress(LINES[0]))
    for path in (plain, packed):
        assert list(read(write(path, FRAMES[1:], append=True))) == FRAMES
    assert plain.read_bytes() == b"".join(LINES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_at_most_a_second_of_tape_waits_in_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tape{suffix}"
    with TapeWriter(path) as tape:
        tape.write(10 * SECOND, b"{}")
        tape.write(10 * SECOND + 1, b"{}")
        tape.write(11 * SECOND, b"{}")
        assert len(list(read(path))) == 3
        tape.write(2 * SECOND, b"{}")  # the clock was set back
        assert len(list(read(path))) == 4
        tape.write(2 * SECOND + 1, b"{}")
        tape.flush()
        assert len(list(read(path))) == 5


CRASHER = """
import itertools, sys
from depthwire.tape import TapeWriter
with TapeWriter(sys.argv[1]) as tape:
    for n in itertools.count():
        tape.write(n * 1_000_000, b'{"n":%d,"pad":"%b"}' % (n, b"x" * (n % 997)))
        if n == 50_000:
            print("enough", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_writer_leaves_whole_lines_up_to_the_torn_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tape{suffix}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", CRASHER, str(path)], stdout=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"enough\n"
        writer.send_signal(signal.SIGKILL)
    numbers = [recv_ns // 1_000_000 for recv_ns, _ in read(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 49_000
    write(path, FRAMES, append=True)
    with TapeReader(path) as tape:
        frames = list(tape)
        assert (tape.skipped, tape.torn) == (0, None)
    assert frames[-5:] == FRAMES
    assert len(frames) == len(numbers) + 5


def test_misuse_of_a_writer_is_told(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path / "tape")
    for recv_ns in (-1, 2**63):
        with pytest.raises(ValueError, match="recv_ns"):
            tape.write(recv_ns, b"{}")
    tape.close()
    tape.close()
    with pytest.raises(TapeError, match="closed"):
        tape.write(1, b"{}")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told() -> None:
    tape = TapeWriter("/dev/full", append=True)
    with pytest.raises(TapeError, match="cannot be written: No space"):
        tape.write(SECOND, b"{}")
    with pytest.raises(TapeError, match="cannot be written: No space"):
        tape.close()


@pytest.mark.parametrize(
    ("raw", "secret"),
    [
        (b'{"op":"auth","args":["key",1,"signature"]}', True),
        (b'{ "args":["key",1,"signature"], "op" : "auth" }', True),
        (b'{"success":true,"ret_msg":"","conn_id":"c","request":{"op":"auth","args":["key",1,"s"]}}', True),
        (
            b'{"success":false,"ret_msg":"error:request expired","request":{"op":"auth","args":["k",1,"s"]}}',
            True,
        ),
        (b'{"success":true,"ret_msg":"","op":"auth","conn_id":"c"}', True),
        (b'{"op":"auth","args":["key",1,"sig', True),
        (b'{"op":"subscribe","args":["auth"]}', False),
        (
            b'{"success":false,"ret_msg":"error:topic:order needs auth first","request":{"op":"subscribe"}}',
            False,
        ),
        (b'{"topic":"trade.BTCUSD","data":[]}', False),
        (b"", False),
    ],
)
def test_auth_requests_and_answers_are_secret(raw: bytes, secret: bool) -> None:
    assert is_secret(raw) is secret
    assert is_secret(memoryview(raw)) is secret


class LoopClock:
    """A fake clock: sleeping advances it, and costs ten times what the frames need."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("depthwire.tape.player.asyncio.sleep", self._sleep)
        monkeypatch.setattr("depthwire.tape.player.asyncio.get_running_loop", lambda: self)

    def time(self) -> float:
        return self.now

    async def _sleep(self, delay: float) -> None:
        assert delay >= 0
        self.now += delay


def played_at(frames: list[TapeFrame], speed: float, clock: LoopClock, work_s: float = 0.0) -> list[float]:
    async def main() -> list[float]:
        times = []
        async for _ in play(frames, speed):
            times.append(clock.now - 1000)
            clock.now += work_s
        return times

    return asyncio.run(main())


def test_play_keeps_the_recorded_pace_times_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LoopClock(monkeypatch)
    assert played_at(FRAMES, 2.0, clock) == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])
    clock.now = 1000.0
    assert played_at(FRAMES, 2.0, clock, work_s=0.3) == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])
    clock.now = 1000.0
    assert played_at(FRAMES, math.inf, clock) == [0.0] * 5


def test_play_passes_over_a_clock_that_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [TapeFrame(n * SECOND, b"") for n in (10, 12, 11, 13)]
    assert played_at(frames, 1.0, LoopClock(monkeypatch)) == pytest.approx([0, 2, 2, 3])


def test_play_without_pace_still_lets_the_loop_work() -> None:
    async def main() -> int:
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for _ in play([FRAMES[0]] * 1000, math.inf):
            pass
        task.cancel()
        return others

    assert asyncio.run(main()) > 10


@pytest.mark.parametrize("speed", [0, -1.0, math.nan])
def test_a_speed_must_be_above_zero(speed: float) -> None:
    async def main() -> None:
        async for _ in play(FRAMES, speed):
            pass

    with pytest.raises(ValueError, match="speed"):
        asyncio.run(main())


def test_the_recordings_are_read_whole(tapes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "depthwire.tape")
    recordings = sorted(tapes.glob("*.frames"))
    if not recordings:
        pytest.skip(f"no *.frames in {tapes}")
    for path in recordings:
        with TapeReader(path) as tape:
            frames = list(tape)
        lines = path.read_bytes().splitlines()
        assert [b"%d\t%b" % frame for frame in frames] == lines
        assert list(read(write(tmp_path / f"{path.name}.zst", frames))) == frames
    assert not caplog.records


# a file that is taken away


def test_a_writer_knows_whether_its_path_still_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.frames"
    path.parent.mkdir()
    with TapeWriter(path) as tape:
        assert tape.lost() is None
        tape.write(1, b"{}")
        tape.flush()
        assert tape.lost() is None
        path.rename(tmp_path / "moved")
        assert tape.lost() == "was removed or moved"
        path.write_text("another")
        assert tape.lost() == "was replaced by another file"
        path.unlink()
        path.parent.rmdir()
        assert tape.lost() == "was removed or moved"
        tape.write(2, b"{}")
    assert [recv_ns for recv_ns, _ in read(tmp_path / "moved")] == [1, 2]


@pytest.mark.parametrize("append", [False, True])
def test_a_file_that_is_cut_short_is_not_written_past_its_end(append: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.frames"
    tape = TapeWriter(path, append=append)
    tape.write(1, b"{}")
    tape.flush()
    os.truncate(path, 3)
    tape.write(2, b"{}")
    with pytest.raises(TapeError, match="was cut short to 3 bytes"):
        tape.flush()
    assert path.stat().st_size == 3
    tape.close()


# archives of raw frames


RAW = [
    b'{"topic":"orderbook.500.BTCUSDT","type":"snapshot","ts":1704067201073,"data":{"s":"BTCUSDT","ts":"x"}}',
    b'{"op":"subscribe","success":true}',
    b'{"topic":"order","id":"1","creationTime":1704067201074,"data":[]}',
    b'{"topic":"trade.BTCUSD","data":[]}',
    b'{"topic":"orderBookL2_25.BTCUSDT","data":[],"cross_seq":"5","timestamp_e6":"1704067201075001"}',
]
RAW_NS = [1704067201073000000] * 2 + [1704067201074000000] * 2 + [1704067201075001000]
FORMS = ("plain", "zstd", "zip", "stored zip")


def archive(path: Path, text: bytes, form: str, members: int = 1) -> Path:
    if "zip" in form:
        kind = zipfile.ZIP_STORED if form == "stored zip" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", kind) as target:
            for number in range(members):
                target.writestr(f"{number}.data", text)
    else:
        path.write_bytes(text if form == "plain" else zstandard.ZstdCompressor().compress(text))
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_an_archive_of_raw_frames_is_a_tape_by_the_frames_own_times(tmp_path: Path, form: str, end: bytes) -> None:
    path = archive(tmp_path / "a.data", b"\n".join(RAW) + end, form)
    with TapeReader(path) as tape:
        for _ in range(2):
            assert list(tape) == list(zip(RAW_NS, RAW, strict=True))
            assert (tape.skipped, tape.torn) == (0, None)
        fed: list[tuple[int, bytes]] = []

        def receive_lines(text: Any, start: int, stop: int) -> int:
            for line in bytes(text[start:stop]).splitlines():
                stamp, _, raw = line.partition(b"\t")
                fed.append((int(stamp), raw))
            return stop

        for _ in tape.feed_to(receive_lines, lambda raw, ns: None):
            pass
        assert fed == list(zip(RAW_NS, RAW, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_odd_lines_of_an_archive_are_skipped_and_counted(tmp_path: Path, form: str) -> None:
    text = b"\n".join([*RAW, b"hello", RAW[0], b'{"topic":"cut'])
    with TapeReader(archive(tmp_path / "a.data", text, form)) as tape:
        assert len(list(tape)) == len(RAW) + 1
        assert tape.skipped == 1
        assert "cut off" in str(tape.torn)


@pytest.mark.parametrize("form", ["plain", "zip"])
def test_a_long_archive_is_read_block_by_block(tmp_path: Path, form: str) -> None:
    text = b"".join(b'{"ts":%d,"pad":"%b"}\n' % (1704067200000 + n, b"x" * (n % 997)) for n in range(3000))
    with TapeReader(archive(tmp_path / "a.data", text, form)) as tape:
        assert [frame.recv_ns for frame in tape] == [(1704067200000 + n) * 1_000_000 for n in range(3000)]
        assert tape.bytes_read > 0


def test_a_zip_file_that_holds_no_tape_is_none(tmp_path: Path) -> None:
    two = archive(tmp_path / "two.zip", b"\n".join(RAW), "zip", members=2)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(archive(tmp_path / "good.zip", b"\n".join(RAW), "zip").read_bytes()[:-30])
    other = archive(tmp_path / "other.zip", b"hello\n", "zip")
    for path, match in ((two, "holds 2 files"), (broken, "cannot be read"), (other, "not a tape")):
        with TapeReader(path) as tape, pytest.raises(TapeError, match=match):
            list(tape)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("begin", [b"\n" * 9, b"\xef\xbb\xbf", b"# recorded today\n\n", b"garbage\r\n"])
def test_an_archive_may_begin_with_what_is_no_frame(tmp_path: Path, form: str, begin: bytes) -> None:
    with TapeReader(archive(tmp_path / "a.data", begin + b"\n".join(RAW), form)) as tape:
        assert list(tape) == list(zip(RAW_NS, RAW, strict=True))
        assert (tape.skipped, tape.torn) == (begin.count(b"\n"), None)


def test_a_json_array_is_no_tape_and_the_error_names_both_forms(tmp_path: Path) -> None:
    texts = b"[" + b",".join(RAW) + b"]", b"[\n" + b",\n".join(RAW) + b"\n]\n", b"[\n" + b",\n".join(RAW) + b"\n]"
    for text in texts:
        path = archive(tmp_path / "array.json", text, "plain")
        with TapeReader(path) as tape, pytest.raises(TapeError, match=r"recv_ns<TAB>raw.* one JSON object per line"):
            list(tape)


def test_the_notes_of_macos_in_a_zip_file_are_passed_over(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", b"\n".join(RAW), "zip")
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("__MACOSX/._0.data", b"\0\5\26\7")
    with TapeReader(path) as tape:
        assert list(tape) == list(zip(RAW_NS, RAW, strict=True))


@pytest.mark.parametrize("form", ["plain", "zip"])
def test_nothing_is_appended_to_an_archive(tmp_path: Path, form: str) -> None:
    path = archive(tmp_path / "a.data", b"\n".join(RAW), form)
    before = path.read_bytes()
    with pytest.raises(TapeError, match="new file"):
        TapeWriter(path, append=True)
    assert path.read_bytes() == before
