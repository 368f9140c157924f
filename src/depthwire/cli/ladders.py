"""Books on a terminal: ladders, drawn with rich."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from depthwire.book.types import BookSnapshot, BookState
from depthwire.cli.book_stats import LATENCY_NOTE, Monitor
from depthwire.cli.output import price_text, size_text
from depthwire.cli.text_display import measures, top_texts

_LINES_BESIDE_LEVELS = 4  # of a ladder
_LEAST_LEVELS = 1
_LEAST_LADDER_LINES = 2 * _LEAST_LEVELS + _LINES_BESIDE_LEVELS
_FOOT_LINES = 1
_BAR_CELLS = 20
_LADDER_CELLS = 58
_EIGHTHS = " ▏▎▍▌▋▊▉"
STATE_STYLES = {BookState.LIVE: "bold green", BookState.STALE: "bold red", BookState.EMPTY: "bold yellow"}

Row = tuple[int, float, str]
"""Price id, size and style of a level."""


class Ladders:
    """Ladders side by side."""

    name = "books"
    least = _LEAST_LADDER_LINES + _FOOT_LINES

    def __init__(self, console: Console) -> None:
        self.monitors: list[Monitor] = []
        self._console = console

    @property
    def wanted(self) -> int:
        """Lines for every level."""
        levels = max(2 * monitor.book.depth + _LINES_BESIDE_LEVELS for monitor in self.monitors)
        return self._shape()[1] * levels + _FOOT_LINES

    def _shape(self) -> tuple[int, int]:
        """How many ladders are side by side, and in how many rows."""
        count = len(self.monitors)
        across = min(count, max(1, self._console.width // _LADDER_CELLS))
        return across, -(-count // across)

    def picture(self, lines: int) -> Group:
        """The ladders, as many levels of each as there is room for; those that have none are named."""
        across, down = self._shape()
        foot = _FOOT_LINES
        if lines - foot < down * _LEAST_LADDER_LINES:
            foot += 1
            down = max(1, (lines - foot) // _LEAST_LADDER_LINES)
        shown, others = self.monitors[: across * down], self.monitors[across * down :]
        levels = max(_LEAST_LEVELS, ((lines - foot) // down - _LINES_BESIDE_LEVELS) // 2)
        grid = Table.grid(padding=(0, 2), expand=False)
        for first in range(0, len(shown), across):
            grid.add_row(*(self.ladder(monitor, levels) for monitor in shown[first : first + across]))
        parts: list[RenderableType] = [grid]
        if others:
            names = ", ".join(monitor.book.symbol for monitor in others)
            parts.append(Text(f"+{len(others)} more: {names}", style="yellow", no_wrap=True, overflow="ellipsis"))
        return Group(*parts, Text(LATENCY_NOTE, style="dim", no_wrap=True, overflow="crop"))

    def ladder(self, monitor: Monitor, levels: int) -> Text:
        """One book: the asks above, the bids below, the best of each next to the middle."""
        book = monitor.book.snapshot(allow_stale=True)
        asks = [(*level, "red") for level in book.asks[:levels]][::-1]
        bids = [(*level, "green") for level in book.bids[:levels]]
        text = Text(no_wrap=True, overflow="crop")
        text.append(f"{book.symbol} ", "bold").append(book.state, STATE_STYLES[book.state])
        text.append(f" {monitor.book.topic}\n", "dim")
        text.append(f"{monitor.pulse()}\n")
        rows = self._rows(asks + bids, book)
        rows.insert(len(asks), (f"{_middle(monitor, book)}\n", "bold"))
        for line, style in rows:
            text.append(line, style if book.state is BookState.LIVE else "dim")
        return text

    def _rows(self, rows: Sequence[Row], book: BookSnapshot) -> list[tuple[str, str]]:
        prices = aligned([price_text(price_id, book.price_decimals) for price_id, _, _ in rows])
        sizes = aligned([size_text(size) for _, size, _ in rows])
        largest = max((size for _, size, _ in rows), default=1.0)
        ascii_only = self._console.options.ascii_only
        return [
            (f"{price}  {text}  {bar(size / largest, ascii_only)}\n", style)
            for price, text, (_, size, style) in zip(prices, sizes, rows, strict=True)
        ]


def _middle(monitor: Monitor, book: BookSnapshot) -> str:
    if book.state is not BookState.LIVE:
        return book.stale_reason or "waiting for the snapshot"
    return measures(monitor.book, top_texts(monitor.book))


def aligned(numbers: Sequence[str]) -> list[str]:
    """Decimal texts with equally many decimals and equally wide, so that their points stand in line."""
    decimals = max((len(number.partition(".")[2]) for number in numbers), default=0)
    texts = [f"{Decimal(number):,.{decimals}f}" for number in numbers]
    width = max(map(len, texts), default=0)
    return [text.rjust(width) for text in texts]


def bar(share: float, ascii_only: bool) -> str:
    """A bar for a share of 0 to 1 of the largest size."""
    if ascii_only:
        return "#" * round(share * _BAR_CELLS)
    full, eighths = divmod(round(share * _BAR_CELLS * 8), 8)
    return "█" * full + _EIGHTHS[eighths].strip()
