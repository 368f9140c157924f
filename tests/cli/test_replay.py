"""``depthwire replay`` against the oracle, and with broken tapes."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from depthwire.cli import main, replay_feed
from tests.support.cli_process import objects, synthetic, write_tape
from tests.support.reference import BUY, SELL, ReferenceBook, frames, plain, play
from tests.support.reference_v5 import books_of

BOOK, TRADES, LINEAR_BOOK = "orderBookL2_25.BTCUSD", "trade.BTCUSD", "orderBookL2_25.BTCUSDT"
DEEP_BOOK = "orderBook_200.100ms.BTCUSD"


def replay(
    capsys: pytest.CaptureFixture[str], *tapes: Path, topics: Sequence[str] = ("*",), code: int = 0
) -> tuple[dict[str, Any], str]:
    """Return the object that replay prints, and its stderr."""
    asked = [option for topic in topics for option in ("--topics", topic)]
    assert main(["replay", "--json", *asked, *map(str, tapes)]) == code
    out, err = capsys.readouterr()
    (report,) = objects(out)
    return report, err


def oracle(*tapes: Path) -> dict[str, ReferenceBook]:
    books: dict[str, ReferenceBook] = {}
    for tape in tapes:
        for book in books.values():
            book.starts_over = True
        for _ in play(frames(tape), books):
            pass
    return books


def assert_equal_books(books: dict[str, Any], expected: dict[str, ReferenceBook]) -> None:
    assert books.keys() == expected.keys()
    for topic, book in books.items():
        assert book["state"] == expected[topic].state, topic
        assert (book["cross_seq"], book["applied"]) == (expected[topic].cross_seq, expected[topic].version), topic
        assert book["bids"] == expected[topic].levels_text(BUY), topic
        assert book["asks"] == expected[topic].levels_text(SELL), topic


@pytest.fixture
def v2_tapes(tapes: Path) -> list[Path]:
    found = sorted([*tapes.glob("inverse-*.frames"), *tapes.glob("linear-*.frames")])
    if not found:
        pytest.skip(f"no v2 recording (inverse-*.frames, linear-*.frames) in {tapes}")
    return found


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "a.frames", synthetic(300, BOOK, DEEP_BOOK, TRADES, LINEAR_BOOK))


# recordings


def test_each_recording_ends_in_the_oracles_books(v2_tapes: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for recording in v2_tapes:
        report, _ = replay(capsys, recording)
        assert_equal_books(report["books"], oracle(recording))
        raws = [json.loads(raw) for raw in frames(recording)]
        trades: Counter[str] = Counter()
        for raw in raws:
            if raw.get("topic", "").startswith("trade."):
                trades[raw["topic"]] += len(raw["data"])
        assert report["trades"] == trades
        assert report["frames"] == len(raws)
        assert sum(report["lanes"].values()) == sum(raw.get("topic", "").startswith("orderBook") for raw in raws)


def test_several_recordings_go_into_one_state(v2_tapes: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    twice = [*v2_tapes, *v2_tapes]
    report, _ = replay(capsys, *twice)
    assert_equal_books(report["books"], oracle(*twice))


@pytest.fixture
def v5_tapes(tapes: Path) -> list[Path]:
    found = sorted(tapes.glob("v5-*.frames"))
    if not found:
        pytest.skip(f"no v5 recording (v5-*.frames) in {tapes}")
    return found


def test_each_v5_recording_ends_in_the_oracles_books(v5_tapes: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for recording in v5_tapes:
        report, err = replay(capsys, recording)
        assert (report["skipped"], err) == (0, "")
        expected = dict(books_of(frames(recording)))
        assert report["books"].keys() == expected.keys()
        for topic, book in report["books"].items():
            oracle_book = expected[topic]
            assert list(book) == ["state", "u", "seq", "applied", "bids", "asks"]
            assert (book["state"], book["u"], book["seq"]) == ("LIVE", oracle_book.u, oracle_book.seq)
            assert book["applied"] == oracle_book.version
            shown = [[(plain(Decimal(price)), float(size)) for price, size in book[side]] for side in ("bids", "asks")]
            assert tuple(shown) == oracle_book.levels_text()
        trades: Counter[str] = Counter()
        for raw in frames(recording):
            message = json.loads(raw)
            if message.get("topic", "").startswith("publicTrade."):
                trades[message["topic"]] += len(message["data"])
        assert report["trades"] == trades


def test_tapes_of_all_dialects_go_into_one_state(
    v2_tapes: list[Path], v5_tapes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    report, err = replay(capsys, v2_tapes[0], *v5_tapes, *v2_tapes[1:])
    assert (report["skipped"], err) == (0, "")
    assert {"cross_seq" in book for book in report["books"].values()} == {True, False}


def test_private_topics_are_of_the_dialect_that_the_tapes_answers_speak(
    tapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both v2 and v5 have ``order``, with different fields."""
    examples = {version: tapes / f"examples-{version}.jsonl" for version in ("v5", "inverse")}
    answers = {
        "v5": b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"1","op":"subscribe"}',
        "inverse": b'{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe","args":["order"]}}',
    }
    for version, path in examples.items():
        if not path.is_file():
            pytest.skip(f"no {path}")
        orders = [raw for raw in path.read_bytes().splitlines() if json.loads(raw).get("topic") == "order"]
        assert orders
        tape = write_tape(tmp_path / f"{version}.frames", list(enumerate([answers[version], *orders])))
        report, err = replay(capsys, tape)
        assert (report["frames"], report["skipped"], err) == (1 + len(orders), 0, "")


