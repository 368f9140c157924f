"""Frames of the synthetic market by topic names, for tests of one dialect."""

from collections.abc import Iterator

from depthwire.venue import Dialect, PublicTopic, SyntheticMarket


def topics_of(market: SyntheticMarket, dialect: Dialect) -> list[PublicTopic]:
    return [topic for topic in market.topics if topic.dialect is dialect]


def v2_frames(market: SyntheticMarket) -> Iterator[tuple[int, str, bytes]]:
    """Every v2 frame, with its topic's name, which is unique in v2."""
    for at_ns, topic, raw in market.frames(topics_of(market, Dialect.V2)):
        yield at_ns, topic.name, raw
