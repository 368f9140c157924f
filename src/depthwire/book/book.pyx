"""The order book: two ladders and the rules by which a frame is applied to them, completely or not at all."""

from cpython.object cimport PyObject
from libc.math cimport isfinite, isnan

from depthwire.book cimport analysis
from depthwire.book.analysis cimport Fill, Top, read_top
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
from depthwire.book.level_limits cimport is_price_id, is_valid
from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN

from decimal import Decimal, InvalidOperation

import numpy as np

from depthwire.book import refusals
from depthwire.book.refusals import EXACT
from depthwire.book.types import BBO, BookSnapshot, BookState, DepthWithin, Level, Levels

cdef tuple STATES = (BookState.EMPTY, BookState.LIVE, BookState.STALE)
cdef tuple SIDES = ("Buy", "Sell")
cdef Py_ssize_t MAX_INITIAL_CAPACITY = 256
cdef int SHOWN_LEVELS = 3


cdef class Book:
    """Book(symbol, depth=25, price_decimals=None)

    The order book of one symbol, with at most ``depth`` price levels on each side.

    ``depth`` is 1 to 2**31 - 1, ``price_decimals`` 0 to 18. Raises ValueError outside these ranges, TypeError for numbers
    that are not integers.

    A price level is keyed by an integer: ``price_id = price × 10**price_decimals``. Frames from the wire set this scale.
    Give ``price_decimals`` if you apply levels yourself. Each snapshot from the wire sets the scale again; an empty one
    leaves it unknown until the first level. The v2 dialects send the id and the price of each level, so their scale lasts
    until the next snapshot. v5 sends prices only: a price with more decimals raises the scale and rescales all price ids,
    exactly.

    ``cross_seq`` is the exchange's sequence number across topics (v5: ``seq``). ``update_id`` counts the frames of this
    book's topic (v5: ``u``; 0 on v2). Times are since the epoch: ``ts_exchange_us`` is when the venue sent the frame (µs;
    v2: ``timestamp_e6``, v5: ``ts``), ``ts_matching_us`` when its matching engine produced it (µs; v5: ``cts``; 0 on v2),
    ``ts_recv_ns`` when it arrived here (ns). ``version`` counts the applied frames.

    A book is EMPTY until its first snapshot and LIVE while each frame follows the one before. A gap, an invalid frame or a
    lost connection makes it STALE until the next snapshot. Reading prices or sizes of a book that is not LIVE raises
    :class:`~depthwire.errors.BookNotLive`.

    A book belongs to the thread that applies frames to it. Other threads may read single values; use :meth:`snapshot` for
    values that must be consistent with each other.

    Running times are for n levels a side.
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
            self._set_scale(price_decimals)
        # A frame may insert levels before it deletes others.
        self.bid_ladder = Ladder(False, min(levels + levels // 4 + 2, MAX_INITIAL_CAPACITY))
        self.ask_ladder = Ladder(True, min(levels + levels // 4 + 2, MAX_INITIAL_CAPACITY))

    # ---- applying frames

    def apply_snapshot(
        self, bids, asks, *, cross_seq=0, update_id=None, ts_exchange_us=0, ts_recv_ns=0
    ):
        """Replace all levels. The book becomes LIVE.

        ``bids`` and ``asks`` are iterables of (price_id, size), in any order. Numbers and times may be lower than the
        book's: only the books of a feed skip late snapshots. If ``update_id`` is given, each later frame must carry the
        next one.

        Raises DuplicateLevel, DepthExceeded, CrossedBook or InvalidLevel; the levels do not change and a LIVE book becomes
        STALE. Raises ValueError while the price scale is unknown, TypeError for a number of the wrong type; the book does
        not change. O(n) if the sides are sorted, else O(n log n).
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
            raise ValueError("the price scale is unknown: pass price_decimals to Book(...)")
        self.apply(frame, recv_ns)

    def apply_delta(
        self, delete=(), update=(), insert=(), *, cross_seq=None, ts_exchange_us=None, ts_recv_ns=None
    ):
        """Apply one frame of a v2 dialect: deletes, then updates, then inserts; all of them or none.

        ``delete`` holds (side, price_id), ``update`` and ``insert`` hold (side, price_id, size). A side is "Buy" or "Sell".
        A number or time that is not given keeps its value and is not checked.

        Raises UnknownLevel, DuplicateLevel, DepthExceeded, CrossedBook, UnbalancedFrame (a side with ``depth`` levels
        would have fewer, which v2 never sends), OutOfSequence or InvalidLevel; the levels do not change and a LIVE book
        becomes STALE. Raises SnapshotMissing if the book is not LIVE, ValueError for another side, TypeError for a number
        of the wrong type; the book does not change. O(k (log n + d)) for k changes at most d levels from the best price.
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
        """Apply one frame of v5: (price_id, size) pairs in order; a size of 0 removes the level, another size sets it.

        A level to remove need not exist. ``update_id`` must be the book's plus 1. A number or time that is not given keeps
        its value and is not checked.

        Raises DepthExceeded, CrossedBook, OutOfSequence or InvalidLevel; the levels do not change and a LIVE book becomes
        STALE. Raises SnapshotMissing if the book is not LIVE, TypeError for a number of the wrong type; the book does not
        change. O(k (log n + d)) for k changes at most d levels from the best price.
        """
        cdef BookFrame frame = self._frame(False)
        for side, levels in enumerate((bids, asks)):
            for price_id, size in levels:
                self._add(frame, side, SET if size else REMOVE, price_id, size)
        self._apply_stated(frame, update_id, cross_seq, ts_exchange_us, ts_recv_ns)

    def mark_stale(self, str reason not None):
        """Make a LIVE book STALE and state the reason. A client refetches its books. EMPTY and STALE books do not change. O(1)."""
        self.go_stale(reason)

    cdef BookFrame _frame(self, bint is_snapshot):
        cdef BookFrame frame = BookFrame()
        frame.start(is_snapshot, self.decimals)
        return frame

    cdef int _apply_stated(
        self, BookFrame frame, object update_id, object cross_seq, object ts_exchange_us, object ts_recv_ns
    ) except -1:
        """Apply a delta. Numbers and times that are None keep the book's value."""
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
        """Return a frame's number or time. Raises InvalidLevel if it does not fit int64."""
        cdef int64_t value
        if not to_int64(number, &value):
            raise self._beyond(name, number)
        return value

    cdef object _beyond(self, str name, object number):
        """Make a LIVE book STALE for a number that does not fit int64, and return the error."""
        error = refusals.beyond_int64(self.symbol, name, shown(number))
        self.go_stale(error.message)
        return error

    cdef int apply(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply a decoded frame, completely or not at all. Raises what the public ``apply`` methods raise."""
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
        """Apply a delta. Return None, or the error if nothing was applied."""
        cdef Py_ssize_t i, count = frame.count
        cdef LevelChange* changes = frame.changes
        cdef object refusal
        cdef Ladder bids = self.bid_ladder, asks = self.ask_ladder
        cdef Py_ssize_t bids_before = bids.count, asks_before = asks.count, bids_after, asks_after
        cdef int64_t best_bid_id, best_ask_id
        cdef bint bids_are_short
        cdef PyObject* ladders[2]
        if not self._follows(frame):
            return self._sequence_error(frame)
        if frame.price_decimals != self.decimals:
            refusal = self._rescale(frame.price_decimals)
            if refusal is not None:
                return refusal
        ladders[:] = [<PyObject*>bids, <PyObject*>asks]
        i = apply_changes(ladders, changes, count)
        bids_after, asks_after = bids.count, asks.count
        # Roll back before the error is made: that runs Python code, which a signal handler may interrupt.
        if i < count:
            self._roll_back(changes, i)
            return self._change_error(&changes[i])
        if bids_after > self.depth or asks_after > self.depth or is_crossed(bids, asks):
            best_bid_id, best_ask_id = self.best_id(BID), self.best_id(ASK)
            self._roll_back(changes, count)
            return self._bounds_error(bids_after, asks_after, best_bid_id, best_ask_id)
        if frame.keeps_sides_full and max(bids_before - bids_after, asks_before - asks_after) > 0:
            bids_are_short = bids_before == self.depth > bids_after
            if bids_are_short or asks_before == self.depth > asks_after:
                self._roll_back(changes, count)
                return self._balance_error(bids_after if bids_are_short else asks_after, bids_are_short)
        return None

    cdef inline bint _follows(self, BookFrame frame) noexcept:
        """Return whether a delta's numbers follow the book's."""
        if self.status != LIVE:
            return False
        if self.is_numbered:
            return frame.update_id == self.update_id + 1
        return frame.cross_seq >= self.cross_seq and frame.ts_exchange_us >= self.ts_exchange_us

    cdef bint is_late(self, BookFrame frame) noexcept:
        """Return whether no number or time of a delta is above those of this LIVE book."""
        return (
            self.status == LIVE
            and frame.update_id <= self.update_id
            and frame.cross_seq <= self.cross_seq
            and frame.ts_exchange_us <= self.ts_exchange_us
        )

    cdef object _sequence_error(self, BookFrame frame):
        if self.status != LIVE:
            return refusals.snapshot_missing(self.symbol, STATES[self.status])
        if self.is_numbered:
            return refusals.update_id_gap(self.symbol, self.update_id, frame.update_id)
        return refusals.sequence_decreased(
            self.symbol, (self.cross_seq, self.ts_exchange_us), (frame.cross_seq, frame.ts_exchange_us)
        )

    cdef object _rescale(self, int price_decimals):
        """Convert all levels to the scale of a frame. Return None, or the error if a price id would not fit."""
        cdef int64_t factor
        if self.decimals >= 0:
            factor = POWERS_OF_TEN[price_decimals - self.decimals]
            if max(self.bid_ladder.highest_id(), self.ask_ladder.highest_id()) > POWERS_OF_TEN[MAX_DIGITS] // factor:
                return refusals.too_fine(self.symbol, price_decimals)
            self.bid_ladder.rescale(factor)
            self.ask_ladder.rescale(factor)
        self._set_scale(price_decimals)
        return None

    cdef void _roll_back(self, LevelChange* changes, Py_ssize_t count) noexcept:
        """Undo the first ``count`` changes, last first. Each holds the size that it replaced."""
        while count:
            count -= 1
            if changes[count].action != NOTHING:
                changes[count].action = INSERT - changes[count].action
                self.ladder(changes[count].side).apply(&changes[count])

    cdef object arrange(self, BookFrame frame):
        """Sort a snapshot's levels as ladders hold them. Return None, or the error if they are not a valid book."""
        cdef LevelChange* levels = frame.changes
        cdef Py_ssize_t i, count = frame.count, bids = frame.sort_levels()
        for i in range(count):
            if not is_valid(&levels[i]):
                return refusals.invalid_level(self.symbol, levels[i].price_id, levels[i].size)
            if i and levels[i].side == levels[i - 1].side and levels[i].price_id == levels[i - 1].price_id:
                return refusals.repeated_level(self.symbol, self._name(levels[i].price_id))
        return self._bounds_error(
            bids,
            count - bids,
            levels[bids - 1].price_id if bids else 0,
            levels[count - 1].price_id if count > bids else 0,
        )

    cdef bint holds(self, BookFrame frame) noexcept:
        """Return whether the book has exactly the levels of an arranged snapshot. O(n)."""
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
            # Compare at the coarser scale, so that no product overflows.
            if ladder.ids[at] // theirs != level.price_id // mine or ladder.ids[at] % theirs or level.price_id % mine:
                return False
        return True

    cdef object _load(self, BookFrame frame):
        """Replace all levels with a snapshot's. Return None, or the error if nothing was replaced."""
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
        self._set_scale(frame.price_decimals)
        self.bid_ladder.remove_all()
        self.ask_ladder.remove_all()
        for i in range(count):
            self.ladder(levels[i].side).append(levels[i].price_id, levels[i].size)
        return None

    cdef object _bounds_error(self, Py_ssize_t bids, Py_ssize_t asks, int64_t best_bid_id, int64_t best_ask_id):
        """Return the error of a book that would be too deep or crossed, or None."""
        if max(bids, asks) > self.depth:
            return refusals.too_deep(self.symbol, bids, asks, self.depth)
        if bids and asks and best_bid_id >= best_ask_id:
            return refusals.crossed(self.symbol, self._name(best_bid_id), self._name(best_ask_id))
        return None

    cdef object _balance_error(self, Py_ssize_t after, bint is_bids):
        return refusals.unbalanced(self.symbol, "bids" if is_bids else "asks", after, self.depth)

    cdef object _change_error(self, LevelChange* change):
        """Return the error for a change that its ladder refused."""
        cdef str side = "bid" if change.side == BID else "ask"
        if not is_valid(change) and (change.action > DELETE or not is_price_id(change.price_id)):
            return refusals.invalid_level(self.symbol, change.price_id, change.size)
        if change.action == INSERT:
            return refusals.existing_level(self.symbol, side, self._name(change.price_id))
        action = "delete" if change.action == DELETE else "update"
        return refusals.unknown_level(self.symbol, action, side, self._name(change.price_id))

    cdef int _set_scale(self, int decimals) except -1:
        self.decimals = decimals
        self.unit = <double>POWERS_OF_TEN[max(decimals, 0)]
        return 0

    cdef str _name(self, int64_t price_id):
        return refusals.named(price_id, self.decimals)

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
        # Only the books of a feed can be finished.
        raise refusals.not_live(self.symbol, STATES[self.status], self.stale_reason, getattr(self, "finished", False))

    # ---- top of book

    cdef inline Ladder ladder(self, int side):
        return self.ask_ladder if side else self.bid_ladder

    cdef inline int64_t best_id(self, int side) noexcept:
        cdef Ladder ladder = self.ladder(side)
        return ladder.ids[ladder.count - 1] if ladder.count else 0

    cdef inline double best_price(self, int side) noexcept:
        return self.best_id(side) / self.unit

    @property
    def best_bid(self):
        """Highest bid price as a float, or None if there are no bids. O(1)."""
        self.require_live()
        return self.best_price(BID) if self.bid_ladder.count else None

    @property
    def best_ask(self):
        """Lowest ask price as a float, or None if there are no asks. O(1)."""
        self.require_live()
        return self.best_price(ASK) if self.ask_ladder.count else None

    @property
    def best_bid_id(self):
        """Highest bid's price id, or None if there are no bids. O(1)."""
        self.require_live()
        return self.bid_ladder.best_id

    @property
    def best_ask_id(self):
        """Lowest ask's price id, or None if there are no asks. O(1)."""
        self.require_live()
        return self.ask_ladder.best_id

    @property
    def bbo(self):
        """BBO(bid, bid_size, ask, ask_size), or None if a side is empty. O(1)."""
        cdef Top top
        self.require_live()
        if not read_top(self.bid_ladder, self.ask_ladder, &top):
            return None
        return BBO(top.bid_id / self.unit, top.bid_size, top.ask_id / self.unit, top.ask_size)

    @property
    def mid(self):
        """The mean of the best bid and the best ask, or None if a side is empty. O(1)."""
        cdef Top top
        self.require_live()
        return analysis.mid(&top) / self.unit if read_top(self.bid_ladder, self.ask_ladder, &top) else None

    @property
    def spread(self):
        """Best ask minus best bid, correctly rounded, or None if a side is empty. O(1)."""
        cdef Top top
        self.require_live()
        return (top.ask_id - top.bid_id) / self.unit if read_top(self.bid_ladder, self.ask_ladder, &top) else None

    @property
    def microprice(self):
        """The mid weighted by the best size of the opposite side, or None if a side is empty. O(1).

        (bid × ask_size + ask × bid_size) / (bid_size + ask_size): closer to the side with less size.
        """
        cdef Top top
        self.require_live()
        return analysis.microprice(&top) / self.unit if read_top(self.bid_ladder, self.ask_ladder, &top) else None

    # ---- depth

    def imbalance(self, levels=1):
        """Return (bids - asks) / (bids + asks) of the sizes of the best ``levels``, from 1.0 (only bids) to -1.0 (only asks).

        None if both sides are empty. Raises ValueError if ``levels`` is below 1. O(levels).
        """
        cdef int64_t count = clipped(levels)
        cdef double value
        self.require_live()
        if count < 1:
            raise ValueError(f"levels must be at least 1, not {shown(levels)}")
        value = analysis.imbalance(self.bid_ladder, self.ask_ladder, min(count, self.depth))
        return None if isnan(value) else value

    def vwap(self, side, size):
        """Return the volume-weighted average price of a market order: "Buy" takes asks, "Sell" takes bids. O(levels taken).

        This is the arithmetic mean, Σ price × size / Σ size, for every kind of contract. For inverse contracts the
        exchange computes entry prices as the harmonic mean instead.

        Raises InsufficientDepth if the side holds less than ``size``, ValueError if ``size`` is not finite and above 0 or
        ``side`` is invalid.
        """
        cdef Fill filled
        cdef double wanted = to_double(size)
        self.require_live()
        self._fill(side, wanted, &filled)
        return filled.cost / wanted / self.unit

    def sweep_price(self, side, size):
        """Return the worst price that a market order of ``size`` reaches: "Buy" takes asks, "Sell" takes bids.

        Raises the errors of :meth:`vwap`. O(levels taken).
        """
        cdef Fill filled
        self.require_live()
        self._fill(side, to_double(size), &filled)
        return filled.last_id / self.unit

    cdef int _fill(self, object side, double size, Fill* filled) except -1:
        cdef Ladder ladder = self.ladder(1 - side_index(side))
        if not (isfinite(size) and size > 0):
            raise ValueError(f"size must be finite and above 0, not {size!r}")
        if not analysis.fill(ladder, size, filled):
            available = analysis.total_size(ladder, ladder.count)
            raise refusals.insufficient_depth(self.symbol, side, size, available, ladder.count)
        return 0

    def depth_within(self, bps):
        """Return DepthWithin(bid, ask): total sizes at most ``bps`` basis points (1/10,000) from mid, bounds included.

        None if a side is empty. Raises ValueError if ``bps`` is negative or NaN. O(levels within).
        """
        cdef Top top
        cdef double distance = to_double(bps)
        self.require_live()
        if not distance >= 0:
            raise ValueError(f"bps must be 0 or more, not {distance!r}")
        if not read_top(self.bid_ladder, self.ask_ladder, &top):
            return None
        return DepthWithin(
            analysis.size_within(self.bid_ladder, &top, distance), analysis.size_within(self.ask_ladder, &top, distance)
        )

    def size_at(self, price):
        """Return the size at a price, 0.0 if there is no level. Takes and raises what :meth:`price_id` does. O(log n)."""
        return self.size_at_id(self.price_id(price))

    def size_at_id(self, price_id):
        """Return the size at a price id, 0.0 if there is no level. O(log n)."""
        self.require_live()
        return self.bid_ladder.size_at(price_id) or self.ask_ladder.size_at(price_id)

    # ---- prices

    def price_id(self, price):
        """Return the id of a price: a Decimal, a str, or an int or float, also of numpy. O(1).

        A float stands for its shortest decimal text. Raises ValueError if the price is not a number, has more decimals than
        the scale or does not fit int64, and while the scale is unknown.
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
        """Levels(price_ids, sizes) of the bids, best first: read-only views of shape (n,), int64 and float64. O(1).

        The views share the book's memory. Their content is correct until the next frame is applied: use them inside the
        callback, or copy them. The memory stays readable as long as you keep them.
        """
        self.require_live()
        return Levels(self.bid_ladder.price_ids, self.bid_ladder.sizes)

    @property
    def asks(self):
        """Levels(price_ids, sizes) of the asks, best first, like :attr:`bids`. O(1)."""
        self.require_live()
        return Levels(self.ask_ladder.price_ids, self.ask_ladder.sizes)

    def to_numpy(self, levels=None):
        """Return copies (bids, asks), best first: float64 arrays of shape (n, 2) with columns price and size. O(n).

        n is the number of levels of a side, at most ``levels`` if given. Raises ValueError if ``levels`` is negative.
        """
        self.require_live()
        if levels is not None and clipped(levels) < 0:
            raise ValueError(f"levels must be 0 or more, not {shown(levels)}")
        return tuple(
            np.column_stack((price_ids[:levels] / self.unit, sizes[:levels])) for price_ids, sizes in (self.bids, self.asks)
        )

    def __reduce_ex__(self, protocol):
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled; use book.snapshot()")

    def __len__(self):
        """Return the number of levels on both sides together, 0 for an EMPTY book. O(1)."""
        return self.bid_ladder.count + self.ask_ladder.count

    def __bool__(self):
        """Return True, even for a book without levels."""
        return True

    def __iter__(self):
        """Iterate over a copy of the levels, Level(side, price, size): bids, then asks, each best first. O(n)."""
        self.require_live()
        return iter(
            [
                Level(side, price, size)
                for side, levels in zip(SIDES, (self.bids, self.asks), strict=True)
                for price, size in zip((levels.price_ids / self.unit).tolist(), levels.sizes.tolist(), strict=True)
            ]
        )

    def snapshot(self, *, bint allow_stale=False):
        """Return a :class:`~depthwire.book.types.BookSnapshot`, an immutable copy that threads may share. O(n).

        Raises BookNotLive if the book is EMPTY or STALE, unless ``allow_stale`` is true: then see the copy's ``state``.
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
    """Return a price as a Decimal. A float of any width stands for the shortest text that reads back as that float."""
    if isinstance(price, float):
        return Decimal(float.__repr__(price))   # the repr of a numpy float includes its type
    if isinstance(price, np.floating):
        return Decimal(str(price))
    return Decimal(int(price) if isinstance(price, np.integer) else price)


cdef inline bint is_crossed(Ladder bids, Ladder asks) noexcept:
    return bids.count > 0 and asks.count > 0 and bids.ids[bids.count - 1] >= asks.ids[asks.count - 1]


cdef int side_index(object side) except -1:
    if side == "Buy":
        return BID
    if side == "Sell":
        return ASK
    raise ValueError(f'side must be "Buy" or "Sell", not {side!r}')


cdef tuple pairs(Ladder ladder):
    cdef Py_ssize_t i
    return tuple([(ladder.ids[i], ladder.lots[i]) for i in range(ladder.count - 1, -1, -1)])
