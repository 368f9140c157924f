"""``instrument_info`` of the v2 dialects as a live state."""

from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import fields, replace

from depthwire.bybit.instrument import Head, Instrument
from depthwire.bybit.v2.public import InstrumentDelta, InstrumentInfo, InstrumentSnapshot
from depthwire.errors import MalformedFrame

NAMES: Final = tuple((field.name, field.encode_name) for field in fields(InstrumentInfo))


class V2Instrument(Instrument):
    """An :class:`~depthwire.bybit.instrument.Instrument` whose fields are those of InstrumentInfo."""

    def __init__(self, topic: str, symbol: str) -> None:
        super().__init__(topic, symbol, InstrumentInfo(symbol=symbol), NAMES, empty_is_absent=False)

    def _head(self, message: InstrumentSnapshot | InstrumentDelta) -> Head:
        return Head(isinstance(message, InstrumentSnapshot), message.cross_seq, message.timestamp_e6)

    def _merged(self, message: InstrumentSnapshot | InstrumentDelta) -> InstrumentInfo:
        if isinstance(message, InstrumentSnapshot):
            self._check_symbol(message.data.symbol)
            return message.data
        parts = message.data.update + message.data.insert
        for part in parts:
            self._check_symbol(part.symbol)
        if message.data.delete:
            raise MalformedFrame("a delta that deletes; one updates or inserts fields", self.topic)
        sent: dict[str, Any] = {}
        for part in parts:
            sent |= {name: value for name, _ in NAMES if (value := getattr(part, name)) is not UNSET}
        merged: InstrumentInfo = replace(self._info, **sent)
        return merged
