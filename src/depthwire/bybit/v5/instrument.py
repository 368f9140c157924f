"""``tickers`` of the v5 dialect as a live state."""

from typing import Any, Final

import msgspec
from msgspec.structs import fields, replace

from depthwire.bybit.instrument import Head, Instrument
from depthwire.bybit.v5.fields import without_empty
from depthwire.bybit.v5.public import Ticker, TickerMessage

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
        self._check_symbol(message.data.get("symbol"))
        try:
            sent = self._ticker(message.data)
        except msgspec.ValidationError:
            good = {name: value for name, value in message.data.items() if self._fits(name, value)}
            sent = self._ticker(good)
            self.odd_fields += len(message.data) - len(good)
        if message.type == "snapshot":
            return sent
        named = {KEYS[key]: getattr(sent, KEYS[key]) for key in message.data if key in KEYS}
        merged: Ticker = replace(self._info, **named)
        return merged

    def _ticker(self, data: dict[str, Any]) -> Ticker:
        return msgspec.convert(without_empty(data), Ticker, strict=False)

    def _fits(self, name: str, value: Any) -> bool:
        """Return whether a value is one that its field takes."""
        try:
            self._ticker({"symbol": self.symbol, name: value})
        except msgspec.ValidationError:
            return False
        return True
