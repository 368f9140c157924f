"""Decides which of two lines' states of a topic readers see, and what each state proves about the other.

Each line keeps its own complete state, with its own continuity checks and resyncs. Readers see the state of the line
that is ahead, by reference: nothing is copied when the other line gets ahead. After both lines have applied the frame of
one sequence, their states must be equal. A difference proves that one of them lost a frame, even if the sequence numbers
do not show it.
"""

from libc.string cimport memcpy, memset

from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN
from depthwire.book.ladder cimport Ladder

cdef enum:
    PATIENCE = 8            # frames during which readers do not switch to a line that is in doubt or late


cdef class LineTally:
    """Statistics of one line, over all its topics.

    ``wins`` counts the frames of books and instruments, and the events, that it brought first; ``losses`` counts those
    that only the other line brought; ``gaps`` counts its frames that were not contiguous with its own state.
    """

    @property
    def lags(self):
        """The histogram of its lags: bucket i counts lags up to 2**i µs that are above the bound of bucket i - 1."""
        return tuple([self._lags[i] for i in range(LAG_BUCKETS)])

    def late(self, int64_t by_ns):
        """Count a copy that arrived ``by_ns`` after the other line's. O(1)."""
        self._late(by_ns)

    cdef void _late(self, int64_t by_ns) noexcept:
        cdef int bucket = 0
        while bucket < LAG_BUCKETS - 1 and by_ns > <int64_t>1000 << bucket:
            bucket += 1
        self._lags[bucket] += 1


cdef class LineState:
    """One line's state of a topic, and the last frames that it applied."""

    def __init__(self, LineTally tally not None):
        self.tally = tally

    cdef inline Applied* _slot(self, int64_t seq) noexcept:
        return &self._applied[<uint64_t>seq * 0x9E3779B97F4A7C15ULL >> (64 - REMEMBERED_BITS)]

    cdef Applied* find(self, int64_t seq) noexcept:
        """Return the frame of a sequence if it is remembered, else NULL. O(1)."""
        cdef Applied* applied = self._slot(seq)
        return applied if applied.ordinal and applied.seq == seq else NULL

    cdef Applied* remember(self, int64_t seq, uint64_t digest, int64_t ts_recv_ns) noexcept:
        """Remember a frame in place of an older one. O(1)."""
        cdef bint is_only = self.find(seq) == NULL
        cdef Applied* applied = self._slot(seq)
        self.count += 1
        self.seq = seq
        applied[0] = Applied(self.count, seq, ts_recv_ns, digest, is_only)
        return applied

    cdef void forget(self) noexcept:
        memset(self._applied, 0, sizeof(self._applied))

    cdef str why_hidden(self):
        """Return why readers cannot see this state."""
        return "it is older than the state that readers saw" if self.is_live else self.reason or "no snapshot yet"

    cdef bint in_doubt(self) noexcept:
        """Return whether this line skipped a frame that the other line brought, and has not been confirmed since."""
        return self.skipped_at > self.agreed_at and self.skipped_at > self.snapshot_at


