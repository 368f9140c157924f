"""What a venue shows: markets and the frames that they produce. No socket in here."""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol


class Category(StrEnum):
    """What kind of thing a symbol is; each is served on paths of its own."""

    INVERSE = "inverse"
    LINEAR = "linear"
    SPOT = "spot"
    OPTION = "option"


class Dialect(StrEnum):
    """A wire form. That of v2 differs between inverse and linear symbols, and has no others."""

    V2 = "v2"
    V5 = "v5"


class PublicTopic(NamedTuple):
    """A concrete topic such as ``trade.BTCUSD``: equal names may stand for different things on two paths."""

    dialect: Dialect
    category: Category
    name: str

    def __str__(self) -> str:
        return self.name


class MarketFrame(NamedTuple):
    """One public frame: when it happens (ns, on the market's own clock), its topic, its bytes."""

    at_ns: int
    topic: PublicTopic
    raw: bytes


class Tick(NamedTuple):
    """A moment of a market (ns, on its own clock), and its frames; what happens in it may happen as they are taken."""

    at_ns: int
    frames: Iterable[MarketFrame]


class Market(Protocol):
    """A source of public frames."""

    @property
    def topics(self) -> Collection[PublicTopic]:
        """Every topic that `frames` may name."""

    def frames(self) -> Iterator[MarketFrame]:
        """The market from its beginning, by ``at_ns``; each call begins anew. A book's first frame is a
        snapshot.
        """
