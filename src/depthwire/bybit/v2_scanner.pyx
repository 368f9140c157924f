"""The shapes of the v2 dialects' order-book frames.

::

    {"topic":"…","type":"delta","data":{"delete":[L,…],"update":[L,…],"insert":[L,…],"transactTimeE6":N},"cross_seq":I,"timestamp_e6":I}
    {"topic":"…","type":"snapshot","data":[L,…],"cross_seq":I,"timestamp_e6":I}
    {"topic":"…","type":"snapshot","data":{"order_book":[L,…]},"cross_seq":I,"timestamp_e6":I}

    L   {"price":"60622.50","symbol":"…","id":I,"side":"Buy","size":10}, without the size in a delete

``transactTimeE6`` may be absent; ``I`` is a number on inverse, the same in a string on linear.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from depthwire.book cimport Book
from depthwire.decimal_text cimport POWERS_OF_TEN, DecimalText, scale_of, scaled
from depthwire.frame cimport BookFrame
from depthwire.ladder cimport DELETE, INSERT, UPDATE, LevelChange
from depthwire.scan_text cimport (
    PriceShape,
    known,
    learn,
    literal,
    number,
    same_digits,
    scan_decimal,
    scan_integer,
    scan_number,
    scan_side,
    shaped_digits,
    shaped_price,
)
from depthwire.scanner cimport Scanner

cdef enum:
    SHORTEST_LEVEL = 46     # {"price":"1","symbol":"X","id":1,"side":"Buy"}


@cython.final
cdef class V2Scanner(Scanner):
    """V2Scanner(topic, symbol)

    Scans ``orderBookL2_25`` and ``orderBook_200.100ms`` of both dialects.
    """

    def __init__(self, str topic not None, str symbol not None):
        self._head = f'{{"topic":"{topic}","type":"'.encode()
        self._symbol = f'","symbol":"{symbol}","id":'.encode()
        learn(&self._shape, 0, 0)

    cdef int scan(self, const char* data, Py_ssize_t size, Book book, BookFrame frame) except -1:
        cdef const char* end = data + size
        cdef const char* kind = known(data, end, self._head)
        cdef const char* at = literal(kind, end, b'delta","data":{"delete":[')
        frame.reserve(size // SHORTEST_LEVEL)
        if at != NULL:
            frame.start(False, book.decimals)
            at = self._levels(at, end, DELETE, frame)
            at = literal(at, end, b'],"update":[')
            at = self._levels(at, end, UPDATE, frame)
            at = literal(at, end, b'],"insert":[')
            at = self._levels(at, end, INSERT, frame)
            at = after_changes(at, end)
        else:
            frame.start(True, -1)
            at = self._snapshot(literal(kind, end, b'snapshot","data":'), end, frame)
        at = literal(at, end, b',"cross_seq":')
        at = self._integer(at, end, &frame.cross_seq)
        at = literal(at, end, b',"timestamp_e6":')
        at = self._integer(at, end, &frame.ts_exchange_us)
        return at != NULL and end - at == 1 and at[0] == c'}'

    cdef const char* _snapshot(self, const char* data, const char* end, BookFrame frame) noexcept:
        """Scan a snapshot's levels, in a list or in an object that holds it."""
        cdef const char* at = literal(data, end, b'{"order_book":[')
        if at != NULL:
            return literal(self._levels(at, end, INSERT, frame), end, b']}')
        return literal(self._levels(literal(data, end, b'['), end, INSERT, frame), end, b']')

    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) noexcept:
        """Scan a list's levels, if it has any, up to the bracket that closes it; there is room for all."""
        cdef LevelChange* change = frame.changes + frame.count
        cdef PriceShape* shape = &self._shape
        cdef int zeros = frame.price_decimals - shape.decimals
        cdef uint64_t digits
        cdef const char* price
        if at == NULL or end - at < 1 or at[0] == c']':
            return at
        while True:
            price = literal(at, end, b'{"price":"')
            at = shaped_price(price, end, shape) if 0 <= zeros < 8 else NULL
            if at != NULL:
                digits = shaped_digits(price, shape)
                at = quote(known(at, end, self._symbol), end, self._quoted)
                at = same_digits(at, end, digits, shape.length - 1, zeros)
                change.price_id = <int64_t>number(digits, shape.length - 1) * POWERS_OF_TEN[zeros]
            if at == NULL:
                at = self._other_price(price, end, change, frame)
                zeros = frame.price_decimals - shape.decimals
            at = literal(quote(at, end, self._quoted), end, b',"side":"')
            at = scan_side(at, end, &change.side)
            if action == DELETE:
                change.size = 0.0
            else:
                at = literal(at, end, b',"size":')
                at = scan_number(at, end, &change.size)
            at = literal(at, end, b'}')
            if at == NULL:
                return NULL
            change.action = action
            change += 1
            if end - at < 1 or at[0] != c',':
                break
            at += 1
        frame.count = change - frame.changes
        return at

    cdef const char* _other_price(self, const char* at, const char* end, LevelChange* change, BookFrame frame) noexcept:
        """Scan a price in another shape than the last one's, symbol and id, and prove that price and id agree."""
        cdef DecimalText price
        cdef int64_t expected
        at = scan_decimal(at, end, &price)
        if at == NULL:
            return NULL
        learn(&self._shape, price.digits, price.decimals)
        at = known(at, end, self._symbol)
        self._quoted = at != NULL and end - at > 0 and at[0] == c'"'
        at = scan_integer(quote(at, end, self._quoted), end, &change.price_id)
        if at == NULL:
            return NULL
        if frame.price_decimals < 0:
            frame.price_decimals = scale_of(&price, change.price_id)
            return at if frame.price_decimals >= 0 else NULL
        return at if scaled(&price, frame.price_decimals, &expected) and expected == change.price_id else NULL

    cdef inline const char* _integer(self, const char* at, const char* end, int64_t* value) noexcept:
        at = scan_integer(quote(at, end, self._quoted), end, value)
        return quote(at, end, self._quoted)


cdef inline const char* quote(const char* at, const char* end, bint quoted) noexcept nogil:
    """The quote before or behind an integer, where there is one."""
    return literal(at, end, b'"') if quoted else at


cdef inline const char* after_changes(const char* at, const char* end) noexcept nogil:
    """What closes a delta's data."""
    cdef int64_t transact_time
    cdef const char* timed = literal(at, end, b'],"transactTimeE6":')
    if timed != NULL:
        return literal(scan_integer(timed, end, &transact_time), end, b'}')
    return literal(at, end, b']}')
