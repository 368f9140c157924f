"""Rate, latency and gaps, with a clock that the test sets."""

import pytest

from depthwire.bybit.v2.dialect import INVERSE
from depthwire.cli import book_stats
from depthwire.cli.book_stats import BookStats, Latency
from depthwire.cli.replay_feed import Replay

TOPIC = "orderBookL2_25.BTCUSD"
S, MS = 10**9, 10**6


class Clock:
    now_ns = 1_600_000_000 * S

    def time_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(book_stats, "time", clock)
    return clock


class Source:
    """A live book that is fed snapshots of one level per side."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._replay = Replay()
        self._sequence = 0
        channel = INVERSE.channel(TOPIC)
        assert channel is not None
        self._replay.feed.channels.add(channel)
        self.book = self._replay.books[0].book

    def frame(self, latency_ns: int) -> None:
        sent_us = (self._clock.now_ns - latency_ns) // 1000
        levels = ",".join(
            f'{{"price":"{price}","symbol":"BTCUSD","id":{price}0000,"side":"{side}","size":1}}'
            for price, side in ((100, "Buy"), (101, "Sell"))
        )
        head = f'{{"topic":"{TOPIC}","type":"snapshot","data":[{levels}]'
        self._sequence += 1
        raw = f'{head},"cross_seq":{self._sequence},"timestamp_e6":{sent_us}}}'
        self._replay.feed.receive(raw.encode(), self._clock.now_ns)


def test_before_the_first_frame_nothing_is_claimed(clock: Clock) -> None:
    stats = BookStats(Source(clock).book)
    assert (stats.frames, stats.gaps, stats.frames_per_s, stats.latency) == (0, 0, 0.0, None)
    assert stats.rate_and_latency() == "0.0 frames/s, latency -"


def test_rate_and_latency_are_those_of_the_window(clock: Clock) -> None:
    source = Source(clock)
    stats = BookStats(source.book, window_s=10)
    for _ in range(100):  # 50 per second, 90 ms late
        source.frame(90 * MS)
        clock.now_ns += S // 50
    assert stats.frames_per_s == pytest.approx(50)
    assert stats.latency == Latency(90 * MS, 90 * MS)
    clock.now_ns += 20 * S
    assert stats.frames_per_s == 0
    assert stats.latency is None
    for latency_ms in range(1, 102):  # 10 per second
        clock.now_ns += S // 10
        source.frame(latency_ms * MS)
    assert stats.frames_per_s == pytest.approx(10, rel=0.02)
    assert stats.latency == pytest.approx((51 * MS, 100 * MS), rel=0.02)
    assert stats.frames == 201


def test_a_window_too_full_to_keep_still_knows_its_rate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_stats, "_MAX_SAMPLES", 100)
    source = Source(clock)
    stats = BookStats(source.book, window_s=10)
    for _ in range(1000):
        source.frame(MS)
        clock.now_ns += S // 500
    assert stats.frames_per_s == pytest.approx(500)


def test_a_clock_that_is_ahead_gives_a_negative_latency(clock: Clock) -> None:
    source = Source(clock)
    stats = BookStats(source.book)
    source.frame(-5 * MS)
    assert str(stats.latency) == "p50 -5.00 ms p99 -5.00 ms"


def test_gaps_are_counted(clock: Clock) -> None:
    source = Source(clock)
    stats = BookStats(source.book)
    for _ in range(3):
        source.frame(MS)
        source.book.mark_stale("a test")
        source.book.mark_stale("again")
    assert stats.gaps == 3