cdef class StateArbiter:
    """StateArbiter(first, second)

    Decides which of two lines, 0 and 1, readers see. Subclasses implement `show`, `hide` and `refetch`.
    """

    def __init__(self, LineTally first not None, LineTally second not None):
        self._first, self._second = LineState(first), LineState(second)
        self._source = -1
        self._starts_over = True

    cdef inline LineState _state_of(self, int line):
        return self._second if line else self._first

    # ---- implemented by subclasses

    cpdef show(self, int line, bint notify):
        """Let readers see a line's state; call them if ``notify``. Otherwise they saw an equal state before."""
        raise NotImplementedError

    cpdef hide(self, str reason):
        """Mark the readers' state STALE: no line has a reliable one."""
        raise NotImplementedError

    cpdef refetch(self, int line, str reason):
        """Mark a line's state STALE because it may be wrong, and refetch it."""
        raise NotImplementedError

    # ---- events of the lines

    def changed(self, int line, bint is_live, str reason):
        """Note that a line's state is LIVE, with a snapshot that `frame_applied` gets next, or no longer LIVE. O(1)."""
        cdef LineState state = self._state_of(line)
        cdef bint was_live = state.is_live
        state.is_live = is_live
        if is_live:
            state.snapshot_at = state.count + 1
            state.reason = None
            state.forget()
        elif was_live or state.reason is None:
            state.reason = reason
            if was_live:
                self._fall_back(line, False)

    def suspect(self, int line):
        """Handle proof that a line lost an earlier frame: its state may have been wrong for some time."""
        cdef LineState state = self._state_of(line)
        if self._is_live and self._source == line and not state.is_live and state.agreed_at != state.count:
            self._lose()

    @property
    def is_live(self):
        """Whether readers see any line's state."""
        return self._is_live

    def distrust(self, str reason not None):
        """Distrust both lines until they are refetched: a reader marked the state STALE. O(1)."""
        cdef LineState state
        for state in (self._first, self._second):
            if state.is_live:
                state.is_live = False
                state.reason = reason
                state.forget()
        self._starts_over = True
        self._lose()

    cpdef frame_applied(
        self, int line, int64_t seq, uint64_t digest, int64_t ts_exchange_us, int64_t ts_recv_ns, bint is_numbered
    ):
        """Note that a LIVE line has applied a frame. O(1).

        ``seq`` orders the frames of both lines, ``digest`` is the digest of the state after the frame. If frames
        are numbered consecutively, skipping a frame of the other line does not mean a loss. ``ts_exchange_us`` is on one
        clock for both lines.
        """
        cdef LineState mine = self._state_of(line), other = self._state_of(1 - line)
        cdef int64_t before = mine.seq
        cdef bint was_source = line == self._source
        cdef Applied* applied
        if not mine.is_live:
            return
        if seq < before:
            mine.has_restarted = True
            mine.forget()
        if seq >= self._seq:
            mine.has_restarted = False
        applied = mine.remember(seq, digest, ts_recv_ns)
        mine.ts_exchange_us = ts_exchange_us
        if mine.count == mine.snapshot_at:
            mine.repeated += seq == before
            before = seq
        self._compare(line, applied)
        if not mine.is_live or (line == self._source and not was_source):
            return  # one of the lines was wrong, and readers see the right one already
        if not is_numbered and line != self._source and before < self._seq < seq and mine.agreed_at != mine.count:
            mine.skipped_at = mine.count
        if self._starts_over or (line == self._source and seq >= self._seq):
            self._switch_to(line, True)
        elif seq > self._seq or (seq == self._seq and not self._has_source()):
            if not mine.in_doubt():
                self._switch_to(line, seq > self._seq or not self._is_live or not self._are_equal(seq))
                return
            mine.waited += 1
            if not (self._is_live and other.is_live) or mine.waited > PATIENCE:
                self._refetch(line, f"it skipped a frame that the other line brought, and only this line is at {seq}")
        elif line == self._source or not self._has_source():
            # Readers saw a later sequence already, and need this line.
            if line == self._source and other.is_live and other.seq >= self._seq:
                self._switch_to(1 - line, not self._are_equal(self._seq))
            elif self._may_start_over() or self._is_past(mine):
                self._switch_to(line if not other.is_live or mine.seq >= other.seq else 1 - line, True)
            elif line == self._source:
                mine.reason = f"its sequence dropped to {seq}"
                self._lose()

    cdef bint _has_source(self) noexcept:
        """Whether the line that readers see is still LIVE, so that it brings newer frames."""
        return self._is_live and self._state_of(self._source).is_live

    cdef bint _may_start_over(self) noexcept:
        """Whether the sequence of each LIVE line has started over."""
        return (self._first.has_restarted or not self._first.is_live) and (
            self._second.has_restarted or not self._second.is_live
        )

    cdef bint _is_past(self, LineState state) noexcept:
        """Whether a line is newer by the venue's clock than what readers saw, whose higher sequence was wrong."""
        self._past += state.ts_exchange_us > self._ts_exchange_us
        return self._past > PATIENCE

    # ---- one line against the other

    cdef int _compare(self, int line, Applied* applied) except -1:
        """Compare a frame with the other line's frame of the same sequence, if there is one."""
        cdef LineState mine = self._state_of(line), other = self._state_of(1 - line)
        cdef Applied* theirs = other.find(applied.seq)
        cdef int64_t missed
        if theirs == NULL or not theirs.is_only or not applied.is_only:
            return 0
        mine.tally._late(applied.ts_recv_ns - theirs.ts_recv_ns)
        if theirs.digest != applied.digest:
            return self._judge(line, applied, theirs)
        if mine.agreed_at and other.agreed_at:
            missed = theirs.ordinal - other.agreed_at - other.repeated
            missed -= applied.ordinal - mine.agreed_at - mine.repeated
            if missed > 0:
                mine.tally.losses += missed
            else:
                other.tally.losses -= missed
        mine.agreed_at, other.agreed_at = applied.ordinal, theirs.ordinal
        mine.repeated = other.repeated = 0
        return 0

    cdef int _judge(self, int line, Applied* applied, Applied* theirs) except -1:
        """Refetch the line that is wrong, because the states differ at one sequence; either line may no longer be LIVE.

        A line whose last frame was a snapshot is right. Otherwise the line that has applied fewer frames since both agreed
        has lost some. If neither rule decides, refetch both.
        """
        cdef LineState mine = self._state_of(line), other = self._state_of(1 - line)
        cdef bint mine_is_snapshot = applied.ordinal == mine.snapshot_at
        cdef bint theirs_is_snapshot = theirs.ordinal == other.snapshot_at
        cdef bint are_counted = mine.snapshot_at <= mine.agreed_at and other.snapshot_at <= other.agreed_at
        cdef int64_t fewer = (theirs.ordinal - other.agreed_at) - (applied.ordinal - mine.agreed_at)
        cdef str difference = f"at sequence {applied.seq} the lines' states differ; "
        if mine_is_snapshot != theirs_is_snapshot:
            return self._refetch(1 - line if mine_is_snapshot else line, difference + "the other line's is a snapshot")
        if fewer and are_counted:
            return self._refetch(
                line if fewer > 0 else 1 - line,
                difference + f"this line has applied {abs(fewer)} fewer frames since they were equal",
            )
        difference += "it is unknown which of them is right"
        return self._refetch_all((line, 1 - line), difference)

    cdef int _refetch(self, int line, str reason) except -1:
        return self._refetch_all((line,), reason)

    cdef int _refetch_all(self, tuple lines, str reason) except -1:
        """Refetch the LIVE ones of these lines; the others are being refetched already."""
        cdef list were_live = [line for line in lines if self._state_of(line).is_live]
        cdef LineState state
        cdef int line
        for line in were_live:
            state = self._state_of(line)
            state.is_live = False
            state.reason = reason
            state.forget()  # a wrong state must not be compared with the other line's
        self._fall_back(lines[0], True)
        for line in were_live:
            self.refetch(line, reason)
        return 0

    # ---- what readers see

    cdef int _fall_back(self, int line, bint is_wrong) except -1:
        """Switch readers from a line that is no longer LIVE to the other one, if that one has caught up.

        If it has not, readers keep the last state until it has, unless that state ``is_wrong``.
        """
        cdef int others = 1 - line
        cdef LineState other = self._state_of(others)
        if not other.is_live:
            self._starts_over = True
            return self._lose()
        if not self._is_live or self._source != line:
            return 0
        if other.seq >= self._seq:
            if other.in_doubt():
                return self._refetch(others, "it skipped a frame of the other line, which is no longer LIVE")
            return self._switch_to(others, not self._are_equal(self._seq))
        return self._lose() if is_wrong else 0

    cdef bint _are_equal(self, int64_t seq) noexcept:
        """Whether both lines are at this sequence with equal states."""
        cdef Applied* one = self._first.find(seq)
        cdef Applied* two = self._second.find(seq)
        return (
            one != NULL
            and two != NULL
            and one.digest == two.digest
            and one.ordinal == self._first.count
            and two.ordinal == self._second.count
        )

    cdef int _switch_to(self, int line, bint notify) except -1:
        cdef LineState state = self._state_of(line)
        self._source = line
        self._seq = state.seq
        self._ts_exchange_us = state.ts_exchange_us
        self._past = 0
        self._is_live = True
        self._starts_over = state.has_restarted = False
        self._first.waited = self._second.waited = 0
        state.tally.wins += notify
        self.show(line, notify)
        return 0

    cdef int _lose(self) except -1:
        cdef str first, second
        if self._is_live:
            self._is_live = False
            self._source = -1
            first, second = self._first.why_hidden(), self._second.why_hidden()
            self.hide(first if first == second else f"line 1: {first}; line 2: {second}")
        return 0


