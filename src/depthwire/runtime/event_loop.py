"""Which event loop runs a program."""

import asyncio
import atexit
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on uvloop where that is installed, else on asyncio: ``asyncio.run`` with a choice."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed (the extra ``uvloop``); None means asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None

    def new_loop() -> asyncio.AbstractEventLoop:
        open_standard_fds()
        _end_forked_children_well()
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop

    return new_loop


def open_standard_fds() -> None:
    """Open the null device on those of the descriptors 0 to 2 that are closed.

    The next file would get their numbers, and libuv aborts the process where it is to close such a one.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


_forks_are_watched = False


def _end_forked_children_well() -> None:
    global _forks_are_watched
    if not _forks_are_watched and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: atexit.register(_renew_thread_pool))
        _forks_are_watched = True


def _renew_thread_pool() -> None:
    """Let libuv start its worker threads in this process.

    When a process ends, libuv joins its workers. A forked child has inherited the handles of its parent's, to join
    which is a crash. Its first request to the pool replaces them.
    """
    loop = (loop_factory() or asyncio.new_event_loop)()
    try:
        # Of no particular kind of socket: uvloop would answer that without the pool.
        loop.run_until_complete(loop.getaddrinfo("127.0.0.1", 0, flags=socket.AI_NUMERICHOST))
    finally:
        loop.close()
