"""Every field that the exchange documents, or that a recorded frame holds, has its place in a Struct."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import fields

from depthwire.bybit.v2 import public
from depthwire.bybit.v2.public import InstrumentInfo
from depthwire.bybit.v5 import private as v5_private
from tests.support.documented_fields import DOCUMENTED, ENVELOPES, RECORDED_OF_INSTRUMENTS
from tests.support.odd_seeds import EVENTS, STATES, Spot
from tests.support.offline import Offline
from tests.support.reference import frames

EVERY_STRUCT = {spot.struct for spot in (*EVENTS, *STATES)}


def keys_of(struct: type[Struct]) -> set[str]:
    return {field.encode_name for field in fields(struct)}


def test_every_struct_is_held_against_its_documentation() -> None:
    assert set(DOCUMENTED) == EVERY_STRUCT


@pytest.mark.parametrize("struct", DOCUMENTED, ids=lambda struct: f"{struct.__module__}.{struct.__name__}")
def test_every_documented_field_has_a_place(struct: type[Struct]) -> None:
    assert set(DOCUMENTED[struct].split()) - keys_of(struct) == set()


def test_every_field_of_recorded_instruments_has_a_place() -> None:
    assert set(RECORDED_OF_INSTRUMENTS.split()) - keys_of(InstrumentInfo) == set()
    assert keys_of(public.InstrumentUpdate) == keys_of(InstrumentInfo)


def test_the_fields_of_a_futures_instrument_are_read() -> None:
    """As a frame of June 2022 has them."""
    wire = {
        "symbol": "BTCUSDM22",
        "is_up_borrowable": 0,
        "import_time_e9": 0,
        "settle_fee_rate_e8": 50000,
        "contract_status": "Trading",
        "system_subsidy_e8": 0,
        "expect_price_e4": 0,
        "expect_price": "0.00",
        "created_at_e9": 0,
        "updated_at_e9": 1654161286545264000,
        "delisting_status": "0",
    }
    offline = Offline("instrument_info.100ms.BTCUSDM22")
    frame = {"topic": "instrument_info.100ms.BTCUSDM22", "type": "snapshot", "cross_seq": 1, "timestamp_e6": 1}
    offline.send({**frame, "data": wire})
    (channel,) = offline.feed.channels
    found: Any = channel.state  # type: ignore[attr-defined]
    assert (found.contract_status, found.delisting_status, found.is_up_borrowable) == ("Trading", "0", 0)
    assert (found.settle_fee_rate, found.system_subsidy, found.expect_price) == (Decimal("0.0005"), 0, 0)
    assert (found.created_at_ns, found.updated_at_ns) == (0, 1654161286545264000)
    assert found.created_at is None
    update = {"symbol": "BTCUSDM22", "expect_price_e4": 299_142_000, "expect_price": "29914.20"}
    offline.send({**frame, "type": "delta", "data": {"update": [update]}, "cross_seq": 2})
    assert found.expect_price == Decimal("29914.20")
    assert offline.errors == []


def test_new_fields_of_an_account_are_read() -> None:
    def one(message: Any, **item: Any) -> Any:
        return message.decoder()(json.dumps({"topic": "t", "data": [item]}).encode()).data[0]

    position = one(v5_private.PositionMessage, category="linear", symbol="BTCUSDT", size="1", openTime=1697682317038)
    assert position.open_time_ms == 1697682317038
    wallet = one(v5_private.WalletMessage, accountType="UNIFIED", coin=[{"coin": "BTC", "colRes": "-1", "free": "0.5"}])
    assert (wallet.coin[0].col_res, wallet.coin[0].free) == ("-1", Decimal("0.5"))
    known = {"category": "spot", "symbol": "BTCUSDT", "orderId": "a", "side": "Buy", "orderType": "Limit", "qty": "1"}
    order = one(v5_private.OrderMessage, **known, orderStatus="New", brokerOrderPrice="1.10")
    assert str(order.broker_order_price) == "1.10"


# recordings


def all_frames(tapes: Path) -> Iterator[Any]:
    for path in sorted(tapes.rglob("*")):
        if path.suffix == ".jsonl":
            yield from map(json.loads, path.read_bytes().splitlines())
        elif path.suffix == ".frames":
            yield from map(json.loads, frames(path))


def lost_keys(spot: Spot, frame: dict[str, Any]) -> set[str]:
    """The keys of a frame of events that no Struct has a place for."""
    data = frame["data"]
    items = data if isinstance(data, list) else [data]
    lost = set(frame) - ENVELOPES["v5" if spot.dialect.name.startswith("v5") else "v2"]
    for item in items:
        for step in spot.path:
            item = item[step] if isinstance(step, int) else item.get(step) or [{}]
        lost |= set(item) - keys_of(spot.struct)
    return lost


def test_no_key_of_any_recorded_frame_is_lost(tapes: Path) -> None:
    seen = 0
    for frame in all_frames(tapes):
        topic = frame.get("topic", "")
        if topic.endswith("PERP"):
            continue  # the camelCase dialect, which is refused
        is_v5 = "ts" in frame or "creationTime" in frame
        for spot in EVENTS:
            is_kind = topic == spot.kind or (topic.startswith(f"{spot.kind}.") and topic != "execution.fast")
            if is_kind and spot.dialect.name.startswith("v5") is is_v5:
                assert lost_keys(spot, frame) == set(), topic
                seen += 1
        if topic.startswith("tickers."):
            assert set(frame["data"]) - keys_of(STATES[-1].struct) == set()
            assert set(frame) <= {"topic", "type", "data", "cs", "ts", "id"}
        if topic.startswith("instrument_info."):
            for item in [frame["data"]] if frame["type"] == "snapshot" else frame["data"]["update"]:
                assert set(item) - keys_of(InstrumentInfo) == set()
    assert seen > 400


def test_a_struct_ignores_what_it_does_not_know() -> None:
    found = msgspec.json.decode(b'{"symbol":"BTCUSD","brand_new":[{}]}', type=InstrumentInfo)
    assert found == InstrumentInfo(symbol="BTCUSD")
