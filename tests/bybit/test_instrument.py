"""The merged live state of instrument_info: merging, which callbacks get which fields, and what makes it STALE."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.channel import Channel
from depthwire.feed.state_channel import StateChannel
from tests.support.offline import Offline
from tests.support.plain_client import run

TOPIC = "instrument_info.100ms.BTCUSD"
FIELDS = {"last_price_e4": 81_165_000, "last_price": "8116.50", "mark_price_e4": 81_178_500, "volume_24h": 735_865_248}


def snapshot(seq: int = 100, **fields: Any) -> dict[str, Any]:
    data = {"id": 1, "symbol": "BTCUSD", **(fields or FIELDS)}
    return {"topic": TOPIC, "type": "snapshot", "data": data, "cross_seq": seq, "timestamp_e6": 1_000 + seq}


def delta(seq: int = 101, *, symbol: str = "BTCUSD", **fields: Any) -> dict[str, Any]:
    data = {"delete": [], "update": [{"id": 1, "symbol": symbol, **fields}], "insert": []}
    return {"topic": TOPIC, "type": "delta", "data": data, "cross_seq": seq, "timestamp_e6": 1_000 + seq}


def started(*messages: Any) -> tuple[Offline, Instrument, Channel]:
    offline = Offline()
    channel = offline.add(TOPIC)
    assert isinstance(channel, StateChannel)
    for message in messages:
        offline.send(message)
    return offline, channel.state, channel


# merging


def test_a_delta_changes_what_it_names_and_keeps_the_rest() -> None:
    offline, instrument, _ = started(
        snapshot(), delta(last_price_e4=81_170_000, last_price="8117.00", funding_rate_e6=-7)
    )
    assert offline.errors == []
    assert instrument.state is BookState.LIVE
    assert instrument.last_price == Decimal(8117)
    assert instrument.last_price_e4 == 81_170_000
    assert instrument.mark_price == Decimal("8117.85")
    assert instrument.funding_rate == Decimal("-0.000007")
    assert instrument.volume_24h == 735_865_248
    assert instrument.index_price is None
    assert (instrument.version, instrument.frame_seq, instrument.ts_exchange_us) == (2, 101, 1_101)


def test_integers_beyond_two_to_the_53_are_exact() -> None:
    _, instrument, _ = started(
        snapshot(total_turnover_e8=5_297_935_000_783_200_001), delta(total_volume_e8=str(2**53 + 1))
    )
    assert instrument.total_turnover_e8 == 5_297_935_000_783_200_001
    assert str(instrument.total_turnover) == "52979350007.83200001"
    assert instrument.total_volume_e8 == 2**53 + 1


def test_updates_and_inserts_of_one_delta_all_count_the_later_wins() -> None:
    message = delta(last_price_e4=1, mark_price_e4=2)
    message["data"]["update"].append({"symbol": "BTCUSD", "last_price_e4": 3})
    message["data"]["insert"].append({"symbol": "BTCUSD", "index_price_e4": 4})
    _, instrument, _ = started(snapshot(), message)
    assert (instrument.last_price_e4, instrument.mark_price_e4, instrument.index_price_e4) == (3, 2, 4)


def test_a_snapshot_replaces_everything() -> None:
    _, instrument, _ = started(snapshot(), snapshot(seq=150, index_price_e4=7))
    assert instrument.index_price_e4 == 7
    assert instrument.last_price is None
    assert instrument.updated == {"index_price_e4", *FIELDS}


def test_recorded_frames_merge_to_what_a_dict_would_hold(tapes: Path) -> None:
    merged: dict[str, Any] = {}
    offline, instrument, _ = started()
    seq = 0
    for raw in (tapes / "singles-v2-2019-2022.jsonl").read_bytes().splitlines():
        message = json.loads(raw)
        if not message.get("topic", "").startswith("instrument_info") or "cross_seq" not in message:
            continue
        parts = [message["data"]] if message["type"] == "snapshot" else message["data"]["update"]
        merged = {} if message["type"] == "snapshot" else merged
        for part in parts:
            part["symbol"] = "BTCUSD"
            merged |= part
        seq += 1
        offline.send({**message, "topic": TOPIC, "cross_seq": seq})
        if merged and instrument.state is BookState.LIVE:
            for key, value in merged.items():
                shown = getattr(instrument, key)
                assert shown == (Decimal(value) if isinstance(shown, int | Decimal) else value), key
    assert seq >= 9
    assert offline.errors == []


# callbacks


def test_callbacks_name_the_fields_that_changed_and_no_others() -> None:
    offline, instrument, _ = started()
    told: list[frozenset[str]] = []
    remove = instrument.on_change(lambda found, changed: told.append(changed))
    offline.send(snapshot())
    offline.send(delta(seq=101, last_price_e4=81_165_000, mark_price_e4=5, updated_at="2020-01-12T18:25:25Z"))
    offline.send(delta(seq=102, mark_price_e4=5))
    assert told == [{"id", *FIELDS}, {"mark_price_e4", "updated_at"}, set()]
    assert instrument.updated == set()
    remove()
    offline.send(delta(seq=103, mark_price_e4=6))
    assert len(told) == 3


def test_a_subscriber_that_raises_stops_nobody() -> None:
    offline, instrument, _ = started()
    told: list[Any] = []
    instrument.on_change(lambda found, changed: 1 / 0)
    instrument.on_change(lambda found, changed: told.append(found.last_price))
    offline.send(snapshot())
    assert told == [Decimal("8116.50")]
    (error,) = offline.errors
    assert isinstance(error, errors.CallbackError)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_changes_are_conflated_and_end_with_the_client() -> None:
    async def main() -> None:
        offline, instrument, channel = started(snapshot())
        found = instrument.changes()
        assert (await anext(found)).last_price_e4 == 81_165_000
        for seq in range(101, 110):
            offline.send(delta(seq=seq, last_price_e4=seq))
        assert (await anext(found)).last_price_e4 == 109
        channel.finish("the client was closed")
        assert [each async for each in found] == []
        with pytest.raises(errors.BookNotLive, match="the client was closed"):
            _ = instrument.last_price

    run(main)


# states


def test_reading_before_the_first_snapshot_raises() -> None:
    _, instrument, channel = started()
    assert instrument.state is BookState.EMPTY
    assert channel.needs_snapshot
    with pytest.raises(errors.BookNotLive, match="first snapshot"):
        _ = instrument.last_price
    assert instrument.snapshot(allow_stale=True).last_price is None


def test_a_delta_before_the_snapshot_is_an_error() -> None:
    offline, instrument, _ = started(delta())
    (error,) = offline.errors
    assert isinstance(error, errors.SnapshotMissing)
    assert error.topic == TOPIC
    assert instrument.state is BookState.EMPTY
    assert instrument.version == 0


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (delta(seq=99, last_price_e4=1), errors.OutOfSequence),
        (delta(symbol="ETHUSD", last_price_e4=1), errors.SymbolMismatch),
        ({**snapshot(), "data": {"symbol": "ETHUSD"}}, errors.SymbolMismatch),
        ({**delta(), "data": {"delete": [{"symbol": "BTCUSD"}]}}, errors.MalformedFrame),
        (delta(symbol=5, last_price_e4=1), errors.MalformedFrame),
        ({**delta(), "data": {"update": "all"}}, errors.MalformedFrame),
        ({**delta(), "cross_seq": None}, errors.MalformedFrame),
    ],
)
def test_a_bad_frame_leaves_the_fields_and_makes_it_stale_until_the_next_snapshot(
    bad: Any, kind: type[Exception]
) -> None:
    offline, instrument, channel = started(snapshot())
    states: list[BookState] = []
    instrument.on_state(lambda found: states.append(found.state))
    offline.send(bad)
    assert [type(error) for error in offline.errors] == [kind]
    assert instrument.stale_reason
    assert channel.needs_snapshot
    assert instrument.snapshot(allow_stale=True).last_price == Decimal("8116.50")
    with pytest.raises(errors.BookNotLive):
        instrument.snapshot()
    offline.send(delta(seq=200, last_price_e4=1))
    assert instrument.dropped == 1
    assert len(offline.errors) == 1
    offline.send(snapshot(seq=201))
    assert states == [BookState.STALE, BookState.LIVE]
    assert not channel.needs_snapshot


def test_a_lost_connection_makes_it_stale() -> None:
    offline, instrument, channel = started(snapshot())
    channel.connection_lost("the cable", 1)
    assert (instrument.state, instrument.stale_reason) == (BookState.STALE, "the cable")
    assert "STALE" in repr(instrument)
    offline.send(snapshot(seq=101))
    assert instrument.state is BookState.LIVE


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    _, instrument, _ = started(snapshot())
    with pytest.raises(AttributeError, match="last_prize"):
        _ = instrument.last_prize
    assert INVERSE.instrument_topic("BTCUSD") == TOPIC


# which snapshot counts


class Case(NamedTuple):
    """A dialect's topic, LIVE at sequence 100 and its time 100."""

    dialect: Any
    topic: str

    def snapshot(self, seq: int, ts: int, price: str) -> dict[str, Any]:
        if self.topic.startswith("tickers"):
            data = {"symbol": "BTCUSDT", "lastPrice": price}
            return {"topic": self.topic, "type": "snapshot", "data": data, "cs": seq, "ts": ts}
        data = {"id": 1, "symbol": "BTCUSD", "last_price": price}
        return {"topic": self.topic, "type": "snapshot", "data": data, "cross_seq": seq, "timestamp_e6": ts}

    def begun(self) -> tuple[Offline, Any, Channel]:
        offline = Offline(dialect=self.dialect)
        channel = offline.add(self.topic)
        assert isinstance(channel, StateChannel)
        offline.send(self.snapshot(100, 100, "1"))
        assert channel.state.last_price == 1
        return offline, channel.state, channel


