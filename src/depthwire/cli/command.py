"""The parts of a subcommand, and the arguments that several subcommands share."""

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
    """A subcommand: name, help texts, arguments and action. ``run`` returns the exit code."""

    name: str
    summary: str
    details: str
    configure: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace], int]


def add_seconds(parser: argparse.ArgumentParser, default: float | None, help_text: str) -> None:
    """Add ``--seconds``, which limits how long a command runs."""
    parser.add_argument("--seconds", type=above_zero, default=default, metavar="S", help=help_text)


def above_zero(text: str) -> float:
    """Parse a finite number above zero; an argparse type."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"invalid value {text!r}: expected a number above 0")
    return number


def whole_number(text: str) -> int:
    """Parse a whole number above zero; an argparse type."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"invalid value {text!r}: expected a whole number above 0")
    return int(text)


def run_until_signalled(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine. Ctrl-C and SIGTERM cancel it, so that it can close what it opened.

    Raises KeyboardInterrupt after Ctrl-C and CancelledError after SIGTERM.
    """
    return run(_terminable(main))


async def run_for(seconds: float | None, work: Coroutine[Any, Any, None]) -> None:
    """Await ``work`` for at most ``seconds``, or without a limit if it is None."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await work
    except TimeoutError:
        if not limit.expired():
            raise


async def run_all(*works: Coroutine[Any, Any, None]) -> None:
    """Await several coroutines at once. If one fails, cancel the others and raise its error."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _terminable(main: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    # Some platforms lack SIGTERM, and only the main thread may handle signals.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    return await main
