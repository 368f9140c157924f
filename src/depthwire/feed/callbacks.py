"""Subscribers' callbacks: checked, kept in order, and their exceptions reported."""

import inspect
from collections.abc import Callable
from functools import lru_cache, partial
from logging import getLogger
from types import MethodType
from typing import Any, Final, Generic, TypeVar

from depthwire.errors import CallbackError, DepthwireError

WRAPPERS: Final[dict[type, str]] = {
    partial: "func",
    MethodType: "__func__",
    staticmethod: "__func__",
    type(lru_cache(print)): "__wrapped__",
}
EXITS: Final = (SystemExit, KeyboardInterrupt)
"""Exceptions that end an event loop, as in asyncio. Every other exception of a callback is reported, and the feed goes
on."""

_log = getLogger("depthwire")

Callback = TypeVar("Callback", bound=Callable[..., object])
Report = Callable[[DepthwireError], object]


def log_error(error: DepthwireError) -> None:
    """Log an error as a warning; the default for errors that no callback receives."""
    _log.warning("%s: %s", type(error).__name__, error)


def checked_callback(callback: Callback) -> Callback:
    """Return ``callback``; raise TypeError if it is async (its result would not be awaited) or not callable."""
    called = innermost(callback)
    if not callable(called):
        raise TypeError(f"a callback must be callable, not {callback!r}")
    if is_async(called) or is_async(innermost(type(called).__call__)):
        raise TypeError(
            f"a callback must be a plain function, not the async {callback!r}: it is called inside the frame's call "
            "stack, where nothing can be awaited; read changes() or the stream in a task instead"
        )
    return callback


def innermost(function: Any) -> Any:
    """Return the function inside wrappers that only pass on its result.

    Other wrappers, such as those of ``functools.wraps``, may be plain functions around an async one.
    """
    while attribute := next((inside for wrapper, inside in WRAPPERS.items() if isinstance(function, wrapper)), None):
        function = getattr(function, attribute)
    return function


def is_async(function: Any) -> bool:
    """Whether a call returns something that must be awaited or iterated over asynchronously."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def report_raised(error: BaseException, what: str, report: Report) -> None:
    """Report what a callback raised as a CallbackError; ``what`` begins its message, as in "trade.BTCUSD: a callback".

    Raises SystemExit and KeyboardInterrupt again, unless ``report`` returns True: it then raises them itself, from the
    event loop, so that the frame still reaches the other subscribers.
    """
    wrapped = CallbackError(f"{what} raised {type(error).__name__}: {error}".rstrip(": "))
    wrapped.__cause__ = error
    if report(wrapped) is not True and isinstance(error, EXITS):
        raise error


class Callbacks(Generic[Callback]):
    """Callbacks in the order in which they were added; iterating over ``now`` is safe while it changes."""

    def __init__(self) -> None:
        self.now: tuple[Callback, ...] = ()

    def add(self, callback: Callback) -> Callable[[], None]:
        """Add a callback at the end; return a function that removes it. A callback added twice is called twice.

        Raises as :func:`checked_callback` does.
        """
        self.now += (checked_callback(callback),)
        is_added = True

        def remove() -> None:
            nonlocal is_added
            if is_added:
                is_added = False
                at = next(at for at, other in enumerate(self.now) if other is callback)
                self.now = self.now[:at] + self.now[at + 1 :]

        return remove
