"""The order book: two ladders, the frames applied to them whole or not at all, and what can be read off them."""

from cpython.object cimport PyObject
from libc.math cimport isfinite
from libc.stdlib cimport qsort

from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN
from depthwire.book.arguments cimport MAX_LEVELS, clipped, shown, to_double, to_int64
from depthwire.book.ladder cimport (
    ASK,
    BID,
    DELETE,
    INSERT,
    NOTHING,
    REMOVE,
    SET,
    UPDATE,
    apply_changes,
)
from depthwire.book.ladder_inline cimport is_price_id, is_valid

from decimal import Context, Decimal, InvalidOperation

import numpy as np

from depthwire.errors import (
    BookNotLive,
    CrossedBook,
    DepthExceeded,
    DuplicateLevel,
    InsufficientDepth,
    InvalidLevel,
    OutOfSequence,
    SnapshotMissing,
    UnbalancedFrame,
    UnknownLevel,
)
from depthwire.book.types import BBO, BookSnapshot, BookState, DepthWithin, Level, Levels

EXACT = Context(prec=2 * MAX_DIGITS)    # the caller's own decimal context may round
cdef tuple STATES = (BookState.EMPTY, BookState.LIVE, BookState.STALE)
cdef tuple SIDES = ("Buy", "Sell")
cdef Py_ssize_t MOST_AT_FIRST = 256
cdef int SHOWN_LEVELS = 3


