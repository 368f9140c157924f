"""Order books as ladders, drawn with rich."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from depthwire.book.types import BookSnapshot, BookState
from depthwire.cli.book_stats import LATENCY_NOTE, BookStats
from depthwire.cli.output import price_text, size_text
from depthwire.cli.text_display import top_summary, top_texts

_HEADER_LINES = 4  # per ladder, including the line between asks and bids
_MIN_LEVELS = 1
_MIN_LADDER_LINES = 2 * _MIN_LEVELS + _HEADER_LINES
_FOOT_LINES = 1
_BAR_WIDTH = 20
_LADDER_WIDTH = 58
_EIGHTHS = " ▏▎▍▌▋▊▉"
STATE_STYLES = {BookState.LIVE: "bold green", BookState.STALE: "bold red", BookState.EMPTY: "bold yellow"}

Row = tuple[int, float, str]
"""A level's price id, size and style."""


class Ladders:
    """Ladders of several books, side by side."""

    name = "books"
    min_lines = _MIN_LADDER_LINES + _FOOT_LINES

    def __init__(self, console: Console) -> None:
        self.stats_of_books: list[BookStats] = []
        self._console = console

    @property
    def wanted_lines(self) -> int:
        """The number of lines that all levels need."""
        levels = max(2 * stats.book.depth + _HEADER_LINES for stats in self.stats_of_books)
        return self._shape()[1] * levels + _FOOT_LINES

    def _shape(self) -> tuple[int, int]:
        """Return the number of ladders per row and the number of rows."""
        count = len(self.stats_of_books)
        across = min(count, max(1, self._console.width // _LADDER_WIDTH))
        return across, -(-count // across)

    def render(self, lines: int) -> Group:
        """Draw as many ladders and levels as fit into ``lines``, and name the books that do not fit."""
        across, down = self._shape()
        foot = _FOOT_LINES
        if lines - foot < down * _MIN_LADDER_LINES:
            foot += 1
            down = max(1, (lines - foot) // _MIN_LADDER_LINES)
        shown, others = self.stats_of_books[: across * down], self.stats_of_books[across * down :]
        levels = max(_MIN_LEVELS, ((lines - foot) // down - _HEADER_LINES) // 2)
        grid = Table.grid(padding=(0, 2), expand=False)
        for first in range(0, len(shown), across):
            grid.add_row(*(self.ladder(stats, levels) for stats in shown[first : first + across]))
        parts: list[RenderableType] = [grid]
        if others:
            names = ", ".join(stats.book.symbol for stats in others)
            parts.append(Text(f"+{len(others)} more: {names}", style="yellow", no_wrap=True, overflow="ellipsis"))
        return Group(*parts, Text(LATENCY_NOTE, style="dim", no_wrap=True, overflow="crop"))

    def ladder(self, stats: BookStats, levels: int) -> Text:
        """Draw one book: asks above bids, the best prices in the middle."""
        book = stats.book.snapshot(allow_stale=True)
        asks = [(*level, "red") for level in book.asks[:levels]][::-1]
        bids = [(*level, "green") for level in book.bids[:levels]]
        text = Text(no_wrap=True, overflow="crop")
        text.append(f"{book.symbol} ", "bold").append(book.state, STATE_STYLES[book.state])
        text.append(f" {stats.book.topic}\n", "dim")
        text.append(f"{stats.rate_and_latency()}\n")
        rows = self._rows(asks + bids, book)
        rows.insert(len(asks), (f"{_middle(stats, book)}\n", "bold"))
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


def _middle(stats: BookStats, book: BookSnapshot) -> str:
    if book.state is not BookState.LIVE:
        return book.stale_reason or "waiting for the snapshot"
    return top_summary(stats.book, top_texts(stats.book))


def aligned(numbers: Sequence[str]) -> list[str]:
    """Pad decimal texts to equal width and equally many decimals, so that the points align."""
    decimals = max((len(number.partition(".")[2]) for number in numbers), default=0)
    texts = [f"{Decimal(number):,.{decimals}f}" for number in numbers]
    width = max(map(len, texts), default=0)
    return [text.rjust(width) for text in texts]


def bar(share: float, ascii_only: bool) -> str:
    """Draw a bar for a size, given as a share (0 to 1) of the largest size."""
    if ascii_only:
        return "#" * round(share * _BAR_WIDTH)
    full, eighths = divmod(round(share * _BAR_WIDTH * 8), 8)
    return "█" * full + _EIGHTHS[eighths].strip()
