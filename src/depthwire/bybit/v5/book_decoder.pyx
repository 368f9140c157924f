"""Order-book frames of the v5 dialect, from msgspec's typed messages to level changes.

v5 sends prices without ids, so the price scale is that of the price with the most decimals since the last snapshot,
inclusive. A message exists only during one call, so its fields are read from the Structs' slots without new references.

To avoid creating two strings and a tuple for each level, msgspec only proves that the levels are valid JSON; their text is
then parsed in place. If the levels are not pairs of short numbers, the frame is decoded again with strings, which handles
long numbers and shows what is wrong with the others.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from depthwire.bybit.struct_slots cimport (
    PyList_GET_ITEM,
    PyList_GET_SIZE,
    PyLong_AsLongLongAndOverflow,
    PyTuple_GET_ITEM,
    PyUnicode_GET_LENGTH,
    PyUnicode_IS_COMPACT_ASCII,
    ascii_of,
    same_text,
    shortened,
    slot,
    slot_of,
)
from depthwire.book.book cimport Book
from depthwire.wire.decimal cimport MAX_DIGITS, DecimalText, rounded
from depthwire.book.update cimport BookFrame
from depthwire.book.ladder cimport ASK, BID, INSERT, REMOVE, SET, LevelChange
from depthwire.wire.scan cimport literal, scan_decimal, whole_decimal, whole_size

import msgspec

from depthwire.bybit.v5 import messages
from depthwire.errors import InvalidLevel, MalformedFrame, SymbolMismatch


cdef struct MessageSlots:
    Py_ssize_t data
    Py_ssize_t ts
    Py_ssize_t cts


cdef MessageSlots message_slots_of(object struct) except *:
    return MessageSlots(data=slot_of(struct, "data"), ts=slot_of(struct, "ts"), cts=slot_of(struct, "cts"))


cdef MessageSlots SNAPSHOT_SLOTS = message_slots_of(messages.OrderBookSnapshot)
cdef MessageSlots DELTA_SLOTS = message_slots_of(messages.OrderBookDelta)
cdef Py_ssize_t SYMBOL_SLOT = slot_of(messages.OrderBookContent, "s")
cdef Py_ssize_t BIDS_SLOT = slot_of(messages.OrderBookContent, "b")
cdef Py_ssize_t ASKS_SLOT = slot_of(messages.OrderBookContent, "a")
cdef Py_ssize_t UPDATE_ID_SLOT = slot_of(messages.OrderBookContent, "u")
cdef Py_ssize_t SEQ_SLOT = slot_of(messages.OrderBookContent, "seq")
cdef object SNAPSHOT = messages.OrderBookSnapshot


@cython.final
cdef class V5BookDecoder(TypedBookDecoder):
    """V5BookDecoder()

    Decodes ``orderbook.DEPTH.SYMBOL`` of all v5 categories with typed msgspec decoders, usually in one pass.
    """

    def __init__(self):
        super().__init__()
        self.frame.is_numbered = True
        self._decode, self._decode_texts = [
            msgspec.json.Decoder(messages.OrderBookSnapshot[levels] | messages.OrderBookDelta[levels]).decode
            for levels in (msgspec.Raw, list[messages.PricePoint])
        ]

    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book):
        """Decode a frame. Raises MalformedFrame, SymbolMismatch or InvalidLevel. O(size)."""
        cdef const char* end = data + size
        cdef BookFrame frame = self.frame
        cdef object message = self.message(self._decode, data, size, book)
        cdef const MessageSlots* slots = &SNAPSHOT_SLOTS if type(message) is SNAPSHOT else &DELTA_SLOTS
        cdef PyObject* fields = <PyObject*>message
        cdef PyObject* content = slot(fields, slots.data)
        if not same_text(slot(content, SYMBOL_SLOT), <PyObject*>book.symbol):
            raise SymbolMismatch(f"data of {<object>slot(content, SYMBOL_SLOT)!r} on the topic of {book.symbol}", book.symbol)
        frame.start(type(message) is SNAPSHOT, -1 if type(message) is SNAPSHOT else book.decimals)
        if not (
            self._read_json(slot(content, BIDS_SLOT), BID, data, end)
            and self._read_json(slot(content, ASKS_SLOT), ASK, data, end)
        ):
            message = self.message(self._decode_texts, data, size, book)
            fields = <PyObject*>message
            content = slot(fields, slots.data)
            frame.start(frame.is_snapshot, -1 if frame.is_snapshot else book.decimals)
            self._read_texts(slot(content, BIDS_SLOT), BID, book.symbol)
            self._read_texts(slot(content, ASKS_SLOT), ASK, book.symbol)
        frame.update_id = integer(slot(content, UPDATE_ID_SLOT), "u", 0, book.symbol)
        frame.cross_seq = integer(slot(content, SEQ_SLOT), "seq", 0, book.symbol)
        if not frame.cross_seq and book.cross_seq:      # option frames may lack it, but then all do
            raise MalformedFrame(f"the frame lacks 'seq'; the previous one had {book.cross_seq}", book.symbol)
        frame.ts_exchange_us = milliseconds(slot(fields, slots.ts), "ts", book.symbol)
        frame.ts_matching_us = milliseconds(slot(fields, slots.cts), "cts", book.symbol)
        return frame

    cdef bint _read_json(self, PyObject* levels, int side, const char* data, const char* end) except -1:
        """Convert one side's JSON to changes. Return False if it is not a list of pairs of short numbers. O(levels)."""
        cdef BookFrame frame = self.frame
        cdef int action = INSERT if frame.is_snapshot else SET
        cdef LevelChange* change
        cdef DecimalText price, size
        cdef Py_buffer written
        cdef const char* at
        cdef const char* stop
        cdef const char* next_pair
        PyObject_GetBuffer(<object>levels, &written, PyBUF_SIMPLE)
        at, stop = <const char*>written.buf, <const char*>written.buf + written.len
        PyBuffer_Release(&written)
        if at < data or stop > end:     # msgspec copied the text, and may free it with the message
            return False
        at = skip_to(at, stop, c'[')
        if skip_to(at, stop, c']') == stop:
            return True
        while True:
            at = skip_to(skip_to(at, stop, c'['), stop, c'"')
            at = literal(scan_decimal(at, end, &price), stop, b'"')
            at = skip_to(skip_to(at, stop, c','), stop, c'"')
            at = literal(scan_decimal(at, end, &size), stop, b'"')
            at = skip_to(at, stop, c']')
            if at == NULL:
                return False
            change = frame.add(side, action)
            if not frame.set_price(change, &price) or not rounded(&size, &change.size):
                return False
            if size.mantissa == 0 and not frame.is_snapshot:
                change.action = REMOVE
            next_pair = skip_to(at, stop, c',')
            if next_pair == NULL:
                return skip_to(at, stop, c']') == stop
            at = next_pair

    cdef int _read_texts(self, PyObject* levels, int side, str symbol) except -1:
        """Convert one side's pairs of str to changes. O(levels)."""
        cdef BookFrame frame = self.frame
        cdef LevelChange* change
        cdef PyObject* price
        cdef PyObject* size
        cdef Py_ssize_t i
        for i in range(PyList_GET_SIZE(levels)):
            price = PyTuple_GET_ITEM(PyList_GET_ITEM(levels, i), 0)
            size = PyTuple_GET_ITEM(PyList_GET_ITEM(levels, i), 1)
            change = frame.add(side, INSERT if frame.is_snapshot else SET)
            if not read_price(price, change, frame):
                raise InvalidLevel(
                    f"price {shortened(<object>price)} is not a plain decimal number above 0 with at most {MAX_DIGITS} "
                    "digits at the book's price scale",
                    symbol,
                )
            if not PyUnicode_IS_COMPACT_ASCII(size) or not whole_size(
                ascii_of(size), PyUnicode_GET_LENGTH(size), &change.size
            ):
                raise InvalidLevel(f"size {shortened(<object>size)} is not a plain decimal number", symbol)
            if change.action == SET and change.size == 0 and is_zero(size):
                change.action = REMOVE
        return 0


