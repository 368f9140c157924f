"""A helper for asyncio's futures."""

import asyncio
from typing import Any


def mark_retrieved(future: "asyncio.Future[Any]") -> None:
    """Mark a future's exception as retrieved, so that asyncio does not log it."""
    if not future.cancelled():
        future.exception()
