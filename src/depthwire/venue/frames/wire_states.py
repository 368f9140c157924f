"""What the venue keeps of each public topic, so that a new subscriber can be told how things are."""

from collections.abc import Callable, Mapping

from depthwire.bybit.topics import split_topic
from depthwire.venue.frames import public_v2, public_v5
from depthwire.venue.frames.topic_states import WireBook, WireFields, WireLastTrade, WirePairs, WireState
from depthwire.venue.market.market import Category, PublicTopic

_STATES: Mapping[str, Callable[[PublicTopic], WireState]] = {
    **dict.fromkeys(public_v2.BOOK_KINDS, WireBook),
    **dict.fromkeys(public_v5.BOOK_KINDS, WirePairs),
    **dict.fromkeys((public_v2.INFO_KIND, public_v5.TICKER_KIND), WireFields),
}


def state_of(topic: PublicTopic) -> WireState | None:
    """A new state of a topic, None where its subscribers wait for the next frame."""
    kind = split_topic(topic.name)[0]
    if kind == public_v2.TRADE_KIND and topic.category is Category.LINEAR:
        return WireLastTrade(topic)
    make = _STATES.get(kind)
    return make(topic) if make else None