cdef class BookArbiter(StateArbiter):
    """BookArbiter(shown, first, second, on_refetch)

    Shows readers the book of the line that is ahead: ``shown`` gets no frames, and shares that line's ladders.
    ``on_refetch(line, reason)`` must mark a line's book STALE and refetch it.
    """

    def __init__(self, LiveBook shown not None, LineTally first, LineTally second, on_refetch):
        super().__init__(first, second)
        self._shown = shown
        self._on_refetch = on_refetch
        self._books = [None, None]

    def attach(self, int line, LiveBook book not None):
        """Follow a line's book."""
        self._books[line] = book
        book.on_change(LineBookListener(self, line))

    cpdef show(self, int line, bint notify):
        cdef LiveBook book = self._books[line], shown = self._shown
        shown.bid_ladder, shown.ask_ladder = book.bid_ladder, book.ask_ladder
        shown.number_as(book)
        if notify:
            shown.renewed(book.ts_recv_ns)

    cdef int sent_again(self, int line, LiveBook book) except -1:
        """Copy the times of a state that the venue sent again, if readers see this line."""
        if self._is_live and self._source == line:
            self._shown.number_as(book)
            self._shown.ts_recv_ns = book.ts_recv_ns
        return 0

    cpdef hide(self, str reason):
        self._shown.go_stale(reason)

    cpdef refetch(self, int line, str reason):
        self._on_refetch(line, reason)


