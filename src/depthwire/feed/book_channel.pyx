"""The channel of an order book: decodes each frame, checks its numbers and applies it."""

from depthwire.book.book cimport EMPTY, LIVE, STALE
from depthwire.book.prefetch cimport prefetch_best
from depthwire.book.snapshot_age cimport LATE, SAME_NUMBER, Age, age_of, is_newer, is_restart
from depthwire.book.update cimport BookFrame

from depthwire.errors import OutOfSequence, SnapshotMismatch
from depthwire.feed.rollback import RollbackCheck


cdef class BookChannel(Channel):
    """BookChannel(book, decoder, scanner=None)

    Keeps ``book``, also called ``state``, current. The scanner reads frames of a known shape, the decoder all others:
    ``scanned``, ``decoded`` and ``rejected`` (by either of them, or by the book) count them. ``dropped`` counts deltas that
    arrived while the book waited for a snapshot. ``outdated`` counts late frames, which are ignored: snapshots that
    ``snapshot_age.pxd`` calls late, copies of one of the last deltas and, on v5, every delta whose ``u`` and ``seq`` are
    not above the book's.

    A venue may roll back to older numbers, for example when it restarts. More late deltas in a row than the channel
    remembers make a LIVE book STALE. A late snapshot that answers the request for a STALE book is refused and requested
    again; the third of these answers in a row confirms the rollback and is applied, unless a newer frame arrived in between. An
    answer with exactly the book's numbers is applied: nothing has changed. A STALE book always ignores a snapshot that is
    not newer if no request asked for it.
    """

    def __init__(self, LiveBook book not None, BookDecoder decoder not None, Scanner scanner=None):
        super().__init__(book.topic)
        self.book = book
        self._decoder = decoder
        self._scanner = scanner
        self._rollback = RollbackCheck()

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        cdef BookFrame frame = self._decoder.frame
        prefetch_best(self.book.bid_ladder)
        prefetch_best(self.book.ask_ladder)
        self.frames += 1
        if after_topic != NULL and self._scanner is not None and self._scanner.scan(after_topic, data + size, self.book, frame):
            self.scanned += 1
        else:
            self._decoder.decode(data, size, self.book)
            self.decoded += 1
        if frame.is_snapshot:
            return self._take_snapshot(frame, ts_recv_ns)
        if self.book.status == STALE:
            return self._drop(frame)
        if self.book.is_late(frame) and self._was_applied(frame):
            return self._leave_out_delta(frame)
        return self._apply(frame, ts_recv_ns)

    def start_over(self):
        self._starts_over = True

    cdef inline int _apply(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        self.book.apply(frame, ts_recv_ns)
        self._applied[self.book.version % REMEMBERED] = FrameNumbers(frame.cross_seq, frame.ts_exchange_us)
        return self.book.applied()

    cdef int _take_snapshot(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply, ignore or refuse a snapshot, according to its numbers."""
        cdef Age age
        if self.book.status == EMPTY or self._starts_over:
            self._starts_over = False
            return self._begin(frame, ts_recv_ns)
        age = age_of(frame, self.book)
        if self.book.status == STALE:
            if age == LATE or (age == SAME_NUMBER and not is_newer(frame, self.book)):
                return self._hold_back(frame, ts_recv_ns, age == SAME_NUMBER)
            return self._begin(frame, ts_recv_ns)
        if age == LATE:
            self.outdated += 1
            return 0
        if age == SAME_NUMBER:
            refusal = self.book.arrange(frame)
            if refusal is not None:
                raise refusal
            if self.book.holds(frame):
                return self.book.sent_again(frame, ts_recv_ns)
            if not is_restart(frame, self.book):
                raise SnapshotMismatch(
                    f"a snapshot of {self._numbers(frame)} differs from the book at the same number: one of the two "
                    "is damaged",
                    self.topic,
                )
        return self._apply(frame, ts_recv_ns)

    cdef int _hold_back(self, BookFrame frame, int64_t ts_recv_ns, bint is_same) except -1:
        """Refuse a late snapshot while the book waits for one, so that it is requested again; apply a confirmed one."""
        is_confirmed = self._rollback.is_confirmed(is_same=is_same)
        if is_confirmed is None:
            self.outdated += 1
            return 0
        if is_confirmed:
            return self._begin(frame, ts_recv_ns)
        raise OutOfSequence(
            f"a snapshot of {self._numbers(frame)} is older than the book at {self._numbers(None)}; requesting another",
            self.topic,
        )

    cdef int _begin(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply a snapshot that the book was waiting for."""
        self._rollback.reset()
        return self._apply(frame, ts_recv_ns)

    cdef int _leave_out_delta(self, BookFrame frame) except -1:
        """Count a late delta while the book is LIVE; raise OutOfSequence if there are too many in a row to be copies."""
        if self._counted_at != self.book.version:
            self._counted_at = self.book.version
            self._late = 0
        self.outdated += 1
        self._late += 1
        if self._late > REMEMBERED:
            raise OutOfSequence(
                f"{self._late} deltas in a row are older than the book at {self._numbers(None)}, the last one of "
                f"{self._numbers(frame)}; the venue may have started over",
                self.topic,
            )
        return 0

    cdef int _drop(self, BookFrame frame) except -1:
        """Count a delta that arrives before the snapshot. A newer one shows that the venue did not start over."""
        self.dropped += 1
        if frame.cross_seq > self.book.cross_seq or frame.ts_exchange_us > self.book.ts_exchange_us:
            self._rollback.contradicted()
        return 0

    cdef str _numbers(self, BookFrame frame):
        """Return the numbers of a frame as text for an error; None means the book's."""
        cdef bint is_frame = frame is not None
        cdef int64_t cross_seq = frame.cross_seq if is_frame else self.book.cross_seq
        cdef int64_t ts_us = frame.ts_exchange_us if is_frame else self.book.ts_exchange_us
        if not self.book.is_numbered:
            return f"cross_seq {cross_seq} at {ts_us} µs"
        return f"u {frame.update_id if is_frame else self.book.update_id}, seq {cross_seq} at {ts_us} µs"

    cdef bint _was_applied(self, BookFrame frame) noexcept:
        """Whether a late delta was applied before. v2 does not number its frames: there it must be one of the last few."""
        cdef int i
        if self.book.is_numbered:
            return True
        for i in range(REMEMBERED):
            if self._applied[i].cross_seq == frame.cross_seq and self._applied[i].ts_exchange_us == frame.ts_exchange_us:
                return True
        return False

    @property
    def state(self):
        return self.book

    def attach(self, report, double slow_callback_s=0.0):
        Channel.attach(self, report, slow_callback_s)
        self.book.report = report
        self.book.slow_callback_ns = self.slow_callback_ns

    def refuse(self, error):
        self.rejected += 1
        self.book.go_stale(error.message)

    def damaged(self, reason, since_ns, until_ns):
        self.book.go_stale(reason)

    @property
    def needs_snapshot(self):
        return self.book.status != LIVE

    def asked(self):
        self._rollback.requested()

    def request_failed(self):
        self._rollback.request_failed()

    def connection_lost(self, reason, since_ns):
        self._rollback.reset()
        self.book.go_stale(reason)

    def finish(self, reason):
        self.book.finish(reason)

    def _fail(self, error):
        self.book.fail(error)