cdef class Book:
    """Book(symbol, depth=25, price_decimals=None)

    The order book of one symbol, ``depth`` levels a side at most.

    Prices are integers inside: ``price_id = price × 10**price_decimals``. The scale is learnt from the wire; give
    ``price_decimals`` where you apply levels of your own. Each snapshot from the wire sets the scale; one without levels
    leaves it unknown until the first level. The v2 dialects state each level's id and price, so their scale holds until
    the next snapshot. v5 states prices alone: a finer price raises the scale, and the price ids with it, exactly.

    ``cross_seq`` is the exchange's sequence over all its topics (v5: ``seq``), ``update_id`` numbers the frames of this
    book's topic (v5: ``u``; 0 on v2). ``ts_exchange_us`` is when the venue sent the frame (v2: ``timestamp_e6``, v5:
    ``ts``), ``ts_matching_us`` when its engine made it (v5: ``cts``; 0 on v2), both in µs since the epoch;
    ``ts_recv_ns`` is when it arrived here, in ns. ``version`` counts the frames that were applied.

    A book is EMPTY until its first snapshot, LIVE while every frame follows from the one before, and STALE from the
    moment one does not, or the connection is lost, until the next snapshot. Reading prices or sizes of a book that is
    not LIVE raises :class:`~depthwire.errors.BookNotLive`.

    A book belongs to the thread that applies frames to it. Other threads may read single values; what must belong
    together across threads is taken with :meth:`snapshot`.

    Running times are given for n levels a side.
    """

    def __init__(self, str symbol not None, depth=25, price_decimals=None):
        cdef int64_t levels = clipped(depth)
        if not 1 <= levels <= MAX_LEVELS:
            raise ValueError(f"depth must be 1 to 2**31 - 1, not {shown(depth)}")
        if price_decimals is not None and not 0 <= clipped(price_decimals) <= MAX_DIGITS:
            raise ValueError(f"price_decimals must be 0 to {MAX_DIGITS}, not {shown(price_decimals)}")
        self.symbol = symbol
        self.depth = levels
        self.status = EMPTY
        self.decimals = -1
        self.unit = 1.0
        if price_decimals is not None:
            self._learn(price_decimals)
        # A frame may add levels before it takes others away.
        self.bid_ladder = Ladder(False, min(levels + levels // 4 + 2, MOST_AT_FIRST))
        self.ask_ladder = Ladder(True, min(levels + levels // 4 + 2, MOST_AT_FIRST))

    # ---- applying frames

    def apply_snapshot(
        self, bids, asks, *, cross_seq=0, update_id=None, ts_exchange_us=0, ts_recv_ns=0
    ):
        """Replace all levels. ``bids`` and ``asks`` are iterables of (price_id, size), in any order. The book is LIVE.

        The book takes the numbers as they are given, whatever they were before: only a feed's books leave out snapshots
        that are late. With ``update_id`` the frames are numbered from here on.

        Raises DuplicateLevel, DepthExceeded, CrossedBook or InvalidLevel; then the levels are as they were and a LIVE
        book is STALE. O(n), O(n log n) where a side is not sorted.
        """
        cdef BookFrame frame = self._frame(True)
        cdef int64_t recv_ns = self._number("ts_recv_ns", ts_recv_ns)
        frame.is_numbered = update_id is not None
        frame.update_id = self._number("update_id", 0 if update_id is None else update_id)
        frame.cross_seq = self._number("cross_seq", cross_seq)
        frame.ts_exchange_us = self._number("ts_exchange_us", ts_exchange_us)
        for side, levels in enumerate((bids, asks)):
            for price_id, size in levels:
                self._add(frame, side, INSERT, price_id, size)
        if frame.count and self.decimals < 0:
            raise ValueError("the price scale is unknown: give price_decimals to Book(...)")
        self.apply(frame, recv_ns)

    def apply_delta(
        self, delete=(), update=(), insert=(), *, cross_seq=None, ts_exchange_us=None, ts_recv_ns=None
    ):
        """Apply one frame's changes: deletes, then updates, then inserts; all of them or none.

        ``delete`` holds (side, price_id), ``update`` and ``insert`` hold (side, price_id, size); side is "Buy" or "Sell".
        A number or time that is not given stays as it is, and is not checked.

        Raises UnknownLevel, DuplicateLevel, DepthExceeded, CrossedBook, UnbalancedFrame (a side with ``depth`` levels is
        left with fewer, which v2 never does), OutOfSequence or InvalidLevel; then the levels are as they were and a LIVE
        book is STALE. SnapshotMissing where the book is not LIVE, which leaves it as it is. O(k (log n + moved))
        for k changes, where moved is the distance to the best price.
        """
        cdef BookFrame frame = self._frame(False)
        frame.keeps_sides_full = True
        for side, price_id in delete:
            self._add(frame, side_index(side), DELETE, price_id, 0.0)
        for side, price_id, size in update:
            self._add(frame, side_index(side), UPDATE, price_id, size)
        for side, price_id, size in insert:
            self._add(frame, side_index(side), INSERT, price_id, size)
        self._apply_stated(frame, None, cross_seq, ts_exchange_us, ts_recv_ns)

    def apply_levels(
        self, bids=(), asks=(), *, update_id=None, cross_seq=None, ts_exchange_us=None, ts_recv_ns=None
    ):
        """Apply one frame of (price_id, size) pairs, in their order: a size of 0 removes a level, another one sets it.

        A level that is removed need not exist. ``update_id`` must be one more than the book's. A number or time that is
        not given stays as it is, and is not checked.

        Raises DepthExceeded, CrossedBook, OutOfSequence or InvalidLevel; then the levels are as they were and a LIVE
        book is STALE. SnapshotMissing where the book is not LIVE, which leaves it as it is. O(k (log n + moved)).
        """
        cdef BookFrame frame = self._frame(False)
        for side, levels in enumerate((bids, asks)):
            for price_id, size in levels:
                self._add(frame, side, SET if size else REMOVE, price_id, size)
        self._apply_stated(frame, update_id, cross_seq, ts_exchange_us, ts_recv_ns)

    def mark_stale(self, str reason not None):
        """Say that the book can no longer be trusted, and why. A client refetches its books. An EMPTY one stays EMPTY. O(1)."""
        self.go_stale(reason)

    cdef BookFrame _frame(self, bint is_snapshot):
        cdef BookFrame frame = BookFrame()
        frame.start(is_snapshot, self.decimals)
        return frame

    cdef int _apply_stated(
        self, BookFrame frame, object update_id, object cross_seq, object ts_exchange_us, object ts_recv_ns
    ) except -1:
        """Apply a delta whose numbers are those that are not None; the others stay the book's."""
        cdef bint was_numbered = self.is_numbered
        cdef int64_t recv_ns = self.ts_recv_ns if ts_recv_ns is None else self._number("ts_recv_ns", ts_recv_ns)
        frame.update_id = self.update_id if update_id is None else self._number("update_id", update_id)
        frame.cross_seq = self.cross_seq if cross_seq is None else self._number("cross_seq", cross_seq)
        if ts_exchange_us is None:
            frame.ts_exchange_us = self.ts_exchange_us
        else:
            frame.ts_exchange_us = self._number("ts_exchange_us", ts_exchange_us)
        frame.ts_matching_us = self.ts_matching_us
        self.is_numbered = update_id is not None
        try:
            self.apply(frame, recv_ns)
        finally:
            self.is_numbered = was_numbered
        return 0

    cdef int _add(self, BookFrame frame, int side, int action, object price_id, object size) except -1:
        cdef int64_t number
        cdef double amount = to_double(size)
        cdef LevelChange* change
        if not to_int64(price_id, &number):
            raise self._beyond("price id", price_id)
        change = frame.add(side, action)
        change.price_id = number
        change.size = amount
        return 0

    cdef int64_t _number(self, str name, object number) except? -1:
        """A frame's number or time; raises InvalidLevel where 64 bits do not hold it."""
        cdef int64_t value
        if not to_int64(number, &value):
            raise self._beyond(name, number)
        return value

    cdef object _beyond(self, str name, object number):
        """The error for a frame with a number that does not fit; a LIVE book is STALE."""
        error = InvalidLevel(f"{name} must fit int64, not {shown(number)}", self.symbol)
        self.go_stale(error.message)
        return error

    cdef int apply(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply a decoded frame, whole or not at all; raises what apply_snapshot and apply_delta raise."""
        cdef object refusal = self._load(frame) if frame.is_snapshot else self._change(frame)
        if refusal is not None:
            self.go_stale(refusal.message)
            raise refusal
        self.cross_seq = frame.cross_seq
        self.update_id = frame.update_id
        self.ts_exchange_us = frame.ts_exchange_us
        self.ts_matching_us = frame.ts_matching_us
        self.ts_recv_ns = ts_recv_ns
        self.version += 1
        if self.status != LIVE:
            self._enter(LIVE, None)
        return 0

    cdef object _change(self, BookFrame frame):
        """Apply a delta. Returns None, or the error that says why nothing was applied."""
        cdef Py_ssize_t i, count = frame.count
        cdef LevelChange* changes = frame.changes
        cdef object refusal
        cdef Ladder bids = self.bid_ladder, asks = self.ask_ladder
        cdef Py_ssize_t bids_before = bids.count, asks_before = asks.count, bids_after, asks_after
        cdef int64_t best_bid_id, best_ask_id
        cdef bint bids_are_short
        cdef PyObject* ladders[2]
        if not self._follows(frame):
            return self._why_not_following(frame)
        if frame.price_decimals != self.decimals:
            refusal = self._take_scale(frame.price_decimals)
            if refusal is not None:
                return refusal
        ladders[:] = [<PyObject*>bids, <PyObject*>asks]
        i = apply_changes(ladders, changes, count)
        bids_after, asks_after = bids.count, asks.count
        # A refused frame is taken back before its error is made: that runs Python, which a signal may interrupt.
        if i < count:
            self._take_back(changes, i)
            return self._why_refused(&changes[i])
        if bids_after > self.depth or asks_after > self.depth or is_crossed(bids, asks):
            best_bid_id, best_ask_id = self.best_id(BID), self.best_id(ASK)
            self._take_back(changes, count)
            return self._out_of_bounds(bids_after, asks_after, best_bid_id, best_ask_id)
        if frame.keeps_sides_full and max(bids_before - bids_after, asks_before - asks_after) > 0:
            bids_are_short = bids_before == self.depth > bids_after
            if bids_are_short or asks_before == self.depth > asks_after:
                self._take_back(changes, count)
                return self._unbalanced("bids", bids_after) if bids_are_short else self._unbalanced("asks", asks_after)
        return None

    cdef inline bint _follows(self, BookFrame frame) noexcept:
        """Whether a delta's numbers are those that come next."""
        if self.status != LIVE:
            return False
        if self.is_numbered:
            return frame.update_id == self.update_id + 1
        return frame.cross_seq >= self.cross_seq and frame.ts_exchange_us >= self.ts_exchange_us

    cdef bint is_late(self, BookFrame frame) noexcept:
        """Whether a LIVE book is where a delta was made, or beyond it, by all of the numbers that both have."""
        return (
            self.status == LIVE
            and frame.update_id <= self.update_id
            and frame.cross_seq <= self.cross_seq
            and frame.ts_exchange_us <= self.ts_exchange_us
        )

    cdef object _why_not_following(self, BookFrame frame):
        if self.status != LIVE:
            return SnapshotMissing(f"a delta came while the book is {STATES[self.status]}; it needs a snapshot", self.symbol)
        if self.is_numbered:
            return OutOfSequence(
                f"update {self.update_id} was followed by {frame.update_id}; each is one more than the one before", self.symbol
            )
        return OutOfSequence(
            f"cross_seq {self.cross_seq} at {self.ts_exchange_us} µs was followed by {frame.cross_seq} at "
            f"{frame.ts_exchange_us} µs; neither may fall",
            self.symbol,
        )

    cdef object _take_scale(self, int price_decimals):
        """State all levels at the scale of a frame. Returns None, or the error where a price id would not fit."""
        cdef int64_t factor
        if self.decimals >= 0:
            factor = POWERS_OF_TEN[price_decimals - self.decimals]
            if max(self.bid_ladder.highest_id(), self.ask_ladder.highest_id()) > POWERS_OF_TEN[MAX_DIGITS] // factor:
                return InvalidLevel(
                    f"a price of {price_decimals} decimals; with them the book's prices have more than {MAX_DIGITS} digits",
                    self.symbol,
                )
            self.bid_ladder.rescale(factor)
            self.ask_ladder.rescale(factor)
        self._learn(price_decimals)
        return None

    cdef void _take_back(self, LevelChange* changes, Py_ssize_t count) noexcept:
        """Undo the first ``count`` changes, last first: each holds what stood there before."""
        while count:
            count -= 1
            if changes[count].action != NOTHING:
                changes[count].action = INSERT - changes[count].action
                self.ladder(changes[count].side).apply(&changes[count])

    cdef object arrange(self, BookFrame frame):
        """Sort a snapshot's levels as ladders hold them. Returns None, or the error that says why they are no book."""
        cdef LevelChange* levels = frame.changes
        cdef Py_ssize_t i, bids = 0, count = frame.count
        while bids < count and levels[bids].side == BID:
            bids += 1
        worst_to_best(levels, bids)
        worst_to_best(levels + bids, count - bids)
        for i in range(1, count):
            if worst_first(&levels[i - 1], &levels[i]) > 0:
                qsort(levels, count, sizeof(LevelChange), worst_first)
                break
        bids = 0
        for i in range(count):
            if not is_valid(&levels[i]):
                return self._invalid(&levels[i])
            if i and levels[i].side == levels[i - 1].side and levels[i].price_id == levels[i - 1].price_id:
                return DuplicateLevel(f"{self._name(levels[i].price_id)} stands twice on a side of a snapshot", self.symbol)
            bids += levels[i].side == BID
        return self._out_of_bounds(
            bids,
            count - bids,
            levels[bids - 1].price_id if bids else 0,
            levels[count - 1].price_id if count > bids else 0,
        )

    cdef bint holds(self, BookFrame frame) noexcept:
        """Whether the book has exactly the levels of a snapshot that is arranged. O(n)."""
        cdef int64_t mine = 1, theirs = 1
        cdef Py_ssize_t i, at, bids = self.bid_ladder.count
        cdef Ladder ladder
        cdef LevelChange* level
        if frame.count != bids + self.ask_ladder.count:
            return False
        if frame.count and frame.price_decimals < self.decimals:
            theirs = POWERS_OF_TEN[self.decimals - frame.price_decimals]
        elif frame.count:
            mine = POWERS_OF_TEN[frame.price_decimals - self.decimals]
        for i in range(frame.count):
            level = &frame.changes[i]
            ladder = self.ladder(i >= bids)
            at = i - bids if i >= bids else i
            if level.side != (i >= bids) or level.size != ladder.lots[at]:
                return False
            # Ids at the coarser scale are compared, so that no product overflows.
            if ladder.ids[at] // theirs != level.price_id // mine or ladder.ids[at] % theirs or level.price_id % mine:
                return False
        return True

    cdef object _load(self, BookFrame frame):
        """Replace all levels by a snapshot's. Returns None, or the error that says why nothing was replaced."""
        cdef LevelChange* levels = frame.changes
        cdef Py_ssize_t i, bids = 0, count = frame.count
        cdef object refusal = self.arrange(frame)
        if refusal is not None:
            return refusal
        while bids < count and levels[bids].side == BID:
            bids += 1
        self.bid_ladder.reserve(bids)
        self.ask_ladder.reserve(count - bids)
        self.is_numbered = frame.is_numbered
        self._learn(frame.price_decimals)
        self.bid_ladder.empty()
        self.ask_ladder.empty()
        for i in range(count):
            self.ladder(levels[i].side).append(levels[i].price_id, levels[i].size)
        return None

    cdef object _out_of_bounds(self, Py_ssize_t bids, Py_ssize_t asks, int64_t best_bid_id, int64_t best_ask_id):
        if max(bids, asks) > self.depth:
            return DepthExceeded(
                f"{bids} bids and {asks} asks after the frame; the topic has {self.depth} levels a side", self.symbol
            )
        if bids and asks and best_bid_id >= best_ask_id:
            return CrossedBook(
                f"best bid {self._name(best_bid_id)} is not below best ask {self._name(best_ask_id)} after the frame",
                self.symbol,
            )
        return None

    cdef object _unbalanced(self, str side, Py_ssize_t after):
        return UnbalancedFrame(
            f"{after} {side} after the frame where the side was full with {self.depth}; a level that leaves a full side has "
            "another one in its place in the same frame, so one was lost",
            self.symbol,
        )

    cdef object _why_refused(self, LevelChange* change):
        """The error for a change that its ladder did not take."""
        cdef str side = "bid" if change.side == BID else "ask"
        if not is_valid(change) and (change.action > DELETE or not is_price_id(change.price_id)):
            return self._invalid(change)
        if change.action == INSERT:
            return DuplicateLevel(f"insert of {side} {self._name(change.price_id)}, which stands already", self.symbol)
        return UnknownLevel(
            f"{'delete' if change.action == DELETE else 'update'} of {side} {self._name(change.price_id)}, "
            "which is not in the book",
            self.symbol,
        )

    cdef object _invalid(self, LevelChange* change):
        return InvalidLevel(
            f"price id {change.price_id} with size {change.size!r}; a price id must be 1 to 10**{MAX_DIGITS}, "
            "a size finite and above 0",
            self.symbol,
        )

    cdef int _learn(self, int decimals) except -1:
        self.decimals = decimals
        self.unit = <double>POWERS_OF_TEN[max(decimals, 0)]
        return 0

    cdef str _name(self, int64_t price_id):
        return f"price id {price_id}" if self.decimals < 0 else f"price id {price_id} ({self.price(price_id):f})"

    cdef int go_stale(self, str reason) except -1:
        if self.status == LIVE:
            self._enter(STALE, reason)
        return 0

    cdef int _enter(self, State status, str reason) except -1:
        self.status = status
        self.stale_reason = reason
        return self.on_state_changed()

    cdef int on_state_changed(self) except -1:
        return 0

    # ---- state

    @property
    def state(self):
        """BookState.EMPTY, LIVE or STALE. O(1)."""
        return STATES[self.status]

    @property
    def price_decimals(self):
        """The price scale: price = price_id / 10**price_decimals. None until it is known. O(1)."""
        return None if self.decimals < 0 else self.decimals

    cdef int require_live(self) except -1:
        if self.status == LIVE:
            return 0
        is_over = getattr(self, "finished", False)  # of a feed's book
        if self.status == EMPTY:
            hint = "no frames come any more" if is_over else "wait for its first snapshot"
            raise BookNotLive(f"{self.symbol}: the book is EMPTY; {hint}")
        hint = "no frames come any more" if is_over else "it is LIVE again with its next snapshot"
        raise BookNotLive(f"{self.symbol}: the book is STALE: {self.stale_reason}; {hint}")

    # ---- top of book

    cdef inline Ladder ladder(self, int side):
        return self.ask_ladder if side else self.bid_ladder

    cdef inline int64_t best_id(self, int side) noexcept:
        cdef Ladder ladder = self.ladder(side)
        return ladder.ids[ladder.count - 1] if ladder.count else 0

    cdef inline double best_price(self, int side) noexcept:
        return self.best_id(side) / self.unit

    cdef bint _touch(self, int64_t* bid_id, int64_t* ask_id) noexcept:
        """Best bid and ask; False where a side is empty."""
        bid_id[0], ask_id[0] = self.best_id(BID), self.best_id(ASK)
        return bid_id[0] > 0 and ask_id[0] > 0

    @property
    def best_bid(self):
        """Highest bid price as a float, or None where there are no bids. O(1)."""
        self.require_live()
        return self.best_price(BID) if self.bid_ladder.count else None

    @property
    def best_ask(self):
        """Lowest ask price as a float, or None where there are no asks. O(1)."""
        self.require_live()
        return self.best_price(ASK) if self.ask_ladder.count else None

    @property
    def best_bid_id(self):
        """Highest bid's price id, or None where there are no bids. O(1)."""
        self.require_live()
        return self.bid_ladder.best_id

    @property
    def best_ask_id(self):
        """Lowest ask's price id, or None where there are no asks. O(1)."""
        self.require_live()
        return self.ask_ladder.best_id

    @property
    def bbo(self):
        """BBO(bid, bid_size, ask, ask_size), or None where a side is empty. O(1)."""
        cdef int64_t bid_id, ask_id
        self.require_live()
        if not self._touch(&bid_id, &ask_id):
            return None
        return BBO(
            bid_id / self.unit,
            self.bid_ladder.lots[self.bid_ladder.count - 1],
            ask_id / self.unit,
            self.ask_ladder.lots[self.ask_ladder.count - 1],
        )

    @property
    def mid(self):
        """Middle of best bid and best ask, or None where a side is empty. O(1)."""
        cdef int64_t bid_id, ask_id
        self.require_live()
        return (bid_id + ask_id) / (2 * self.unit) if self._touch(&bid_id, &ask_id) else None

    @property
    def spread(self):
        """Best ask less best bid, correctly rounded, or None where a side is empty. O(1)."""
        cdef int64_t bid_id, ask_id
        self.require_live()
        return (ask_id - bid_id) / self.unit if self._touch(&bid_id, &ask_id) else None

    @property
    def microprice(self):
        """Mid weighted by the opposite side's best size, or None where a side is empty. O(1).

        (bid × ask_size + ask × bid_size) / (bid_size + ask_size): nearer to the side that is about to be used up.
        """
        cdef int64_t bid_id, ask_id
        cdef double bid_size, ask_size
        self.require_live()
        if not self._touch(&bid_id, &ask_id):
            return None
        bid_size = self.bid_ladder.lots[self.bid_ladder.count - 1]
        ask_size = self.ask_ladder.lots[self.ask_ladder.count - 1]
        return (bid_id + (ask_id - bid_id) * (bid_size / (bid_size + ask_size))) / self.unit

    # ---- depth

    def imbalance(self, levels=1):
        """(bids - asks) / (bids + asks) of the sizes of the best ``levels``: 1.0 is all bids, -1.0 all asks. O(levels).

        None where both sides are empty. Raises ValueError where ``levels`` is below 1.
        """
        cdef double bids, asks
        cdef int64_t count = clipped(levels)
        self.require_live()
        if count < 1:
            raise ValueError(f"levels must be at least 1, not {shown(levels)}")
        bids, asks = size_of_best(self.bid_ladder, count), size_of_best(self.ask_ladder, count)
        return (bids - asks) / (bids + asks) if bids + asks > 0 else None

    def vwap(self, side, size):
        """Size-weighted average price of a market order: "Buy" takes asks, "Sell" takes bids. O(levels taken).

        The arithmetic average, Σ price × size / Σ size, on every kind of contract. The entry price that the exchange
        computes for an inverse contract is the harmonic one.

        Raises InsufficientDepth where the side holds less than ``size``, ValueError where ``size`` is not above 0.
        """
        cdef int64_t last_id
        cdef double wanted = to_double(size)
        self.require_live()
        return self._sweep(side, wanted, &last_id) / wanted / self.unit

    def sweep_price(self, side, size):
        """The last price that a market order of ``size`` reaches: "Buy" takes asks, "Sell" takes bids.

        Raises as :meth:`vwap` does. O(levels taken).
        """
        cdef int64_t last_id
        self.require_live()
        self._sweep(side, to_double(size), &last_id)
        return last_id / self.unit

    cdef double _sweep(self, object side, double size, int64_t* last_id) except? -1:
        """Σ price_id × size of the levels that a market order takes."""
        cdef Ladder ladder = self.ladder(1 - side_index(side))
        # Sizes are decimals in binary: what their sums leave over by rounding alone reaches no further level.
        cdef double left = size, paid = 0.0, rounding = size * 1e-12, taken
        cdef Py_ssize_t i = ladder.count
        if not (isfinite(size) and size > 0):
            raise ValueError(f"size must be finite and above 0, not {size!r}")
        while i and left > rounding:
            i -= 1
            taken = min(left, ladder.lots[i])
            paid += taken * ladder.ids[i]
            left -= taken
            last_id[0] = ladder.ids[i]
        if left > rounding:
            raise InsufficientDepth(
                f"{self.symbol}: a {side} of {size!r} takes more than the {size_of_best(ladder, ladder.count)!r} "
                f"that the book holds on {ladder.count} levels"
            )
        return paid

    def depth_within(self, bps):
        """DepthWithin(bid, ask): summed sizes at most ``bps`` basis points (1/10,000) from mid, bounds included.

        None where a side is empty. Raises ValueError where ``bps`` is negative or NaN. O(levels within).
        """
        cdef int64_t bid_id, ask_id
        cdef double reach, wanted = to_double(bps)
        self.require_live()
        if not wanted >= 0:
            raise ValueError(f"bps must be 0 or more, not {wanted!r}")
        if not self._touch(&bid_id, &ask_id):
            return None
        reach = (bid_id + ask_id) * wanted
        return DepthWithin(
            size_within(self.bid_ladder, bid_id + ask_id, reach), size_within(self.ask_ladder, bid_id + ask_id, reach)
        )

    def size_at(self, price):
        """The size at a price, 0.0 where there is no level; for what ``price`` may be see :meth:`price_id`. O(log n)."""
        return self.size_at_id(self.price_id(price))

    def size_at_id(self, price_id):
        """The size at a price id, 0.0 where there is no level. O(log n)."""
        self.require_live()
        return self.bid_ladder.size_at(price_id) or self.ask_ladder.size_at(price_id)

    # ---- prices

    def price_id(self, price):
        """The id of a price given as Decimal, str, int or float, numpy's too (a float means its shortest decimal text). O(1).

        Raises ValueError where the price is no number, is finer than the symbol's scale or does not fit, or while the
        scale is unknown.
        """
        if self.decimals < 0:
            raise ValueError(f"{self.symbol}: the price scale is unknown until the first snapshot")
        try:
            number = decimal_of(price)
        except (InvalidOperation, TypeError, ValueError):
            raise ValueError(f"{self.symbol}: {shown(price)} is not a price") from None
        if not number:
            return 0
        if not number.is_finite() or number < 0 or number.adjusted() > MAX_DIGITS:
            raise ValueError(f"{self.symbol}: {shown(price)} is not a price that fits")
        numerator, denominator = number.as_integer_ratio() if number.adjusted() >= -MAX_DIGITS else (1, 0)
        numerator *= POWERS_OF_TEN[self.decimals]
        if not denominator or numerator % denominator:
            raise ValueError(f"{self.symbol}: {shown(price)} is finer than the symbol's {self.decimals} decimals")
        price_id = numerator // denominator
        if price_id >= 1 << 63:
            raise ValueError(f"{self.symbol}: {shown(price)} is not a price that fits")
        return price_id

    def price(self, price_id):
        """Return the exact price of a price id, a Decimal. O(1).

        Raises ValueError while the scale is unknown or if ``price_id`` does not fit int64.
        """
        cdef int64_t number
        if self.decimals < 0:
            raise ValueError(f"{self.symbol}: the price scale is unknown until the first snapshot")
        if not to_int64(price_id, &number):
            raise ValueError(f"{self.symbol}: price_id must fit int64, not {shown(price_id)}")
        return EXACT.scaleb(Decimal(number), -self.decimals)

    # ---- all levels

    @property
    def bids(self):
        """Levels(price_ids, sizes), best first: read-only views of shape (n,), int64 and float64, without a copy. O(1).

        They show this moment and hold until the next frame is applied: use them inside the callback, or copy. Memory
        stays valid for as long as they are kept, but its content does not.
        """
        self.require_live()
        return Levels(self.bid_ladder.price_ids, self.bid_ladder.sizes)

    @property
    def asks(self):
        """As :attr:`bids`, for the asks. O(1)."""
        self.require_live()
        return Levels(self.ask_ladder.price_ids, self.ask_ladder.sizes)

    def to_numpy(self, levels=None):
        """(bids, asks), best first: float64 copies of shape (up to ``levels``, 2) with columns price, size. O(levels)."""
        self.require_live()
        if levels is not None and clipped(levels) < 0:
            raise ValueError(f"levels must be 0 or more, not {shown(levels)}")
        return tuple(
            np.column_stack((price_ids[:levels] / self.unit, sizes[:levels])) for price_ids, sizes in (self.bids, self.asks)
        )

    def __reduce_ex__(self, protocol):
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled; take book.snapshot()")

    def __len__(self):
        """The number of levels on both sides; of an EMPTY book 0. O(1)."""
        return self.bid_ladder.count + self.ask_ladder.count

    def __bool__(self):
        """A book is always true, also one without levels."""
        return True

    def __iter__(self):
        """Level(side, price, size) of a copy: bids, then asks, each best first. O(n)."""
        self.require_live()
        return iter(
            [
                Level(side, price, size)
                for side, levels in zip(SIDES, (self.bids, self.asks), strict=True)
                for price, size in zip((levels.price_ids / self.unit).tolist(), levels.sizes.tolist(), strict=True)
            ]
        )

    def snapshot(self, *, bint allow_stale=False):
        """A :class:`~depthwire.book.types.BookSnapshot`, a copy of everything, which may cross threads. O(n).

        ``allow_stale=True`` also takes a book that is EMPTY or STALE; the snapshot's ``state`` tells.
        """
        if not allow_stale:
            self.require_live()
        return BookSnapshot(
            symbol=self.symbol,
            state=self.state,
            stale_reason=self.stale_reason,
            price_decimals=self.price_decimals,
            cross_seq=self.cross_seq,
            update_id=self.update_id,
            ts_exchange_us=self.ts_exchange_us,
            ts_matching_us=self.ts_matching_us,
            ts_recv_ns=self.ts_recv_ns,
            version=self.version,
            bids=pairs(self.bid_ladder),
            asks=pairs(self.ask_ladder),
        )

    def __repr__(self):
        lines = [f"<{type(self).__name__} {self.symbol} {STATES[self.status]} cross_seq={self.cross_seq} version={self.version}"]
        if self.stale_reason is not None:
            lines[0] += f" reason={self.stale_reason!r}"
        if self.status == LIVE:
            lines[0] += f" levels={self.bid_ladder.count}x{self.ask_ladder.count}"
            shown = [
                (side, *level)
                for side, ladder in (("ask", self.ask_ladder), ("bid", self.bid_ladder))
                for level in (pairs(ladder)[:SHOWN_LEVELS][::-1] if side == "ask" else pairs(ladder)[:SHOWN_LEVELS])
            ]
            lines += [f"  {side}  {self.price(price_id):>14f}  {size:>14g}" for side, price_id, size in shown]
        return "\n".join(lines) + ">"

    def _check(self):
        """Assert the invariants of the book and its ladders. O(n)."""
        self.bid_ladder._check()
        self.ask_ladder._check()
        assert self.bid_ladder.count <= self.depth and self.ask_ladder.count <= self.depth
        if self.bid_ladder.count and self.ask_ladder.count:
            assert self.best_id(BID) < self.best_id(ASK)
        assert (self.stale_reason is not None) == (self.status == STALE)
        assert (self.version == 0) == (self.status == EMPTY)


cdef object decimal_of(object price):
    """A price as a Decimal. A float of whatever width means the shortest text that is this float."""
    if isinstance(price, float):
        return Decimal(float.__repr__(price))   # numpy's own names its type
    if isinstance(price, np.floating):
        return Decimal(str(price))
    return Decimal(int(price) if isinstance(price, np.integer) else price)


cdef inline bint is_crossed(Ladder bids, Ladder asks) noexcept:
    return bids.count > 0 and asks.count > 0 and bids.ids[bids.count - 1] >= asks.ids[asks.count - 1]


cdef void worst_to_best(LevelChange* levels, Py_ssize_t count) noexcept nogil:
    """Turn round a side that is written best first."""
    cdef Py_ssize_t i
    if count > 1 and worst_first(&levels[0], &levels[1]) > 0:
        for i in range(count // 2):
            levels[i], levels[count - 1 - i] = levels[count - 1 - i], levels[i]


cdef int worst_first(const void* left, const void* right) noexcept nogil:
    """Order of a snapshot's levels: all bids, then all asks, each with the best last as in a ladder."""
    cdef const LevelChange* a = <const LevelChange*>left
    cdef const LevelChange* b = <const LevelChange*>right
    if a.side != b.side:
        return a.side - b.side
    cdef int order = (a.price_id > b.price_id) - (a.price_id < b.price_id)
    return -order if a.side == ASK else order


cdef int side_index(object side) except -1:
    if side == "Buy":
        return BID
    if side == "Sell":
        return ASK
    raise ValueError(f'side must be "Buy" or "Sell", not {side!r}')


cdef double size_of_best(Ladder ladder, Py_ssize_t levels) noexcept:
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(ladder.count - min(levels, ladder.count), ladder.count):
        total += ladder.lots[i]
    return total


cdef double size_within(Ladder ladder, int64_t twice_mid, double reach) noexcept:
    """Summed size of the levels with |2 × price_id - twice_mid| × 10,000 <= reach; exact for ids below 2**53 / 20,000."""
    cdef double total = 0.0
    cdef Py_ssize_t i = ladder.count
    while i and abs(2 * ladder.ids[i - 1] - twice_mid) * 10_000.0 <= reach:
        i -= 1
        total += ladder.lots[i]
    return total


cdef tuple pairs(Ladder ladder):
    cdef Py_ssize_t i
    return tuple([(ladder.ids[i], ladder.lots[i]) for i in range(ladder.count - 1, -1, -1)])
