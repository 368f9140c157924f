"""One topic that callers want, and the errors of several."""

import asyncio
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from depthwire.bybit.topics import Topic
from depthwire.errors import SubscriptionRejected, TopicError
from depthwire.feed.channel import Channel
from depthwire.session.futures import mark_retrieved
from depthwire.settings import Backoff


@dataclass(eq=False)
class Subscription:
    """A wanted topic, the channels that serve it, and whether the venue has confirmed it.

    ``confirmed`` concerns the current connection, ``established`` all so far. ``callers`` counts who wants the topic.
    ``on_channel`` is called with each channel that serves a pattern: a PatternChannel, and one for each topic that
    frames bring. If ``is_typed``, a caller wants decoded frames, not only their bytes.
    """

    topic: Topic
    confirmed: "asyncio.Future[None]"
    backoff: Backoff
    established: bool = False
    callers: int = 0
    is_typed: bool = False
    channels: dict[str, Channel] = field(default_factory=dict)
    on_channel: list[Callable[[Channel], object]] = field(default_factory=list)

    @classmethod
    def to(cls, topic: Topic, backoff: Backoff) -> "Subscription":
        """Return a subscription that is still to be requested; ``backoff`` paces the requests that repeat it."""
        return cls(topic, confirmation(), backoff)

    def await_again(self) -> None:
        """Discard the venue's earlier answer, if there was one."""
        if self.confirmed.done():
            self.confirmed = confirmation()

    @property
    def is_confirmed(self) -> bool:
        """Whether the current connection serves it."""
        return self.confirmed.done() and self.confirmed.exception() is None

    def confirm(self) -> None:
        """Note that the venue serves it."""
        self.established = True
        if not self.confirmed.done():
            self.confirmed.set_result(None)


def confirmation() -> "asyncio.Future[None]":
    """Return a future for the venue's answer."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(mark_retrieved)
    return future


def refuse_unsubscribed(topics: Iterable[Topic], subscribed: Container[Topic]) -> None:
    """Raise TopicError if a topic is not subscribed."""
    for topic in topics:
        if topic not in subscribed:
            raise TopicError(f"{topic.text!r} is not subscribed")


def raise_all(outcomes: Iterable[BaseException | None]) -> None:
    """Raise the errors among these as one: one refusal that names all refused topics, or else the first error."""
    errors = [error for error in outcomes if error is not None]
    reasons = {
        topic: reason
        for error in errors
        if isinstance(error, SubscriptionRejected)
        for topic, reason in error.reasons.items()
    }
    if reasons:
        raise SubscriptionRejected.of(reasons)
    if errors:
        raise errors[0]
