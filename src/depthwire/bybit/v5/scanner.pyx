"""Scans the order-book frames of the v5 dialect in these shapes.

::

    …,"type":"delta","ts":N,DATA,"cts":N}      linear and inverse
    …,"ts":N,"type":"delta",DATA,"cts":N}      spot

    DATA    "data":{"s":"…","b":[["65140.4","0.885797"],…],"a":[…],"u":N,"seq":N}

``type`` may be ``snapshot``.
"""

cimport cython
from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.bybit.v5.book_decoder cimport LATEST_MS, US_PER_MS
from depthwire.wire.decimal cimport UNITS, DecimalText, rounded
from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport TEMPLATE_NUMBERS, learn_number, learn_text, match_template
from depthwire.book.ladder cimport ASK, BID, INSERT, REMOVE, SET, LevelChange
from depthwire.wire.level cimport learn_pair, match_pair, shape_decimals
from depthwire.wire.scan cimport known, literal, scan_decimal, scan_integer
from depthwire.feed.scanner cimport Scanner

cdef enum:
    SHORTEST_LEVEL = 9                      # ["1","2"]


@cython.final
cdef class V5Scanner(Scanner):
    """V5Scanner(symbol)

    Scans ``orderbook.DEPTH.SYMBOL`` of all categories.
    """

    def __init__(self, str symbol not None):
        self._symbol = f'"data":{{"s":"{symbol}","b":['.encode()

    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1:
        cdef int64_t ts_ms = 0, cts_ms = 0
        frame.reserve((end - at) // SHORTEST_LEVEL + 1)    # plus a last one that is cut off
        at = self._prefix(at, end, book, frame, &ts_ms)
        at = self._levels(at, end, BID, frame)
        at = literal(at, end, b'],"a":[')
        at = self._levels(at, end, ASK, frame)
        at = self._suffix(at, end, frame, &cts_ms)
        if at != end or max(ts_ms, cts_ms) > LATEST_MS or frame.cross_seq == 0:     # a frame without seq is left to the decoder
            return False
        frame.ts_exchange_us = ts_ms * US_PER_MS
        frame.ts_matching_us = cts_ms * US_PER_MS
        return True

    cdef inline const char* _prefix(
        self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms
    ) noexcept:
        """Begin the frame and scan the text before its levels, usually with the previous delta's shape."""
        cdef const char* at = match_template(begin, end, &self._prefix_template, &ts_ms)
        if at == NULL:
            return self._other_prefix(begin, end, book, frame, ts_ms)
        frame.start(False, book.decimals)
        return at

    cdef inline const char* _start(self, const char* at, const char* end, Book book, BookFrame frame) noexcept:
        """Begin the frame according to its type. A snapshot sets the scale, which is usually that of the last price."""
        cdef const char* after = literal(at, end, b'delta",')
        frame.start(after == NULL, book.decimals if after != NULL else shape_decimals(&self._shape))
        return after if after != NULL else literal(at, end, b'snapshot",')

    cdef const char* _other_prefix(
        self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms
    ) noexcept:
        cdef const char* ts_at
        cdef const char* ts_end
        cdef const char* at = literal(begin, end, b',"type":"')
        if at != NULL:
            at = self._start(at, end, book, frame)
            ts_at = literal(at, end, b'"ts":')
            ts_end = scan_integer(ts_at, end, ts_ms)
            at = literal(ts_end, end, b',')
        else:
            ts_at = literal(begin, end, b',"ts":')
            ts_end = scan_integer(ts_at, end, ts_ms)
            at = self._start(literal(ts_end, end, b',"type":"'), end, book, frame)
        at = known(at, end, self._symbol)
        if at != NULL and not frame.is_snapshot:
            learn_text(&self._prefix_template, begin, at - begin)
            learn_number(&self._prefix_template, begin, ts_at, ts_end)
        return at

    cdef inline const char* _suffix(self, const char* at, const char* end, BookFrame frame, int64_t* cts_ms) noexcept:
        """Scan the text after a frame's levels. It usually has the shape of the previous frame's."""
        cdef int64_t* places[TEMPLATE_NUMBERS]
        places[:] = [&frame.update_id, &frame.cross_seq, cts_ms]
        cdef const char* stop = match_template(at, end, &self._suffix_template, places)
        return stop if stop != NULL else self._other_suffix(at, end, frame, cts_ms)

    cdef const char* _other_suffix(self, const char* begin, const char* end, BookFrame frame, int64_t* cts_ms) noexcept:
        cdef const char* u_at = literal(begin, end, b'],"u":')
        cdef const char* u_end = scan_integer(u_at, end, &frame.update_id)
        cdef const char* seq_at = literal(u_end, end, b',"seq":')
        cdef const char* seq_end = scan_integer(seq_at, end, &frame.cross_seq)
        cdef const char* cts_at = literal(seq_end, end, b'},"cts":')
        cdef const char* cts_end = scan_integer(cts_at, end, cts_ms)
        cdef const char* at = literal(cts_end, end, b'}')
        if at != NULL:
            learn_text(&self._suffix_template, begin, at - begin)
            learn_number(&self._suffix_template, begin, u_at, u_end)
            learn_number(&self._suffix_template, begin, seq_at, seq_end)
            learn_number(&self._suffix_template, begin, cts_at, cts_end)
        return at

    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept:
        """Scan a side's pairs, which may be none, up to the closing bracket. Room for them must be reserved."""
        cdef LevelChange* change = frame.changes + frame.count
        cdef int64_t mantissa
        cdef int decimals
        cdef int action = INSERT if frame.is_snapshot else SET
        cdef int action_if_zero = INSERT if frame.is_snapshot else REMOVE
        cdef const char* begin
        if at == NULL or end - at < 1 or at[0] == c']':
            if frame.is_snapshot and frame.count == 0:
                frame.price_decimals = -1   # unknown: there was no price
            return at
        while True:
            begin = at
            at = match_pair(begin, end, &self._shape, frame.price_decimals, &change.price_id, &mantissa, &decimals)
            if at != NULL:
                change.size = <double>mantissa / UNITS[decimals]
            else:
                frame.count = change - frame.changes
                at = self._other_pair(begin, end, change, frame, &mantissa)
                if at == NULL:
                    return NULL
            change.side = side
            change.action = action if mantissa else action_if_zero
            change += 1
            if end - at < 1 or at[0] != c',':
                break
            at += 1
        frame.count = change - frame.changes
        return at

    cdef const char* _other_pair(
        self, const char* begin, const char* end, LevelChange* change, BookFrame frame, int64_t* mantissa
    ) noexcept:
        """Scan a pair whose price has a new shape or whose size is long."""
        cdef DecimalText price, size
        cdef const char* at = scan_decimal(literal(begin, end, b'["'), end, &price)
        if frame.is_snapshot and frame.count == 0:
            frame.price_decimals = -1
        if at == NULL or not frame.set_price(change, &price):
            return NULL
        at = scan_decimal(literal(at, end, b'","'), end, &size)
        at = literal(at, end, b'"]')
        if at == NULL or not rounded(&size, &change.size):
            return NULL
        if price.decimals == frame.price_decimals:
            learn_pair(&self._shape, begin, price.digits, price.decimals)
        mantissa[0] = size.mantissa
        return at


