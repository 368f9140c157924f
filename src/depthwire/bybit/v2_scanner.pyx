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
from depthwire.ladder cimport ASK, BID, DELETE, INSERT, UPDATE, LevelChange
from depthwire.scan_text cimport (
    known,
    learn,
    literal,
    number,
    same_digits,
    scan_decimal,
    scan_integer,
    scan_number,
    shaped_price,
)
from depthwire.scanner cimport Scanner


@cython.final
cdef class V2Scanner(Scanner):
    """V2Scanner(topic, symbol, quoted)

    Scans ``orderBookL2_25`` and ``orderBook_200.100ms``. ``quoted``: integers stand in strings, as on linear.
    """

    def __init__(self, str topic not None, str symbol not None, bint quoted):
        quote = '"' if quoted else ""
        self._head = f'{{"topic":"{topic}","type":"'.encode()
        self._symbol = f'","symbol":"{symbol}","id":{quote}'.encode()
        self._side = f'{quote},"side":"'.encode()
        self._quoted = quoted
        learn(&self._shape, 0, 0)

    cdef int scan(self, const char* data, Py_ssize_t size, Book book, BookFrame frame) except -1:
        cdef const char* end = data + size
        cdef const char* kind = known(data, end, self._head)
        cdef const char* at = literal(kind, end, b'delta","data":{"delete":[')
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

    cdef const char* _snapshot(self, const char* data, const char* end, BookFrame frame) except? NULL:
        """Scan a snapshot's levels, in a list or in an object that holds it."""
        cdef const char* at = literal(data, end, b'{"order_book":[')
        if at != NULL:
            return literal(self._levels(at, end, INSERT, frame), end, b']}')
        return literal(self._levels(literal(data, end, b'['), end, INSERT, frame), end, b']')

    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) except? NULL:
        """Scan a list's levels, if it has any, up to the bracket that closes it."""
        cdef LevelChange* change
        if at == NULL or end - at < 1 or at[0] == c']':
            return at
        while True:
            change = frame.add(BID, action)
            at = self._price(literal(at, end, b'{"price":"'), end, change, frame)
            at = known(at, end, self._side)
            at = scan_side(at, end, change)
            if action == DELETE:
                change.size = 0.0
            else:
                at = literal(at, end, b',"size":')
                at = scan_number(at, end, &change.size)
            at = literal(at, end, b'}')
            if at == NULL or end - at < 1 or at[0] != c',':
                return at
            at += 1

    cdef inline const char* _price(self, const char* at, const char* end, LevelChange* change, BookFrame frame) noexcept:
        """Scan a level's price, symbol and id, and prove that price and id agree at the frame's scale."""
        cdef DecimalText price
        cdef uint64_t digits
        cdef int64_t expected
        cdef int zeros = frame.price_decimals - self._shape.decimals
        cdef const char* stop
        if 0 <= zeros < 8:
            stop = known(shaped_price(at, end, &self._shape, &digits), end, self._symbol)
            stop = same_digits(stop, end, digits, self._shape.length - 1, zeros)
            if stop != NULL:
                change.price_id = <int64_t>number(digits, self._shape.length - 1) * POWERS_OF_TEN[zeros]
                return stop
        stop = scan_decimal(at, end, &price)
        if stop == NULL:
            return NULL
        learn(&self._shape, price.digits, price.decimals)
        stop = scan_integer(known(stop, end, self._symbol), end, &change.price_id)
        if stop == NULL:
            return NULL
        if frame.price_decimals < 0:
            frame.price_decimals = scale_of(&price, change.price_id)
            return stop if frame.price_decimals >= 0 else NULL
        return stop if scaled(&price, frame.price_decimals, &expected) and expected == change.price_id else NULL

    cdef inline const char* _integer(self, const char* at, const char* end, int64_t* value) noexcept:
        if self._quoted:
            return literal(scan_integer(literal(at, end, b'"'), end, value), end, b'"')
        return scan_integer(at, end, value)


cdef inline const char* scan_side(const char* at, const char* end, LevelChange* change) noexcept nogil:
    cdef const char* bid = literal(at, end, b'Buy"')
    if bid != NULL:
        return bid
    change.side = ASK
    return literal(at, end, b'Sell"')


cdef inline const char* after_changes(const char* at, const char* end) noexcept nogil:
    """What closes a delta's data."""
    cdef int64_t transact_time
    cdef const char* timed = literal(at, end, b'],"transactTimeE6":')
    if timed != NULL:
        return literal(scan_integer(timed, end, &transact_time), end, b'}')
    return literal(at, end, b']}')
