"""``depthwire record``: the tape has exactly the received frames."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from depthwire.cli import main
from depthwire.cli.record import Recorder
from depthwire.errors import TapeError
from depthwire.tape import TapeWriter, read
from tests.support.cli_process import (
    BOUND_S,
    COMMAND,
    NEEDS_SIGNALS,
    lines_told,
    objects,
    started,
    synthetic,
    tape_lines,
    venue,
    write_tape,
)
from tests.support.v5_server import V5Server, book, served

BOOK, TRADES = "orderBookL2_25.BTCUSD", "trade.BTCUSD"
OPTION = "BTC-31DEC27-60000-C"
FRAMES = 200


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("original") / "a.frames", synthetic(FRAMES, BOOK))


@pytest.fixture
def url(original: Path) -> Iterator[str]:
    with venue("--tape", str(original), "--speed", "max") as urls:
        yield urls["BTCUSD"]


def record(url: str, out: Path, *options: str) -> int:
    return main(["record", "BTCUSD", "--url", url, "--out", str(out), *options])


def replayed(capsys: pytest.CaptureFixture[str], tape: Path) -> object:
    capsys.readouterr()
    assert main(["replay", "--json", str(tape)]) == 0
    (report,) = objects(capsys.readouterr().out)
    assert report["skipped"] == 0
    return report["books"]


def test_a_recording_holds_every_byte_and_replays_to_the_same_books(
    url: str, original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.frames"
    assert record(url, out, "--no-trades", "--frames", str(FRAMES + 1)) == 0
    err = capsys.readouterr().err
    assert f"{FRAMES + 1} frames" in lines_told(err)[-1]
    assert str(out) in lines_told(err)[-1]
    assert tape_lines(out) == tape_lines(original)
    (answer,) = (json.loads(raw) for _, raw in read(out) if b'"topic"' not in raw)
    assert answer["request"] == {"op": "subscribe", "args": [BOOK]}
    stamps = [recv_ns for recv_ns, _ in read(out)]
    assert stamps == sorted(stamps)
    assert replayed(capsys, out) == replayed(capsys, original)


def test_a_compressed_recording_holds_the_same(
    url: str, original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("zstandard")
    out = tmp_path / "out.frames.zst"
    assert record(url, out, "--no-trades", "--frames", str(FRAMES + 1)) == 0
    assert out.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    assert replayed(capsys, out) == replayed(capsys, original)


@pytest.mark.parametrize(("option", "topics"), [("--trades", {BOOK, TRADES}), ("--no-trades", {BOOK})])
def test_trades_are_recorded_too_unless_told_otherwise(option: str, topics: set[str], tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    assert record("sim://", out, "--seconds", "0.2", option) == 0
    answers = [json.loads(raw)["request"] for _, raw in read(out) if b'"topic"' not in raw]
    assert {topic for request in answers for topic in request["args"]} == topics


def test_topics_are_recorded_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", "trade.*", "klineV2.1.BTCUSD", "--url", "sim://", "--frames", "30"]) == 0
    (name,) = os.listdir()
    assert name.startswith("trade.+-klineV2.1.BTCUSD-2")
    (answer,) = (json.loads(raw)["request"] for _, raw in read(name) if b'"topic"' not in raw)
    assert answer["args"] == ["trade.*", "klineV2.1.BTCUSD"]
    topics = {json.loads(raw)["topic"] for raw in tape_lines(Path(name))}
    assert (
        {"klineV2.1.BTCUSD", "trade.BTCUSD"}
        <= topics
        <= {"klineV2.1.BTCUSD", "trade.BTCUSD", "trade.ETHUSD", "trade.XRPUSD"}
    )


def test_an_existing_file_is_not_touched(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.txt"
    out.write_text("precious")
    assert record(url, out, "--no-trades") == 1
    assert out.read_text() == "precious"
    (line,) = lines_told(capsys.readouterr().err)
    assert "already exists" in line


def test_a_refused_symbol_leaves_no_file(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.frames"
    assert main(["record", "DOGEUSD", "--no-trades", "--url", url, "--out", str(out)]) == 1
    assert not out.exists()
    (line,) = lines_told(capsys.readouterr().err)
    assert "orderBookL2_25.DOGEUSD" in line


def test_the_default_name_tells_symbols_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", "BTCUSD", "ETHUSD", "--url", "sim://", "--frames", "3"]) == 0
    (name,) = os.listdir()
    assert name.startswith("BTCUSD-ETHUSD-2")
    assert name.endswith("Z.frames")


@NEEDS_SIGNALS
def test_an_interrupted_recording_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.frames"
    with started("record", "BTCUSD", "--url", "sim://", "--out", str(out)) as process:
        assert process.stderr is not None
        assert "recording to" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 130
    (summary,) = err.splitlines()
    assert summary.endswith(f"to {out}")
    assert out.read_bytes().endswith(b"\n")
    replayed(capsys, out)


def test_a_killed_recording_keeps_what_came_until_a_second_before(tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    with (
        venue("--speed", "1") as urls,
        started("record", "BTCUSD", "--url", urls["BTCUSD"], "--out", str(out)) as process,
    ):
        assert process.stderr is not None
        assert "recording to" in process.stderr.readline()
        while not (out.exists() and out.read_bytes().count(b"\n") > 3):
            assert process.poll() is None
        process.kill()
        process.wait(BOUND_S)
    assert len(tape_lines(out)) > 2


# the tap itself


def test_secrets_stay_off_the_tape(tmp_path: Path) -> None:
    recorder = Recorder()
    secret = b'{"success":true,"request":{"op":"auth","args":["KEY","1","SIGNATURE"]}}'
    with TapeWriter(tmp_path / "a.frames") as tape:
        recorder(1, memoryview(secret))
        recorder(2, memoryview(b'{"early":1}'))
        recorder.begin(tape)
        recorder(3, memoryview(secret))
        recorder(4, memoryview(b'{"late":1}'))
    assert [tuple(frame) for frame in read(tmp_path / "a.frames")] == [
        (2, b'{"early":1}'),
        (4, b'{"late":1}'),
    ]
    assert recorder.frames == 2


def test_the_limit_counts_early_frames_too_and_holds_exactly(tmp_path: Path) -> None:
    recorder = Recorder(most_frames=2)
    with TapeWriter(tmp_path / "a.frames") as tape:
        for at in range(3):
            recorder(at, memoryview(b"{}"))
        recorder.begin(tape)
        recorder(9, memoryview(b"{}"))
    assert [recv_ns for recv_ns, _ in read(tmp_path / "a.frames")] == [0, 1]
    assert recorder.finished.is_set()


def test_a_tape_that_fails_ends_the_recording_and_not_the_feed(tmp_path: Path) -> None:
    recorder = Recorder()
    tape = TapeWriter(tmp_path / "a.frames")
    recorder.begin(tape)
    tape.close()
    recorder(1, memoryview(b"{}"))
    assert isinstance(recorder.failure, TapeError)
    assert recorder.finished.is_set()
    assert recorder.frames == 0


def grown(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a recording's file has a few frames."""
    while not (path.exists() and path.stat().st_size > 2000):
        assert process.poll() is None
        time.sleep(0.01)


