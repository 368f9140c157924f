"""Instruments whose plain frames change fields in place against instruments whose every frame is decoded and merged."""

import copy
import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import fields

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v2.instrument import V2Instrument
from depthwire.bybit.v2.public import InstrumentDelta, InstrumentSnapshot
from depthwire.bybit.v5.dialect import LINEAR
from depthwire.bybit.v5.instrument import V5Instrument
from depthwire.bybit.v5.public import TickerMessage
from depthwire.feed.state_channel import StateChannel
from tests.bybit.test_records import digits, mutated
from tests.support.offline import Offline
from tests.support.reference import frames

SEED = 20261129
MUTATIONS = int(os.environ.get("DEPTHWIRE_MUTATIONS", "20000")) // 10
"""How many wrong frames to try, of tickers and of instrument_info together."""


class Decoded:
    """A live state that the channel cannot hand frames to: each is decoded."""

    def __init__(self, instrument: Instrument) -> None:
        object.__setattr__(self, "instrument", instrument)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.instrument, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.instrument, name, value)


class Lane(Offline):
    """An instrument that reads plain frames itself, or one whose frames are all decoded."""

    def __init__(self, topic: str, dialect: Dialect, *, decodes: bool) -> None:
        super().__init__(dialect=dialect)
        symbol = topic.rpartition(".")[2]
        self.instrument: Instrument
        message: Any
        if topic.startswith("tickers."):
            self.instrument, message = V5Instrument(topic, symbol), TickerMessage
        else:
            self.instrument, message = V2Instrument(topic, symbol), InstrumentSnapshot | InstrumentDelta
        self.changed: list[frozenset[str]] = []
        self.instrument.on_change(lambda _, changed: self.changed.append(changed))
        state: Any = Decoded(self.instrument) if decodes else self.instrument
        channel = StateChannel(topic, message, state)
        channel.attach(self.errors.append)
        self.feed.channels.add(channel)

    def known(self) -> Any:
        """All that a reader can know."""
        state = self.instrument
        numbers = (state.version, state.frame_seq, state.ts_exchange_us, state.ts_recv_ns)
        counts = (state.dropped, state.outdated, state.odd_fields, len(self.errors))
        told = [(type(error), str(error)) for error in self.errors[-1:]]
        return state.state, state.stale_reason, numbers, counts, told, self.changed[-1:], state.updated


def lanes(topic: str) -> tuple[Lane, Lane]:
    dialect = LINEAR if topic.startswith("tickers.") else INVERSE
    return Lane(topic, dialect, decodes=False), Lane(topic, dialect, decodes=True)


