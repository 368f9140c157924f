"""Part 1: the cost of one frame, from its bytes to an updated book."""

import math
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import environments
import frames
from dialects import dialect_of
from environments import Environment
from plan import Plan
from turns import Contender, Worker, interleaved, ratio
from yardstick import NoYardstick, build

SCANNER, MSGSPEC, DECODE, YARDSTICK = (
    "depthwire, scanner",
    "depthwire, msgspec",
    "msgspec decode alone",
    "C++ yardstick",
)
ORDER_BOOK, PYBIT_V2, PYBIT_V5 = "order-book (C) with msgspec", "pybit 1.3.6", "pybit 5.17"


class Peer(NamedTuple):
    name: str
    module: str
    environment: Environment


PEERS = (
    Peer(SCANNER, "depthwire_scanner", environments.OWN),
    Peer(MSGSPEC, "depthwire_msgspec", environments.OWN),
    Peer(DECODE, "msgspec_decode", environments.OWN),
    Peer(ORDER_BOOK, "order_book_c", environments.CONTAINERS),
    Peer("sortedcontainers with msgspec", "sorted_containers", environments.CONTAINERS),
    Peer("cryptofeed", "cryptofeed_bybit", environments.CRYPTOFEED),
    Peer("ccxt.pro", "ccxt_pro", environments.CCXT),
    Peer("nautilus_trader", "nautilus", environments.NAUTILUS),
    Peer(PYBIT_V2, "pybit_v2", environments.PYBIT_V2),
    Peer(PYBIT_V5, "pybit_v5", environments.PYBIT_V5),
)


def measure(plan: Plan) -> dict[str, Any]:
    """Return, by stream, the median ns per frame of each contender and the ratios of depthwire's lanes to others."""
    streams = frames.streams() if not plan.quick else frames.streams()[:2]
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "frames"
        frames.write(streams, path)
        workers = [stack.enter_context(Worker(contender)) for contender in contenders(plan, path, skipped)]
        for worker in workers:
            worker.ready(len(streams))
        rows = []
        for number, stream in enumerate(streams):
            able, unable = judged(workers, number)
            plan.say(f"frame to book: {stream.name}")
            rounds = interleaved(able, number, plan.frame_rounds, plan.turn_ns)
            rows.append(
                {
                    "stream": stream.name,
                    "topic": stream.topic,
                    "dialect": dialect_of(stream.topic),
                    "recorded": not stream.name.startswith(("synthetic", "generated")),
                    "deltas": len(stream.deltas),
                    "mean_bytes": round(sum(map(len, stream.deltas)) / len(stream.deltas)),
                    "ns_per_frame": {name: round(median(each), 1) for name, each in rounds.items()},
                    "ratios": ratios(rounds),
                    "unable": unable,
                }
            )
    return {"rows": rows, "skipped": skipped}


def contenders(plan: Plan, path: Path, skipped: dict[str, str]) -> Iterable[Contender]:
    try:
        yield Contender(YARDSTICK, [str(build()), str(path)])
    except NoYardstick as error:
        skipped[YARDSTICK] = str(error)
    for peer in PEERS:
        environment = plan.environment(peer.environment)
        if environment.why_not:
            skipped[peer.name] = environment.why_not
        else:
            yield Contender(peer.name, plan.worker(environment, "frames", peer.module, str(path)))


def judged(workers: list[Worker], number: int) -> tuple[list[Worker], dict[str, str]]:
    """Return the contenders that end a stream with the same top of book, and why the others cannot be measured."""
    answers = {worker.name: worker.answers[number] for worker in workers}
    right = top_of(answers[MSGSPEC])
    able, unable = [], {}
    for worker in workers:
        answer = answers[worker.name]
        if answer.startswith("cannot"):
            unable[worker.name] = answer.removeprefix("cannot ")
        elif answer.startswith("top") and not same(top_of(answer), right):
            unable[worker.name] = f"ends with another top of book: {answer.removeprefix('top ')}"
        else:
            able.append(worker)
    return able, unable


def top_of(answer: str) -> list[float]:
    return list(map(float, answer.split()[1:]))


def same(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and all(map(lambda a, b: math.isclose(a, b, rel_tol=1e-9), one, other))


def ratios(rounds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return ``ratios[a][b]``, a's time divided by b's, for depthwire's two lanes and all others."""
    return {
        lane: {name: round(ratio(rounds[lane], each), 4) for name, each in rounds.items() if name != lane}
        for lane in (SCANNER, MSGSPEC)
        if lane in rounds
    }
