"""Which of two lines' states readers see: decided on states made up here, in any order of arrival, with any losses."""

import random
from collections import deque
from typing import Any

import msgspec
import numpy as np
import pytest

from depthwire.arbitration.states import BookArbiter, LineTally, StateArbiter
from depthwire.book.types import BookState
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from tests.support.offline import Offline
from tests.support.v5_server import book
from tests.support.wire import encode

KEYS = 4


class VenueLine:
    """One line from a venue whose frames each set one value: it may lose some, and notices that only now and then."""

    def __init__(self, number: int, arbiter: "Arbiter", chance: random.Random) -> None:
        self.number, self.arbiter, self.chance = number, arbiter, chance
        self.waiting: deque[tuple[int, int, int]] = deque()
        self.state: dict[int, int] = {}
        self.seq = 0
        self.is_live = False
        self.lacks = 0
        self.clock_us = 0
        self.right_at: set[int] = set()  # since its last snapshot

    @property
    def is_right(self) -> bool:
        return self.is_live and self.state == self.arbiter.truth[self.seq]

    def deliver(self, loss: float) -> None:
        seq, key, value = self.waiting.popleft()
        if self.is_live and self.chance.random() < loss:
            self.lacks += 1
        elif not self.is_live:
            if self.chance.random() < 0.3:
                self.snapshot(seq)
        elif self.lacks and self.chance.random() < 0.2:
            self.go_stale("a loss was proven")
            self.arbiter.suspect(self.number)
        elif loss and self.chance.random() < 0.02:
            self.go_stale("connection lost")
        else:
            self.state[key] = value
            self.frame_applied(seq)

    def snapshot(self, seq: int) -> None:
        self.state = dict(self.arbiter.truth[seq])
        self.is_live, self.lacks = True, 0
        self.right_at.clear()
        self.arbiter.changed(self.number, True, None)
        self.frame_applied(seq)

    def frame_applied(self, seq: int) -> None:
        self.seq = seq
        if self.is_right:
            self.right_at.add(seq)
        digest = hash(tuple(sorted(self.state.items()))) & (2**64 - 1)
        self.arbiter.frame_applied(self.number, seq, digest, self.clock_us or seq, 1000 * seq, False)

    def go_stale(self, reason: str) -> None:
        self.is_live = False
        self.arbiter.changed(self.number, False, reason)


class Arbiter(StateArbiter):
    """Keeps what readers see."""

    def __init__(self, chance: random.Random) -> None:
        self.tallies = LineTally(), LineTally()
        super().__init__(*self.tallies)
        self.lines = [VenueLine(number, self, chance) for number in range(2)]
        self.truth: dict[int, dict[int, int]] = {0: {}}
        self.source: VenueLine | None = None
        self.seq = 0
        self.notified: list[int] = []
        self.since_hidden: list[int] = []
        self.reasons: list[str] = []
        self.refetched: list[tuple[int, str]] = []

    def show(self, line: int, notify: bool) -> None:
        before = self.source
        self.source, self.seq = self.lines[line], self.lines[line].seq
        if notify:
            self.notified.append(self.seq)
            self.since_hidden.append(self.seq)
        else:
            assert before is not None
            assert before.state == self.source.state

    def hide(self, reason: str) -> None:
        assert self.source is not None
        self.source = None
        self.since_hidden.clear()
        self.reasons.append(reason)

    def refetch(self, line: int, reason: str) -> None:
        self.refetched.append((line, reason))
        self.lines[line].go_stale(reason)

    @property
    def is_right(self) -> bool:
        return self.source is not None and self.source.state == self.truth[self.seq]

    def check(self) -> None:
        """What readers see is right, unless no line can tell: none that lives was right at that very sequence."""
        if self.source is not None and not self.is_right:
            assert not any(line.is_live and self.seq in line.right_at for line in self.lines)
        assert self.since_hidden == sorted(self.since_hidden)


def arbiter_of_two(seed: int = 0) -> Arbiter:
    return Arbiter(random.Random(seed))


def live_pair() -> tuple[Arbiter, VenueLine, VenueLine]:
    """Both lines at sequence 1 of a venue whose frame n sets value n of key n % KEYS."""
    arbiter = arbiter_of_two()
    for seq in range(1, 100):
        arbiter.truth[seq] = {**arbiter.truth[seq - 1], seq % KEYS: seq}
    for line in arbiter.lines:
        line.snapshot(1)
    return arbiter, *arbiter.lines


