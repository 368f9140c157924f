"""Book and oracle side by side through random frames, good and bad: they must agree in everything."""

import math
import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from depthwire import errors
from depthwire.book.book import Book
from depthwire.book.types import Side
from tests.support.reference import OPPOSITE, ReferenceBook, Rejected

SIDES: tuple[Side, Side] = ("Buy", "Sell")
AWAY = {"Buy": -1, "Sell": 1}
MIDDLE = 50_000  # far enough from 1 for ten thousand bids
BAD_SIZES = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0)
BAD_IDS = (0, -1, -(2**63), 2**63, 2**70)

Changes = dict[str, list[tuple[Any, ...]]]

seeds = st.integers(0, 2**32 - 1).map(Random)


def some_size(rng: Random) -> float:
    """Eighths: sums of them are exact, so that book and oracle take the very same levels."""
    return rng.randint(1, 80_000) / 8


class BookMachine(RuleBasedStateMachine):
    book: Book
    oracle: ReferenceBook
    cross_seq: int
    time: int

    @initialize(rng=seeds, depth=st.sampled_from([1, 2, 5, 25, 200]), empty=st.integers(0, 4).map(lambda n: n == 4))
    def begin(self, rng: Random, depth: int, empty: bool) -> None:
        self.make(depth)
        if not empty:
            self.good_snapshot(rng, 0)

    def make(self, depth: int) -> None:
        self.book = Book("XYZUSD", depth=depth, price_decimals=2)
        self.oracle = ReferenceBook("XYZUSD", depth=depth, price_decimals=2)
        self.cross_seq = self.time = 0

    # frames

    def snapshot(self, bids: Any, asks: Any, refusal: str | None = None) -> None:
        self.both("apply_snapshot", refusal, {"bids": bids, "asks": asks})

    def delta(self, changes: Changes, refusal: str | None = None, *, back: tuple[int, int] = (0, 0)) -> None:
        self.both("apply_delta", refusal, changes, back)

    def both(self, door: str, refusal: str | None, frame: dict[str, Any], back: tuple[int, int] = (0, 0)) -> None:
        cross_seq, time = self.cross_seq - back[0], self.time - back[1]
        named = frame | {"cross_seq": cross_seq}
        if refusal is None:
            getattr(self.oracle, door)(**named, timestamp_e6=time)
            getattr(self.book, door)(**named, ts_exchange_us=time)
            return
        with pytest.raises(Rejected) as expected:
            getattr(self.oracle, door)(**named, timestamp_e6=time)
        assert expected.value.kind == refusal
        with pytest.raises(errors.FrameError) as caught:
            getattr(self.book, door)(**named, ts_exchange_us=time)
        assert type(caught.value) is getattr(errors, refusal)

    def tick(self, rng: Random) -> None:
        """Increase sequence and time, or leave them unchanged."""
        self.cross_seq += rng.choice((0, 1, 1000))
        self.time += rng.choice((0, 20_000))

    def live(self) -> bool:
        return self.oracle.state == "LIVE"

    def standing(self, side: str) -> list[int]:
        return [price_id for price_id, _ in self.oracle.levels(side)]

    def fitting(self, rng: Random) -> Changes:
        """Return a valid delta: it deletes levels, cuts the remaining gap again and inserts levels on both sides of it."""
        standing = {side: self.standing(side) for side in SIDES}
        gone = {side: {p for n, p in enumerate(standing[side]) if rng.random() < 1 / (n + 2)} for side in SIDES}
        stay = {side: [p for p in standing[side] if p not in gone[side]] for side in SIDES}
        highest_bid = stay["Buy"][0] if stay["Buy"] else MIDDLE - 30
        lowest_ask = stay["Sell"][0] if stay["Sell"] else max(MIDDLE, highest_bid) + 30
        # where only asks stay, they may have come down below the middle
        highest_bid = min(highest_bid, lowest_ask - 1)
        cut = rng.randrange(highest_bid, lowest_ask)
        changes: Changes = {"delete": [], "update": [], "insert": []}
        for side in SIDES:
            room = self.oracle.depth - len(stay[side])
            first = cut if side == "Buy" else cut + 1
            free = sorted({first + AWAY[side] * n for n in range(len(stay[side]) + 40)}.difference(stay[side]))
            is_full = len(standing[side]) == self.oracle.depth
            come = rng.sample(free, room if is_full else min(room, len(free), rng.randint(0, 6)))
            changed = rng.sample(stay[side], rng.randint(0, min(4, len(stay[side]))))
            changes["delete"] += [(side, p) for p in gone[side]]
            changes["update"] += [(side, p, some_size(rng)) for p in changed]
            changes["insert"] += [(side, p, some_size(rng)) for p in come]
        for part in changes.values():
            rng.shuffle(part)
        return changes

    @rule(rng=seeds, shift=st.integers(-500, 500))
    def good_snapshot(self, rng: Random, shift: int) -> None:
        self.cross_seq, self.time = rng.randint(0, 10**12), rng.randint(0, 2**60)
        sides = []
        for side in SIDES:
            near = [MIDDLE + shift + AWAY[side] * n for n in range(1, 2 * self.oracle.depth + 1)]
            count = rng.choice((0, rng.randint(0, self.oracle.depth), self.oracle.depth, self.oracle.depth))
            sides.append([(p, some_size(rng)) for p in rng.sample(near, count)])
        self.snapshot(sides[0], sides[1])

    @precondition(live)
    @rule(rng=seeds, frames=st.integers(1, 5))
    def good_deltas(self, rng: Random, frames: int) -> None:
        for _ in range(frames):
            self.tick(rng)
            self.delta(self.fitting(rng))
            self.levels_and_state_agree()

    @precondition(live)
    @rule(rng=seeds, side=st.sampled_from(SIDES))
    def flip_the_best(self, rng: Random, side: str) -> None:
        """The best level changes sides: deleted here, inserted there, ahead of all others there."""
        other = OPPOSITE[side]
        if not self.standing(side):
            return
        price_id = self.standing(side)[0]
        full = len(self.standing(other)) == self.oracle.depth
        gone = [(side, price_id), *[(other, p) for p in self.standing(other)[-1:] if full]]
        come = [(other, price_id, some_size(rng))]
        if len(self.standing(side)) == self.oracle.depth:
            come.append((side, self.standing(side)[-1] + AWAY[side], some_size(rng)))
        self.tick(rng)
        self.delta({"delete": gone, "insert": come})

    @precondition(live)
    @rule(rng=seeds)
    def fill_up(self, rng: Random) -> None:
        """Both sides grow to their full depth in one frame, away from the best price."""
        inserts: list[tuple[Any, ...]] = []
        for side in SIDES:
            here, there = self.standing(side), self.standing(OPPOSITE[side])
            beyond = (here[-1:] or there[:1] or [MIDDLE])[0]
            room = self.oracle.depth - len(here)
            inserts += [(side, beyond + AWAY[side] * n, some_size(rng)) for n in range(1, room + 1)]
        self.tick(rng)
        self.delta({"insert": inserts})

    # frames that do not fit: one that does, spoilt at any place

    def spoil(
        self, rng: Random, refusal: str, action: str, *bad: tuple[Any, ...], changes: Changes | None = None
    ) -> None:
        changes = self.fitting(rng) if changes is None else changes
        part = changes.setdefault(action, [])
        for change in bad:
            part.insert(rng.randint(0, len(part)), change)
        self.tick(rng)
        self.delta(changes, refusal)

    def unknown_level(self, rng: Random) -> None:
        side, action = rng.choice(SIDES), rng.choice(("delete", "update"))
        elsewhere = self.standing(OPPOSITE[side])[:3]
        change = (side, rng.choice([*elsewhere, 1, 10**17]))
        self.spoil(rng, "UnknownLevel", action, change if action == "delete" else (*change, 1.0))

    def deleted_before_its_update(self, rng: Random) -> None:
        changes = self.fitting(rng)
        if changes["delete"]:
            self.spoil(rng, "UnknownLevel", "update", (*rng.choice(changes["delete"]), 1.0), changes=changes)

    def duplicate_level(self, rng: Random) -> None:
        changes = self.fitting(rng)
        gone = set(changes["delete"])
        stay = [(side, p) for side in SIDES for p in self.standing(side)[:10] if (side, p) not in gone]
        stands = [*stay, *[insert[:2] for insert in changes["insert"]]]
        if stands:
            self.spoil(rng, "DuplicateLevel", "insert", (*rng.choice(stands), 1.0), changes=changes)

    def invalid_size(self, rng: Random) -> None:
        changes, action = self.fitting(rng), rng.choice(("update", "insert"))
        if changes[action]:
            side, price_id, _ = changes[action].pop(rng.randrange(len(changes[action])))
            self.spoil(rng, "InvalidLevel", action, (side, price_id, rng.choice(BAD_SIZES)), changes=changes)

    def invalid_id(self, rng: Random) -> None:
        change = (rng.choice(SIDES), rng.choice(BAD_IDS), 1.0)
        self.spoil(rng, "InvalidLevel", rng.choice(("update", "insert")), change)

    def too_deep(self, rng: Random) -> None:
        side, excess = rng.choice(SIDES), rng.randint(1, 40)
        here, there = self.standing(side), self.standing(OPPOSITE[side])
        worst = (here[-1:] or there[:1] or [MIDDLE])[0]
        room = self.oracle.depth - len(here)
        inserts = [(side, worst + AWAY[side] * n, some_size(rng)) for n in range(1, room + excess + 1)]
        self.spoil(rng, "DepthExceeded", "insert", *inserts, changes={})

    def crossed(self, rng: Random) -> None:
        """A level at the other side's best, which locks the book, or through it."""
        side = rng.choice(SIDES)
        there = self.standing(OPPOSITE[side])
        if there:
            change = (side, there[0] - AWAY[side] * rng.randint(0, 3), 1.0)
            room: Changes = {"delete": [(side, p) for p in self.standing(side)[-1:]]}
            self.spoil(rng, "CrossedBook", "insert", change, changes=room)

    def unbalanced(self, rng: Random) -> None:
        """A full side loses a level, and none takes its place."""
        side = rng.choice(SIDES)
        if len(self.standing(side)) == self.oracle.depth:
            self.tick(rng)
            self.delta({"delete": [(side, rng.choice(self.standing(side)))]}, "UnbalancedFrame")

    def out_of_sequence(self, rng: Random) -> None:
        self.cross_seq, self.time = self.oracle.cross_seq, self.oracle.timestamp_e6
        self.delta(self.fitting(rng), "OutOfSequence", back=rng.choice(((1, 0), (0, 1), (7, 7))))

    MISFITS = (
        *(unknown_level, deleted_before_its_update, duplicate_level, invalid_size, invalid_id),
        *(too_deep, crossed, unbalanced, out_of_sequence),
    )

    @precondition(live)
    @rule(rng=seeds, misfits=st.lists(st.sampled_from(MISFITS), min_size=1, max_size=6))
    def bad_deltas(self, rng: Random, misfits: list[Callable[["BookMachine", Random], None]]) -> None:
        """Each but the last is followed by the snapshot that a session would fetch."""
        for n, misfit in enumerate(misfits):
            if n:
                self.levels_and_state_agree()
                self.good_snapshot(rng, n)
            misfit(self, rng)

    @precondition(lambda self: not self.live())
    @rule(rng=seeds)
    def delta_without_snapshot(self, rng: Random) -> None:
        self.delta(self.fitting(rng), "SnapshotMissing")

    @rule(rng=seeds, refusal=st.sampled_from(["DuplicateLevel", "CrossedBook", "InvalidLevel", "DepthExceeded"]))
    def bad_snapshot(self, rng: Random, refusal: str) -> None:
        bids, asks = [(6, 1.0)], [(8, 1.0)]
        levels = rng.choice((bids, asks))
        if refusal == "DuplicateLevel" and self.oracle.depth > 1:
            levels += levels
        elif refusal == "CrossedBook":
            bids[0] = (rng.choice((8, 9)), 1.0)
        elif refusal == "InvalidLevel":
            levels[0] = rng.choice([(6, size) for size in BAD_SIZES] + [(price_id, 1.0) for price_id in BAD_IDS])
        else:
            refusal, asks = "DepthExceeded", [(p, 1.0) for p in range(8, self.oracle.depth + 9)]
        self.snapshot(bids, asks, refusal)

    # what must hold after each frame

    @invariant()
    def levels_and_state_agree(self) -> None:
        book, oracle = self.book, self.oracle
        book._check()
        assert book.state == oracle.state
        assert (book.stale_reason is not None) == (oracle.state == "STALE")
        assert (book.version, book.cross_seq, book.ts_exchange_us) == (
            oracle.version,
            oracle.cross_seq,
            oracle.timestamp_e6,
        )
        shown = book.snapshot(allow_stale=True)
        bids, asks = oracle.bids(), oracle.asks()
        assert list(shown.bids) == bids
        assert list(shown.asks) == asks
        if not self.live():
            with pytest.raises(errors.BookNotLive):
                book.best_bid  # noqa: B018 - the read is the test
            return
        for levels, expected in ((book.bids, bids), (book.asks, asks)):
            assert list(zip(levels.price_ids.tolist(), levels.sizes.tolist(), strict=True)) == expected
        assert len(book) == len(bids) + len(asks)
        assert book.best_bid_id == (bids[0][0] if bids else None)
        assert book.best_ask_id == (asks[0][0] if asks else None)

    @precondition(live)
    @invariant()
    def measures_agree(self) -> None:
        book, oracle = self.book, self.oracle
        for value, exact in (
            (book.mid, oracle.mid()),
            (book.spread, oracle.spread()),
            (book.microprice, oracle.microprice()),
            (book.imbalance(3), oracle.imbalance(3)),
        ):
            assert (value is None) == (exact is None)
            assert value is None or exact is None or math.isclose(value, exact, rel_tol=1e-12, abs_tol=1e-15)
        if oracle.depth <= 25:  # the rest reads the oracle's whole side in fractions
            within, exact_within = book.depth_within(7), oracle.depth_within(7)
            assert within == exact_within
            for side in SIDES:
                total = sum(size for _, size in oracle.levels(OPPOSITE[side]))
                if total:
                    exact = oracle.vwap(side, total / 2)
                    assert exact is not None
                    assert math.isclose(book.vwap(side, total / 2), exact, rel_tol=1e-12)
                    assert book.sweep_price(side, total) == float(oracle.sweep_price(side, total) or 0)
                with pytest.raises(errors.InsufficientDepth):
                    book.vwap(side, total + 0.125)


class DeepBookMachine(BookMachine):
    """The same from a full book of 10,000 levels a side on."""

    @initialize(rng=seeds)
    def begin(self, rng: Random) -> None:
        self.make(10_000)
        bids, asks = ([(MIDDLE + AWAY[side] * n, n / 8) for n in range(1, 10_001)] for side in SIDES)
        rng.shuffle(bids)
        self.snapshot(bids, asks)


SHARE = float(os.environ.get("DEPTHWIRE_EXAMPLES", "1"))
"""Of the examples: a sanitized build takes many times as long for each."""


def bounded(examples: int, steps: int) -> settings:
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=max(1, int(examples * SHARE)),
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
    )


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = bounded(examples=300, steps=20)
TestDeepBookMachine = DeepBookMachine.TestCase
TestDeepBookMachine.settings = bounded(examples=4, steps=8)
