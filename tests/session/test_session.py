"""The parts of a session that need no socket."""

import pytest

from depthwire.endpoints import endpoint_of, masked
from depthwire.errors import InvalidUrl
from depthwire.settings import Backoff
from tests.support.clock import Clock


def waits(backoff: Backoff, clock: Clock, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(backoff.next_s())
        clock.now_s += found[-1]
    return found


def test_backoff_doubles_up_to_its_cap() -> None:
    clock = Clock()
    assert waits(Backoff(0.5, 8.0, jitter=lambda: 0.0, clock_s=clock), clock, 7) == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_takes_at_most_a_half() -> None:
    clock = Clock()
    assert waits(Backoff(0.5, 8.0, jitter=lambda: 1.0, clock_s=clock), clock, 3) == [0.25, 0.5, 1.0]


def test_at_once_is_the_first_wait_of_a_calm_time_alone() -> None:
    clock = Clock()
    backoff = Backoff(0.5, 8.0, jitter=lambda: 0.5, clock_s=clock)
    assert [backoff.next_s(at_once=True) for _ in range(3)] == [0.05, 0.75, 1.5]
    clock.now_s += 17.0
    assert backoff.next_s(at_once=True) == 0.05


def test_two_backoffs_do_not_march_in_step() -> None:
    clock = Clock()
    assert len({tuple(waits(Backoff(0.5, 8.0, clock_s=clock), clock, 4)) for _ in range(20)}) == 20


def test_backoff_is_calm_again_after_a_quiet_time() -> None:
    clock = Clock()
    backoff = Backoff(0.5, 8.0, jitter=lambda: 0.0, clock_s=clock)
    waits(backoff, clock, 6)
    clock.now_s += 15.9 - 8.0
    assert backoff.next_s() == 8.0
    clock.now_s += 16.1
    assert backoff.next_s() == 0.5


def test_backoff_goes_on_for_ever() -> None:
    clock = Clock()
    assert waits(Backoff(0.5, 8.0, jitter=lambda: 0.0, clock_s=clock), clock, 5_000)[-1] == 8.0


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://stream.bybit.com/realtime", "inverse"),
        ("wss://stream.bytick.com/realtime?api_key=k", "inverse"),
        ("ws://[::1]:8080/realtime/", "inverse"),
        ("wss://stream-testnet.bybit.com/realtime_public", "linear"),
    ],
)
def test_the_path_chooses_the_dialect(url: str, name: str) -> None:
    assert endpoint_of(url).dialect.name == name


def test_a_bad_url_is_named_without_its_secrets() -> None:
    with pytest.raises(InvalidUrl) as error:
        endpoint_of("wss://me:hush@host/nowhere?api_key=hush&signature=hush")
    assert "hush" not in str(error.value)
    assert masked("wss://me:hush@host:1/realtime?api_key=hush") == "wss://host:1/realtime"
