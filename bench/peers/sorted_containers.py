"""sortedcontainers: a SortedDict a side, fed by msgspec's typed structs."""

from collections.abc import Callable

from sortedcontainers import SortedDict

from peers.level_changes import replay_into


def start(topic: str, depth: int) -> tuple[Callable[[list[bytes]], None], Callable[[], tuple[float, ...]]]:
    bids, asks = SortedDict(), SortedDict()

    def top() -> tuple[float, ...]:
        return (*bids.peekitem(-1), *asks.peekitem(0))

    return replay_into(topic, bids, asks), top
