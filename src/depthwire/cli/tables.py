"""Events on a terminal: tapes that scroll, and tables of an account's live views, drawn with rich."""

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

_KEPT: Final = 200  # more than a terminal has lines
_LINES_BESIDE_ROWS: Final = 2
LEAST_LINES: Final = _LINES_BESIDE_ROWS + 1
"""Of a table: its title, its headings, a row."""
_GAP_CELLS: Final = 2
_LEAST_ID_CELLS: Final = 8
_NEVER_LEFT_OUT: Final = ("order", "symbol", "side", "status", "coin", "account", "balance", "price", "size", "qty")
"""Or only after all else."""
_SIDE_STYLES: Final = {"Buy": "green", "Sell": "red"}


class Tape:
    """The latest events of a kind, the newest at the bottom."""

    least = LEAST_LINES

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self.name = title
        self._rows: deque[Cells] = deque(maxlen=_KEPT)

    def add(self, event: msgspec.Struct) -> None:
        """One more event."""
        self._rows.append(cells(event))

    @property
    def wanted(self) -> int:
        """Lines for all that is kept."""
        return len(self._rows) + _LINES_BESIDE_ROWS

    def picture(self, lines: int) -> Group:
        """As many of the latest as there is room for."""
        rows = list(self._rows)[-max(1, lines - _LINES_BESIDE_ROWS) :]
        return titled_table(self.name, rows, self._console.width)


class AccountTable:
    """A live view of the account as a table."""

    least = LEAST_LINES

    def __init__(self, console: Console, topic: str, account: AccountView[Any, Any, Any]) -> None:
        self._console = console
        self.name = topic
        self._account = account

    @property
    def wanted(self) -> int:
        """Lines for all items."""
        return max(1, len(self._account)) + _LINES_BESIDE_ROWS

    def picture(self, lines: int) -> Group:
        """As many items as there is room for, the latest ones."""
        items = list(self._account.values())[-max(1, lines - _LINES_BESIDE_ROWS) :]
        title = self.name
        if len(items) < len(self._account):
            title += f": +{len(self._account) - len(items)} more"
        if not items:
            title += ": nothing yet; the exchange tells changes only"
        if self._account.gap is not None:
            title += ": there was a gap, some changes may be missing"
        return titled_table(title, [cells(item) for item in items], self._console.width)


def titled_table(title: str, rows: Sequence[Cells], width: int, charts: Sequence[Text] = ()) -> Group:
    """Rows with equal headings below a title, which names the columns that a terminal of so many cells has no room for.

    Points of numbers stand in line, Buy and Sell are coloured; a chart may follow each row.
    """
    columns = {heading: _column_texts([row[heading] for row in rows]) for heading in (rows[0] if rows else ())}
    widths = {heading: max(map(len, (heading, *texts))) for heading, texts in columns.items()}
    # Ids are cut before columns are left out.
    least = {name: min(cells, _LEAST_ID_CELLS) if name == "order" else cells for name, cells in widths.items()}
    if charts:
        least["chart"] = max(chart.cell_len for chart in charts)
    missing: list[str] = []
    droppable = [*least][::-1]
    droppable.sort(key=_NEVER_LEFT_OUT.__contains__)
    for heading in droppable:
        if sum(least.values()) + _GAP_CELLS * len(least) <= width:
            break
        del least[heading]
        missing.insert(0, heading)
    table = Table(box=None, padding=(0, _GAP_CELLS, 0, 0), header_style="dim")
    columns = {name: texts for name, texts in columns.items() if name in least}
    spare = width - sum(least.values()) - _GAP_CELLS * len(least)
    for heading in columns:
        is_number = any(isinstance(row[heading], Decimal) for row in rows)
        cells_wide = min(widths[heading], least[heading] + max(spare, 0))
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=True, width=cells_wide)
    for number, row in enumerate(zip(*columns.values(), strict=True)):
        style = _SIDE_STYLES.get(cell_text(rows[number].get("side")))
        table.add_row(*map(Text, row), *(charts[number : number + 1] if "chart" in least else ()), style=style)
    if missing:
        title += f" (too narrow for {', '.join(missing)})"
    return Group(Text(title, style="bold", no_wrap=True, overflow="ellipsis"), table)


def _column_texts(column: Sequence[Cell]) -> list[str]:
    texts = [cell_text(cell) for cell in column]
    numbers = [index for index, cell in enumerate(column) if isinstance(cell, Decimal)]
    for index, text in zip(numbers, aligned([texts[index] for index in numbers]), strict=True):
        texts[index] = text
    return texts
