from libc.stdint cimport int64_t, uint64_t

from depthwire.book.analysis cimport Fill
from depthwire.book.ladder cimport Ladder, LevelChange
from depthwire.book.update cimport BookFrame


cdef enum State:
    EMPTY = 0
    LIVE = 1
    STALE = 2


cdef class Book:
    cdef readonly str symbol
    cdef readonly Py_ssize_t depth
    cdef readonly int64_t cross_seq
    cdef readonly int64_t update_id         # 0 if the dialect does not number its frames
    cdef readonly int64_t ts_exchange_us
    cdef readonly int64_t ts_matching_us    # 0 if the dialect does not send it
    cdef readonly int64_t ts_recv_ns
    cdef readonly uint64_t version
    cdef readonly str stale_reason

    cdef State status
    cdef bint is_numbered           # whether update_id counts the topic's frames; set by each snapshot
    cdef int decimals               # the price scale; -1: unknown
    cdef double unit                # 10**decimals: price = price_id / unit
    cdef Ladder bid_ladder
    cdef Ladder ask_ladder

    # For strategies in Cython. Valid while status == LIVE.
    cdef Ladder ladder(self, int side)                      # the levels of a side, best at the tail
    cdef int64_t best_id(self, int side) noexcept           # 0 if that side is empty
    cdef double best_price(self, int side) noexcept         # 0.0 if that side is empty

    # For the feed.
    cdef int apply(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int go_stale(self, str reason) except -1
    cdef int on_state_changed(self) except -1               # a hook for subclasses
    cdef int require_live(self) except -1
    cdef object arrange(self, BookFrame frame)
    cdef bint holds(self, BookFrame frame) noexcept
    cdef bint is_late(self, BookFrame frame) noexcept

    cdef object _load(self, BookFrame frame)
    cdef object _change(self, BookFrame frame)
    cdef bint _follows(self, BookFrame frame) noexcept
    cdef object _sequence_error(self, BookFrame frame)
    cdef object _rescale(self, int price_decimals)
    cdef void _roll_back(self, LevelChange* changes, Py_ssize_t count) noexcept
    cdef object _change_error(self, LevelChange* change)
    cdef object _balance_error(self, Py_ssize_t after, bint is_bids)
    cdef object _bounds_error(self, Py_ssize_t bids, Py_ssize_t asks, int64_t best_bid_id, int64_t best_ask_id)
    cdef int _enter(self, State status, str reason) except -1
    cdef int _set_scale(self, int decimals) except -1
    cdef str _name(self, int64_t price_id)
    cdef int _fill(self, object side, double size, Fill* filled) except -1
    cdef int _apply_stated(self, BookFrame frame, object update_id, object cross_seq, object ts_exchange_us, object ts_recv_ns) except -1
    cdef int64_t _number(self, str name, object number) except? -1
    cdef object _beyond(self, str name, object number)
    cdef BookFrame _frame(self, bint is_snapshot)
    cdef int _add(self, BookFrame frame, int side, int action, object price_id, object size) except -1