def bring(line: VenueLine, *seqs: int) -> None:
    for seq in seqs:
        line.state[seq % KEYS] = seq
        line.frame_applied(seq)


@pytest.mark.parametrize("loss", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("skew", [0.5, 0.9])
def test_whatever_is_lost_readers_see_nothing_that_is_known_to_be_wrong(loss: float, skew: float) -> None:
    for seed in range(15):
        chance = random.Random(seed)
        arbiter, seq = Arbiter(chance), 0
        for line in arbiter.lines:
            line.snapshot(0)
        for moment in range(600):
            if moment < 500:
                seq += chance.randint(1, 3)
                value = chance.randrange(3)
                arbiter.truth[seq] = {**arbiter.truth[max(arbiter.truth)], (key := chance.randrange(KEYS)): value}
                for line in arbiter.lines:
                    line.waiting.append((seq, key, value))
            for _ in range(chance.randrange(4)):
                line = arbiter.lines[chance.random() < skew]
                if line.waiting:
                    line.deliver(loss if moment < 400 else 0.0)
                    arbiter.check()
        for line in arbiter.lines:
            while line.waiting:
                line.deliver(0.0)
                arbiter.check()
        if not loss:
            assert arbiter.notified == sorted(arbiter.truth)[-len(arbiter.notified) :]
            assert (arbiter.refetched, arbiter.reasons) == ([], [])
        if all(line.is_live for line in arbiter.lines):
            assert all(line.is_right for line in arbiter.lines)
            assert arbiter.is_right


def test_the_first_copy_counts_and_the_other_is_late() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 3)
    bring(two, 2, 3, 4)
    bring(one, 4)
    assert arbiter.notified == [1, 2, 3, 4]
    assert [(tally.wins, tally.losses) for tally in arbiter.tallies] == [(3, 0), (1, 0)]
    assert [sum(tally.lags) for tally in arbiter.tallies] == [1, 3]


def test_a_line_that_ends_is_replaced_by_one_that_is_as_far_without_a_word() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2)
    bring(two, 2)
    one.go_stale("connection lost")
    assert (arbiter.source, arbiter.notified, arbiter.reasons) == (two, [1, 2], [])


def test_a_line_that_ends_is_held_until_the_other_is_as_far() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 3)
    one.go_stale("connection lost")
    assert (arbiter.source, arbiter.seq, arbiter.reasons) == (one, 3, [])
    bring(two, 2, 3)
    assert arbiter.notified == [1, 2, 3]
    bring(two, 4)
    assert (arbiter.source, arbiter.notified) == (two, [1, 2, 3, 4])


def test_what_a_line_left_is_held_no_longer_than_until_the_other_is_there_and_has_another_state() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 4)  # without 3
    one.go_stale("connection lost")
    assert (arbiter.source, arbiter.is_right) == (one, False)
    bring(two, 2, 3)
    assert (arbiter.seq, arbiter.is_right) == (4, False)
    bring(two, 4)
    assert (arbiter.source, arbiter.seq, arbiter.is_right) == (two, 4, True)
    assert arbiter.notified == [1, 2, 4, 4]
    assert [tally.wins for tally in arbiter.tallies] == [3, 1]


def test_a_line_that_lost_a_frame_is_found_out_by_what_an_ended_line_had() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 3, 4, 5)
    one.go_stale("connection lost")
    bring(two, 2, 4)  # without 3
    assert [line for line, _ in arbiter.refetched] == [1]
    assert arbiter.source is None
    two.snapshot(6)
    assert (arbiter.seq, arbiter.is_right) == (6, True)


def test_a_loss_that_was_proven_late_is_no_state_to_hold() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 4)  # without 3
    one.go_stale("an unknown level")
    arbiter.suspect(0)
    assert arbiter.source is None
    (reason,) = arbiter.reasons
    assert reason == "line 1: an unknown level; line 2: it is older than the state that readers saw"
    bring(two, 2, 3)
    assert arbiter.source is None
    bring(two, 4)
    assert arbiter.is_right


