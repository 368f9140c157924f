"""Part 2: one operation on one side of a book, from Python, by the depth of the side and the place in it."""

from contextlib import ExitStack
from statistics import median
from typing import Any

import environments
from frame_to_book import Peer
from operations import OPERATIONS
from plan import Plan
from turns import Contender, Worker, interleaved

SIDES = (
    Peer("depthwire", "depthwire_ladder", environments.OWN),
    Peer("order-book (C)", "order_book_c", environments.CONTAINERS),
    Peer("sortedcontainers", "sorted_containers", environments.CONTAINERS),
)


def measure(plan: Plan) -> dict[str, Any]:
    """Return the median ns of each contender, for each operation."""
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        workers = []
        for peer in SIDES:
            environment = plan.environment(peer.environment)
            if environment.why_not:
                skipped[peer.name] = environment.why_not
            else:
                contender = Contender(peer.name, plan.worker(environment, "sides", peer.module))
                workers.append(stack.enter_context(Worker(contender)))
        for worker in workers:
            worker.ready(len(OPERATIONS))
        plan.say("one operation")
        rows = []
        for number, operation in enumerate(OPERATIONS):
            rounds = interleaved(workers, number, plan.frame_rounds, plan.turn_ns / 5)
            rows.append(operation._asdict() | {"ns": {name: round(median(each), 1) for name, each in rounds.items()}})
    return {"rows": rows, "skipped": skipped}
