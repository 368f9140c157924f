"""What makes a subcommand, and the arguments that several of them share."""

import argparse
import asyncio
import math
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from depthwire.runtime.event_loop import run

OK, FAILURE, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


@dataclass(frozen=True)
class Command:
    """A subcommand: its name, its help, its arguments, and what it does. ``run`` returns the exit code."""

    name: str
    summary: str
    details: str
    configure: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace], int]


def add_seconds(parser: argparse.ArgumentParser, default: float | None, help_text: str) -> None:
    """How long a command runs."""
    parser.add_argument("--seconds", type=above_zero, default=default, metavar="S", help=help_text)


def above_zero(text: str) -> float:
    """A finite number above zero, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def whole_number(text: str) -> int:
    """A whole number above zero, for argparse."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def run_until_signalled(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine. Ctrl-C and SIGTERM cancel it, so that what it opened is closed in order.

    Raises KeyboardInterrupt after the one, CancelledError after the other.
    """
    return run(_terminable(main))


async def run_for(seconds: float | None, work: Coroutine[Any, Any, None]) -> None:
    """Await ``work``, but no longer than that many seconds."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await work
    except TimeoutError:
        if not limit.expired():
            raise


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Await several until all are done, or one fails: then the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _terminable(main: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    # Not every platform has SIGTERM, and only the main thread may ask for it.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    return await main
