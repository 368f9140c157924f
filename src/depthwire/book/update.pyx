"""The content of one order-book frame as plain numbers, passed from a scanner or decoder to a book."""

from libc.stdlib cimport qsort

from cpython.mem cimport PyMem_Free, PyMem_Realloc

from depthwire.book.ladder cimport ASK, BID
from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN, scaled


cdef class BookFrame:
    """Memory for the level changes of one frame, reused for each frame. It grows by doubling."""

    def __dealloc__(self):
        PyMem_Free(self.changes)

    cdef void start(self, bint is_snapshot, int price_decimals) noexcept:
        """Begin a new frame and discard the previous one."""
        self.is_snapshot = is_snapshot
        self.keeps_sides_full = False
        self.price_decimals = price_decimals
        self.cross_seq = self.ts_exchange_us = self.ts_matching_us = self.update_id = 0
        self.count = 0

    cdef bint set_price(self, LevelChange* change, const DecimalText* price) noexcept:
        """Set a change's price id from its price. A price with more decimals raises the frame's scale. O(1).

        Return False if the price is 0, or if no scale fits both it and the frame's other prices.
        """
        if self.price_decimals < 0:
            self.price_decimals = price.decimals
        if scaled(price, self.price_decimals, &change.price_id):
            return price.mantissa > 0
        change.price_id = 0
        return (
            price.decimals > self.price_decimals
            and self._refine(price.decimals)
            and scaled(price, self.price_decimals, &change.price_id)
        )

    cdef bint _refine(self, int price_decimals) noexcept:
        """Convert the changes so far to a finer scale. Return False, and change nothing, if a price id would not fit."""
        cdef Py_ssize_t i
        cdef int64_t factor = POWERS_OF_TEN[price_decimals - self.price_decimals]
        for i in range(self.count):
            if self.changes[i].price_id > POWERS_OF_TEN[MAX_DIGITS] // factor:
                return False
        for i in range(self.count):
            self.changes[i].price_id *= factor
        self.price_decimals = price_decimals
        return True

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for ``capacity`` changes and keep the existing ones."""
        cdef Py_ssize_t grown = self.capacity or 64
        cdef void* memory
        if capacity <= self.capacity:
            return 0
        while grown < capacity:
            grown *= 2
        memory = PyMem_Realloc(self.changes, grown * sizeof(LevelChange))
        if memory == NULL:
            raise MemoryError
        self.changes = <LevelChange*>memory
        self.capacity = grown
        return 0

    cdef Py_ssize_t sort_levels(self) noexcept:
        """Sort a snapshot's levels as ladders hold them: bids, then asks, each worst first. Return the number of bids.

        O(n) if each side is sorted, in either direction, else O(n log n).
        """
        cdef Py_ssize_t i, bids = self._leading_bids()
        reverse_if_best_first(self.changes, bids)
        reverse_if_best_first(self.changes + bids, self.count - bids)
        for i in range(1, self.count):
            if compare(&self.changes[i - 1], &self.changes[i]) > 0:
                qsort(self.changes, self.count, sizeof(LevelChange), compare)
                return self._leading_bids()
        return bids

    cdef Py_ssize_t _leading_bids(self) noexcept:
        cdef Py_ssize_t bids = 0
        while bids < self.count and self.changes[bids].side == BID:
            bids += 1
        return bids


cdef void reverse_if_best_first(LevelChange* levels, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    if count > 1 and compare(&levels[0], &levels[1]) > 0:
        for i in range(count // 2):
            levels[i], levels[count - 1 - i] = levels[count - 1 - i], levels[i]


cdef int compare(const void* left, const void* right) noexcept nogil:
    """Compare two levels: bids come before asks, and on each side the worse level comes first."""
    cdef const LevelChange* a = <const LevelChange*>left
    cdef const LevelChange* b = <const LevelChange*>right
    if a.side != b.side:
        return a.side - b.side
    cdef int order = (a.price_id > b.price_id) - (a.price_id < b.price_id)
    return -order if a.side == ASK else order
