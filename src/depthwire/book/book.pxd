from libc.stdint cimport int64_t, uint64_t

from depthwire.book.update cimport BookFrame
from depthwire.book.ladder cimport Ladder, LevelChange


cdef enum State:
    EMPTY = 0
    LIVE = 1
    STALE = 2


cdef class Book:
    cdef readonly str symbol
    cdef readonly Py_ssize_t depth
    cdef readonly int64_t cross_seq
    cdef readonly int64_t update_id         # 0 where the dialect does not number its frames
    cdef readonly int64_t ts_exchange_us
    cdef readonly int64_t ts_matching_us    # 0: the dialect does not tell it
    cdef readonly int64_t ts_recv_ns
    cdef readonly uint64_t version
    cdef readonly str stale_reason

    cdef State status
    cdef bint is_numbered           # whether update_id counts the topic's frames, as its last snapshot said
    cdef int decimals               # -1: not learnt yet
    cdef double unit                # 10**decimals: price = price_id / unit
    cdef Ladder bid_ladder
    cdef Ladder ask_ladder

    # What a strategy in Cython reads on its hot path. Valid while status == LIVE.
    cdef Ladder ladder(self, int side)                      # a side's levels, best at the tail
    cdef int64_t best_id(self, int side) noexcept           # 0: that side is empty
    cdef double best_price(self, int side) noexcept         # 0.0: that side is empty

    cdef int apply(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int go_stale(self, str reason) except -1
    cdef int on_state_changed(self) except -1               # a hook for subclasses

    cdef int require_live(self) except -1
    cdef object arrange(self, BookFrame frame)
    cdef bint holds(self, BookFrame frame) noexcept
    cdef object _load(self, BookFrame frame)
    cdef object _change(self, BookFrame frame)
    cdef bint is_late(self, BookFrame frame) noexcept
    cdef bint _follows(self, BookFrame frame) noexcept
    cdef object _why_not_following(self, BookFrame frame)
    cdef object _take_scale(self, int price_decimals)
    cdef void _take_back(self, LevelChange* changes, Py_ssize_t count) noexcept
    cdef object _unbalanced(self, str side, Py_ssize_t after)
    cdef object _why_refused(self, LevelChange* change)
    cdef object _invalid(self, LevelChange* change)
    cdef object _out_of_bounds(self, Py_ssize_t bids, Py_ssize_t asks, int64_t best_bid_id, int64_t best_ask_id)
    cdef int _enter(self, State status, str reason) except -1
    cdef int _learn(self, int decimals) except -1
    cdef str _name(self, int64_t price_id)
    cdef bint _touch(self, int64_t* bid_id, int64_t* ask_id) noexcept
    cdef double _sweep(self, object side, double size, int64_t* last_id) except? -1
    cdef int _apply_stated(self, BookFrame frame, object update_id, object cross_seq, object ts_exchange_us, object ts_recv_ns) except -1
    cdef int64_t _number(self, str name, object number) except? -1
    cdef object _beyond(self, str name, object number)
    cdef BookFrame _frame(self, bint is_snapshot)
    cdef int _add(self, BookFrame frame, int side, int action, object price_id, object size) except -1
