"""Part 4: many topics on one connection, memory, allocations, import time, and replay from memory."""

from typing import Any

import allocations
import imports
import memory
import replay
import topics
from plan import Plan


def measure(plan: Plan) -> dict[str, Any]:
    plan.say("scale")
    return {
        "topics": topics.measure(plan),
        "memory": memory.measure(),
        "allocations": allocations.measure(),
        "imports": imports.measure(plan),
        "replay": replay.measure(plan),
    }
