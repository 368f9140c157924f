"""Playing frames at the pace at which they were recorded, or faster or slower."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from depthwire.tape.format import TapeFrame


class Pace:
    """Waits until recorded moments are due, at ``speed`` times the recorded pace; ``math.inf`` never waits.

    All moments are measured from the first one, so errors do not accumulate. Raises ``ValueError`` if ``speed`` is not
    above 0.
    """

    _MOMENTS_PER_YIELD = 32

    def __init__(self, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, or math.inf for as fast as possible, not {speed}")
        self._ns_per_second = speed * 1e9
        self._start: tuple[float, int] | None = None
        self._since_yield = 0

    async def wait_until(self, at_ns: int) -> None:
        """Wait until ``at_ns`` (ns on the recorded clock) is due. Return at once if it is late."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now, at_ns
        start, start_ns = self._start
        early = start + (at_ns - start_ns) / self._ns_per_second - now  # never with infinite speed
        self._since_yield += 1
        if early > 0 or self._since_yield >= self._MOMENTS_PER_YIELD:
            self._since_yield = 0
            await asyncio.sleep(max(early, 0))


async def play(frames: Iterable[TapeFrame], speed: float = 1.0) -> AsyncIterator[TapeFrame]:
    """Yield frames at ``speed`` times the pace at which they were received; ``math.inf`` never waits.

    Raises ``ValueError`` if ``speed`` is not above 0.
    """
    pace = Pace(speed)
    for frame in frames:
        await pace.wait_until(frame.recv_ns)
        yield frame
