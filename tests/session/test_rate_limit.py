"""How often this process connects to one host."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from depthwire.session import rate_limit as pacing
from depthwire.session.rate_limit import RateLimiter, connection_wait_s, is_loopback


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_only_so_many_turns_are_given_in_any_window() -> None:
    clock = Clock()
    pace = RateLimiter(4, 10.0, clock_s=clock)
    turns = []
    for _ in range(11):
        turns.append(clock.now_s + pace.wait_s())
        clock.now_s += 0.5
    assert turns[:5] == [1000.0, 1000.5, 1005.0, 1010.0, 1015.0], "two at once, then one in each half of a window"
    assert all(later - earlier >= 10.0 for earlier, later in zip(turns, turns[4:], strict=False))


@pytest.mark.parametrize("seed", range(20))
def test_no_window_has_more_turns_however_they_are_asked_for(seed: int) -> None:
    chance, clock = Random(seed), Clock()
    count = chance.randrange(2, 30)
    pace, turns = RateLimiter(count, 10.0, clock_s=clock), []
    for _ in range(300):
        turns.append(clock.now_s + pace.wait_s())
        clock.now_s += chance.choice((0.0, 0.0, chance.expovariate(1.0), 20.0 * (chance.random() < 0.05)))
    assert turns == sorted(turns)
    assert all(later - earlier > 10.0 - 1e-6 for earlier, later in zip(turns, turns[count:], strict=False))


def test_a_window_that_is_over_is_forgotten() -> None:
    clock = Clock()
    pace = RateLimiter(2, 10.0, clock_s=clock)
    assert [pace.wait_s(), pace.wait_s(), pace.wait_s()] == [0.0, 10.0, 20.0]
    clock.now_s += 30.0
    assert pace.wait_s() == 0.0


def test_threads_share_the_turns() -> None:
    pace = RateLimiter(50, 1000.0, clock_s=lambda: 0.0)
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: pace.wait_s(), range(150)))
    assert waits == [0.0] * 25 + [40.0 * turn for turn in range(1, 126)]


def test_each_host_has_its_own_pace_and_this_machine_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_limiters", dict.fromkeys(("a.example", "b.example")))
    clock = Clock()
    for host in list(pacing._limiters):
        pacing._limiters[host] = RateLimiter(2, 300.0, clock_s=clock)
    hosts = ("a.example", "A.example", "b.example", "127.0.0.1", "localhost", "::1")
    assert [connection_wait_s(host) for host in hosts] == [0.0, 300.0, 0.0, 0.0, 0.0, 0.0]


def test_the_exchanges_numbers_are_kept() -> None:
    waits = [connection_wait_s("paced.invalid") for _ in range(501)]
    assert waits[:250] == [0.0] * 250
    assert waits == sorted(waits)
    assert 308 < waits[500] <= 312, "in five minutes, and ten seconds, as one may arrive later than the next"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("LocalHost", True), ("stream.bybit.com", False), ("", False)],
)
def test_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