def test_a_state_that_both_had_is_held_whatever_was_lost_after_it() -> None:
    arbiter, one, two = live_pair()
    bring(two, 2, 3)
    bring(one, 2, 3)
    one.go_stale("an unknown level")
    arbiter.suspect(0)
    assert arbiter.is_right
    assert arbiter.reasons == []


def test_who_lost_a_frame_is_told_by_the_count() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 4)  # without 3, and first
    assert not arbiter.is_right
    bring(two, 2, 3, 4)
    assert [line for line, _ in arbiter.refetched] == [0]
    assert "at sequence 4 the lines' states differ; this line has applied 1 fewer frames" in arbiter.refetched[0][1]
    assert (arbiter.source, arbiter.is_right) == (two, True)


def test_a_line_that_steps_over_a_frame_waits_until_it_is_confirmed() -> None:
    arbiter, one, two = live_pair()
    bring(two, 2, 3)
    bring(one, 2, 4)  # without 3, which readers saw
    assert (arbiter.seq, arbiter.is_right) == (3, True)
    bring(two, 4)
    assert [line for line, _ in arbiter.refetched] == [0]
    assert (arbiter.seq, arbiter.is_right) == (4, True)


def test_a_line_in_doubt_that_is_needed_is_fetched_anew() -> None:
    arbiter, one, two = live_pair()
    bring(two, 2, 3)
    bring(one, 2, 4)
    two.go_stale("connection lost")
    assert arbiter.source is None
    assert "skipped a frame" in arbiter.refetched[0][1]
    one.snapshot(5)
    assert (arbiter.seq, arbiter.is_right) == (5, True)


def test_a_line_in_doubt_does_not_wait_for_ever_for_one_that_is_silent() -> None:
    arbiter, one, two = live_pair()
    bring(two, 2, 3)
    bring(one, 2, *range(4, 30))
    assert [line for line, _ in arbiter.refetched] == [0]
    assert (arbiter.seq, arbiter.is_right) == (3, True)
    one.snapshot(30)
    assert (arbiter.seq, arbiter.is_right) == (30, True)


def test_a_snapshot_since_is_believed_more_than_a_count() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2)
    bring(two, 2)
    one.go_stale("a gap")
    bring(two, 3, 4, 6, 7)  # without 5
    one.snapshot(6)
    bring(one, 7)
    assert [line for line, _ in arbiter.refetched] == [1]
    assert arbiter.is_right


def test_what_followed_a_snapshot_is_believed_no_more_than_what_the_other_line_has() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 4)
    one.go_stale("a gap")
    bring(two, 2, 3, 4, 5, 6, 7)
    one.snapshot(8)
    bring(one, 10)  # without 9, before both were equal again
    two.state[0] = 8
    bring(two, 9, 10)  # with 8 and 9 in one frame
    assert sorted(line for line, _ in arbiter.refetched) == [0, 1]
    assert arbiter.source is None
    two.snapshot(11)
    assert (arbiter.seq, arbiter.is_right) == (11, True)


def test_where_nothing_tells_who_is_wrong_both_are() -> None:
    arbiter, one, two = live_pair()
    one.state[0] = 99
    bring(one, 2)
    bring(two, 2)
    assert sorted(line for line, _ in arbiter.refetched) == [0, 1]
    assert arbiter.source is None
    assert "unknown which" in arbiter.reasons[0]
    two.snapshot(3)
    assert arbiter.is_right


def test_several_frames_of_one_sequence_prove_nothing() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2)
    one.state[0] = 7
    one.frame_applied(2)
    assert arbiter.notified == [1, 2, 2]
    bring(two, 2)
    assert arbiter.refetched == []
    assert arbiter.source is one


def test_a_sequence_that_starts_over_on_both_lines_is_followed() -> None:
    arbiter, one, two = live_pair()
    bring(one, 50)
    bring(two, 50)
    one.snapshot(3)
    assert (arbiter.source, arbiter.seq) == (two, 50)
    two.snapshot(3)
    assert arbiter.seq == 3
    bring(two, 4)
    bring(one, 4, 5)
    assert arbiter.notified[-3:] == [3, 4, 5]


def test_what_comes_first_counts_where_no_line_was_live() -> None:
    arbiter, one, two = live_pair()
    bring(one, 50)
    one.go_stale("connection lost")
    two.go_stale("connection lost")
    assert arbiter.reasons == ["connection lost"]
    two.snapshot(2)
    assert (arbiter.source, arbiter.seq) == (two, 2)