@contextmanager
def recording(out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a recording of a live venue, and wait until its file exists."""
    with (
        venue() as urls,
        started("record", "BTCUSD", "--url", urls["BTCUSD"], "--out", str(out), *options) as process,
    ):
        assert process.stderr is not None
        assert "recording to" in process.stderr.readline()
        grown(out, process)
        yield process


def remove(out: Path) -> None:
    out.unlink()


def move(out: Path) -> None:
    out.rename(out.with_name("moved" + "".join(out.suffixes)))


def remove_folder(out: Path) -> None:
    shutil.rmtree(out.parent)


@NEEDS_SIGNALS
@pytest.mark.parametrize("name", ["out.frames", "out.frames.zst"])
@pytest.mark.parametrize("lose", [remove, move, remove_folder])
def test_a_file_that_is_lost_is_reported_and_started_again(
    lose: Callable[[Path], None], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(".zst"):
        pytest.importorskip("zstandard")
    out = tmp_path / "folder" / name
    out.parent.mkdir()
    with recording(out) as process:
        lose(out)
        assert process.stderr is not None
        notice = process.stderr.readline()
        assert f"{out} was removed or moved" in notice
        assert "creating it again" in notice
        grown(out, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 130
    assert err.splitlines()[-1].endswith(f"to {out}")
    for tape in [out, *out.parent.glob("moved*")]:  # a moved file is complete
        capsys.readouterr()
        assert main(["replay", "--json", str(tape)]) == 0
        (report,) = objects(capsys.readouterr().out)
        assert report["books"][BOOK]["state"] == "LIVE"


@NEEDS_SIGNALS
@pytest.mark.parametrize(
    ("lose", "options", "what"),
    [
        (remove, ["--on-lost", "fail"], "was removed or moved"),
        (move, ["--on-lost", "fail"], "was removed or moved"),
        (lambda out: os.truncate(out, 10), [], "was cut short"),
        (lambda out: os.replace(shutil.copy(out, f"{out}.copy"), out), [], "was replaced by another file"),
    ],
    ids=["removed", "moved", "cut", "replaced"],
)
def test_a_file_that_is_lost_may_end_the_recording(
    lose: Callable[[Path], None], options: list[str], what: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.frames"
    with recording(out, *options) as process:
        lose(out)
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert f"{out} {what}" in err
    assert "error:" in err.splitlines()[-1]
    assert "creating it again" not in err


@NEEDS_SIGNALS
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_file_that_is_lost_just_before_the_end_is_an_error(end: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    with recording(out, "--on-lost", "fail") as process:
        out.unlink()
        process.send_signal(end)
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert f"error: {out} was removed or moved" in err.splitlines()[-1]


@pytest.mark.parametrize("on_lost", ["fail", "restart"])
def test_a_recording_that_ends_without_its_file_is_an_error(
    on_lost: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.frames"

    async def remove_at_the_end(seconds: float, work: Coroutine[Any, Any, None]) -> None:
        work.close()
        out.unlink()

    monkeypatch.setattr("depthwire.cli.record.run_for", remove_at_the_end)
    assert record("sim://", out, "--seconds", "9", "--on-lost", on_lost) == 1
    assert f"error: {out} was removed or moved" in capsys.readouterr().err.splitlines()[-1]


@NEEDS_SIGNALS
@pytest.mark.parametrize("name", ["out.frames", "out.frames.zst"])
def test_a_write_that_fails_is_an_error_and_what_was_written_is_a_tape(name: str, tmp_path: Path) -> None:
    import resource

    out = tmp_path / name
    limit = 4000
    process = subprocess.Popen(
        [*COMMAND, "record", "BTCUSD", "--sim", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert f"error: {out}: cannot be written: " in err.splitlines()[-1]
    assert "Traceback" not in err
    assert out.stat().st_size <= limit
    assert list(read(out))


def test_the_embedded_venue_is_recorded_without_a_url(tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    assert main(["record", "BTCUSDT", "publicTrade.BTCUSDT", "--sim", "--frames", "5", "--out", str(out)]) == 0
    assert {json.loads(raw)["topic"] for raw in tape_lines(out)} <= {"orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"}
    with pytest.raises(SystemExit):
        main(["record", "BTCUSDT", "--sim", "--url", "sim://"])


def test_an_option_is_recorded_with_its_coins_trades(tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    assert main(["record", OPTION, "--sim", "--frames", "3", "--out", str(out)]) == 0
    assert f"orderbook.25.{OPTION}" in {json.loads(raw).get("topic") for raw in tape_lines(out)}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = TapeWriter("/dev/full", append=True)
    monkeypatch.setattr("depthwire.cli.record.TapeWriter", lambda path: full)
    assert record("sim://", tmp_path / "unused.frames", "--seconds", "3") == 1
    *_, last = lines_told(capsys.readouterr().err)
    assert last.startswith("depthwire: error: /dev/full")


# topics unknown to depthwire


def any_topic(server: V5Server) -> None:
    def frames_of(topic: str) -> dict[str, object]:
        return book("BTCUSDT") if topic == "orderbook.50.BTCUSDT" else {"topic": topic, "data": {"any": 1}}

    server.snapshots = frames_of


def test_topics_without_a_type_are_recorded_with_the_others(tmp_path: Path) -> None:
    out = tmp_path / "out.frames"
    topics = ["priceLimit.BTCUSDT", "orderbook.rpi.BTCUSDT", "adlAlert.USDT", "orderbook.50.BTCUSDT"]
    with served(any_topic) as server:
        assert main(["record", *topics, "--url", server.url, "--out", str(out), "--frames", "6"]) == 0
    told = [json.loads(raw) for _, raw in read(out)]
    assert sorted(message["topic"] for message in told if "topic" in message) == sorted(topics)


def test_a_private_word_is_a_topic_and_another_word_a_symbol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(any_topic) as server:
        assert main(["record", "strategy", "--url", server.url, "--out", str(tmp_path / "a"), "--seconds", "1"]) == 1
        assert "private topics need an API key: strategy" in capsys.readouterr().err