def test_single_frames_of_other_topics_and_dialects_are_skipped_by_name(
    tapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    singles = tapes / "singles-v2-2019-2022.jsonl"
    if not singles.is_file():
        pytest.skip(f"no {singles}")
    raws = [raw for raw in singles.read_bytes().splitlines() if b"BTCPERP" in raw]
    report, err = replay(capsys, write_tape(tmp_path / "a.frames", list(enumerate(raws))), code=1)
    assert report["skipped"] == report["frames"] == len(raws) > 0
    assert err.count(" orderBookL2_25.BTCPERP: ") == err.count(" trade.BTCPERP: ") == 1
    assert report["books"]["orderBookL2_25.BTCPERP"]["state"] == "EMPTY"


# the synthetic market


def test_books_of_both_dialects_and_depths_and_trades(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, err = replay(capsys, tape)
    assert err == ""
    assert_equal_books(report["books"], oracle(tape))
    assert report["books"].keys() == {BOOK, DEEP_BOOK, LINEAR_BOOK}
    assert list(report) == [
        *("frames", "seconds", "frames_per_s", "decoded", "left_out", "skipped", "lanes", "books", "trades")
    ]
    assert list(report["books"][BOOK]) == ["state", "cross_seq", "applied", "bids", "asks"]
    assert report["frames"] == 300
    assert report["skipped"] == 0
    assert report["trades"][TRADES] > 0
    assert report["frames_per_s"] == pytest.approx(300 / report["seconds"], rel=0.01)


def test_a_compressed_tape_replays_like_the_plain_one(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("zstandard")
    packed = write_tape(tmp_path / "a.frames.zst", synthetic(300, BOOK, DEEP_BOOK, TRADES, LINEAR_BOOK))
    (plain, _), (unpacked, _) = replay(capsys, tape), replay(capsys, packed)
    for report in (plain, unpacked):
        del report["seconds"], report["frames_per_s"]
    assert plain == unpacked


def test_a_lost_frame_makes_the_book_stale_and_every_line_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = synthetic(120, BOOK)
    came: dict[int, int] = {}
    for number, (_, raw) in enumerate(whole[1:], 1):
        data = json.loads(raw)["data"]
        found = [came[level["id"]] for level in data["delete"] if level["id"] in came]
        if found:
            break
        came |= {level["id"]: number for level in data["insert"]}
    gap = write_tape(tmp_path / "gap.frames", [*whole[: found[0]], *whole[found[0] + 1 :]])
    report, err = replay(capsys, gap)
    book = report["books"][BOOK]
    assert book["state"] == "STALE"
    assert found[0] <= book["applied"] < number
    assert report["skipped"] == len(whole) - 1 - book["applied"]
    assert_equal_books(report["books"], oracle(gap))
    assert f"{BOOK} is STALE: {book['reason']}" in err

    again, _ = replay(capsys, gap, write_tape(tmp_path / "b.frames", whole))
    assert again["books"][BOOK]["state"] == "LIVE"
    assert "reason" not in again["books"][BOOK]


def test_a_frame_that_stands_twice_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = synthetic(40, BOOK)
    report, err = replay(capsys, write_tape(tmp_path / "twice.frames", [*whole[:20], *whole[19:]]))
    plain, _ = replay(capsys, write_tape(tmp_path / "once.frames", whole))
    assert report["books"] == plain["books"]
    assert report["skipped"] == 1
    assert f"{BOOK}: 1 outdated frames" in err


def test_refused_frames_are_told_once_by_topic_and_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delta = synthetic(2, BOOK)[1]
    tape = write_tape(tmp_path / "a.frames", [delta, delta, delta, (1, b"{"), (2, b'{"no":"topic"}'), (3, b"[]")])
    report, err = replay(capsys, tape, code=1)
    assert report["skipped"] == report["frames"] == 6
    assert report["books"][BOOK] == {"state": "EMPTY", "cross_seq": 0, "applied": 0, "bids": [], "asks": []}
    first, second, error = err.splitlines()
    assert error == f"depthwire: error: {tape}: none of the tape's 6 frames could be used"
    assert "SnapshotMissing" in first
    assert first.endswith("(and 2 more)")
    assert "DamagedFrame" in second
    assert second.endswith("(and 2 more)")


def test_many_kinds_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = write_tape(tmp_path / "a.frames", [(i, b'{"topic":"t.%d","data":[]}' % (i % 500)) for i in range(1000)])
    report, err = replay(capsys, tape, code=1)
    assert report["skipped"] == 1000
    assert len(err.splitlines()) == 22
    assert "960 more frames, with 480 other combinations" in err


def test_the_table_for_people(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--topics", "trade.*", str(tape)]) == 0
    out, _ = capsys.readouterr()
    expected = oracle(tape)[BOOK]
    (line,) = (line for line in out.splitlines() if line.startswith(BOOK + " "))
    best_bid, best_ask = expected.levels_text(BUY)[0], expected.levels_text(SELL)[0]
    assert line.split() == [
        BOOK,
        "LIVE",
        str(expected.version),
        str(expected.cross_seq),
        *best_bid[::-1],
        *best_ask,
    ]
    assert f"{TRADES}: " in out
    assert out.splitlines()[-1].startswith("300 frames in ")


# broken tapes


def test_a_torn_end_is_told_and_skipped(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = tmp_path / "torn.frames"
    torn.write_bytes(tape.read_bytes()[:-30])
    report, err = replay(capsys, torn)
    assert report["frames"] == 299
    assert report["skipped"] == 1
    assert len(err.splitlines()) == 1
    assert "torn" in err


def test_malformed_lines_are_counted(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.frames"
    lines = tape.read_bytes().splitlines(keepends=True)
    broken.write_bytes(b"".join([*lines[:100], b"no stamp\n", b"\n", *lines[100:]]))
    report, err = replay(capsys, broken)
    assert report["frames"] == 300
    assert report["skipped"] == 2
    assert "2 malformed lines" in err
    assert main(["replay", "--verbose", str(broken)]) == 0
    assert "line 101 skipped" in capsys.readouterr().err


@pytest.mark.parametrize("begin", [b"garbage\n", b"\n\n", b"\xef\xbb\xbf"])
def test_a_tape_whose_first_lines_are_malformed_is_applied(
    begin: bytes, tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.frames"
    broken.write_bytes(begin + tape.read_bytes())
    report, _ = replay(capsys, broken)
    assert (report["frames"], report["skipped"]) == (300, begin.count(b"\n"))
    assert report["books"] == replay(capsys, tape)[0]["books"]


@pytest.mark.parametrize("name", ["empty.frames", "empty.frames.zst"])
def test_an_empty_tape_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name.endswith(".zst"):
        pytest.importorskip("zstandard")
    empty = write_tape(tmp_path / name, [])
    report, err = replay(capsys, empty, code=1)
    assert err == f"depthwire: error: {empty}: the tape has no frames\n"
    del report["seconds"]
    assert report == {
        "frames": 0,
        "frames_per_s": 0.0,
        "decoded": 0,
        "left_out": 0,
        "skipped": 0,
        "lanes": {"scanner": 0, "msgspec": 0, "rejected": 0},
        "books": {},
        "trades": {},
    }
    assert main(["replay", str(empty)]) == 1
    assert capsys.readouterr().out.startswith("0 frames in ")


def test_one_useless_tape_among_several_is_an_error_and_the_others_are_shown(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deltas = write_tape(tmp_path / "deltas.frames", synthetic(9, "orderBookL2_25.ETHUSD")[1:])
    alone, _ = replay(capsys, tape)
    for jobs in ("1", "2"):
        report, err = replay(capsys, tape, deltas, Path("--jobs"), Path(jobs), code=1)
        assert report["books"] == {**alone["books"], "orderBookL2_25.ETHUSD": report["books"]["orderBookL2_25.ETHUSD"]}
        assert err.splitlines()[-1] == f"depthwire: error: {deltas}: none of the tape's 8 frames could be used"


def test_answers_alone_are_not_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = b'{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe","args":["order"]}}'
    tape = write_tape(tmp_path / "a.frames", [(1, answer)])
    _, err = replay(capsys, tape, code=1)
    assert err == f"depthwire: error: {tape}: none of the tape's 1 frames could be used\n"


@pytest.mark.parametrize("frames", [[], [(1, b"{"), (2, b'{"no":"topic"}')], synthetic(9, BOOK)[1:]])
def test_a_venue_does_not_play_a_tape_of_no_use(
    frames: list[tuple[int, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["venue", "--tape", str(write_tape(tmp_path / "a.frames", frames))]) == 1
    assert "error: " in capsys.readouterr().err


# what is decoded


def test_books_alone_are_decoded_unless_more_is_asked_for(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything, _ = replay(capsys, tape)
    assert (everything["decoded"], everything["left_out"]) == (300, 0)
    books, err = replay(capsys, tape, topics=())
    assert (books["books"], books["trades"], err) == (everything["books"], {}, "")
    trade_frames = sum(json.loads(raw)["topic"] == TRADES for raw in frames(tape))
    assert (books["frames"], books["left_out"], books["skipped"]) == (300, trade_frames, 0)
    assert books["decoded"] == 300 - trade_frames
    for patterns in ([TRADES], ["trade.*"], ["nothing.*", "*.BTCUSD"]):
        assert replay(capsys, tape, topics=patterns)[0]["trades"] == everything["trades"], patterns
    assert main(["replay", str(tape)]) == 0
    assert f", {300 - trade_frames} decoded, 0 skipped" in capsys.readouterr().out


def test_what_is_not_asked_for_is_not_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known and unknown topics are left out, whatever their frames contain and wherever the topic is."""
    odd = [
        (1, b'{"topic":"trade.BTCUSD","data":[{"size":"not a number"}]}'),
        (1, b'{"topic":"trade.BTCUSD","data":[{"size":'),
        (2, b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":7}'),
        (3, b'{"topic":"no.such.topic","data":{}}'),
        (4, b'{"id":"1","topic":"order","creationTime":1,"data":[{}]}'),
        (5, b'{"id":"2","topic":"order","creationTime":2,"data":[{}]}'),
    ]
    tape = write_tape(tmp_path / "a.frames", [*synthetic(2, BOOK), *odd])
    report, err = replay(capsys, tape, topics=())
    assert (report["frames"], report["decoded"], report["left_out"], report["skipped"], err) == (8, 2, 6, 0, "")


def test_a_damaged_topic_costs_a_taped_book_its_state_and_an_unknown_topic_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, state in (("no.such.topic", "LIVE"), ("orderBookL2_25.B;>{^D", "STALE")):
        odd = (3, f'{{"topic":"{text}","data":{{}}}}'.encode())
        tape = write_tape(tmp_path / f"{state}.frames", [*synthetic(2, BOOK), odd])
        for topics in ((), ("*",)):
            assert replay(capsys, tape, topics=topics)[0]["books"][BOOK]["state"] == state


def test_a_tape_without_a_book_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = write_tape(tmp_path / "a.frames", synthetic(3, TRADES))
    _, err = replay(capsys, tape, topics=(), code=1)
    assert err == (
        f"depthwire: error: {tape}: no order book among the tape's 3 frames; use --topics '*' to decode other topics\n"
    )
    assert replay(capsys, tape)[0]["trades"][TRADES] > 0


@pytest.mark.parametrize("name", ["missing.frames", ".", "no.frames", "corrupt.zst"])
def test_what_is_no_tape_costs_one_line_and_exit_code_1(
    name: str, tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.frames").write_text('"trade.BTCUSD"\n' * 10)
    (tmp_path / "corrupt.zst").write_bytes(b"\x28\xb5\x2f\xfdgarbage instead of zstd")
    assert main(["replay", "--json", str(tape), str(tmp_path / name)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("depthwire: error: ")
    assert str(tmp_path / name) in err


# progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_tape_has_a_progress_bar_on_a_terminal_only(
    tape: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(replay_feed, "_LONG_TAPE_BYTES", 1)
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        assert main(["replay", "--json", str(tape)]) == 0
    assert "100%" in terminal.getvalue()
    capsys.readouterr()
    _, err = replay(capsys, tape)
    assert err == ""


def test_the_msgspec_lane_gives_the_same_books(tapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = str(tapes / "v5-spot-2026-08-09.frames")
    reports = []
    for lane in ("scanner", "msgspec"):
        assert main(["replay", "--json", "--lane", lane, tape]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0]["books"] == reports[1]["books"] != {}
    assert reports[0]["lanes"] == {"scanner": 300, "msgspec": 0, "rejected": 0}
    assert reports[1]["lanes"] == {"scanner": 0, "msgspec": 300, "rejected": 0}


def test_tapes_side_by_side_are_reported_together(tapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("inverse-2021-04-17.frames", "v5-linear-ob50-2026-08-24.frames")
    alone = []
    for name in names:
        assert main(["replay", "--json", str(tapes / name)]) == 0
        alone.append(json.loads(capsys.readouterr().out))
    assert main(["replay", "--json", "--jobs", "2", *(str(tapes / name) for name in names)]) == 0
    together = json.loads(capsys.readouterr().out)
    assert list(together) == list(alone[0])
    assert together["frames"] == sum(report["frames"] for report in alone)
    assert together["books"] == alone[0]["books"] | alone[1]["books"]
    assert together["trades"] == alone[0]["trades"] | alone[1]["trades"]
    assert together["lanes"]["scanner"] == sum(report["lanes"]["scanner"] for report in alone)


def test_a_tape_that_is_none_among_others_side_by_side_is_an_error(
    tapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.frames").write_text("this is not a tape\n")
    good = str(tapes / "v5-linear-ob50-2026-08-24.frames")
    assert main(["replay", "--jobs", "2", good, str(tmp_path / "none.frames")]) != 0
    assert "none.frames" in capsys.readouterr().err


# faults


def test_a_book_of_any_depth_replays(tapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, err = replay(capsys, tapes / "faults" / "02_orderbook_500.frames")
    (book,) = report["books"].values()
    assert (book["state"], book["u"], book["bids"], book["asks"]) == (
        "LIVE",
        7002,
        [["42300", "2"]],
        [["42300.2", "0.9"], ["42300.3", "3"]],
    )
    assert (report["skipped"], err) == (0, "")


def test_option_books_replay(tapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = tapes / "faults"
    report, err = replay(
        capsys, faults / "04_option_book_without_seq.frames", faults / "05_option_empty_book_u0.frames"
    )
    shown = [(book["state"], book["u"], book["bids"], book["asks"]) for book in report["books"].values()]
    assert shown == [("LIVE", 2002, [["0.02", "40"]], [["1.75", "45"]]), ("LIVE", 1, [["5", "0.96"]], [])]
    assert (report["skipped"], err) == (0, "")


@pytest.mark.parametrize("suffix", [".data", ".data.zip"])
def test_the_exchanges_archive_of_raw_frames_replays_as_it_is(
    tapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    raws = b"\n".join(frames(tapes / "faults" / "02_orderbook_500.frames"))
    archive = tmp_path / f"2024-01-01_BTCUSDT_ob500{suffix}"
    if suffix == ".data":
        archive.write_bytes(raws)
    else:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("2024-01-01_BTCUSDT_ob500.data", raws)
    report, err = replay(capsys, archive)
    (book,) = report["books"].values()
    assert (book["state"], book["u"], report["frames"], err) == ("LIVE", 7002, 2, "")


def test_v5_private_frames_replay_without_an_answer_before_them(tapes: Path) -> None:
    private = replay_feed.Replay(("*",))
    private.apply(str(tapes / "faults" / "03_v5_private_without_answers.frames"))
    assert sum(channel.events for channel in private.events) == 4
    assert (private.skipped_frames.counts, private.skipped) == (Counter(), 0)


def test_private_frames_of_both_generations_are_told_apart_one_by_one(tmp_path: Path) -> None:
    of_v2 = (
        b'{"topic":"execution","data":[{"symbol":"BTCUSD","side":"Buy","order_id":"o","exec_id":"e","order_link_id":"",'
        + (
            b'"price":"8300","order_qty":1,"exec_type":"Trade","exec_qty":1,"exec_fee":"0.00000009","leaves_qty":0,"is_maker":false,'
            b'"trade_time":"2020-01-14T14:07:23.629Z"}]}'
        )
    )
    of_v5 = (
        b'{"topic":"execution","id":"1","creationTime":1786689290246,"data":[{"category":"linear","symbol":"BTCUSDT",'
        + (
            b'"execId":"e-1","execPrice":"95900.1","execQty":"0.5","execType":"Trade","orderId":"o-1","side":"Sell",'
            b'"execTime":"1786689290245","isMaker":false,"seq":5}]}'
        )
    )
    tape = write_tape(tmp_path / "a.frames", list(enumerate([of_v2, of_v5, of_v2, of_v5, of_v5])))
    both = replay_feed.Replay(("execution",))
    both.apply(str(tape))
    assert sorted(channel.events for channel in both.events) == [2, 3]
    assert both.skipped_frames.counts == Counter()
