"""What a typed frame costs, from the feed to a stream's queue: ratios to ``json.loads`` of the same frames, in turns.

Run it as ``python bench/typed_topics.py TAPES``, the folder of recordings.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v2.dialect import LINEAR as V2_LINEAR
from depthwire.bybit.v5.dialect import LINEAR
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream
from offline import feed

ROUNDS = 40
MOST_FRAMES = 200
READ = {
    "tickers": ("last_price", "mark_price", "bid1_price", "ask1_price", "bid1_size", "ask1_size"),
    "publicTrade": ("price", "size", "side", "trade_time_ms"),
    "execution": ("exec_id", "exec_price", "exec_qty", "exec_fee"),
}


def recorded(tapes: Path) -> dict[tuple[str, str], tuple[Dialect, list[bytes]]]:
    """The frames of typed topics, by the recording's name and the topic."""
    found: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for path in sorted((*tapes.glob("*.jsonl"), *tapes.glob("*.frames"))):
        for line in path.read_bytes().splitlines():
            raw = line if path.suffix == ".jsonl" else line.partition(b"\t")[2]
            topic = json.loads(raw).get("topic", "")
            if topic and not topic.lower().startswith("orderbook") and not topic.endswith("PERP"):
                found[path.name, topic].append(raw)
    return {key: (dialect_of(key[0]), raws[:MOST_FRAMES]) for key, raws in found.items()}


def dialect_of(name: str) -> Dialect:
    if "v5" in name:
        return LINEAR
    return V2_LINEAR if "linear" in name else INVERSE


class Lane:
    """A topic's channel with one reader; ``reads`` are the fields that it reads of each event."""

    def __init__(self, topic: str, dialect: Dialect, reads: tuple[str, ...] = ()) -> None:
        self.feed = feed()
        channel: Any = dialect.channel(topic)
        self.channel = channel
        self.feed.channels.add(channel)
        self.stream: EventStream[Any] | None = None
        if isinstance(channel, StateChannel):
            read = (lambda state, _: state.as_floats(*reads)) if reads else (lambda *_: None)
            channel.state.on_change(read)
        else:
            assert isinstance(channel, EventChannel)
            self.stream = EventStream(topic, 1_000_000, on_close=channel.leave)
            channel.join(self.stream)
            if reads:
                self.stream.on_event(lambda event: [getattr(event, name) for name in reads])

    def turn(self, raws: list[bytes]) -> float:
        """Ns per frame after the first, which begins a state."""
        if self.stream is None:
            self.channel.start_over()
            self.feed.receive(raws[0], 0)
            raws = raws[1:]
        receive = self.feed.receive
        start = perf_counter_ns()
        for raw in raws:
            receive(raw, 0)
        taken = perf_counter_ns() - start
        if self.stream is not None:
            self.stream._queue.clear()
        return taken / len(raws)


def loads(raws: list[bytes]) -> float:
    start = perf_counter_ns()
    for raw in raws:
        json.loads(raw)
    return (perf_counter_ns() - start) / len(raws)


def rows(tapes: Path) -> Iterator[str]:
    for (name, topic), (dialect, raws) in recorded(tapes).items():
        kind = topic if topic.startswith("execution") else topic.partition(".")[0]
        is_state = kind in ("tickers", "instrument_info")
        if is_state and (len(raws) < 2 or b'"snapshot"' not in raws[0]):
            continue
        if not is_state:
            raws = raws * max(1, 20 // len(raws))
        turns: list[Callable[[list[bytes]], float]] = [loads, Lane(topic, dialect).turn]
        reads = READ.get(kind.removesuffix(".fast"), ())
        if reads and "v5" in name:
            own = tuple(each for each in reads if each != "exec_fee") if kind.endswith(".fast") else reads
            turns.append(Lane(topic, dialect, own).turn)
        best = [min(each) for each in zip(*([turn(raws) for turn in turns] for _ in range(ROUNDS)), strict=True)]
        ratios = "  ".join(f"{each / best[0]:5.2f}" for each in best[1:])
        yield f"{name:32} {topic:36} {best[0]:7.0f} ns  {ratios}"


if __name__ == "__main__":
    print(f"{'recording':32} {'topic':36} {'json.loads':>10}  unread / read")
    for row in rows(Path(sys.argv[1])):
        print(row, flush=True)
