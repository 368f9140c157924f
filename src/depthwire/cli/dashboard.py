"""``watch`` on a terminal: one section per kind of content, drawn with rich."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, Protocol

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from depthwire.bybit.accounts import View as AccountView
from depthwire.bybit.instrument import Instrument
from depthwire.cli.book_stats import BookStats
from depthwire.cli.candle_table import CandleTable, Kline
from depthwire.cli.events import error_line
from depthwire.cli.instrument_table import InstrumentTable
from depthwire.cli.ladders import Ladders
from depthwire.cli.tables import AccountTable, RecentEvents
from depthwire.errors import DepthwireError

_REFRESHES_PER_S: Final = 8
_CURSOR_LINES: Final = 1
_MAX_ERRORS: Final = 3


class Section(Protocol):
    """A part of the screen."""

    @property
    def name(self) -> str:
        """The name that appears if the section does not fit."""

    @property
    def min_lines(self) -> int:
        """The smallest number of lines in which it can show anything."""

    @property
    def wanted_lines(self) -> int:
        """The number of lines that the complete content needs."""

    def render(self, lines: int) -> RenderableType:
        """Draw the section in at most ``lines`` lines."""


class Dashboard:
    """A display that redraws its sections a few times per second and divides the lines among them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ladders = Ladders(console)
        self._accounts: dict[str, AccountTable] = {}
        self._candle_tables: dict[str, CandleTable] = {}
        self._recent: dict[str, RecentEvents] = {}
        self._sections: list[Section] = []
        self._errors: deque[str] = deque(maxlen=_MAX_ERRORS)

    def book(self, stats: BookStats) -> None:
        """See `Display.book`."""
        if not self._ladders.stats_of_books:
            self._sections.append(self._ladders)
        self._ladders.stats_of_books.append(stats)

    def instrument(self, instrument: Instrument) -> None:
        """See `Display.instrument`."""
        self._sections.append(InstrumentTable(self._console, instrument))

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """See `Display.account`."""
        self._accounts[topic] = AccountTable(self._console, topic, account)
        self._sections.append(self._accounts[topic])

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """Add a candle to its table, or any other event to its list. Account tables already show their events."""
        if isinstance(event, Kline):
            if topic not in self._candle_tables:
                self._candle_tables[topic] = CandleTable(self._console, topic)
                self._sections.append(self._candle_tables[topic])
            self._candle_tables[topic].add(event)
        elif topic not in self._accounts:
            kind = topic.partition(".")[0]
            if kind not in self._recent:
                self._recent[kind] = RecentEvents(self._console, kind)
                self._sections.append(self._recent[kind])
            self._recent[kind].add(event)

    def error(self, error: DepthwireError) -> None:
        """See `Display.error`."""
        self._errors.append(error_line(error))

    async def run(self) -> None:
        """Draw until cancelled, and leave the last state on the screen."""
        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            try:
                while True:
                    live.update(self.render(), refresh=True)
                    await asyncio.sleep(1 / _REFRESHES_PER_S)
            finally:
                live.update(self.render())

    def render(self) -> Group:
        """Draw all sections, and the latest errors below them."""
        notices = [Text(error, style="red", no_wrap=True, overflow="ellipsis") for error in self._errors]
        if not self._sections:
            return Group(Text("waiting for the first event", style="dim"), *notices)
        room = self._console.height - _CURSOR_LINES - len(notices)
        shown, others = split_by_room(self._sections, room)
        if others:
            room -= 1
            names = ", ".join(section.name for section in others)
            more = Text(f"no room for {names}", style="yellow", no_wrap=True, overflow="ellipsis")
            notices.insert(0, more)
        minimum = [min(section.min_lines, section.wanted_lines) for section in shown]
        missing = [section.wanted_lines - lines for section, lines in zip(shown, minimum, strict=True)]
        extra = shares(missing, room - sum(minimum))
        drawn = (section.render(lines + more) for section, lines, more in zip(shown, minimum, extra, strict=True))
        return Group(*drawn, *notices)


def split_by_room(sections: Sequence[Section], lines: int) -> tuple[list[Section], list[Section]]:
    """Return the sections that fit into ``lines`` (at least one), and the others, reserving a line for their names."""
    needed = list(accumulate(min(section.min_lines, section.wanted_lines) for section in sections))
    if needed[-1] <= lines:
        return list(sections), []
    count = max(1, bisect_right(needed, lines - 1))
    return list(sections[:count]), list(sections[count:])


def shares(wanted: Sequence[int], lines: int) -> list[int]:
    """Divide ``lines`` evenly; lines that one section does not need go to the others. O(n log n)."""
    given = [0] * len(wanted)
    for done, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[index] = min(wanted[index], lines // (len(wanted) - done))
        lines -= given[index]
    return given
