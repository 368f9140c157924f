"""Decoding alone: msgspec's typed message, and the level changes read from it."""

from typing import Any

from conftest import Measure
from dialects import typed_decoder
from frames import Stream


def bench_msgspec(stream: Stream, measure: Measure) -> None:
    decode = typed_decoder(stream.topic)

    def run() -> None:
        for raw in stream.deltas:
            decode(raw)

    measure(run, len(stream.deltas))


def bench_level_changes(stream: Stream, loops: Any, measure: Measure) -> None:
    channel, decoder = stream.channel(), stream.decoder()
    loops.decode_and_apply(decoder, channel.book, [stream.snapshot])
    measure(lambda: loops.decode(decoder, channel.book, stream.deltas), len(stream.deltas))
