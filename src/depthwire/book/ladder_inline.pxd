# What the package inlines of a ladder and its levels. It needs the package's C headers, so no public .pxd file cimports it.

from libc.math cimport isfinite
from libc.stdint cimport int64_t

from depthwire.book.ladder cimport Ladder, LevelChange
from depthwire.book.parallel_arrays cimport prefetch_tail
from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN


cdef inline void prefetch_best(Ladder ladder) noexcept nogil:
    """Prefetch the best levels while the frame that changes them is read: many other books may be in use. O(1)."""
    prefetch_tail(ladder.ids, ladder.lots, ladder.count)


cdef inline bint is_price_id(int64_t number) noexcept nogil:
    """Whether a number may be a price id; the sum of two still fits int64."""
    return 0 < number <= POWERS_OF_TEN[MAX_DIGITS]


cdef inline bint is_valid(const LevelChange* level) noexcept nogil:
    return is_price_id(level.price_id) and level.size > 0 and isfinite(level.size)
