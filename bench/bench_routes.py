"""What routing costs, by the number of topics: frames whose channels leave them alone."""

from typing import Any

import pytest

from conftest import Measure
from offline import feed

FRAMES = 10_000


@pytest.mark.parametrize("topics", [1, 10, 100, 1000])
def bench_topics(topics: int, loops: Any, measure: Measure) -> None:
    path = feed()
    names = [f"orderBookL2_25.COIN{number}USDT" for number in range(topics)]
    for name in names:
        path.channels.add(loops.IdleChannel(name))
    raws = [f'{{"topic":"{name}","type":"delta"}}'.encode() for name in names] * (FRAMES // topics)
    receive = path.receive

    def run() -> None:
        for raw in raws:
            receive(raw, 0)

    measure(run, len(raws))
    assert sum(channel.frames for channel in path.channels) == path.frames
