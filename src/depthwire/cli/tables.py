"""Scrolling lists of events and tables of account state, drawn with rich."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from depthwire.bybit.accounts import View as AccountView
from depthwire.cli.cells import Cell, Cells, cell_text, cells
from depthwire.cli.ladders import aligned

_MAX_EVENTS: Final = 200  # more than a terminal has lines
_HEADER_LINES: Final = 2
MIN_LINES: Final = _HEADER_LINES + 1
"""A table's title, headings and one row."""
_COLUMN_GAP: Final = 2
_MIN_ID_WIDTH: Final = 8
_KEEP_LONGEST: Final = ("order", "symbol", "side", "status", "coin", "account", "balance", "price", "size", "qty")
"""Columns that are dropped last if the terminal is too narrow."""
_SIDE_STYLES: Final = {"Buy": "green", "Sell": "red"}


class RecentEvents:
    """The latest events of one kind, newest at the bottom."""

    min_lines = MIN_LINES

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self.name = title
        self._rows: deque[Cells] = deque(maxlen=_MAX_EVENTS)

    def add(self, event: msgspec.Struct) -> None:
        """Add an event."""
        self._rows.append(cells(event))

    @property
    def wanted_lines(self) -> int:
        """The number of lines that all stored events need."""
        return len(self._rows) + _HEADER_LINES

    def render(self, lines: int) -> Group:
        """Draw the latest events that fit into ``lines``."""
        rows = list(self._rows)[-max(1, lines - _HEADER_LINES) :]
        return titled_table(self.name, rows, self._console.width)


class AccountTable:
    """A table of the account's current orders, positions or balances."""

    min_lines = MIN_LINES

    def __init__(self, console: Console, topic: str, account: AccountView[Any, Any, Any]) -> None:
        self._console = console
        self.name = topic
        self._account = account

    @property
    def wanted_lines(self) -> int:
        """The number of lines that all items need."""
        return max(1, len(self._account)) + _HEADER_LINES

    def render(self, lines: int) -> Group:
        """Draw the latest items that fit into ``lines``."""
        items = list(self._account.values())[-max(1, lines - _HEADER_LINES) :]
        title = self.name
        if len(items) < len(self._account):
            title += f": +{len(self._account) - len(items)} more"
        if not items:
            title += ": nothing yet; the exchange sends only changes"
        if self._account.gap is not None:
            title += ": incomplete; changes may be missing after a gap"
        return titled_table(title, [cells(item) for item in items], self._console.width)


def titled_table(title: str, rows: Sequence[Cells], width: int, charts: Sequence[Text] = ()) -> Group:
    """Draw rows with equal headings below a title. The title names the columns that do not fit into ``width``.

    Decimal points align; Buy and Sell are coloured. ``charts`` adds a last column, one chart per row.
    """
    columns = {heading: _column_texts([row[heading] for row in rows]) for heading in (rows[0] if rows else ())}
    widths = {heading: max(map(len, (heading, *texts))) for heading, texts in columns.items()}
    # Shorten ids before dropping columns.
    min_widths = {name: min(cells, _MIN_ID_WIDTH) if name == "order" else cells for name, cells in widths.items()}
    if charts:
        min_widths["chart"] = max(chart.cell_len for chart in charts)
    missing: list[str] = []
    droppable = [*min_widths][::-1]
    droppable.sort(key=_KEEP_LONGEST.__contains__)
    for heading in droppable:
        if sum(min_widths.values()) + _COLUMN_GAP * len(min_widths) <= width:
            break
        del min_widths[heading]
        missing.insert(0, heading)
    table = Table(box=None, padding=(0, _COLUMN_GAP, 0, 0), header_style="dim")
    columns = {name: texts for name, texts in columns.items() if name in min_widths}
    spare = width - sum(min_widths.values()) - _COLUMN_GAP * len(min_widths)
    for heading in columns:
        is_number = any(isinstance(row[heading], Decimal) for row in rows)
        column_width = min(widths[heading], min_widths[heading] + max(spare, 0))
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=True, width=column_width)
    for number, row in enumerate(zip(*columns.values(), strict=True)):
        style = _SIDE_STYLES.get(cell_text(rows[number].get("side")))
        table.add_row(*map(Text, row), *(charts[number : number + 1] if "chart" in min_widths else ()), style=style)
    if missing:
        title += f" (too narrow for {', '.join(missing)})"
    return Group(Text(title, style="bold", no_wrap=True, overflow="ellipsis"), table)


def _column_texts(column: Sequence[Cell]) -> list[str]:
    texts = [cell_text(cell) for cell in column]
    numbers = [index for index, cell in enumerate(column) if isinstance(cell, Decimal)]
    for index, text in zip(numbers, aligned([texts[index] for index in numbers]), strict=True):
        texts[index] = text
    return texts
