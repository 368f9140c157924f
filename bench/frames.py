"""The frames that the benchmarks run on: recordings, and seeded streams of depths that no recording has."""

import os
import random
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec

from depthwire import tape
from depthwire.bybit.v2.dialect import BOOK_TOPICS
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.book_decoder import BookDecoder
from depthwire.venue import SyntheticMarket
from dialects import book_channel, book_decoder

DEPTHS = {kind: depth for depth, kind in BOOK_TOPICS.items()} | {
    f"orderbook.{depth}": depth for depth in (1, 50, 200, 1000)
}
GENERATED_DELTAS = 500
START_NS = 1_618_677_786_000_000_000


class Stream(NamedTuple):
    """A book topic's frames: one snapshot and the deltas that follow it."""

    name: str
    topic: str
    depth: int
    snapshot: bytes
    deltas: list[bytes]

    def channel(self, *, scanner: bool = False) -> BookChannel:
        """Return a new channel for the topic, with an empty book."""
        return book_channel(self.topic, self.depth, scanner=scanner)

    def decoder(self) -> BookDecoder:
        return book_decoder(self.topic)


class Head(msgspec.Struct):
    topic: str = ""
    type: str = ""


def tapes() -> Path:
    """Return the folder of recordings, DEPTHWIRE_TAPES or ../shared/data next to the checkout. It may not exist."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("DEPTHWIRE_TAPES", beside))


def recorded() -> list[Stream]:
    """Return every book topic of every recording, from its first snapshot to the next one or the end."""
    head = msgspec.json.Decoder(Head).decode
    streams = []
    for path in sorted(tapes().glob("*.frames*")):
        frames: dict[str, list[bytes]] = {}
        for _, raw in tape.read(path):
            told = head(raw)
            if told.type == "snapshot" or told.topic in frames:
                frames.setdefault(told.topic, []).append(raw)
        for topic, raws in frames.items():
            depth = DEPTHS.get(topic.rpartition(".")[0])
            deltas = list(takewhile(lambda raw: head(raw).type == "delta", raws[1:]))
            if depth and deltas:
                streams.append(Stream(f"{path.stem} {topic}", topic, depth, raws[0], deltas))
    return streams


def synthetic() -> list[Stream]:
    """Return two streams of the embedded venue's market with 200 levels per side, one of each dialect."""
    topics = "orderBook_200.100ms.BTCUSD", "orderBook_200.100ms.BTCUSDT"
    market = SyntheticMarket(seed=1, start_ns=START_NS)
    told = market.frames([topic for topic in market.topics if topic.name in topics])
    frames: dict[str, list[bytes]] = {topic: [] for topic in topics}
    while min(map(len, frames.values())) <= GENERATED_DELTAS:
        frame = next(told)
        frames[frame.topic.name].append(frame.raw)
    return [
        Stream(f"synthetic {topic}", topic, 200, raws[0], raws[1 : GENERATED_DELTAS + 1])
        for topic, raws in frames.items()
    ]


class DeepBook:
    """A seeded book of many levels, published like a linear topic: the best ``depth`` levels per side.

    Its frames resemble recorded ones of linear symbols: two thirds of the changes are updates; a deleted level lets one
    appear at the far end, and an inserted one pushes one out; half of the changes are within 6 levels of the top.
    """

    def __init__(self, depth: int, seed: int = 1, topic: str = "") -> None:
        self.random = random.Random(seed)  # noqa: S311  # a repeatable market, not a secret
        self.depth = depth
        self.topic = topic or f"orderBook_{depth}.BTCUSDT"
        self.symbol = self.topic.rpartition(".")[2]
        self.sequence = 864_131_802
        self.sides: dict[str, dict[int, int]] = {"Buy": {}, "Sell": {}}  # ticks from the middle -> thousandths
        for levels in self.sides.values():
            for _ in range(depth):
                self.extend(levels)

    def frame(self, kind: str, data: str) -> bytes:
        self.sequence += self.random.randint(1, 30)
        timestamp_us = START_NS // 1000 + self.sequence
        return (
            f'{{"topic":"{self.topic}","type":"{kind}","data":{{{data}}},'
            f'"cross_seq":"{self.sequence}","timestamp_e6":"{timestamp_us}"}}'
        ).encode()

    def snapshot(self) -> bytes:
        levels = ",".join(self.wire(side, *level) for side, levels in self.sides.items() for level in levels.items())
        return self.frame("snapshot", f'"order_book":[{levels}]')

    def delta(self) -> bytes:
        before = {side: dict(levels) for side, levels in self.sides.items()}
        while self.sides == before:
            for _ in range(1 + int(self.random.expovariate(1 / 3))):
                self.change(self.sides[self.random.choice(("Buy", "Sell"))])
        delete, update, insert = [], [], []
        for side, levels in self.sides.items():
            shown = before[side]
            delete += [self.wire(side, key) for key in shown if key not in levels]
            update += [self.wire(side, key, size) for key, size in levels.items() if shown.get(key, size) != size]
            insert += [self.wire(side, key, size) for key, size in levels.items() if key not in shown]
        return self.frame(
            "delta", f'"delete":[{",".join(delete)}],"update":[{",".join(update)}],"insert":[{",".join(insert)}]'
        )

    def change(self, levels: dict[int, int]) -> None:
        rank = int(self.random.expovariate(1 / 8)) if self.random.random() < 0.9 else self.random.randrange(self.depth)
        key = next(islice(sorted(levels), min(rank, self.depth - 1), None))
        event = self.random.random()
        if event < 0.8:
            levels[key] = self.size()
        elif event < 0.9:
            del levels[key]
            self.extend(levels)
        else:
            # The free tick nearest the middle, so that deleted levels return and the spread does not grow.
            free = next(tick for tick in range(1 if rank < 2 else key, max(levels) + 2) if tick not in levels)
            levels[free] = self.size()
            del levels[max(levels)]

    def extend(self, levels: dict[int, int]) -> None:
        levels[max(levels, default=0) + 1 + int(self.random.expovariate(1))] = self.size()

    def size(self) -> int:
        return 1 + int(self.random.lognormvariate(8, 1.1))

    def wire(self, side: str, key: int, size: int | None = None) -> str:
        """Return a level in the linear dialect, with prices in steps of 0.50 around 60,000."""
        half_units = 120_000 + (key if side == "Sell" else -key)
        sized = "" if size is None else f',"size":{size / 1000:g}'
        return (
            f'{{"price":"{half_units / 2:.2f}","symbol":"{self.symbol}","id":"{half_units * 5000}",'
            f'"side":"{side}"{sized}}}'
        )


def generated(depth: int) -> Stream:
    """Return a topic with more levels than the exchange has ever offered."""
    book = DeepBook(depth)
    return Stream(
        f"generated {book.topic}", book.topic, depth, book.snapshot(), [book.delta() for _ in range(GENERATED_DELTAS)]
    )


def streams() -> list[Stream]:
    """Return all streams, recorded ones first."""
    return [*recorded(), *synthetic(), generated(1000)]


def write(measurable: list[Stream], path: Path) -> None:
    """Write streams for ``worker.py`` and the yardstick: ``#TOPIC<TAB>DEPTH``, then one frame per line."""
    with path.open("wb") as file:
        for stream in measurable:
            file.write(f"#{stream.topic}\t{stream.depth}\n".encode())
            file.writelines(raw + b"\n" for raw in (stream.snapshot, *stream.deltas))