def test_a_snapshot_of_a_lower_sequence_is_not_shown_while_the_other_is_ahead() -> None:
    arbiter, one, two = live_pair()
    bring(one, 2, 3, 4)
    bring(two, 2, 3)
    one.go_stale("a gap")
    one.snapshot(2)
    assert arbiter.source is None
    bring(two, 4)
    assert (arbiter.source, arbiter.seq) == (two, 4)


def test_a_sequence_that_was_read_wrong_is_not_waited_for() -> None:
    arbiter, one, two = live_pair()
    arbiter.truth[10**15] = {**arbiter.truth[1], 2: 2}
    one.state[2], one.clock_us = 2, 2
    one.frame_applied(10**15)
    one.go_stale("its sequence fell")
    bring(two, *range(2, 20))
    assert (arbiter.source, arbiter.seq, arbiter.is_right) == (two, 19, True)


def test_lags_fall_into_buckets_of_powers_of_two() -> None:
    tally = LineTally()
    for lag_ns in (-5, 0, 1_000, 1_001, 2_000, 2_001, 10**15):
        tally.late(lag_ns)
    lags: Any = tally.lags
    assert lags[:3] == (3, 2, 1)
    assert lags[-1] == 1
    assert sum(lags) == 7


# of books


class BookPair:
    """Two lines' feeds of one v5 book, and the book that readers see."""

    def __init__(self) -> None:
        self.refetched: list[tuple[int, str]] = []
        shown, *channels = (v5.LINEAR.channel("orderbook.50.BTCUSDT") for _ in range(3))
        assert isinstance(shown, BookChannel)
        self.shown = shown.book
        self.arbiter = BookArbiter(self.shown, LineTally(), LineTally(), lambda *found: self.refetched.append(found))
        self.books: list[LiveBook] = []
        self.feeds: list[Feed] = []
        for line, channel in enumerate(channels):
            assert isinstance(channel, BookChannel)
            offline = Offline()
            offline.feed.channels.add(channel)
            self.feeds.append(offline.feed)
            self.books.append(channel.book)
            self.arbiter.attach(line, channel.book)
            channel.book.on_state(
                lambda book, line=line: self.arbiter.changed(line, book.state is BookState.LIVE, book.stale_reason)
            )

    def bring(self, line: int, message: Any) -> None:
        self.feeds[line].receive(encode(message), 1)


def test_readers_see_the_arrays_of_the_line_that_is_ahead() -> None:
    pair = BookPair()
    changes: list[int] = []
    pair.shown.on_change(lambda book: changes.append(book.update_id))
    assert pair.shown.state is BookState.EMPTY
    for line in (0, 1):
        pair.bring(line, book("BTCUSDT"))
    pair.bring(1, book("BTCUSDT", u=2, kind="delta", b=[["99", "7"]]))
    assert pair.shown.snapshot() == msgspec.structs.replace(pair.books[1].snapshot(), version=2)
    assert np.shares_memory(pair.shown.bids.sizes, pair.books[1].bids.sizes)
    pair.bring(0, book("BTCUSDT", u=2, kind="delta", b=[["99", "7"]]))
    pair.bring(0, book("BTCUSDT", u=3, kind="delta", b=[["99", "0"]]))
    assert pair.shown.snapshot() == msgspec.structs.replace(pair.books[0].snapshot(), version=3)
    assert (changes, pair.refetched) == ([1, 2, 3], [])


def test_books_of_another_scale_are_equal_where_their_prices_are() -> None:
    pair = BookPair()
    pair.bring(0, book("BTCUSDT"))
    pair.bring(0, book("BTCUSDT", u=2, kind="delta", b=[["99.125", "7"]]))
    pair.bring(0, book("BTCUSDT", u=3, kind="delta", b=[["99.125", "0"], ["98", "1"]]))
    pair.bring(1, book("BTCUSDT", u=3, b=[["100.50", "1"], ["98", "1"]]))
    assert [each.price_decimals for each in pair.books] == [3, 2]
    assert pair.refetched == []
    for line in (0, 1):
        pair.bring(line, book("BTCUSDT", u=4, kind="delta", b=[["98", str(2 + line)]]))
    assert sorted(line for line, _ in pair.refetched) == [0, 1]
