"""An instrument's fields with the last changes highlighted, drawn with rich."""

from typing import Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.cli.cells import cell_text
from depthwire.cli.events import changed_values, exact_values
from depthwire.cli.ladders import STATE_STYLES

_FIELD_WIDTH: Final = 52
_CHANGED: Final = "bold yellow"


class InstrumentTable:
    """The fields of one instrument, in as many columns as fit."""

    min_lines = 2

    def __init__(self, console: Console, instrument: Instrument) -> None:
        self.name = instrument.topic
        self._console = console
        self._instrument = instrument

    @property
    def _across(self) -> int:
        return max(1, self._console.width // _FIELD_WIDTH)

    @property
    def wanted_lines(self) -> int:
        """The number of lines that all fields need."""
        return 1 + -(-len(exact_values(self._instrument)) // self._across)

    def render(self, lines: int) -> Group:
        """Draw the fields that fit into ``lines``."""
        instrument = self._instrument
        is_live = instrument.state is BookState.LIVE
        head = Text(no_wrap=True, overflow="crop").append(f"{instrument.symbol} ", "bold")
        head.append(instrument.state, STATE_STYLES[instrument.state])
        head.append(f" {instrument.topic if is_live else instrument.stale_reason}", "dim")
        values, changed = list(exact_values(instrument).items()), changed_values(instrument)
        down = min(max(1, lines - 1), -(-len(values) // self._across))
        if (more := len(values) - down * self._across) > 0:
            head.append(f" +{more} fields", "dim")
        table = Table.grid(padding=(0, 2))
        for _ in range(2 * self._across):
            table.add_column(no_wrap=True)
        for row in range(down):
            cells: list[Text] = []
            for name, value in values[row : down * self._across : down]:
                style = ("" if name not in changed else _CHANGED) if is_live else "dim"
                cells += Text(name, style="dim"), Text(cell_text(value), style=style)
            table.add_row(*cells)
        return Group(head, table)