def streams(tapes: Path) -> dict[str, list[bytes]]:
    """The recorded frames of each instrument's topic, with v2's singles as one stream that begins with a snapshot."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for name in ("v5-linear-2026-08-09.frames", "v5-spot-2026-08-09.frames"):
        for raw in frames(tapes / name):
            topic = json.loads(raw).get("topic", "")
            if topic.startswith("tickers."):
                found[f"{topic}-{name[3:7]}"].append(raw)
    for name in ("examples-inverse.jsonl", "examples-linear.jsonl", "singles-v2-2019-2022.jsonl"):
        singles = (tapes / name).read_bytes().splitlines()
        for raw in sorted(singles, key=lambda raw: b'"snapshot"' not in raw):
            topic = json.loads(raw).get("topic", "")
            if topic.startswith("instrument_info.") and not topic.endswith("PERP"):
                found[topic].append(raw)
    return {name: raws for name, raws in found.items() if b'"snapshot"' in raws[0]}


@pytest.fixture(scope="module")
def tape(tapes: Path) -> dict[str, list[bytes]]:
    return streams(tapes)


def topic_of(raw: bytes) -> str:
    topic: str = json.loads(raw)["topic"]
    return topic


def test_both_ways_agree_on_every_recorded_frame(tape: dict[str, list[bytes]]) -> None:
    assert len(tape) >= 5
    for name, raws in tape.items():
        pair = lanes(topic_of(raws[0]))
        for number, raw in enumerate(raws):
            for lane in pair:
                lane.feed.receive(raw, number)
            assert pair[0].known() == pair[1].known(), f"{name}: {raw!r}"
            if number % 7 == 0:  # a reader that reads some numbers, and keeps what it read
                for lane in pair:
                    assert lane.instrument.snapshot(allow_stale=True).symbol == lane.instrument.symbol
            one, other = (lane.instrument._info for lane in pair)
            assert digits(copy.copy(one)) == digits(copy.copy(other)), f"{name}: {raw!r}"


def numbered(raw: bytes, step: int) -> bytes:
    """A frame that is later than those before."""
    wire = json.loads(raw)
    for key, base in (("cs", 10**11), ("ts", 1_900_000_000_000), ("cross_seq", 10**11), ("timestamp_e6", 19 * 10**14)):
        if key in wire:
            wire[key] = base + step
    return json.dumps(wire, separators=(",", ":")).encode()


def test_both_ways_agree_on_wrong_frames(tape: dict[str, list[bytes]]) -> None:
    rng = Random(SEED)
    names = sorted(tape)
    tried = taken = 0
    while tried < MUTATIONS:
        raws = tape[names[tried // 8 % len(names)]]
        pair = lanes(topic_of(raws[0]))
        for step in range(8):
            raw = numbered(raws[0] if step == 0 else rng.choice(raws), step)
            for attempt in (mutated(rng, raw), raw):
                before = pair[0].instrument.snapshot(allow_stale=True) if step % 2 else None
                shown = digits(before)
                for lane in pair:
                    lane.feed.receive(attempt, tried)
                where = f"seed {SEED}, number {tried}: {attempt!r}"
                assert pair[0].known() == pair[1].known(), where
                one, other = (lane.instrument._info for lane in pair)
                assert digits(one if step % 3 else copy.copy(one)) == digits(other), where
                assert digits(before) == shown, "what a reader holds does not change"
            tried += 1
            taken += pair[0].instrument.version
    assert taken > tried


# what a reader sees


TOPIC = "tickers.BTCUSDT"


def ticker(kind: str, seq: int, **data: str) -> dict[str, Any]:
    return {
        "topic": TOPIC,
        "type": kind,
        "data": {"symbol": "BTCUSDT", **data},
        "cs": seq,
        "ts": 1_786_310_817_583 + seq,
    }


def begun(**data: str) -> Lane:
    lane = Lane(TOPIC, LINEAR, decodes=False)
    lane.send(ticker("snapshot", 1, **data))
    return lane


def test_a_snapshot_that_was_taken_does_not_change() -> None:
    lane = begun(lastPrice="1.50", markPrice="2")
    before = lane.instrument.snapshot()
    lane.send(ticker("delta", 2, lastPrice="1.60"))
    lane.send(ticker("delta", 3, lastPrice="1.70"))
    assert (str(before.last_price), str(lane.instrument.last_price)) == ("1.50", "1.70")
    assert lane.instrument.snapshot() is not before
    assert lane.instrument.snapshot() is lane.instrument.snapshot()


def test_floats_are_read_without_the_exact_numbers_which_stay() -> None:
    lane = begun(lastPrice="1.50", bid1Price="0.1234567890123456789012")
    found = lane.instrument
    assert found.as_floats("last_price", "bid1_price", "mark_price") == (1.5, 0.12345678901234568, None)
    assert found.as_float("last_price") == 1.5
    assert str(found.bid1_price) == "0.1234567890123456789012"
    found.mark_stale("a test")
    with pytest.raises(errors.BookNotLive, match="a test"):
        found.as_float("last_price")
    with pytest.raises(errors.BookNotLive):
        found.as_floats("last_price")


@pytest.mark.parametrize("is_read", [False, True])
def test_a_number_with_other_digits_is_the_same_number(is_read: bool) -> None:
    lane = begun(lastPrice="1.50", markPrice="2")
    if is_read:
        assert lane.instrument.last_price == Decimal("1.5")
    lane.send(ticker("delta", 2, lastPrice="1.5", markPrice="3"))
    assert lane.changed[-1] == lane.instrument.updated == {"mark_price"}
    assert str(lane.instrument.last_price) == "1.5"


def test_a_frame_that_fails_after_some_fields_changes_none_of_them() -> None:
    lane = begun(lastPrice="1.50", markPrice="2")
    before = digits(lane.instrument.snapshot())
    raw = json.dumps(ticker("delta", 2, lastPrice="1.60", markPrice="3"), separators=(",", ":")).encode()
    for size in range(1, len(raw)):
        lane.send(raw[:size])
        assert digits(lane.instrument._info) == before
    assert lane.instrument.version == 1


def test_every_field_is_read_from_a_frame(tapes: Path) -> None:
    lane = begun()
    pair = lanes(TOPIC)
    data = {}
    for field in fields(lane.instrument.snapshot()):
        is_text = field.type is str
        data[field.encode_name] = f"text of {field.name}" if is_text else "7" if "int" in str(field.type) else "1.250"
    data["symbol"] = "BTCUSDT"
    for each in pair:
        each.send(ticker("snapshot", 1))
        each.send({**ticker("delta", 2), "data": data})
    assert pair[0].known() == pair[1].known()
    assert digits(pair[0].instrument.snapshot()) == digits(pair[1].instrument.snapshot())
    assert len(pair[0].instrument.updated) == len(data) - 1
    assert pair[0].instrument.state is BookState.LIVE


def test_a_listener_that_fails_is_reported_and_the_others_are_called() -> None:
    lane = begun(lastPrice="1")
    lane.instrument.on_change(lambda *_: 1 // 0)
    told: list[frozenset[str]] = []
    lane.instrument.on_change(lambda _, changed: told.append(changed))
    lane.send(ticker("delta", 2, lastPrice="2"))
    assert told == [{"last_price"}]
    assert isinstance(lane.errors[0], errors.CallbackError)
