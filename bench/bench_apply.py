"""From frame to book: applying alone, decoding and applying, and the whole path of a feed."""

from typing import Any

import pytest

from conftest import Measure
from frames import Stream
from offline import feed, restart


def bench_apply_alone(stream: Stream, loops: Any, measure: Measure) -> None:
    book = stream.channel().book
    decoder = stream.decoder()
    decoded = loops.DecodedFrames([stream.decoder() for _ in stream.deltas], book, stream.deltas)

    def before() -> None:
        loops.decode_and_apply(decoder, book, [stream.snapshot])
        decoded.decode()

    measure(decoded.apply, len(stream.deltas), before)


def bench_decode_and_apply(stream: Stream, loops: Any, measure: Measure) -> None:
    book, decoder = stream.channel().book, stream.decoder()
    measure(
        lambda: loops.decode_and_apply(decoder, book, stream.deltas),
        len(stream.deltas),
        lambda: loops.decode_and_apply(decoder, book, [stream.snapshot]),
    )


@pytest.mark.parametrize("lane", ["scanner", "msgspec"])
def bench_feed(stream: Stream, lane: str, measure: Measure) -> None:
    channel, path = stream.channel(scanner=lane == "scanner"), feed()
    path.channels.add(channel)
    receive = path.receive

    def run() -> None:
        for raw in stream.deltas:
            receive(raw, 0)

    measure(run, len(stream.deltas), lambda: restart(path, stream.snapshot))
    assert channel.book.version == path.frames
