"""What a venue shows: markets and the frames that they produce. No socket in here."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

BOOK_CHANNELS = ("orderBookL2_25", "orderBook_200.100ms")
INFO_CHANNEL = "instrument_info.100ms"


class Dialect(StrEnum):
    """Which of the two v2 wire forms a topic speaks; each is served on its own path."""

    INVERSE = "inverse"
    LINEAR = "linear"


class MarketFrame(NamedTuple):
    """One public frame: when it happens (ns, on the market's own clock), its topic, its bytes."""

    at_ns: int
    topic: str
    raw: bytes


class Tick(NamedTuple):
    """A moment of a market (ns, on its own clock), and its frames; what happens in it may happen as they are taken."""

    at_ns: int
    frames: Iterable[MarketFrame]


class Market(Protocol):
    """A source of public frames."""

    @property
    def topics(self) -> Mapping[str, Dialect]:
        """Every concrete topic (``trade.BTCUSD``) that `frames` may name, and its dialect."""

    def frames(self) -> Iterator[MarketFrame]:
        """The market from its beginning, by ``at_ns``; each call begins anew. A book's first frame is a
        snapshot.
        """
