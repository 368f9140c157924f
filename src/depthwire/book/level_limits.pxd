# Which price ids and sizes a level may have. Inline, because every level of every frame is checked. Needs the package's C
# headers, so no public .pxd file cimports it.

from libc.math cimport isfinite
from libc.stdint cimport int64_t

from depthwire.book.ladder cimport LevelChange
from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN


cdef inline bint is_price_id(int64_t number) noexcept nogil:
    """Return whether a number may be a price id. The sum of two of them fits int64."""
    return 0 < number <= POWERS_OF_TEN[MAX_DIGITS]


cdef inline bint is_valid(const LevelChange* level) noexcept nogil:
    """Return whether a level has a valid price id and a size that is finite and above 0."""
    return is_price_id(level.price_id) and level.size > 0 and isfinite(level.size)
