"""Markets and the frames that they produce, without sockets."""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol


class Category(StrEnum):
    """A product category. The venue serves each category on separate paths."""

    INVERSE = "inverse"
    LINEAR = "linear"
    SPOT = "spot"
    OPTION = "option"


class Dialect(StrEnum):
    """A protocol version. v2 has only inverse and linear symbols, and its frames differ between them."""

    V2 = "v2"
    V5 = "v5"


class PublicTopic(NamedTuple):
    """A topic such as ``trade.BTCUSD`` on one path. Topics of different paths may have equal names."""

    dialect: Dialect
    category: Category
    name: str

    def __str__(self) -> str:
        return self.name


class MarketFrame(NamedTuple):
    """A public frame: its market time in ns, its topic, its bytes."""

    at_ns: int
    topic: PublicTopic
    raw: bytes


class Tick(NamedTuple):
    """A market time in ns, and its frames. Iterating over the frames may execute the tick's events."""

    at_ns: int
    frames: Iterable[MarketFrame]


class Market(Protocol):
    """A source of public frames."""

    @property
    def topics(self) -> Collection[PublicTopic]:
        """All topics that may occur in `frames`."""

    def frames(self) -> Iterator[MarketFrame]:
        """Return the frames of the market in order of ``at_ns``. Each call starts from the beginning.

        The first frame of a book is a snapshot.
        """
