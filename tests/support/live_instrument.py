"""An instrument that has had a snapshot and a delta."""

import json

import msgspec

from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2.instrument import V2Instrument
from depthwire.bybit.v2.public import InstrumentDelta, InstrumentSnapshot

TOPIC = "instrument_info.100ms.BTCUSD"


def live_instrument() -> Instrument:
    instrument = V2Instrument(TOPIC, "BTCUSD")
    info = {"symbol": "BTCUSD", "last_price_e4": 606225000, "last_price": "60622.50", "funding_rate_e6": 100}
    times = {"topic": TOPIC, "cross_seq": 5, "timestamp_e6": 7}
    snapshot = {"type": "snapshot", "data": info | {"total_turnover_e8": 220614611978549345}, **times}
    delta = {"type": "delta", "data": {"update": [{"symbol": "BTCUSD", "funding_rate_e6": -200}]}, **times}
    for frame, frame_type in ((snapshot, InstrumentSnapshot), (delta, InstrumentDelta)):
        message = msgspec.json.decode(json.dumps(frame).encode(), type=frame_type, strict=False)
        instrument.apply(message, 9)
    return instrument