cdef class LineBookListener(BookListener):
    """Passes each frame that one line's book applied to the arbiter."""

    def __init__(self, BookArbiter arbiter not None, int line):
        self._arbiter = arbiter
        self._line = line

    cdef int on_book(self, LiveBook book) except -1:
        cdef int64_t seq = book.cross_seq if book.cross_seq else book.ts_exchange_us
        cdef uint64_t factor = <uint64_t>POWERS_OF_TEN[MAX_DIGITS - book.decimals] if book.decimals >= 0 else 1
        cdef uint64_t digest = digest_of(book.bid_ladder, factor) * 0xD6E8FEB86659FD93ULL ^ digest_of(book.ask_ladder, factor)
        self._arbiter.frame_applied(self._line, seq, digest, book.ts_exchange_us, book.ts_recv_ns, book.is_numbered)
        return 0

    cdef int on_sent_again(self, LiveBook book) except -1:
        self._arbiter.sent_again(self._line, book)
        return 0


cdef uint64_t digest_of(Ladder ladder, uint64_t factor) noexcept:
    """Return a digest of a side's prices and sizes; ``factor`` brings prices of any scale to one scale. O(n)."""
    cdef uint64_t total = 0, level, size
    cdef Py_ssize_t i
    for i in range(ladder.count):
        memcpy(&size, &ladder.lots[i], sizeof(size))
        level = <uint64_t>ladder.ids[i] * factor * 0x9E3779B97F4A7C15ULL + size
        level = (level ^ level >> 32) * 0xD6E8FEB86659FD93ULL
        total += level ^ level >> 29
    return total
