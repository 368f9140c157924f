from libc.stdint cimport int64_t, uint64_t

from depthwire.feed.live_book cimport BookListener, LiveBook

cdef enum:
    REMEMBERED_BITS = 7
    REMEMBERED = 1 << REMEMBERED_BITS   # the latest frames of a line, kept to compare with the other line's
    LAG_BUCKETS = 26                    # up to 1 µs, 2 µs, 4 µs … 17 s, and longer


cdef class LineTally:
    cdef public uint64_t wins
    cdef public uint64_t losses
    cdef public uint64_t gaps
    cdef uint64_t _lags[LAG_BUCKETS]

    cdef void _late(self, int64_t by_ns) noexcept


# A frame that a line applied.
cdef struct Applied:
    int64_t ordinal         # counted per line from 1; 0: no frame
    int64_t seq
    int64_t ts_recv_ns
    uint64_t digest         # of the whole state after it
    bint is_only            # the line applied no other frame with this sequence


cdef class LineState:
    cdef LineTally tally
    cdef bint is_live
    cdef str reason         # why it is not LIVE
    cdef int64_t seq
    cdef int64_t ts_exchange_us
    cdef int64_t count      # of frames applied
    # Ordinals of the last frame on which both lines agreed, the last snapshot, and the last frame after a skip.
    cdef int64_t agreed_at
    cdef int64_t snapshot_at
    cdef int64_t skipped_at
    cdef int64_t repeated   # snapshots of a frame that it had applied already, since both lines agreed
    cdef bint has_restarted # its sequence has started over
    cdef int waited         # frames in doubt that are newer than what readers see
    cdef Applied _applied[REMEMBERED]

    cdef Applied* _slot(self, int64_t seq) noexcept
    cdef Applied* find(self, int64_t seq) noexcept
    cdef Applied* remember(self, int64_t seq, uint64_t digest, int64_t ts_recv_ns) noexcept
    cdef void forget(self) noexcept
    cdef str why_hidden(self)
    cdef bint in_doubt(self) noexcept


cdef class StateArbiter:
    cdef LineState _first
    cdef LineState _second
    cdef int _source        # the line whose state readers see; -1: none
    cdef int64_t _seq       # of the state that readers see, or saw last
    cdef int64_t _ts_exchange_us
    cdef int _past          # frames that are newer by the venue's clock, but not by their sequence
    cdef bint _is_live      # whether readers see any state
    cdef bint _starts_over  # no line was LIVE: show the first state, whatever its sequence

    cdef LineState _state_of(self, int line)
    cpdef frame_applied(
        self, int line, int64_t seq, uint64_t digest, int64_t ts_exchange_us, int64_t ts_recv_ns, bint is_numbered
    )
    cdef int _compare(self, int line, Applied* applied) except -1
    cdef int _judge(self, int line, Applied* applied, Applied* theirs) except -1
    cdef int _switch_to(self, int line, bint notify) except -1
    cdef int _lose(self) except -1
    cdef int _refetch(self, int line, str reason) except -1
    cdef int _refetch_all(self, tuple lines, str reason) except -1
    cdef int _fall_back(self, int line, bint is_wrong) except -1
    cdef bint _has_source(self) noexcept
    cdef bint _may_start_over(self) noexcept
    cdef bint _is_past(self, LineState state) noexcept
    cdef bint _are_equal(self, int64_t seq) noexcept

    # Implemented by subclasses.
    cpdef show(self, int line, bint notify)
    cpdef hide(self, str reason)
    cpdef refetch(self, int line, str reason)


cdef class BookArbiter(StateArbiter):
    cdef LiveBook _shown
    cdef object _on_refetch
    cdef list _books

    cdef int sent_again(self, int line, LiveBook book) except -1


cdef class LineBookListener(BookListener):
    cdef BookArbiter _arbiter
    cdef int _line
