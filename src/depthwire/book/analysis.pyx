"""Measures over the two ladders of a book, for Cython modules; from Python call the methods of a Book.

Prices are in units of price ids: divide by ``10**price_decimals``.
"""

from libc.math cimport NAN
from libc.stdlib cimport llabs


cdef double total_size(Ladder ladder, Py_ssize_t levels) noexcept nogil:
    """Return the total size of the best ``levels``, or of all if there are fewer. O(levels)."""
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(ladder.count - min(levels, ladder.count), ladder.count):
        total += ladder.lots[i]
    return total


cdef double imbalance(Ladder bids, Ladder asks, Py_ssize_t levels) noexcept nogil:
    """Return (bids - asks) / (bids + asks) of the sizes of the best ``levels``; NaN if both sides are empty. O(levels)."""
    cdef double bid_size = total_size(bids, levels), ask_size = total_size(asks, levels)
    return (bid_size - ask_size) / (bid_size + ask_size) if bid_size + ask_size > 0 else NAN


cdef double size_within(Ladder ladder, const Top* top, double bps) noexcept nogil:
    """Return the total size of the levels at most ``bps`` basis points from mid, bounds included. O(levels within).

    The bound is exact for price ids below 2**53 / 20,000.
    """
    cdef int64_t twice_mid = top.bid_id + top.ask_id
    cdef double reach = twice_mid * bps, total = 0.0
    cdef Py_ssize_t i = ladder.count
    while i and llabs(2 * ladder.ids[i - 1] - twice_mid) * 10_000.0 <= reach:
        i -= 1
        total += ladder.lots[i]
    return total


cdef bint fill(Ladder ladder, double size, Fill* filled) noexcept nogil:
    """Fill a market order of ``size`` from the best level on; False if the ladder holds less. O(levels taken)."""
    # Decimal sizes are inexact in binary: what rounding alone leaves over must not reach another level.
    cdef double left = size, rounding = size * 1e-12, taken
    cdef Py_ssize_t i = ladder.count
    filled.cost = 0.0
    while i and left > rounding:
        i -= 1
        taken = min(left, ladder.lots[i])
        filled.cost += taken * ladder.ids[i]
        left -= taken
        filled.last_id = ladder.ids[i]
    return left <= rounding