of_each_case = pytest.mark.parametrize(
    "case", [Case(INVERSE, TOPIC), Case(v5.LINEAR, "tickers.BTCUSDT")], ids=["v2", "v5"]
)


@of_each_case
@pytest.mark.parametrize(("seq", "ts"), [(99, 99), (99, 100), (100, 99), (99, 0)])
def test_late_copies_are_left_out_and_counted_however_many_come(case: Case, seq: int, ts: int) -> None:
    offline, instrument, _ = case.begun()
    for _ in range(20):
        offline.send(case.snapshot(seq, ts, "2"))
    assert (instrument.state, instrument.last_price, instrument.version) == (BookState.LIVE, 1, 1)
    assert (instrument.frame_seq, instrument.outdated, offline.errors) == (100, 20, [])


@of_each_case
@pytest.mark.parametrize(("seq", "ts"), [(1, 101), (99, 200), (101, 100), (101, 50), (100, 101)])
def test_a_snapshot_of_a_newer_sequence_or_time_is_applied(case: Case, seq: int, ts: int) -> None:
    offline, instrument, _ = case.begun()
    offline.send(case.snapshot(seq, ts, "2"))
    assert (instrument.last_price, instrument.frame_seq, instrument.version, offline.errors) == (2, seq, 2, [])


