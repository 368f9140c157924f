"""The connections behind one client's public topics: one, and more as soon as the exchange's limits need them."""

import asyncio
from collections.abc import Callable, Iterable

from depthwire.bybit.dialect import Room
from depthwire.bybit.topics import Topic
from depthwire.connection import asked_for
from depthwire.errors import ClientClosed
from depthwire.session import Session


class Lines:
    """Sessions of one URL, each with as many topics as fit; ``make`` makes one. There is always a first one."""

    def __init__(self, make: Callable[[], Session]) -> None:
        self._make = make
        self._opening: dict[Session, asyncio.Task[None]] = {}
        self.sessions = [make()]

    @property
    def first(self) -> Session:
        """The session that is opened with the client."""
        return self.sessions[0]

    def holder(self, topic: Topic) -> Session:
        """The session that a topic is subscribed on; the first where it is on none. O(sessions)."""
        return next((session for session in self.sessions if topic in session.subscriptions), self.first)

    def place(self, topics: Iterable[Topic]) -> dict[Session, list[Topic]]:
        """Where each topic belongs: where it stands already, or where there is room, in a new session if need be.

        The caller subscribes at once, or else the room may be given away twice. O(topics wanted and subscribed).
        """
        rooms = {session: Room(session.dialect.limits, session.subscriptions) for session in self.sessions}
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
        self.sessions.append(session)
        task = self._opening[session] = asyncio.create_task(self._open(session))
        task.add_done_callback(asked_for)
        return session

    async def _open(self, session: Session) -> None:
        try:
            await session.open()
        except BaseException:
            self.sessions.remove(session)
            await session.close()
            raise
        finally:
            del self._opening[session]

    async def opened(self, session: Session) -> None:
        """Wait until a session that :meth:`place` opened is connected; raises ConnectError where that fails."""
        opening = self._opening.get(session)
        if opening is not None:
            await asyncio.wait((opening,))  # of which a caller that is cancelled cancels nothing
            if opening.cancelled():
                raise ClientClosed("the client was closed")
            opening.result()

    def begin_close(self) -> None:
        """Say goodbye on all connections."""
        for task in self._opening.values():
            task.cancel()
        for session in self.sessions:
            session.connection.begin_close()

    async def close(self) -> None:
        """Close all sessions."""
        self.begin_close()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self.sessions))
