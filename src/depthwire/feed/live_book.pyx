"""A book that a feed keeps current, and its subscribers.

Subscribers are called inside the frame's call stack, after the book has applied all of it.
"""

from depthwire.book.book cimport LIVE
from depthwire.book.update cimport BookFrame
from depthwire.feed.slow_callback cimport report_if_slow

from depthwire.feed.callbacks import checked_callback, log_error, report_raised
from depthwire.feed.streams import changes


cdef class BookListener:
    """A subscriber in Cython: subclass it, override ``on_book`` and give it to :meth:`LiveBook.on_change`.

    ``on_sent_again`` is called when a snapshot is sent again without a change: only the book's times are newer.
    """

    cdef int on_book(self, LiveBook book) except -1:
        raise NotImplementedError

    cdef int on_sent_again(self, LiveBook book) except -1:
        return 0


cdef class LiveBook(Book):
    """A book that a feed keeps current and that calls its subscribers. ``client.book(...)`` makes one.

    ``topic`` is the topic that feeds it. ``finished`` is True once the client is closed, the topic is unsubscribed or the
    venue stops serving it. In the last case ``failure`` is the error that explains it; otherwise it is None.
    """

    def __init__(self, str topic not None, str symbol not None, Py_ssize_t depth):
        super().__init__(symbol, depth)
        self.topic = topic
        self.report = log_error
        self._listeners = self._state_listeners = ()

    def on_change(self, listener):
        """Call ``listener(book)`` after each applied frame, inside the frame's own call stack.

        ``listener`` is a callable or a :class:`BookListener`. Returns a function that removes it. Raises TypeError if it
        is neither, or async. O(1).

        What it raises is reported as a CallbackError; the book and its other subscribers go on. SystemExit and
        KeyboardInterrupt are reported, too, and then end the event loop, as in asyncio, or a client of the blocking face.
        """
        self._listeners += (checked_listener(listener),)

        def remove():
            self._listeners = without(self._listeners, listener)

        return remove

    def on_state(self, listener):
        """Call ``listener(book)`` on each change of :attr:`state`. Returns a function that removes the listener. O(1)."""
        self._state_listeners += (checked_listener(listener),)

        def remove():
            self._state_listeners = without(self._state_listeners, listener)

        return remove

    def changes(self):
        """Iterate asynchronously over the book: now and after each change, always in its latest state.

        Changes that arrive while the reader works are conflated. Only a LIVE book is yielded. The iteration ends when the
        client is closed, and raises :attr:`failure` if the venue stops serving the topic.
        """
        return changes(self)

    def finish(self, str reason not None):
        """End the book: it goes STALE and iterations over it end. Later calls do nothing."""
        if self.finished:
            return
        self.finished = True
        if self.status == LIVE:
            self.go_stale(reason)
        else:
            self.on_state_changed()

    def fail(self, error not None):
        """End the book with an error, which iterations over it raise: the venue no longer serves the topic."""
        if not self.finished:
            self.failure = error
            self.finish(str(error))

    def adopt(self, LiveBook other not None):
        """Take over the levels of another LIVE book of the topic, as if a frame brought them. O(1).

        Calls the subscribers. ``other`` gets this book's levels in exchange and goes STALE.
        """
        self.bid_ladder, other.bid_ladder = other.bid_ladder, self.bid_ladder
        self.ask_ladder, other.ask_ladder = other.ask_ladder, self.ask_ladder
        self.number_as(other)
        other.go_stale("its levels were taken over")
        self.renewed(other.ts_recv_ns)

    cdef void number_as(self, LiveBook other) noexcept:
        """Copy the numbers and times that belong to another book's levels."""
        self.decimals, self.unit = other.decimals, other.unit
        self.is_numbered = other.is_numbered
        self.cross_seq, self.update_id = other.cross_seq, other.update_id
        self.ts_exchange_us, self.ts_matching_us = other.ts_exchange_us, other.ts_matching_us

    cdef int renewed(self, int64_t ts_recv_ns) except -1:
        """Count levels taken over from another book as a frame received at ``ts_recv_ns``, and call the subscribers."""
        self.ts_recv_ns = ts_recv_ns
        self.version += 1
        if self.status != LIVE:
            self._enter(LIVE, None)
        return self.applied()

    cdef int sent_again(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Adopt the times of a snapshot that is sent again without a change; they never decrease."""
        if frame.cross_seq >= self.cross_seq and frame.ts_exchange_us >= self.ts_exchange_us:
            self.cross_seq = frame.cross_seq
            self.ts_exchange_us = frame.ts_exchange_us
            self.ts_matching_us = frame.ts_matching_us
            self.ts_recv_ns = ts_recv_ns
            for listener in self._listeners:
                if isinstance(listener, BookListener):
                    (<BookListener>listener).on_sent_again(self)
        return 0

    cdef int applied(self) except -1:
        if self._listeners:
            tell(self._listeners, self)
            report_if_slow(self.slow_callback_ns, self.ts_recv_ns, self.topic, self.report)
        return 0

    cdef int on_state_changed(self) except -1:
        if self._state_listeners:
            tell(self._state_listeners, self)
        return 0


cdef object checked_listener(object listener):
    return listener if isinstance(listener, BookListener) else checked_callback(listener)


cdef tuple without(tuple listeners, object listener):
    return tuple([other for other in listeners if other is not listener])


cdef int tell(tuple listeners, LiveBook book) except -1:
    for listener in listeners:
        try:
            if isinstance(listener, BookListener):
                (<BookListener>listener).on_book(book)
            else:
                listener(book)
        except BaseException as error:
            report_raised(error, f"{book.topic}: a callback", book.report)
    return 0
