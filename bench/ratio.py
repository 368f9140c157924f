"""What applying costs on top of msgspec's decoding, by topic: ``python bench/ratio.py [rounds]`` prints Markdown.

A round decodes all deltas of a topic and then takes the same deltas through a feed into a book, so that whatever slows
the machine down slows both. The number that counts is the median of the rounds' own ratios.
"""

import gc
import sys
from statistics import median
from time import perf_counter_ns

import machine
from frames import Stream, streams
from offline import feed, typed_decode

ROUNDS = 400
WARM_UP = 40


def measured(stream: Stream, rounds: int) -> tuple[float, float, float]:
    """Median ns per frame of decoding alone and of the feed's path, and the median of the rounds' ratios."""
    channel, path = stream.channel(), feed()
    path.channels.add(channel)
    receive, deltas = path.receive, stream.deltas
    pairs = []
    for _ in range(WARM_UP + rounds):
        receive(stream.snapshot, 0)
        start_ns = perf_counter_ns()
        for raw in deltas:
            typed_decode(raw)
        middle_ns = perf_counter_ns()
        for raw in deltas:
            receive(raw, 0)
        pairs.append((middle_ns - start_ns, perf_counter_ns() - middle_ns))
    del pairs[:WARM_UP]
    decode_ns, apply_ns = (median(times) / len(deltas) for times in zip(*pairs, strict=True))
    return decode_ns, apply_ns, median(both / decode for decode, both in pairs)


def main(rounds: int) -> None:
    measurable = streams()
    gc.collect()
    gc.freeze()
    gc.disable()
    print(f"{machine.facts()}; medians of {rounds} paired rounds\n")
    print("| frames | deltas | msgspec decodes, ns | decoded, routed and applied, ns | ratio |")
    print("|---|--:|--:|--:|--:|")
    for stream in measurable:
        decode_ns, apply_ns, ratio = measured(stream, rounds)
        print(
            f"| {stream.name} | {len(stream.deltas)} | {decode_ns:.0f} | {apply_ns:.0f} | {ratio:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
