"""``tickers`` of the v5 dialect as a live state."""

from typing import Any, Final

import msgspec

from depthwire.bybit.instrument import Head, Instrument
from depthwire.bybit.v5.fields import told
from depthwire.bybit.v5.public import Ticker, TickerMessage

NAMES: Final = tuple((name, name) for name in Ticker.__struct_fields__)
US_PER_MS: Final = 1000


class V5Instrument(Instrument):
    """An :class:`~depthwire.bybit.instrument.Instrument` whose fields are those of Ticker."""

    def __init__(self, topic: str, symbol: str) -> None:
        super().__init__(topic, symbol, Ticker(symbol=symbol), NAMES)
        self._wire: dict[str, Any] = {}

    def adopt(self, other: Instrument) -> None:
        """Also what the next delta is merged into."""
        assert isinstance(other, V5Instrument)
        self._wire = other._wire
        super().adopt(other)

    def _head(self, message: TickerMessage) -> Head:
        return Head(message.type == "snapshot", message.cs, message.ts * US_PER_MS)

    def _merged(self, message: TickerMessage) -> Ticker:
        self._check_symbol(message.data.get("symbol"))
        wire = message.data if message.type == "snapshot" else self._wire | message.data
        try:
            ticker = msgspec.convert(told(wire), Ticker, strict=False)
        except msgspec.ValidationError:
            odd = {name for name, value in message.data.items() if not self._fits(name, value)}
            wire = {name: value for name, value in wire.items() if name not in odd}
            ticker = msgspec.convert(told(wire), Ticker, strict=False)
            self.odd_fields += len(odd)
        self._wire = wire
        return ticker

    def _fits(self, name: str, value: Any) -> bool:
        """Whether a field's value is one that it takes."""
        try:
            msgspec.convert(told({"symbol": self.symbol, name: value}), Ticker, strict=False)
        except msgspec.ValidationError:
            return False
        return True