@of_each_case
def test_a_snapshot_that_is_sent_again_is_no_change_and_with_other_fields_proves_damage(case: Case) -> None:
    offline, instrument, channel = case.begun()
    offline.send(case.snapshot(100, 100, "1"), 77)
    assert (instrument.version, instrument.ts_recv_ns, offline.errors) == (1, 77, [])
    offline.send(case.snapshot(100, 100, "2"))
    (error,) = offline.errors
    assert isinstance(error, errors.SnapshotMismatch)
    assert instrument.state is BookState.STALE
    offline.send(case.snapshot(100, 100, "2"))
    assert (instrument.state, instrument.outdated) == (BookState.STALE, 1), "no request asked for it"
    channel.asked()
    offline.send(case.snapshot(100, 100, "2"))
    assert (instrument.state, instrument.last_price) == (BookState.LIVE, 2)


@of_each_case
def test_only_the_third_older_answer_in_a_row_is_followed(case: Case) -> None:
    offline, instrument, channel = case.begun()
    instrument.mark_stale("a test")
    for asks in range(3):
        for _ in range(5):
            offline.send(case.snapshot(90, 90, "2"))
        assert (instrument.state, len(offline.errors)) == (BookState.STALE, asks)
        channel.asked()
    offline.send(case.snapshot(90, 90, "2"))
    assert (instrument.state, instrument.last_price, len(offline.errors)) == (BookState.LIVE, 2, 2)


@of_each_case
def test_what_comes_from_elsewhere_may_be_older(case: Case) -> None:
    offline, instrument, channel = case.begun()
    channel.start_over()
    offline.send(case.snapshot(90, 90, "2"))
    assert (instrument.last_price, offline.errors) == (2, [])
