"""A table of candles with a small chart in each row, drawn with rich."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console, Group
from rich.text import Text

from depthwire.bybit.v2 import public
from depthwire.bybit.v5 import public as v5_public
from depthwire.cli.cells import cells
from depthwire.cli.tables import MIN_LINES, titled_table

Kline = public.Kline | v5_public.Kline
_MAX_CANDLES: Final = 200  # more than a terminal has lines
_HEADER_LINES: Final = 2
_CHART_WIDTH: Final = 24
_SYMBOLS: Final = {False: ("─", "█"), True: ("-", "#")}  # wick and body, by "the terminal is ASCII only"


class CandleTable:
    """The candles of one topic, newest at the bottom. A row is redrawn until its candle is confirmed."""

    min_lines = MIN_LINES

    def __init__(self, console: Console, topic: str) -> None:
        self._console = console
        self.name = topic
        self._candles: dict[int, Kline] = {}

    def add(self, kline: Kline) -> None:
        """Add a candle, or replace it if its interval already has a row."""
        self._candles[kline.start_ms] = kline
        if len(self._candles) > _MAX_CANDLES:
            del self._candles[min(self._candles)]

    @property
    def wanted_lines(self) -> int:
        """The number of lines that all stored candles need."""
        return len(self._candles) + _HEADER_LINES

    def render(self, lines: int) -> Group:
        """Draw the latest candles that fit into ``lines``, all charts on one scale."""
        starts = sorted(self._candles)[-max(1, lines - _HEADER_LINES) :]
        shown = [self._candles[start] for start in starts]
        charts = charts_of(shown, ascii_only=self._console.options.ascii_only)
        return titled_table(self.name, [cells(kline) for kline in shown], self._console.width, charts)


def charts_of(candles: Sequence[Kline], *, ascii_only: bool) -> list[Text]:
    """Draw each candle horizontally: the wick from low to high, the body from open to close."""
    lowest = min(candle.low for candle in candles)
    span = max(candle.high for candle in candles) - lowest or Decimal(1)
    wick, body = _SYMBOLS[ascii_only]

    def cell_of(price: Decimal) -> int:
        return int((price - lowest) / span * (_CHART_WIDTH - 1))

    charts = []
    for candle in candles:
        low, high = cell_of(candle.low), cell_of(candle.high)
        bottom, top = sorted((cell_of(candle.open), cell_of(candle.close)))
        text = " " * low + wick * (bottom - low) + body * (top - bottom + 1) + wick * (high - top)
        charts.append(Text(text, style="red" if candle.close < candle.open else "green"))
    return charts
