"""``tickers`` of the v5 dialect as a live state."""

from typing import Final

from msgspec.structs import fields, replace

from depthwire.bybit.instrument import Head, Instrument
from depthwire.bybit.v5.fields import READING
from depthwire.bybit.v5.public import Ticker, TickerMessage
from depthwire.errors import MalformedFrame
from depthwire.feed.repair import Refused, repaired_struct

NAMES: Final = tuple((name, name) for name in Ticker.__struct_fields__)
KEYS: Final = {field.encode_name: field.name for field in fields(Ticker)}
US_PER_MS: Final = 1000


class V5Instrument(Instrument):
    """An :class:`~depthwire.bybit.instrument.Instrument` whose fields are those of Ticker."""

    def __init__(self, topic: str, symbol: str) -> None:
        super().__init__(topic, symbol, Ticker(symbol=symbol), NAMES, empty_is_absent=True)

    def _head(self, message: TickerMessage) -> Head:
        return Head(message.type == "snapshot", message.cs, message.ts * US_PER_MS)

    def _merged(self, message: TickerMessage) -> Ticker:
        if "symbol" not in message.data:
            self._check_symbol(None)
        try:
            sent, odd_fields = repaired_struct(Ticker, message.data, READING)
        except Refused as error:
            raise MalformedFrame(str(error), self.topic) from None
        self._check_symbol(sent.symbol)
        self.odd_fields += odd_fields
        if message.type == "snapshot":
            snapshot: Ticker = sent
            return snapshot
        named = {KEYS[key]: getattr(sent, KEYS[key]) for key in message.data if key in KEYS}
        merged: Ticker = replace(self._info, **named)
        return merged
