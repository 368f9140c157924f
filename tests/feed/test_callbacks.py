"""What may be registered as a callback, wherever one is."""

from collections.abc import AsyncIterator, Callable
from functools import cache, lru_cache, partial, wraps
from typing import Any

import pytest

from depthwire.bybit.v2.instrument import V2Instrument
from depthwire.client import Client
from depthwire.endpoints import endpoint_of
from depthwire.feed.callbacks import Callbacks
from depthwire.feed.live_book import BookListener, LiveBook
from depthwire.feed.streams import EventStream
from depthwire.session.options import ConnectOptions
from depthwire.session.reports import Reports


async def coroutine(*_: object) -> None: ...


async def generator(*_: object) -> AsyncIterator[int]:
    yield 1


class AsyncCall:
    async def __call__(self, *_: object) -> None: ...

    async def method(self, *_: object) -> None: ...

    @lru_cache  # noqa: B019 - as a user may write it
    async def cached(self, *_: object) -> None: ...


class CachedCall:
    __call__ = lru_cache(coroutine)


@wraps(coroutine)
def starts_a_task(*_: object) -> None: ...


class PlainCall:
    def __call__(self, *_: object) -> None: ...


def client() -> Client:
    return Client([endpoint_of("ws://127.0.0.1:1/realtime")], ConnectOptions())


REGISTRIES: dict[str, Callable[[Any], object]] = {
    "book.on_change": lambda callback: LiveBook("t", "BTCUSD", 25).on_change(callback),
    "book.on_state": lambda callback: LiveBook("t", "BTCUSD", 25).on_state(callback),
    "instrument.on_change": lambda callback: V2Instrument("t", "BTCUSD").on_change(callback),
    "instrument.on_state": lambda callback: V2Instrument("t", "BTCUSD").on_state(callback),
    "stream.on_event": lambda callback: EventStream("t", 1, on_close=lambda _: None).on_event(callback),
    "reports.on_error": lambda callback: Reports().on_error(callback),
    "client.on_error": lambda callback: client().on_error(callback),
    "client.add_tap": lambda callback: client().add_tap(callback),
}
BAD: dict[str, Any] = {
    "a number": 5,
    "a text": "print",
    "a coroutine function": coroutine,
    "an asynchronous generator": generator,
    "an object with an async __call__": AsyncCall(),
    "an async method": AsyncCall().method,
    "a partial of a coroutine function": partial(coroutine, 1),
    "a partial of a partial": partial(partial(AsyncCall(), 1), 2),
    "a cached coroutine function": lru_cache(coroutine),
    "a cached partial of a coroutine function": cache(partial(coroutine, 1)),
    "a cached async method": AsyncCall().cached,
    "a static method": staticmethod(coroutine),
    "an object with a cached async __call__": CachedCall(),
}


@pytest.mark.parametrize("name", REGISTRIES)
@pytest.mark.parametrize("callback", BAD.values(), ids=BAD)
def test_what_can_never_work_is_refused_at_once(name: str, callback: Any) -> None:
    with pytest.raises(TypeError, match="a callback must be"):
        REGISTRIES[name](callback)


@pytest.mark.parametrize("name", REGISTRIES)
@pytest.mark.parametrize(
    "callback",
    [print, PlainCall(), PlainCall, partial(print, 1), [].append, lru_cache(print), staticmethod(print), starts_a_task],
    ids=["builtin", "object", "class", "partial", "method", "cached", "static", "wraps"],
)
def test_what_can_be_called_is_taken(name: str, callback: Any) -> None:
    REGISTRIES[name](callback)


def test_a_compiled_listener_is_taken() -> None:
    LiveBook("t", "BTCUSD", 25).on_change(BookListener())


def test_a_refused_callback_leaves_nothing_behind() -> None:
    callbacks: Callbacks[Any] = Callbacks()
    with pytest.raises(TypeError):
        callbacks.add(coroutine)
    assert callbacks.now == ()
