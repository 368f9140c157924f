"""Event streams without a socket: order, bounds, and errors in place of missing events."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from depthwire import errors
from depthwire.feed.streams import EventStream
from tests.support.plain_client import run


def stream(capacity: int = 5) -> EventStream[int]:
    return EventStream("trade.BTCUSD", capacity, on_close=lambda closed: None)


def ignore(error: Exception, topic: str) -> None:
    raise AssertionError(f"{topic}: {error}")


async def read_all(events: EventStream[int]) -> list[Any]:
    found: list[Any] = []
    while True:
        try:
            found.append(await anext(events))
        except errors.DepthwireError as error:
            found.append(error)
        except StopAsyncIteration:
            return found


def test_events_come_in_order_and_end_with_the_stream() -> None:
    async def main() -> None:
        events = stream()
        events.push([1, 2], ignore)
        events.push([3], ignore)
        assert events.waiting == 3
        events.finish()
        assert await read_all(events) == [1, 2, 3]

    run(main)


def test_overflow_stands_exactly_where_events_are_missing() -> None:
    async def main() -> None:
        events = stream(capacity=3)
        events.push(list(range(10)), ignore)
        assert [await anext(events) for _ in range(2)] == [0, 1]
        events.push([10], ignore)
        events.finish()
        first, lost, last = await read_all(events)
        assert (first, last) == (2, 10)
        assert isinstance(lost, errors.ReaderOverflow)
        assert (lost.lost, lost.capacity, lost.topic) == (7, 3, "trade.BTCUSD")

    run(main)


def test_overflow_at_the_end_is_told_too() -> None:
    async def main() -> None:
        events = stream(capacity=1)
        events.push([1, 2, 3], ignore)
        events.finish()
        one, lost = await read_all(events)
        assert one == 1
        assert isinstance(lost, errors.ReaderOverflow)
        assert lost.lost == 2

    run(main)


def test_memory_is_bounded_however_much_comes() -> None:
    events = stream(capacity=4)
    for number in range(10_000):
        events.push([number], ignore)
        events.break_off(errors.MalformedFrame("x"))
    assert events.waiting <= 5


def test_an_error_keeps_its_place_and_reading_goes_on() -> None:
    async def main() -> None:
        events = stream()
        gap = errors.StreamGap("trade.BTCUSD", "connection lost", 7, 9)
        events.push([1], ignore)
        events.break_off(gap)
        events.push([2], ignore)
        events.finish()
        assert await read_all(events) == [1, gap, 2]

    run(main)


def test_an_error_that_was_read_is_no_work_for_the_garbage_collector() -> None:
    async def main() -> None:
        events = stream()
        gap = errors.StreamGap("trade.BTCUSD", "connection lost", 7, 9)
        lives = weakref.ref(gap)
        events.break_off(gap)
        del gap
        with contextlib.suppress(errors.StreamGap):
            await anext(events)
        assert lives() is None

    gc.collect()
    gc.disable()
    try:
        run(main)
    finally:
        gc.enable()


def test_a_waiting_reader_is_woken() -> None:
    async def main() -> None:
        events = stream()
        reader = asyncio.create_task(read_all(events))
        await asyncio.sleep(0)
        events.push([1], ignore)
        await asyncio.sleep(0)
        events.push([2], ignore)
        events.finish()
        assert await reader == [1, 2]

    run(main)


def test_two_readers_of_one_stream_are_told_apart() -> None:
    async def main() -> None:
        events = stream()
        first = asyncio.create_task(read_all(events))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one stream per reader"):
            await anext(events)
        events.finish()
        assert await first == []

    run(main)


def test_a_cancelled_reader_loses_nothing() -> None:
    async def main() -> None:
        events = stream()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.001)
        events.push([1], ignore)
        assert await anext(events) == 1

    run(main)


def test_callbacks_are_called_in_order_until_removed() -> None:
    events = stream()
    called: list[str] = []
    removers: list[Callable[[], None]] = [
        events.on_event(lambda event: called.append(f"a{event}")),
        events.on_event(lambda event: called.append(f"b{event}")),
    ]
    events.push([1], ignore)
    removers[0]()
    events.push([2], ignore)
    assert called == ["a1", "b1", "b2"]


def test_a_callback_that_raises_is_reported() -> None:
    events = stream()
    told: list[str] = []

    def fail(event: int) -> None:
        raise ValueError(f"no {event}")

    events.on_event(fail)
    events.push([1, 2], lambda error, topic: told.append(f"{topic}: {error}"))
    assert told == ["trade.BTCUSD: no 1", "trade.BTCUSD: no 2"]
    assert events.waiting == 2


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_below_one_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        stream(capacity)
