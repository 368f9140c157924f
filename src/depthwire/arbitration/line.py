"""One line to a venue: the connections to one endpoint, for its public and its private topics."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE, Credentials
from depthwire.bybit.topics import Topic
from depthwire.endpoints import Endpoint
from depthwire.errors import AuthError, ConnectError
from depthwire.feed.channel import Channel
from depthwire.session.futures import mark_retrieved
from depthwire.session.health import Health
from depthwire.session.pool import SessionPool
from depthwire.session.session import Held, Session, withdrawn_on_failure
from depthwire.session.subscription import Subscription, raise_all, refuse_unsubscribed

NO_CREDENTIALS: Final = (
    f"a private topic needs an API key and secret: give api_key and api_secret to connect(), or set {KEY_VARIABLE} and "
    f"{SECRET_VARIABLE}"
)


class Line:
    """The sessions of one endpoint: a pool for its public topics and one session for its private topics.

    ``make`` returns a new session for a URL. If ``persistent``, a failed first attempt to connect is retried.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        make: Callable[[str], Session],
        credentials: Credentials | None,
        *,
        persistent: bool = False,
    ) -> None:
        self._publics = SessionPool(lambda: make(endpoint.public_url), persistent=persistent)
        self.public = self._publics.first
        self.private = self.public if endpoint.public_url == endpoint.private_url else make(endpoint.private_url)
        self.private.connection.auth.credentials = credentials
        self.private.connection.is_private |= self.private is not self.public
        self._credentials = credentials
        self._signing_in: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The endpoint's URL, without secrets."""
        return self.public.connection.url

    @property
    def sessions(self) -> list[Session]:
        """All sessions, opened or not; the first one is opened with the line."""
        return self._publics.all + ([] if self.private is self.public else [self.private])

    async def open(self) -> None:
        """Connect; raises ConnectError or AuthError."""
        await self.public.open()

    async def sign_in(self) -> None:
        """Sign in, so that private topics can be requested; raise AuthError or ConnectError."""
        if self._signing_in is None:
            self._signing_in = asyncio.create_task(self._sign_in_now())
            self._signing_in.add_done_callback(mark_retrieved)
        try:
            await asyncio.shield(self._signing_in)
        except (AuthError, ConnectError):
            self._signing_in = None  # the next caller tries again
            raise

    async def _sign_in_now(self) -> None:
        credentials = self._credentials or Credentials.from_environment()
        if credentials is None:
            raise AuthError(NO_CREDENTIALS)
        if self.private is not self.public:
            self.private.connection.auth.credentials = credentials
            if not self.private.connection.is_kept:
                await self.private.open()
        elif self._credentials is None:
            await self.public.connection.sign_in(credentials)

    # ---- topics

    def add(
        self, topics: Iterable[Topic], on_channel: Callable[[Channel], object], *, raw: bool = False
    ) -> dict[Session, list[Subscription]]:
        """Request topics; private ones need a sign-in first. Return subscriptions by session. Raises ClientClosed."""
        topics = list(topics)
        placed = self._publics.place(topic for topic in topics if not topic.is_private)
        private = [topic for topic in topics if topic.is_private]
        if private:
            placed.setdefault(self.private, []).extend(dict.fromkeys(private))
        return {session: session.add(wanted, on_channel, raw=raw) for session, wanted in placed.items()}

    async def subscribe(
        self, topics: Sequence[Topic], on_channel: Callable[[Channel], object], *, raw: bool = False
    ) -> Held:
        """Subscribe to topics and wait for the venue's answers; sign in first if one is private.

        Return the subscriptions by session. Raises ClientClosed, AuthError, ConnectError, SubscriptionRejected (with
        all refused topics) or SubscriptionTimeout. After an error or a cancellation, topics without another caller are
        ended.
        """
        self.public.connection.refuse_closed()
        if any(topic.is_private for topic in topics):
            await self.sign_in()
        added = self.add(topics, on_channel, raw=raw)
        async with withdrawn_on_failure(added):
            confirmations = (self._confirmed(*each) for each in added.items())
            raise_all(await asyncio.gather(*confirmations, return_exceptions=True))
        return added

    async def _confirmed(self, session: Session, subscriptions: Sequence[Subscription]) -> None:
        await self._publics.opened(session)
        await session.confirmed(subscriptions)

    def holder(self, topic: Topic) -> Session:
        """Return the session that a topic is subscribed on, or else one that could serve it."""
        return self.private if topic.is_private else self._publics.holder(topic)

    async def unsubscribe(self, topics: Iterable[Topic]) -> None:
        """End topics; raises as :meth:`Session.unsubscribe` does."""
        by_session: dict[Session, list[Topic]] = {}
        for topic in topics:
            by_session.setdefault(self.holder(topic), []).append(topic)
        for session, wanted in by_session.items():
            refuse_unsubscribed(wanted, session.subscriptions)
        works = (session.unsubscribe(wanted) for session, wanted in by_session.items())
        raise_all(await asyncio.gather(*works, return_exceptions=True))

    def health(self) -> dict[str, Health]:
        """Return the health of each topic. O(topics)."""
        return {
            topic: record.health() for session in self.sessions for topic, record in session.resyncs.trackers.items()
        }

    # ---- the end

    def begin_close(self) -> None:
        """Start to close all connections at once, so that :meth:`close` may be cancelled."""
        self._publics.begin_close()
        self.private.connection.begin_close()
        if self._signing_in is not None:
            self._signing_in.cancel()

    async def close(self) -> None:
        """Close the connections and end all readers."""
        self.begin_close()
        if self._signing_in is not None:
            await asyncio.gather(self._signing_in, return_exceptions=True)
        await self._publics.close()
        await self.private.close()
