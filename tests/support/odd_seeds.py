"""One valid item of every Struct, from the documents and the recordings, and the frames to put it into."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v2 import messages, private, public
from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from tests.support.reference import frames

EXAMPLES = {"inverse": "examples-inverse.jsonl", "linear": "examples-linear.jsonl", "v5-linear": "examples-v5.jsonl"}
CANDLE = (  # the linear document's, which no recording has
    b'{"topic":"candle.1.BTCUSDT","data":[{"start":1654078860,"end":1654078920,"period":"1","open":31604.5,"close":31605,'
    b'"high":31605,"low":31604.5,"volume":"1.926","turnover":"60871.1915","confirm":false,"cross_seq":12201260080,'
    b'"timestamp":1654078873190426}],"timestamp_e6":1654078873190426}'
)


class Spot(NamedTuple):
    """Where a Struct's items are found: in the frames of a kind of topic, and in an item of ``data`` at ``path``."""

    struct: type[Struct]
    dialect: Dialect
    kind: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dialect.name}-{self.kind}-{self.struct.__name__}"


EVENTS = [
    Spot(messages.Trade, v2.INVERSE, "trade"),
    Spot(messages.Trade, v2.LINEAR, "trade"),
    Spot(public.Insurance, v2.INVERSE, "insurance"),
    Spot(public.Kline, v2.INVERSE, "klineV2"),
    Spot(public.Kline, v2.LINEAR, "candle"),
    Spot(public.Liquidation, v2.INVERSE, "liquidation"),
    Spot(private.Position, v2.INVERSE, "position"),
    Spot(private.Position, v2.LINEAR, "position"),
    Spot(private.Execution, v2.INVERSE, "execution"),
    Spot(private.Execution, v2.LINEAR, "execution"),
    Spot(private.Order, v2.INVERSE, "order"),
    Spot(private.Order, v2.LINEAR, "order"),
    Spot(private.StopOrder, v2.INVERSE, "stop_order"),
    Spot(private.StopOrder, v2.LINEAR, "stop_order"),
    Spot(private.Wallet, v2.INVERSE, "wallet"),
    Spot(private.Wallet, v2.LINEAR, "wallet"),
    Spot(v5_public.Trade, v5.LINEAR, "publicTrade"),
    Spot(v5_public.Kline, v5.LINEAR, "kline"),
    Spot(v5_public.Liquidation, v5.LINEAR, "allLiquidation"),
    Spot(v5_public.Insurance, v5.LINEAR, "insurance"),
    Spot(v5_private.Order, v5.LINEAR, "order"),
    Spot(v5_private.Execution, v5.LINEAR, "execution"),
    Spot(v5_private.Fee, v5.LINEAR, "execution", ("extraFees", 0)),
    Spot(v5_private.FastExecution, v5.LINEAR, "execution.fast"),
    Spot(v5_private.Position, v5.LINEAR, "position"),
    Spot(v5_private.Wallet, v5.LINEAR, "wallet"),
    Spot(v5_private.CoinBalance, v5.LINEAR, "wallet", ("coin", 0)),
    Spot(v5_private.Greeks, v5.LINEAR, "greeks"),
]
STATES = [
    Spot(public.InstrumentInfo, v2.INVERSE, "instrument_info"),
    Spot(public.InstrumentInfo, v2.LINEAR, "instrument_info"),
    Spot(v5_public.Ticker, v5.LINEAR, "tickers"),
]


def seed(tapes: Path, spot: Spot) -> dict[str, Any]:
    """A good frame of a spot's kind."""
    for raw in _raws(tapes, spot):
        frame: dict[str, Any] = json.loads(raw)
        topic = frame.get("topic", "")
        is_kind = topic == spot.kind or topic.startswith(
            f"{spot.kind}."
        )  # in the documents' order, before execution.fast
        if is_kind and (spot.struct is not public.InstrumentInfo or frame["type"] == "snapshot"):
            return frame
    raise AssertionError(f"no frame of {spot}")


def _raws(tapes: Path, spot: Spot) -> Iterator[bytes]:
    if spot.kind == "candle":
        yield CANDLE
    yield from (tapes / EXAMPLES[spot.dialect.name]).read_bytes().splitlines()
    if spot.struct is public.InstrumentInfo:
        yield from (tapes / "singles-v2-2019-2022.jsonl").read_bytes().splitlines()
    if spot.kind == "tickers":
        yield from frames(tapes / "v5-linear-2026-08-09.frames")


def item_of(frame: dict[str, Any]) -> dict[str, Any]:
    """The first item of a frame's ``data``."""
    data = frame["data"]
    item: dict[str, Any] = data[0] if isinstance(data, list) else data
    return item


def with_value(item: dict[str, Any], spot: Spot, key: str, value: Any) -> dict[str, Any]:
    """The same item with another value of one field, wherever the spot's Struct is in it."""
    changed = copy.deepcopy(item)
    inner: Any = changed
    for step in spot.path:
        inner = inner[step]
    inner[key] = value
    return changed
