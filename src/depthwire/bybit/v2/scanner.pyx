"""Scans the order-book frames of the v2 dialects in these shapes.

::

    …,"type":"delta","data":{"delete":[L,…],"update":[L,…],"insert":[L,…],"transactTimeE6":N},"cross_seq":I,"timestamp_e6":I}
    …,"type":"snapshot","data":[L,…],"cross_seq":I,"timestamp_e6":I}
    …,"type":"snapshot","data":{"order_book":[L,…]},"cross_seq":I,"timestamp_e6":I}

    L   {"price":"60622.50","symbol":"…","id":I,"side":"Buy","size":10}, without the size in a delete

``transactTimeE6`` may be absent. ``I`` is a number on inverse and the same number in quotes on linear.
"""

cimport cython
from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.wire.decimal cimport DecimalText, scale_of, scaled
from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport TEMPLATE_NUMBERS, learn_number, learn_text, match_template
from depthwire.book.ladder cimport DELETE, INSERT, UPDATE, LevelChange
from depthwire.wire.level cimport learn_level, match_level, scan_side
from depthwire.wire.scan cimport known, literal, scan_decimal, scan_integer, scan_number
from depthwire.feed.scanner cimport Scanner

cdef enum:
    SHORTEST_LEVEL = 46     # {"price":"1","symbol":"X","id":1,"side":"Buy"}


@cython.final
cdef class V2Scanner(Scanner):
    """V2Scanner(symbol)

    Scans ``orderBookL2_25`` and ``orderBook_200.100ms`` of both dialects.
    """

    def __init__(self, str symbol not None):
        self._symbol = f'","symbol":"{symbol}","id":'.encode()

    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1:
        cdef const char* levels = literal(at, end, b',"type":"delta","data":{"delete":[')
        frame.reserve((end - at) // SHORTEST_LEVEL + 1)    # plus a last one that is cut off
        if levels != NULL:
            frame.start(False, book.decimals)
            frame.keeps_sides_full = True
            at = self._list(levels, end, DELETE, frame)
            at = literal(at, end, b'],"update":[')
            at = self._list(at, end, UPDATE, frame)
            at = literal(at, end, b'],"insert":[')
            at = self._list(at, end, INSERT, frame)
            return end == self._suffix(at, end, frame)
        frame.start(True, -1)
        at = self._snapshot(literal(at, end, b',"type":"snapshot","data":'), end, frame)
        return end == self._numbers(at, at, end, frame)

    cdef const char* _snapshot(self, const char* at, const char* end, BookFrame frame) noexcept:
        """Scan a snapshot's levels, in a list or in an object that contains the list."""
        cdef const char* levels = literal(at, end, b'{"order_book":[')
        if levels != NULL:
            return literal(self._list(levels, end, INSERT, frame), end, b']}')
        return literal(self._list(literal(at, end, b'['), end, INSERT, frame), end, b']')

    cdef inline const char* _list(self, const char* at, const char* end, int action, BookFrame frame) noexcept:
        """Scan a list's levels, which may be none, up to the closing bracket."""
        return at if at == NULL or end - at < 1 or at[0] == c']' else self._levels(at, end, action, frame)

    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) noexcept:
        """Scan a list's levels, at least one, up to the closing bracket. Room for them must be reserved."""
        cdef LevelChange* change = frame.changes + frame.count
        cdef const char* level
        while True:
            level = at
            at = match_level(level, end, &self._shape, frame.price_decimals, &change.price_id)
            if at == NULL:
                at = self._other_level(level, end, change, frame)
            at = scan_side(at, end, action != DELETE, &change.side)
            if action == DELETE:
                change.size = 0.0
            else:
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

    cdef const char* _other_level(self, const char* level, const char* end, LevelChange* change, BookFrame frame) noexcept:
        """Scan a level of a new shape up to its side, and prove that price and id agree."""
        cdef DecimalText price
        cdef int64_t expected
        cdef const char* id_at
        cdef const char* id_end
        cdef const char* price_at = literal(level, end, b'{"price":"')
        cdef const char* at = scan_decimal(price_at, end, &price)
        at = known(at, end, self._symbol)
        self._quoted = at != NULL and end - at > 0 and at[0] == c'"'
        id_at = quote(at, end, self._quoted)
        id_end = scan_integer(id_at, end, &change.price_id)
        at = literal(quote(id_end, end, self._quoted), end, b',"side":"')
        if at == NULL:
            return NULL
        if frame.price_decimals < 0:
            frame.price_decimals = scale_of(&price, change.price_id)
            if frame.price_decimals < 0:
                return NULL
        if not scaled(&price, frame.price_decimals, &expected) or expected != change.price_id:
            return NULL
        learn_level(
            &self._shape,
            level,
            <int>(at - level),
            <int>(price_at - level),
            price.digits,
            price.decimals,
            <int>(id_at - level),
            <int>(id_end - id_at),
            frame.price_decimals,
        )
        return at

    cdef inline const char* _suffix(self, const char* at, const char* end, BookFrame frame) noexcept:
        """Scan the text after a delta's levels. It usually has the shape of the previous delta's."""
        cdef int64_t transact_time
        cdef int64_t* places[TEMPLATE_NUMBERS]
        places[:] = [&frame.cross_seq, &frame.ts_exchange_us, &transact_time]
        cdef const char* stop = match_template(at, end, &self._suffix_template, places)
        return stop if stop != NULL else self._other_suffix(at, end, frame)

    cdef const char* _other_suffix(self, const char* begin, const char* end, BookFrame frame) noexcept:
        cdef int64_t transact_time
        cdef const char* timed = literal(begin, end, b'],"transactTimeE6":')
        cdef const char* timed_end = scan_integer(timed, end, &transact_time)
        cdef const char* at = literal(begin, end, b']}') if timed == NULL else literal(timed_end, end, b'}')
        at = self._numbers(begin, at, end, frame)
        if at != NULL and timed != NULL and timed_end - timed > 1:     # a time that is not 0, as it usually is
            learn_number(&self._suffix_template, begin, timed, timed_end)
        return at

    cdef const char* _numbers(self, const char* begin, const char* at, const char* end, BookFrame frame) noexcept:
        """Scan a frame's last fields, and learn the text from ``begin`` on as the template."""
        cdef const char* seq_at = quote(literal(at, end, b',"cross_seq":'), end, self._quoted)
        cdef const char* seq_end = scan_integer(seq_at, end, &frame.cross_seq)
        cdef const char* time_at = quote(literal(quote(seq_end, end, self._quoted), end, b',"timestamp_e6":'), end, self._quoted)
        cdef const char* time_end = scan_integer(time_at, end, &frame.ts_exchange_us)
        at = literal(quote(time_end, end, self._quoted), end, b'}')
        if at != NULL:
            learn_text(&self._suffix_template, begin, at - begin)
            learn_number(&self._suffix_template, begin, seq_at, seq_end)
            learn_number(&self._suffix_template, begin, time_at, time_end)
        return at


cdef inline const char* quote(const char* at, const char* end, bint quoted) noexcept nogil:
    """Scan the quote before or after an integer if integers are quoted."""
    return literal(at, end, b'"') if quoted else at
