from libc.stdint cimport int64_t

cimport cython

from depthwire.wire.decimal_text cimport DecimalText
from depthwire.book.ladder cimport LevelChange


@cython.final
cdef class BookFrame:
    cdef bint is_snapshot
    cdef bint keeps_sides_full      # each level that leaves a full side is replaced in the same frame
    cdef int64_t cross_seq
    cdef int64_t ts_exchange_us
    cdef int64_t ts_matching_us     # 0 if the dialect does not send it
    cdef bint is_numbered           # whether update_id counts the topic's frames; set once, by a decoder
    cdef int64_t update_id          # the previous frame's plus 1
    cdef int price_decimals         # the scale of the frame's price ids; -1: unknown, there was no level
    cdef LevelChange* changes       # in the order in which they apply
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef void start(self, bint is_snapshot, int price_decimals) noexcept
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef bint set_price(self, LevelChange* change, const DecimalText* price) noexcept
    cdef bint _refine(self, int price_decimals) noexcept
    cdef Py_ssize_t sort_levels(self) noexcept
    cdef Py_ssize_t _leading_bids(self) noexcept

    # Inline, because it runs for every level.
    cdef inline LevelChange* add(self, int side, int action) except NULL:
        """Add a change. Its price id and size are not set yet. The pointer is valid until the next call."""
        cdef LevelChange* change
        if self.count == self.capacity:
            self.reserve(self.count + 1)
        change = &self.changes[self.count]
        change.side = side
        change.action = action
        self.count += 1
        return change
