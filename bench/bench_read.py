"""Reading the book from Python."""

from itertools import repeat

from conftest import Measure
from frames import generated
from offline import feed

READS = 10_000


def bench_best_bid(measure: Measure) -> None:
    stream = generated(25)
    channel, path = stream.channel(), feed()
    path.channels.add(channel)
    path.receive(stream.snapshot, 0)
    book = channel.book

    def run() -> None:
        for _ in repeat(None, READS):
            book.best_bid  # noqa: B018  # the read is what is measured

    measure(run, READS)
