"""Short soaks by a stepped clock: no kind of damage may leave a book LIVE or a stream without an error."""

from typing import Any, ClassVar

import pytest
from picows import WSMsgType

from depthwire.venue import Fault
from depthwire.venue.server import fault_injector
from tests.reliability.damage import DAMAGES
from tests.reliability.shard import Plan
from tests.reliability.stepped import SteppedShard, soaked
from tests.reliability.truth import WatchedInjector

SHORT = Plan(frames=600, checkpoints=25, seed=3, minutes=1.0, each_fault=0, one_line=1, two_lines=1)
LONG = Plan(frames=5_000, checkpoints=125, seed=1, minutes=1.0, each_fault=0, one_line=1, two_lines=1)
DISTURBED_AT = 10
"""The checkpoint after which frames are damaged."""


class Damaging(SteppedShard):
    """Damage one frame of every topic on each connection, all at once, and inject no other fault."""

    rates: ClassVar = {}

    def between_checkpoints(self) -> None:
        if self.checkpoints == DISTURBED_AT:
            for client in self.clients:
                for line in client.lines:
                    for topic in (*line.by_topic, *line.hashes):
                        self.venue.faults.once(Fault.CORRUPT, topic)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_arrives_damaged_leaves_no_book_live_and_no_stream_without_an_error(
    damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffer = WatchedInjector._inject

    def suffer_so(self: WatchedInjector, fault: Fault | None, topic: str, raw: bytes, kind: WSMsgType) -> None:
        if fault is Fault.CORRUPT:
            self._write(fault_injector._encoded(DAMAGES[damage](raw), kind))
        else:
            suffer(self, fault, topic, raw, kind)

    monkeypatch.setattr(WatchedInjector, "_inject", suffer_so)
    shard = Damaging(SHORT)
    figures = soaked(shard)
    assert figures["defects"] == []
    assert sum(shard.venue.seen.values()) == figures["faults"]["corrupt"] > 0
    assert all(counts.get("reported", 0) > 0 for name, counts in figures["events"].items() if "one line" in name)


def test_a_soak_by_one_clock_is_without_a_defect_and_the_same_each_time() -> None:
    first, second = (soaked(SteppedShard(LONG)) for _ in range(2))
    assert first["defects"] == []
    assert all(counts["right"] > 0 for counts in first["books"].values())
    assert sum(counts.get("reported", 0) for counts in first["events"].values()) > 0
    assert sum(first["seen"].values()) > 0
    assert lasting(first) == lasting(second)


def lasting(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that are equal on every machine."""
    return {name: value for name, value in figures.items() if name not in ("seconds", "cpu_seconds", "memory")}
