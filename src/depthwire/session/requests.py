"""Matches the venue's answers with the requests that they belong to. Does no I/O and reads no clock."""

from collections.abc import Callable, Collection, Iterator, Mapping

from depthwire.bybit.dialect import Answer, RequestKey


class Request:
    """A request that was sent, until ``settle`` gets its answer or the error that ends it.

    ``due_s`` holds the times at which :meth:`Requests.expire` must be called. ``missing`` holds the topics that no
    answer has named so far; ``named`` maps the others to the reason of their refusal, "" for an accepted topic.
    """

    def __init__(
        self,
        key: RequestKey,
        topics: Collection[str],
        settle: Callable[[Answer | Exception], object],
        due_s: tuple[float, ...],
    ) -> None:
        self.key = key
        self.missing = set(topics)
        self.named: dict[str, str] = {}
        self.settle = settle
        self.due_s = due_s

    def answer(self) -> Answer:
        """Return the answer that names the topics named so far."""
        reason = next(filter(None, self.named.values()), "")
        return Answer(self.key, not reason, reason, by_topic=self.named)


class Requests:
    """The open requests of one connection; those with equal keys are answered in the order in which they were sent."""

    def __init__(self) -> None:
        self._open: dict[RequestKey, dict[Request, None]] = {}

    def add(
        self,
        key: RequestKey,
        topics: Collection[str],
        settle: Callable[[Answer | Exception], object],
        *,
        now_s: float,
        timeout_s: float | None,
    ) -> Request:
        """Add a request that is sent at ``now_s``; unless ``timeout_s`` is None, TimeoutError settles it after that
        time.

        If answers have named some of its topics after half of that time, those are its answer.
        """
        due_s: tuple[float, ...] = ()
        if timeout_s is not None:
            due_s = (now_s + timeout_s / 2, now_s + timeout_s) if topics else (now_s + timeout_s,)
        request = Request(key, topics, settle, due_s)
        self._open.setdefault(key, {})[request] = None
        return request

    def remove(self, request: Request) -> bool:
        """Forget a request, if it is still open; returns whether it was. O(1)."""
        requests = self._open.get(request.key, {})
        if request not in requests:
            return False
        del requests[request]
        if not requests:
            del self._open[request.key]
        return True

    def answered(self, answer: Answer) -> bool:
        """Give an answer to the request that it belongs to; returns False if there is none.

        O(1) if the answer names its request, else O(open requests).
        """
        if answer.by_topic is not None:
            return self._answered_by_topic(answer.by_topic)
        request = next(self._asked(answer.key), None)
        if request is None:
            return False
        self._settle(request, answer)
        return True

    def _asked(self, key: RequestKey) -> Iterator[Request]:
        """Yield the open requests that an answer with ``key`` may belong to."""
        op, name = key
        if name or key in self._open:
            yield from self._open.get(key, ())
        else:
            yield from (request for request in self._all() if request.key[0] == op)

    def _all(self) -> Iterator[Request]:
        for requests in self._open.values():
            yield from requests

    def _answered_by_topic(self, named: Mapping[str, str]) -> bool:
        """Process an answer that names topics and no request.

        It belongs to the oldest request for these topics, or else for these and others, or else for some of them, which
        is answered once each of its topics was named, by one answer or several.
        """
        topics = named.keys()
        fitting = [each for each in self._all() if each.missing and (topics & each.missing or not topics)]
        if not fitting:
            return False
        request = min(fitting, key=lambda each: (topics != each.missing, not topics <= each.missing))
        request.named |= {topic: named[topic] for topic in topics & request.missing}
        request.missing -= topics
        if not topics or not request.missing:
            self._settle(request, request.answer())
        return True

    def expire(self, request: Request, now_s: float) -> None:
        """Settle a request if it is due at ``now_s``. O(1)."""
        if request.due_s and request.due_s[-1] <= now_s:
            self._settle(request, TimeoutError())
        elif request.due_s and request.due_s[0] <= now_s and request.named:
            self._settle(request, request.answer())

    def fail(self, error: Exception) -> None:
        """Settle all requests with an error."""
        for request in tuple(self._all()):
            self._settle(request, error)

    def clear(self) -> None:
        """Forget all requests: no caller waits for them."""
        self._open.clear()

    def _settle(self, request: Request, outcome: Answer | Exception) -> None:
        if self.remove(request):
            request.settle(outcome)
