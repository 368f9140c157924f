from libc.stdint cimport int64_t

cimport cython

from depthwire.wire.decimal_text cimport DecimalText
from depthwire.book.ladder cimport LevelChange


@cython.final
cdef class BookFrame:
    cdef bint is_snapshot
    cdef bint keeps_sides_full      # a level that leaves a full side has one that takes its place in the same frame
    cdef int64_t cross_seq
    cdef int64_t ts_exchange_us
    cdef int64_t ts_matching_us     # 0: the dialect does not tell it
    cdef bint is_numbered           # whether update_id counts the topic's frames; a decoder sets it once
    cdef int64_t update_id          # one more than that of the frame before
    cdef int price_decimals         # scale of the frame's price ids; -1: no level told it
    cdef LevelChange* changes       # a delta's, in the order in which they are to be applied
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef void start(self, bint is_snapshot, int price_decimals) noexcept
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef bint set_price(self, LevelChange* change, const DecimalText* price) noexcept
    cdef bint _refine(self, int price_decimals) noexcept

    # Inline, since each level of each frame comes through here.
    cdef inline LevelChange* add(self, int side, int action) except NULL:
        """One more change, its price id and size still to be set. The pointer holds until the next call."""
        cdef LevelChange* change
        if self.count == self.capacity:
            self.reserve(self.count + 1)
        change = &self.changes[self.count]
        change.side = side
        change.action = action
        self.count += 1
        return change
