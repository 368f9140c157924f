"""The connections for one URL's public topics: one, or more if the exchange's limits require it."""

import asyncio
from collections.abc import Callable, Iterable

from depthwire.bybit.dialect import Room
from depthwire.bybit.topics import Topic
from depthwire.errors import ClientClosed, ConnectError, DepthwireError
from depthwire.session.futures import mark_retrieved
from depthwire.session.session import Session


class SessionPool:
    """The sessions of one URL, each with as many topics as fit; ``make`` makes one. There is always at least one.

    A further session that cannot connect is closed; if the pool is ``persistent``, it keeps trying.
    """

    def __init__(self, make: Callable[[], Session], *, persistent: bool = False) -> None:
        self._make = make
        self._persistent = persistent
        self._opening: dict[Session, asyncio.Task[None]] = {}
        self.all = [make()]

    @property
    def first(self) -> Session:
        """The session that opens with the client."""
        return self.all[0]

    def holder(self, topic: Topic) -> Session:
        """Return the session that a topic is subscribed on; the first one if there is none. O(sessions)."""
        return next((session for session in self.all if topic in session.subscriptions), self.first)

    def place(self, topics: Iterable[Topic]) -> dict[Session, list[Topic]]:
        """Return the topics by session: the one that has it already, one with room, or a new one.

        The caller must subscribe at once, before the room is given away again. O(topics wanted and subscribed).
        """
        rooms = {session: Room(session.dialect.limits, session.subscriptions) for session in self.all}
        placed: dict[Session, list[Topic]] = {}
        for topic in dict.fromkeys(topics):
            session = self.holder(topic)
            if topic not in session.subscriptions:
                session = next((each for each, room in rooms.items() if room.take(topic)), None) or self._extend()
                if session not in rooms:
                    rooms[session] = Room(session.dialect.limits, (topic,))
            placed.setdefault(session, []).append(topic)
        return placed

    def _extend(self) -> Session:
        session = self._make()
        self.all.append(session)
        task = self._opening[session] = asyncio.create_task(self._open(session))
        task.add_done_callback(mark_retrieved)
        return session

    async def _open(self, session: Session) -> None:
        try:
            await session.open()
        except BaseException as error:
            if self._persistent and isinstance(error, ConnectError):
                session.report(error)
                session.keep_trying()
                return
            self.all.remove(session)
            await session.close(error if isinstance(error, DepthwireError) else None)
            raise
        finally:
            del self._opening[session]

    async def opened(self, session: Session) -> None:
        """Wait until a session that :meth:`place` made is connected; raises ConnectError if that fails."""
        opening = self._opening.get(session)
        if opening is not None:
            await asyncio.wait((opening,))  # cancelling a caller must not cancel it
            if opening.cancelled():
                raise ClientClosed("the client was closed")
            opening.result()

    def begin_close(self) -> None:
        """Begin to close all connections, without waiting."""
        for task in self._opening.values():
            task.cancel()
        for session in self.all:
            session.connection.begin_close()

    async def close(self) -> None:
        """Close all sessions."""
        self.begin_close()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self.all))
