"""Frames in the exchange's format, for tests that write their own."""

import json
from typing import Any

BIDS = [(606_225_000, 10), (606_220_000, 20), (606_215_000, 30)]
ASKS = [(606_230_000, 11), (606_235_000, 21), (606_240_000, 31)]


def level(side: str, price_id: int, size: float | None = None, *, symbol: str = "BTCUSD", linear: bool = False) -> Any:
    price = f"{price_id // 10_000}.{price_id % 10_000:04d}"[:-2]
    found = {"price": price, "symbol": symbol, "id": str(price_id) if linear else price_id, "side": side}
    return found if size is None else {**found, "size": size}


def encode(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def stamps(seq: int, linear: bool) -> dict[str, Any]:
    stamp = 1_618_677_787_000_000 + seq
    return {"cross_seq": str(seq), "timestamp_e6": str(stamp)} if linear else {"cross_seq": seq, "timestamp_e6": stamp}


def snapshot(
    symbol: str = "BTCUSD",
    bids: Any = BIDS,
    asks: Any = ASKS,
    *,
    seq: int = 100,
    linear: bool = False,
    kind: str = "orderBookL2_25",
) -> dict[str, Any]:
    levels = [level("Buy", *bid, symbol=symbol, linear=linear) for bid in sorted(bids)]
    levels += [level("Sell", *ask, symbol=symbol, linear=linear) for ask in sorted(asks)]
    data: Any = {"order_book": levels} if linear else levels
    return {"topic": f"{kind}.{symbol}", "type": "snapshot", "data": data, **stamps(seq, linear)}


def delta(
    symbol: str = "BTCUSD",
    delete: Any = (),
    update: Any = (),
    insert: Any = (),
    *,
    seq: int = 101,
    linear: bool = False,
    kind: str = "orderBookL2_25",
) -> dict[str, Any]:
    data = {
        name: [level(*change, symbol=symbol, linear=linear) for change in changes]
        for name, changes in (("delete", delete), ("update", update), ("insert", insert))
    }
    return {"topic": f"{kind}.{symbol}", "type": "delta", "data": data, **stamps(seq, linear)}
