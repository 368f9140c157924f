# Measures over the two ladders of a book, for Cython. Prices are in units of price ids: divide by 10**price_decimals.

from libc.stdint cimport int64_t

from depthwire.book.ladder cimport Ladder


# The best bid and the best ask.
cdef struct Top:
    int64_t bid_id
    int64_t ask_id
    double bid_size
    double ask_size


# What a market order takes.
cdef struct Fill:
    double cost         # Σ price_id × size
    int64_t last_id     # the worst price id reached


cdef inline bint read_top(Ladder bids, Ladder asks, Top* top) noexcept nogil:
    """Read the best level of both sides; False if a side is empty. O(1)."""
    if not (bids.count and asks.count):
        return False
    top.bid_id, top.bid_size = bids.ids[bids.count - 1], bids.lots[bids.count - 1]
    top.ask_id, top.ask_size = asks.ids[asks.count - 1], asks.lots[asks.count - 1]
    return True


cdef inline double mid(const Top* top) noexcept nogil:
    """Return the mean of the best bid and the best ask."""
    return (top.bid_id + top.ask_id) / 2.0


cdef inline double microprice(const Top* top) noexcept nogil:
    """Return (bid × ask_size + ask × bid_size) / (bid_size + ask_size)."""
    return top.bid_id + (top.ask_id - top.bid_id) * (top.bid_size / (top.bid_size + top.ask_size))


cdef double total_size(Ladder ladder, Py_ssize_t levels) noexcept nogil
cdef double imbalance(Ladder bids, Ladder asks, Py_ssize_t levels) noexcept nogil
cdef double size_within(Ladder ladder, const Top* top, double bps) noexcept nogil
cdef bint fill(Ladder ladder, double size, Fill* filled) noexcept nogil
