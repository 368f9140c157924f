"""The cost of a frame by the number of topics on one connection: the same deltas, spread over more books."""

from statistics import median
from time import thread_time_ns
from typing import Any

from dialects import book_channel
from frames import DeepBook
from offline import feed, restart
from plan import Plan

TOPICS = 1, 10, 100, 1000
DEPTH = 25
CHUNK = 10  # deltas between two states that a topic may start from
TOPIC = "orderBookL2_25.COIN{number:04}USDT"
PLACEHOLDER = "COIN0000USDT"


def life(deltas: int) -> list[tuple[bytes, list[bytes]]]:
    """Return the stream of a book in chunks, each with the snapshot that it starts from."""
    book = DeepBook(DEPTH, topic=TOPIC.format(number=0))
    return [(book.snapshot(), [book.delta() for _ in range(CHUNK)]) for _ in range(deltas // CHUNK)]


def spread(chunks: list[tuple[bytes, list[bytes]]], topics: int) -> tuple[list[bytes], list[bytes]]:
    """Snapshots of so many topics, and all deltas, of which each topic has as many: one of each topic in turn.

    They lie in memory in the order in which they come, as in a socket's buffer.
    """
    share = len(chunks) // topics
    snapshots, deltas = [], []
    for number in range(topics):
        own = chunks[number * share : (number + 1) * share]
        name = f"COIN{number:04}USDT".encode()
        snapshots.append(own[0][0].replace(PLACEHOLDER.encode(), name))
        deltas.append([raw.replace(PLACEHOLDER.encode(), name) for _, raws in own for raw in raws])
    return snapshots, [bytes(memoryview(raw)) for turn in zip(*deltas, strict=True) for raw in turn]


def measure(plan: Plan) -> list[dict[str, Any]]:
    """Median ns per frame by lane and number of topics, and the ratio to one topic in the same rounds."""
    chunks = life(TOPICS[-1] * CHUNK)
    times: dict[tuple[str, int], list[float]] = {}
    cases = []
    for lane in "scanner", "msgspec":
        for count in TOPICS:
            path = feed()
            for number in range(count):
                path.channels.add(book_channel(TOPIC.format(number=number), DEPTH, scanner=lane == "scanner"))
            cases.append(((lane, count), path, *spread(chunks, count)))
    for number in range(1 + plan.frame_rounds):
        for key, path, snapshots, deltas in cases:
            restart(path, *snapshots)
            receive = path.receive
            start = thread_time_ns()
            for raw in deltas:
                receive(raw, 0)
            if number:  # the first is a warm-up
                times.setdefault(key, []).append((thread_time_ns() - start) / len(deltas))
    return [
        {
            "lane": lane,
            "topics": count,
            "ns_per_frame": round(median(each), 1),
            "over_one": round(median(a / b for a, b in zip(each, times[lane, 1], strict=True)), 3),
        }
        for (lane, count), each in times.items()
    ]
