"""A short soak with real sockets and all kinds of faults, and checks that it would notice defects."""

import json
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest

from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream
from depthwire.venue import Fault, Faults
from tests.reliability import digest, shard
from tests.reliability.figures import bounds_of, combined, total
from tests.reliability.rules import LEVELS_DIFFER, rules_of
from tests.reliability.shard import Plan, Shard
from tests.reliability.soak_page import page
from tests.support.plain_client import run

CUT = Plan(
    frames=40_000, checkpoints=200, seed=5, minutes=1.0, each_fault=2, one_line=1, two_lines=shard.Plan.two_lines
)
SHORT = Plan(frames=4_000, checkpoints=40, seed=6, minutes=1.0, each_fault=0, one_line=1, two_lines=0)
BOUND_S = 300.0
"""Generous, because the machine may be busy; `Plan.minutes` ends a long run."""


def soaked(soak: Shard) -> dict[str, Any]:
    """Return the figures of a run."""
    found: list[dict[str, Any]] = []

    async def main() -> None:
        found.append(await soak.run())

    run(main, BOUND_S)
    return combined(found)


def test_a_soak_of_some_seconds() -> None:
    figures = soaked(Shard(CUT))
    assert figures["defects"] == []
    assert total(figures["books"], "wrong") == total(figures["events"], "lost") == 0
    assert figures["topics"] >= 50
    for counts in (*figures["books"].values(), *figures["line_books"].values()):
        assert counts["right"] > 0
    for counts in figures["events"].values():
        assert counts["came"] > 0
    if figures["checkpoints"] == CUT.checkpoints:  # otherwise the machine was too slow to complete it
        assert figures["frames"] >= CUT.frames
        assert min(figures["faults"].values()) >= CUT.each_fault
        assert set(figures["faults"]) == set(Fault)
        assert total(figures["events"], "reported") > 0
    bounds = bounds_of(figures, frames=1, checkpoints=1, each_fault=0)
    assert all(bound.holds for bound in bounds if "memory" not in bound.name)
    text = page(json.loads(json.dumps(figures)), bounds)
    for name in (*figures["books"], *figures["events"], *figures["faults"], *(bound.name for bound in bounds)):
        assert f"| {name} |" in text


class Lossy(Shard):
    """Clients silently leave out frames of one book, and one of them leaves out trades."""

    async def connect(self, stack: AsyncExitStack) -> None:
        await super().connect(stack)
        for client in self.clients:
            leave_out_a_frame(client.books[0].book, self.venue.faults)
        leave_out_an_event(self.clients[0].events[0].stream, self.venue.faults)
        raise_now_and_then(self.clients[1].events[0].stream, self.venue.faults)


def leave_out_a_frame(book: LiveBook, faults: Faults) -> None:
    """Keep the levels of the first change of the run, with current numbers."""
    levels = []

    def change(_: LiveBook) -> None:
        if faults.is_on and not levels:
            levels.append(book.snapshot())
        elif levels:
            numbers = {name: getattr(book, name) for name in ("cross_seq", "update_id", "ts_exchange_us")}
            book.apply_snapshot(levels[0].bids, levels[0].asks, **numbers)

    book.on_change(change)


def leave_out_an_event(stream: EventStream[Any], faults: Faults) -> None:
    """Leave out every second event."""
    push, pushed = stream.push, []

    def lossy(events: list[Any], report: Any) -> None:
        pushed.append(events)
        if not faults.is_on or len(pushed) % 2:
            push(events, report)

    stream.push = lossy  # type: ignore[method-assign]


def raise_now_and_then(stream: EventStream[Any], faults: Faults) -> None:
    """Raise like a view that fails on an event."""
    push = stream.push

    def failing(events: list[Any], report: Any) -> None:
        push(events, report)
        if faults.is_on:
            raise ValueError("made to fail")

    stream.push = failing  # type: ignore[method-assign]


def test_a_client_that_leaves_out_a_frame_or_an_event_is_found_out() -> None:
    figures = soaked(Lossy(SHORT))
    wrong = {name for name, counts in figures["books"].items() if counts.get("wrong")}
    assert wrong == set(figures["books"])
    assert total(figures["events"], "lost") > 0
    assert any("not what its frames give" in text for text in figures["defects"])
    assert any("arrived intact at the socket" in text for text in figures["defects"])
    assert any("made to fail" in text for text in figures["defects"])
    broken = {bound.name for bound in bounds_of(figures, frames=1, checkpoints=1, each_fault=0) if not bound.holds}
    assert {name.split()[0] for name in broken} >= {"wrong", "events"}


def test_a_run_that_ended_early_or_grew_does_not_pass() -> None:
    figures = {
        "frames": 10,
        "topics": 50,
        "checkpoints": 5,
        "books": {"v2, one line": {"right": 1}},
        "line_books": {},
        "events": {},
        "memory": [[100, 104, 104], [100, 102, 106]],
        "faults": {"drop": 3, "stale": 1},
    }
    found = {bound.name: bound.holds for bound in bounds_of(figures, frames=11, checkpoints=6, each_fault=2)}
    assert [name for name, holds in found.items() if holds] == [
        "topics",
        "LIVE books compared",
        "wrong books served as LIVE, except unprovable ones",
        "events lost without a gap or error, except unprovable ones",
    ]


def test_rules_that_wait_for_a_snapshot_take_one_with_lower_numbers() -> None:
    rules = rules_of("orderbook.50.BTCUSDT")
    assert [rules.receive(raw) for raw in (frame(7), frame(6))] == [None, None]
    assert rules.sides[0] == {99.0: 7.0}
    assert rules.receive(b"") is not None
    assert [rules.receive(raw) for raw in (frame(4), frame(5, "delta"))] == [None, None]
    assert (rules.is_live, rules.sides[0]) == (True, {99.0: 5.0})


def test_rules_go_on_with_a_snapshot_that_proves_their_own_book_wrong() -> None:
    rules = rules_of("orderbook.50.BTCUSDT")
    assert rules.receive(frame(7)) is None
    assert rules.receive(frame(7, size=3)) == LEVELS_DIFFER
    assert (rules.is_live, rules.sides[0]) == (True, {99.0: 3.0})


def frame(u: int, kind: str = "snapshot", size: int = 0) -> bytes:
    """Return a book of one level per side; its bid's size is ``u`` by default."""
    data = {"s": "BTCUSDT", "b": [["99", str(size or u)]], "a": [["101", "1"]], "u": u, "seq": 10 * u}
    return json.dumps({"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": u, "data": data}).encode()


def test_both_ways_to_a_digest_agree() -> None:
    chance = np.random.default_rng(8)
    sides = [dict(zip(chance.random(40) * 1e5, chance.random(40) * 1e6, strict=True)) for _ in range(2)]
    arrays = [(np.array(list(side)), np.array(list(side.values()))) for side in sides]
    both = digest.total(*(digest.of_side(side, *levels) for side, levels in enumerate(arrays)))
    assert both == digest.of_sides(sides)
    assert digest.of_sides([sides[1], sides[0]]) != both
    price = next(iter(sides[0]))
    assert digest.of_sides([sides[0] | {price: np.nextafter(sides[0][price], 0)}, sides[1]]) != both
    assert digest.of_sides([{}, {}]) == digest.of_side(0, np.array([]), np.array([])) == 0


@pytest.mark.parametrize("kind", list(Fault))
def test_every_kind_of_fault_has_a_rate(kind: Fault) -> None:
    assert 0 < shard.RATES[kind] < 1
