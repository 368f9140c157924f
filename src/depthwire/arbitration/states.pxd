from libc.stdint cimport int64_t, uint64_t

from depthwire.feed.live_book cimport BookListener, LiveBook

cdef enum:
    REMEMBERED_BITS = 7
    REMEMBERED = 1 << REMEMBERED_BITS   # frames of a line that the other's are compared with
    LAG_BUCKETS = 26                    # up to 1 µs, 2 µs, 4 µs … 17 s, and all above


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
    bint is_only            # the line applied no other frame of this sequence


cdef class Strand:
    cdef LineTally tally
    cdef bint is_live
    cdef str reason         # why it is not
    cdef int64_t seq
    cdef int64_t ts_exchange_us
    cdef int64_t count      # of frames applied
    # Ordinals: the last frame of one mind with the other line, the last snapshot, the last step over a frame.
    cdef int64_t agreed_at
    cdef int64_t snapshot_at
    cdef int64_t stepped_at
    cdef int64_t restated   # snapshots, since it was of one mind, of a frame that it had applied
    cdef bint fell          # its sequence has started over
    cdef int waited         # frames in doubt that are newer than what readers see
    cdef Applied _applied[REMEMBERED]

    cdef Applied* _slot(self, int64_t seq) noexcept
    cdef Applied* find(self, int64_t seq) noexcept
    cdef Applied* note(self, int64_t seq, uint64_t digest, int64_t ts_recv_ns) noexcept
    cdef void forget(self) noexcept
    cdef str why(self)
    cdef bint in_doubt(self) noexcept


cdef class StateMerge:
    cdef Strand _first
    cdef Strand _second
    cdef int _source        # the line whose state readers see; -1: none
    cdef int64_t _seq       # of what readers see, or saw last
    cdef int64_t _ts_exchange_us
    cdef int _past          # frames that should have come behind it, by the venue's clock
    cdef bint _is_live      # whether they see any
    cdef bint _starts_over  # no line was LIVE: what comes first counts, whatever its sequence

    cdef Strand _strand(self, int line)
    cpdef took(
        self, int line, int64_t seq, uint64_t digest, int64_t ts_exchange_us, int64_t ts_recv_ns, bint is_numbered
    )
    cdef int _compare(self, int line, Applied* applied) except -1
    cdef int _judge(self, int line, Applied* applied, Applied* theirs) except -1
    cdef int _give(self, int line, bint is_told) except -1
    cdef int _lose(self) except -1
    cdef int _accuse(self, int line, str reason) except -1
    cdef int _accuse_all(self, tuple lines, str reason) except -1
    cdef int _fall_back(self, int line, bint is_wrong) except -1
    cdef bint _has_source(self) noexcept
    cdef bint _may_start_over(self) noexcept
    cdef bint _is_past(self, Strand strand) noexcept
    cdef bint _is_same(self, int64_t seq) noexcept

    # What subclasses do about it.
    cpdef show(self, int line, bint is_told)
    cpdef hide(self, str reason)
    cpdef accuse(self, int line, str reason)


cdef class BookMerge(StateMerge):
    cdef LiveBook _shown
    cdef object _on_accused
    cdef list _books

    cdef int sent_again(self, int line, LiveBook book) except -1


cdef class BookStrand(BookListener):
    cdef BookMerge _merge
    cdef int _line
