"""The shapes of the v5 dialect's order-book frames.

::

    {"topic":"…","type":"delta","ts":N,DATA,"cts":N}      linear and inverse
    {"topic":"…","ts":N,"type":"delta",DATA,"cts":N}      spot

    DATA    "data":{"s":"…","b":[["65140.4","0.885797"],…],"a":[…],"u":N,"seq":N}

``type`` may be ``snapshot``.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from depthwire.book cimport Book
from depthwire.decimal_text cimport DecimalText, rounded
from depthwire.frame cimport BookFrame
from depthwire.ladder cimport ASK, BID, INSERT, REMOVE, SET, LevelChange
from depthwire.scan_text cimport (
    PriceShape,
    known,
    learn,
    literal,
    number,
    scan_decimal,
    scan_integer,
    shaped_digits,
    shaped_price,
)
from depthwire.scanner cimport Scanner

cdef enum:
    SHORTEST_LEVEL = 9                      # ["1","2"]
    US_PER_MS = 1000
    LATEST_MS = 9_000_000_000_000_000       # in µs it still fits int64


@cython.final
cdef class V5Scanner(Scanner):
    """V5Scanner(topic, symbol)

    Scans ``orderbook.DEPTH.SYMBOL`` of all categories.
    """

    def __init__(self, str topic not None, str symbol not None):
        self._head = f'{{"topic":"{topic}",'.encode()
        learn(&self._shape, 0, 0)
        self._symbol = f'"data":{{"s":"{symbol}","b":['.encode()

    cdef int scan(self, const char* data, Py_ssize_t size, Book book, BookFrame frame) except -1:
        cdef int64_t ts_ms = 0, cts_ms = 0
        cdef const char* end = data + size
        cdef const char* head = known(data, end, self._head)
        cdef const char* at = literal(head, end, b'"type":"')
        frame.reserve(size // SHORTEST_LEVEL)
        if at != NULL:
            at = start(at, end, frame, book.decimals)
            at = scan_integer(literal(at, end, b'"ts":'), end, &ts_ms)
            at = literal(at, end, b',')
        else:
            at = scan_integer(literal(head, end, b'"ts":'), end, &ts_ms)
            at = start(literal(at, end, b',"type":"'), end, frame, book.decimals)
        at = known(at, end, self._symbol)
        at = self._levels(at, end, BID, frame)
        at = literal(at, end, b'],"a":[')
        at = self._levels(at, end, ASK, frame)
        at = scan_integer(literal(at, end, b'],"u":'), end, &frame.update_id)
        at = scan_integer(literal(at, end, b',"seq":'), end, &frame.cross_seq)
        at = scan_integer(literal(at, end, b'},"cts":'), end, &cts_ms)
        if at == NULL or end - at != 1 or at[0] != c'}' or max(ts_ms, cts_ms) > LATEST_MS or frame.update_id == 0:
            return False
        frame.ts_exchange_us = ts_ms * US_PER_MS
        frame.ts_matching_us = cts_ms * US_PER_MS
        return True

    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept:
        """Scan a side's pairs, if it has any, up to the bracket that closes them; there is room for all."""
        cdef LevelChange* change = frame.changes + frame.count
        cdef PriceShape* shape = &self._shape
        cdef DecimalText size
        cdef uint64_t digits = 0
        cdef int action = INSERT if frame.is_snapshot else SET
        cdef const char* price
        if at == NULL or end - at < 1 or at[0] == c']':
            return at
        while True:
            price = literal(at, end, b'["')
            at = shaped_price(price, end, shape) if shape.decimals == frame.price_decimals else NULL
            if at != NULL:
                digits = shaped_digits(price, shape)
                change.price_id = <int64_t>number(digits, shape.length - 1)
                if digits == 0:
                    return NULL
            else:
                frame.count = change - frame.changes
                at = self._other_price(price, end, change, frame)
            at = literal(at, end, b'","')
            at = scan_decimal(at, end, &size)
            at = literal(at, end, b'"]')
            if at == NULL or not rounded(&size, &change.size):
                return NULL
            change.side = side
            change.action = REMOVE if size.mantissa == 0 and action == SET else action
            change += 1
            if end - at < 1 or at[0] != c',':
                break
            at += 1
        frame.count = change - frame.changes
        return at

    cdef const char* _other_price(self, const char* at, const char* end, LevelChange* change, BookFrame frame) noexcept:
        """Scan a price in another shape than the last one's, and state it at the frame's scale."""
        cdef DecimalText price
        at = scan_decimal(at, end, &price)
        if at == NULL or not frame.set_price(change, &price):
            return NULL
        learn(&self._shape, price.digits, price.decimals)
        return at


cdef inline const char* start(const char* at, const char* end, BookFrame frame, int price_decimals) noexcept:
    """Begin the frame of the type that stands here."""
    cdef const char* behind = literal(at, end, b'delta",')
    frame.start(behind == NULL, price_decimals)
    return behind if behind != NULL else literal(at, end, b'snapshot",')
