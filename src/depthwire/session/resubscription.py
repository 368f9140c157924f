"""Resubscribes to topics to get their snapshots, many with one request."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

from depthwire.errors import ConnectionLost
from depthwire.session.connection import Connection
from depthwire.session.futures import mark_retrieved
from depthwire.session.health import TopicTracker

TOGETHER_S: Final = 0.05
"""Resubscriptions that are due within this time share one request."""
Waiting = dict[TopicTracker, "asyncio.Future[str | None]"]


class Batch:
    """Topics to resubscribe together, and when."""

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.waiting: Waiting = {}


class Resubscription:
    """Unsubscribes from and resubscribes to topics of one connection, with as few requests as possible."""

    def __init__(self, connection: Connection, args_per_request: int) -> None:
        self.connection = connection
        self._args_per_request = args_per_request
        self._batches: list[Batch] = []
        self._jitter = (-TOGETHER_S, 0.0)

    def jitter(self) -> float:
        """Return a random number from 0 to 1, equal for topics that fail together: they are retried together."""
        now_s = time.monotonic()
        if now_s - self._jitter[0] >= TOGETHER_S:
            self._jitter = now_s, random.random()  # noqa: S311  # not a secret
        return self._jitter[1]

    async def resubscribe(self, tracker: TopicTracker, wait_s: float) -> str | None:
        """Resubscribe in ``wait_s``; returns why it was refused, or "", or None if a snapshot arrived before that.

        Raises ConnectionLost, also if the venue does not answer; then the connection is dropped.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time() + wait_s
        batch = next((each for each in self._batches if abs(each.due_s - due_s) < TOGETHER_S), None)
        if batch is None:
            batch = Batch(due_s)
            self._batches.append(batch)
            loop.call_at(due_s, self._send, batch)
        future: asyncio.Future[str | None] = loop.create_future()
        future.add_done_callback(mark_retrieved)
        batch.waiting[tracker] = future
        return await future

    def _send(self, batch: Batch) -> None:
        self._batches.remove(batch)
        waiting: Waiting = {}
        for tracker, future in batch.waiting.items():
            if future.done():
                continue  # its topic has ended
            if tracker.channel.needs_snapshot:
                tracker.asked()
                waiting[tracker] = future
            else:
                future.set_result(None)
        if not self.connection.connected:
            settle(waiting, ConnectionLost(f"{self.connection.url}: not connected"))
            return
        trackers, most = list(waiting), self._args_per_request
        for start in range(0, len(trackers), most):
            some = {tracker: waiting[tracker] for tracker in trackers[start : start + most]}
            self.connection.spawn(self._resubscribe(some))

    async def _resubscribe(self, waiting: Waiting) -> None:
        by_topic = {tracker.channel.topic: future for tracker, future in waiting.items()}
        try:
            await self._ask("unsubscribe", list(by_topic))
            for tracker in waiting:
                tracker.channel.asked()  # only now: before, a late copy could pass for the answer
            # A topic may have ended in the meantime.
            reasons = await self._ask("subscribe", [topic for topic, future in by_topic.items() if not future.done()])
        except ConnectionLost as error:
            settle(waiting, error)
        except TimeoutError:
            why = f"no answer to a resync of {', '.join(by_topic)[:200]} in time"
            self.connection.drop(why)
            settle(waiting, ConnectionLost(f"{self.connection.url}: {why}"))
        else:
            for topic, reason in reasons.items():
                if not by_topic[topic].done():
                    by_topic[topic].set_result(reason)

    async def _ask(self, op: str, topics: Sequence[str]) -> dict[str, str]:
        """Return why each topic was refused, or "". If one bad topic fails the whole request, bisect it."""
        if not topics:
            return {}
        answer = await self.connection.ask(op, topics)
        if answer.success or answer.by_topic is not None or len(topics) == 1:
            return {topic: answer.refusal(topic) for topic in topics}
        middle = len(topics) // 2
        return await self._ask(op, topics[:middle]) | await self._ask(op, topics[middle:])


def settle(waiting: Waiting, error: ConnectionLost) -> None:
    """Fail all waiting callers."""
    for future in waiting.values():
        if not future.done():
            future.set_exception(error)
