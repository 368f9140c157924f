"""The experiment of docs/reliability/detection.md finds what it claims, and every provable loss."""

from itertools import islice
from pathlib import Path

import pytest

from depthwire.venue import SyntheticMarket
from tests.reliability import detection, replayed, two_lines
from tests.reliability.damage import DAMAGES
from tests.reliability.detection import PROVABLE, examine, summary
from tests.reliability.detection_page import page
from tests.reliability.replayed import Reader, clean_run
from tests.reliability.rules import rules_of
from tests.reliability.streams import Stream, streams

FRAMES = 60
TOPICS = ("orderBookL2_25.BTCUSD", "orderBookL2_25.BTCUSDT", "orderbook.50.BTCUSDT")


def synthetic(name: str) -> Stream:
    """Return a short stream of a seeded market."""
    market = SyntheticMarket(seed=4, start_ns=1_618_677_786_000_000_000)
    wanted = next(topic for topic in market.topics if topic.name == name)
    (stream,) = streams("synthetic", (frame.raw for frame in islice(market.frames([wanted]), FRAMES)))
    return stream


@pytest.mark.parametrize("topic", TOPICS)
def test_what_the_rules_prove_is_caught_and_by_the_very_frame_that_proves_it(topic: str) -> None:
    examined = examine(synthetic(topic))
    for outcomes in (examined.removed, examined.swapped):
        figures = summary(outcomes)
        assert figures["disturbances"] == len(outcomes) >= FRAMES - 1
        assert PROVABLE not in figures["misses"]
        assert figures["caught_after_the_proof"] == 0
        assert figures["caught"] + sum(map(len, figures["misses"].values())) == len(outcomes)


@pytest.mark.parametrize("topic", TOPICS)
def test_what_arrives_damaged_is_caught_at_once(topic: str) -> None:
    damaged = examine(synthetic(topic)).damaged
    assert damaged == {kind: {"frames": FRAMES, "live": 0, "unreported": 0} for kind in DAMAGES}


def test_a_reader_that_passes_damage_over_is_shown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DAMAGES, "nothing left", lambda raw: raw)
    counts = examine(synthetic(TOPICS[2])).damaged["nothing left"]
    assert counts == {"frames": FRAMES, "live": FRAMES, "unreported": FRAMES}


def test_v5_misses_nothing_but_a_last_frame() -> None:
    examined = examine(synthetic(TOPICS[2]))
    *early, last = examined.removed
    assert [outcome.caught_after for outcome in early] == [1] * (FRAMES - 1)
    assert last.kind == detection.NOTHING_AFTER
    assert all(outcome.error for outcome in examined.swapped)


def test_v2_misses_sizes_alone_and_says_how_long_they_were_wrong() -> None:
    examined = examine(synthetic(TOPICS[0]))
    missed = [outcome for outcome in examined.removed if outcome.kind]
    assert any(outcome.kind == f"{detection.HEALED}, sizes only" and outcome.wrong for outcome in missed)
    assert any(outcome.error and outcome.wrong for outcome in examined.removed)
    assert all(outcome.error for outcome in examined.swapped)


def test_a_book_that_goes_on_where_a_rule_is_broken_is_shown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "on_frame_error", lambda self, error: None)
    figures = summary(examine(synthetic(TOPICS[2])).removed)
    assert figures["caught"] == 0
    assert len(figures["misses"][PROVABLE]) == FRAMES - 1


def test_a_stream_that_is_not_whole_is_refused() -> None:
    stream = synthetic(TOPICS[2])
    torn = stream._replace(raws=stream.raws[:5] + stream.raws[6:])
    with pytest.raises(AssertionError, match="frame 5"):
        replayed.clean_run(torn)


@pytest.mark.parametrize("topic", TOPICS)
def test_two_lines_show_no_wrong_book_where_one_loses_a_frame(topic: str) -> None:
    examined = examine(synthetic(topic))
    missed = {outcome.number for outcome in examined.removed if outcome.kind}
    wrong = {outcome.number for outcome in examined.removed if outcome.kind and outcome.wrong}
    for outcomes in examined.on_one:
        figures = two_lines.summary(outcomes, missed, wrong)
        assert figures["disturbances"] == FRAMES
        assert figures["wrong"] == figures["wrong_between"] == figures["stale"] == 0
        assert figures["found_of_the_wrong"] == figures["wrong_alone"] == len(wrong)


def test_two_lines_that_lose_the_same_frame_are_wrong() -> None:
    """Otherwise the experiment would not check the reader's book."""
    stream = synthetic(TOPICS[0])
    clean = clean_run(stream)
    lost = next(outcome.number for outcome in detection.removals(stream, clean) if outcome.kind and outcome.wrong)
    both = stream._replace(raws=[*stream.raws[:lost], stream.raws[lost - 1], *stream.raws[lost + 1 :]])
    assert two_lines.lost_on_one(both, clean, lost, two_lines.WHOLE).wrong > 0


def test_the_page_has_every_figure() -> None:
    examined = examine(synthetic(TOPICS[0]))
    figures = {"removed": summary(examined.removed), "swapped": summary(examined.swapped)}
    figures["damaged"] = examined.damaged
    on_one = two_lines.summary(examined.on_one[0], set(), set())
    text = page(
        [{"recording": "synthetic", "topic": TOPICS[0], "frames": FRAMES, **figures, "on_one_of_two_lines": on_one}]
    )
    for kind in DAMAGES:
        assert f"| {kind} | {FRAMES} | 0 | 0 | 0 | 0 | 0 |" in text
    for name in ("removed", "swapped"):
        for kind in figures[name]["misses"]:
            assert f"| {kind} |" in text
    assert f"| {FRAMES} | " in text


def test_recordings_obey_the_rules(tapes: Path) -> None:
    """Otherwise they could not serve as a second opinion."""
    from depthwire import tape

    for path in tapes.glob("*.frames"):
        for stream in streams(path.name, (raw for _, raw in tape.read(path))):
            rules = rules_of(stream.topic)
            assert [rules.receive(raw) for raw in stream.raws] == [None] * len(stream.raws)
