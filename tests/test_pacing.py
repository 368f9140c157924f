"""How often this process connects to one host."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from depthwire import pacing
from depthwire.pacing import Pace, connection_wait_s, is_loopback


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_only_so_many_turns_are_given_in_any_window() -> None:
    clock = Clock()
    pace = Pace(3, 10.0, clock_s=clock)
    turns = []
    for _ in range(11):
        turns.append(clock.now_s + pace.wait_s())
        clock.now_s += 0.5
    assert turns[:3] == [1000.0, 1000.5, 1001.0]
    assert turns == sorted(turns)
    assert all(later - earlier >= 10.0 for earlier, later in zip(turns, turns[3:], strict=False))


def test_a_window_that_is_over_is_forgotten() -> None:
    clock = Clock()
    pace = Pace(2, 10.0, clock_s=clock)
    assert [pace.wait_s(), pace.wait_s(), pace.wait_s()] == [0.0, 0.0, 10.0]
    clock.now_s += 20.0
    assert pace.wait_s() == 0.0


def test_threads_share_the_turns() -> None:
    pace = Pace(50, 1000.0, clock_s=lambda: 0.0)
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: pace.wait_s(), range(150)))
    assert waits == [0.0] * 50 + [1000.0] * 50 + [2000.0] * 50


def test_each_host_has_its_own_pace_and_this_machine_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_paces", dict.fromkeys(("a.example", "b.example")))
    clock = Clock()
    for host in list(pacing._paces):
        pacing._paces[host] = Pace(1, 300.0, clock_s=clock)
    hosts = ("a.example", "A.example", "b.example", "127.0.0.1", "localhost", "::1")
    assert [connection_wait_s(host) for host in hosts] == [0.0, 300.0, 0.0, 0.0, 0.0, 0.0]


def test_the_exchanges_numbers_are_kept() -> None:
    waits = [connection_wait_s("paced.invalid") for _ in range(501)]
    assert waits[:500] == [0.0] * 500
    assert 300 < waits[500] <= 310, "one may arrive later than the next"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("LocalHost", True), ("stream.bybit.com", False), ("", False)],
)
def test_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