cdef inline const char* skip_to(const char* at, const char* end, char expected) noexcept:
    """Skip blanks and the expected character. Return NULL if another character follows the blanks."""
    if at == NULL:
        return NULL
    while at < end and (at[0] == c' ' or at[0] == c'\t' or at[0] == c'\n' or at[0] == c'\r'):
        at += 1
    return at + 1 if at < end and at[0] == expected else NULL


cdef inline bint read_price(PyObject* price, LevelChange* change, BookFrame frame) noexcept:
    """Read a price into the frame's last change. Return False if it is not a valid price."""
    cdef DecimalText value
    change.price_id = 0
    return (
        PyUnicode_IS_COMPACT_ASCII(price)
        and whole_decimal(ascii_of(price), PyUnicode_GET_LENGTH(price), &value)
        and frame.set_price(change, &value)
    )


cdef inline bint is_zero(PyObject* size) noexcept:
    """Return whether a size is written as zero. A size that only rounds to 0.0 does not delete a level."""
    cdef const char* text = ascii_of(size)
    cdef Py_ssize_t i
    for i in range(PyUnicode_GET_LENGTH(size)):
        if text[i] != c'0' and text[i] != c'.':
            return False
    return True


cdef inline int64_t integer(PyObject* number, str field, int64_t least, str symbol) except? -1:
    cdef int overflow = 0
    cdef int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow)
    if overflow or value < least:
        raise InvalidLevel(f"{field} {shortened(<object>number)} is not an integer from {least} to 2**63 - 1", symbol)
    return value


cdef inline int64_t milliseconds(PyObject* number, str field, str symbol) except? -1:
    """Return a time in ms as µs. Raises InvalidLevel if it is out of range."""
    cdef int64_t value = integer(number, field, 0, symbol)
    if value > LATEST_MS:
        raise InvalidLevel(f"{field} {value} ms is out of range; expected at most {LATEST_MS}", symbol)
    return value * US_PER_MS
