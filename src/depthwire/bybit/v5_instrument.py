"""``tickers`` of the v5 dialect as a live state."""

from typing import Any, Final

import msgspec

from depthwire.bybit.instrument import Head, Instrument
from depthwire.bybit.v5_public import Ticker, TickerMessage
from depthwire.bybit.v5_record import told
from depthwire.errors import MalformedFrame

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
        except msgspec.ValidationError as error:
            raise MalformedFrame(f"not a ticker: {error}", self.topic) from None
        self._wire = wire
        return ticker
