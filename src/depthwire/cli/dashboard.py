"""``watch`` on a terminal: a section for each book, tape, table and so on, drawn with rich."""

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
from depthwire.cli.book_stats import Monitor
from depthwire.cli.candle_table import Candles, Kline
from depthwire.cli.events import error_line
from depthwire.cli.instrument_table import InstrumentTable
from depthwire.cli.ladders import Ladders
from depthwire.cli.tables import AccountTable, Tape
from depthwire.errors import DepthwireError

_PICTURES_PER_S: Final = 8  # however fast the market
_CURSOR_LINES: Final = 1
_NOTICES: Final = 3


class Section(Protocol):
    """A part of the screen."""

    @property
    def name(self) -> str:
        """What it is called where there is no room for it."""

    @property
    def least(self) -> int:
        """Lines without which it shows nothing."""

    @property
    def wanted(self) -> int:
        """Lines that it could fill."""

    def picture(self, lines: int) -> RenderableType:
        """What it shows in so many lines."""


class Dashboard:
    """Redrawn a few times a second; each section gets its fair share of the lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ladders = Ladders(console)
        self._accounts: dict[str, AccountTable] = {}
        self._candles: dict[str, Candles] = {}
        self._tapes: dict[str, Tape] = {}
        self._sections: list[Section] = []
        self._notices: deque[str] = deque(maxlen=_NOTICES)

    def book(self, monitor: Monitor) -> None:
        """One more book."""
        if not self._ladders.monitors:
            self._sections.append(self._ladders)
        self._ladders.monitors.append(monitor)

    def instrument(self, instrument: Instrument) -> None:
        """One more instrument."""
        self._sections.append(InstrumentTable(self._console, instrument))

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """One more view of the account."""
        self._accounts[topic] = AccountTable(self._console, topic, account)
        self._sections.append(self._accounts[topic])

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """A candle changes its row, what an account's table shows is in it already, all else goes on a tape."""
        if isinstance(event, Kline):
            if topic not in self._candles:
                self._candles[topic] = Candles(self._console, topic)
                self._sections.append(self._candles[topic])
            self._candles[topic].add(event)
        elif topic not in self._accounts:
            kind = topic.partition(".")[0]
            if kind not in self._tapes:
                self._tapes[kind] = Tape(self._console, kind)
                self._sections.append(self._tapes[kind])
            self._tapes[kind].add(event)

    def error(self, error: DepthwireError) -> None:
        """Events may be missing here."""
        self._notices.append(error_line(error))

    async def run(self) -> None:
        """Draw until cancelled; the last picture stays."""
        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            try:
                while True:
                    live.update(self.picture(), refresh=True)
                    await asyncio.sleep(1 / _PICTURES_PER_S)
            finally:
                live.update(self.picture())

    def picture(self) -> Group:
        """All sections, and the latest errors below them."""
        notices = [Text(notice, style="red", no_wrap=True, overflow="ellipsis") for notice in self._notices]
        if not self._sections:
            return Group(Text("waiting for the first event", style="dim"), *notices)
        room = self._console.height - _CURSOR_LINES - len(notices)
        shown, others = fitting(self._sections, room)
        if others:
            room -= 1
            names = ", ".join(section.name for section in others)
            more = Text(f"no room for {names}", style="yellow", no_wrap=True, overflow="ellipsis")
            notices.insert(0, more)
        least = [min(section.least, section.wanted) for section in shown]
        extra = shares([section.wanted - lines for section, lines in zip(shown, least, strict=True)], room - sum(least))
        pictures = (section.picture(lines + more) for section, lines, more in zip(shown, least, extra, strict=True))
        return Group(*pictures, *notices)


def fitting(sections: Sequence[Section], lines: int) -> tuple[list[Section], list[Section]]:
    """The sections that so many lines can show, at least one, and the others, for whose names a line is kept."""
    needed = list(accumulate(min(section.least, section.wanted) for section in sections))
    if needed[-1] <= lines:
        return list(sections), []
    count = max(1, bisect_right(needed, lines - 1))
    return list(sections[:count]), list(sections[count:])


def shares(wanted: Sequence[int], lines: int) -> list[int]:
    """Lines for each: all get equally much, but what one does not want, the others get. O(n log n)."""
    given = [0] * len(wanted)
    for done, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[index] = min(wanted[index], lines // (len(wanted) - done))
        lines -= given[index]
    return given
