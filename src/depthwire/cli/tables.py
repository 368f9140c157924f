"""Events on a terminal: tapes that scroll, and tables of an account's live views, drawn with rich."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from depthwire.bybit.accounts import View as AccountView
from depthwire.cli.cells import Cell, Cells, cell_text, cells
from depthwire.cli.ladder_view import aligned

_KEPT: Final = 200  # more than a terminal has lines
_LINES_BESIDE_ROWS: Final = 2
_SIDE_STYLES: Final = {"Buy": "green", "Sell": "red"}


class Tape:
    """The latest events of a kind, the newest at the bottom."""

    def __init__(self, title: str) -> None:
        self._title = title
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
        return titled(self._title, rows_table(list(self._rows)[-max(1, lines - _LINES_BESIDE_ROWS) :]))


class AccountTable:
    """A live view of the account as a table."""

    def __init__(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        self._topic = topic
        self._account = account

    @property
    def wanted(self) -> int:
        """Lines for all items."""
        return max(1, len(self._account)) + _LINES_BESIDE_ROWS

    def picture(self, lines: int) -> Group:
        """As many items as there is room for, the latest ones."""
        items = list(self._account.values())[-max(1, lines - _LINES_BESIDE_ROWS) :]
        title = self._topic
        if not items:
            title += ": nothing yet; the exchange tells changes only"
        if self._account.gap is not None:
            title += ": there was a gap, some changes may be missing"
        return titled(title, rows_table([cells(item) for item in items]))


def titled(title: str, body: Table) -> Group:
    """A table below its title."""
    return Group(Text(title, style="bold", no_wrap=True, overflow="crop"), body)


def rows_table(rows: Sequence[Cells], charts: Sequence[Text] = ()) -> Table:
    """Rows with equal headings, perhaps a chart beside each: points of numbers in line, Buy and Sell coloured."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    columns: list[list[str]] = []
    for heading in rows[0] if rows else ():
        column = [row[heading] for row in rows]
        is_number = any(isinstance(cell, Decimal) for cell in column)
        texts = _column_texts(column)
        # Where the terminal is too narrow, ids are cut before numbers are.
        width = None if heading == "order" else max(map(len, (heading, *texts)))
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=True, min_width=width)
        columns.append(texts)
    for number, row in enumerate(zip(*columns, strict=True)):
        style = _SIDE_STYLES.get(cell_text(rows[number].get("side")))
        table.add_row(*map(Text, row), *charts[number : number + 1], style=style)
    return table


def _column_texts(column: Sequence[Cell]) -> list[str]:
    texts = [cell_text(cell) for cell in column]
    numbers = [index for index, cell in enumerate(column) if isinstance(cell, Decimal)]
    for index, text in zip(numbers, aligned([texts[index] for index in numbers]), strict=True):
        texts[index] = text
    return texts
