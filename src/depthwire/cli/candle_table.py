"""Candles on a terminal: a row for each interval, with a picture of its prices, drawn with rich."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console, Group
from rich.text import Text

from depthwire.bybit.v2 import public
from depthwire.bybit.v5 import public as v5_public
from depthwire.cli.cells import cells
from depthwire.cli.tables import LEAST_LINES, titled_table

Kline = public.Kline | v5_public.Kline
_KEPT: Final = 200  # more than a terminal has lines
_LINES_BESIDE_ROWS: Final = 2
_CHART_CELLS: Final = 24
_SIGNS: Final = {False: ("─", "█"), True: ("-", "#")}  # wick and body; True: where the terminal has but ASCII


class Candles:
    """The candles of one topic, the newest at the bottom; each row is redrawn until its candle is confirmed."""

    least = LEAST_LINES

    def __init__(self, console: Console, topic: str) -> None:
        self._console = console
        self.name = topic
        self._candles: dict[int, Kline] = {}

    def add(self, kline: Kline) -> None:
        """A candle began, changed or was confirmed."""
        self._candles[kline.start_ms] = kline
        if len(self._candles) > _KEPT:
            del self._candles[min(self._candles)]

    @property
    def wanted(self) -> int:
        """Lines for all that is kept."""
        return len(self._candles) + _LINES_BESIDE_ROWS

    def picture(self, lines: int) -> Group:
        """As many of the latest as there is room for, their charts on one scale."""
        starts = sorted(self._candles)[-max(1, lines - _LINES_BESIDE_ROWS) :]
        shown = [self._candles[start] for start in starts]
        charts = charts_of(shown, ascii_only=self._console.options.ascii_only)
        return titled_table(self.name, [cells(kline) for kline in shown], self._console.width, charts)


def charts_of(candles: Sequence[Kline], *, ascii_only: bool) -> list[Text]:
    """A horizontal candle for each: the wick from low to high, the body from open to close."""
    lowest = min(candle.low for candle in candles)
    span = max(candle.high for candle in candles) - lowest or Decimal(1)
    wick, body = _SIGNS[ascii_only]

    def cell_of(price: Decimal) -> int:
        return int((price - lowest) / span * (_CHART_CELLS - 1))

    charts = []
    for candle in candles:
        low, high = cell_of(candle.low), cell_of(candle.high)
        bottom, top = sorted((cell_of(candle.open), cell_of(candle.close)))
        text = " " * low + wick * (bottom - low) + body * (top - bottom + 1) + wick * (high - top)
        charts.append(Text(text, style="red" if candle.close < candle.open else "green"))
    return charts
