"""The choice of the event loop, and its protection against closed descriptors and forks."""

import asyncio
import atexit
import os
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, as ``asyncio.run``, but on uvloop if it is installed."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return a factory of uvloop's loops if it is installed (the extra ``uvloop``); None means asyncio's."""
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
    """Open the null device on each closed descriptor from 0 to 2.

    Otherwise the next file gets its number, and libuv aborts the process when it closes that file.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


_forks_are_watched = False
_forking = threading.local()


def _end_forked_children_well() -> None:
    global _forks_are_watched
    if not _forks_are_watched and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_note_thread, after_in_child=_prepare_end)
        _forks_are_watched = True


class _Thread:
    """Referenced by one thread alone, so that it is collected when that thread ends."""


def _note_thread() -> None:
    """Remember whether a thread other than the main one forks. The child of its child counts as one, too."""
    _forking.in_thread = (
        getattr(_forking, "in_thread", False) or threading.current_thread() is not threading.main_thread()
    )


def _prepare_end() -> None:
    """Spare this child the crash in libuv's exit handler, which joins worker threads that only the parent has."""
    if _forking.in_thread:
        _forking.thread = _Thread()
        weakref.finalize(_forking.thread, _end_process, os.getpid())
    else:
        atexit.register(_renew_thread_pool)


def _end_process(process: int) -> None:
    """End a child whose forking thread has ended, as C would: with 0, and without the interpreter's exit handlers."""
    if os.getpid() != process:
        return  # in a child of the child, which has let go of the thread
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or not there
            stream.flush()
    os._exit(0)


def _renew_thread_pool() -> None:
    """Let libuv start its worker threads in this process: the first request to the pool replaces the parent's."""
    loop = (loop_factory() or asyncio.new_event_loop)()
    try:
        # Of no particular kind of socket: uvloop would answer that without the pool.
        loop.run_until_complete(loop.getaddrinfo("127.0.0.1", 0, flags=socket.AI_NUMERICHOST))
    finally:
        loop.close()
