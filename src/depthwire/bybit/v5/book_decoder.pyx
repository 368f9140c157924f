"""Order-book frames of the v5 dialect: msgspec's typed messages to level changes.

v5 states prices alone, so the price scale is that of the finest price since the last snapshot, which is judged alone. The messages live only for one call, so
their fields are read from the Structs' slots directly.

msgspec need not make two texts and a pair of each level: it proves that they are JSON, and they are read where they are
written. A frame whose levels are not pairs of short numbers is decoded once more, with texts, which says what is wrong.
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
    excerpt,
    same_text,
    shortened,
    slot,
    slot_of,
)
from depthwire.book.book cimport Book
from depthwire.feed.book_decoder cimport BookDecoder, FrameBytes
from depthwire.wire.decimal cimport MAX_DIGITS, DecimalText, rounded
from depthwire.book.update cimport BookFrame
from depthwire.book.ladder cimport ASK, BID, INSERT, REMOVE, SET, LevelChange
from depthwire.wire.scan cimport literal, scan_decimal, whole_decimal, whole_size

import msgspec

from depthwire.bybit.v5 import messages as v5_orderbook
from depthwire.errors import UNDECODABLE, InvalidLevel, MalformedFrame, SymbolMismatch, unreadable_book


cdef struct MessageSlots:
    Py_ssize_t data
    Py_ssize_t ts
    Py_ssize_t cts


cdef MessageSlots message_slots_of(object struct) except *:
    return MessageSlots(data=slot_of(struct, "data"), ts=slot_of(struct, "ts"), cts=slot_of(struct, "cts"))


cdef MessageSlots SNAPSHOT_SLOTS = message_slots_of(v5_orderbook.OrderBookSnapshot)
cdef MessageSlots DELTA_SLOTS = message_slots_of(v5_orderbook.OrderBookDelta)
cdef Py_ssize_t SYMBOL_SLOT = slot_of(v5_orderbook.OrderBookContent, "s")
cdef Py_ssize_t BIDS_SLOT = slot_of(v5_orderbook.OrderBookContent, "b")
cdef Py_ssize_t ASKS_SLOT = slot_of(v5_orderbook.OrderBookContent, "a")
cdef Py_ssize_t UPDATE_ID_SLOT = slot_of(v5_orderbook.OrderBookContent, "u")
cdef Py_ssize_t SEQ_SLOT = slot_of(v5_orderbook.OrderBookContent, "seq")
cdef object SNAPSHOT = v5_orderbook.OrderBookSnapshot


@cython.final
cdef class V5BookDecoder(BookDecoder):
    """V5BookDecoder()

    Decodes ``orderbook.DEPTH.SYMBOL`` of all v5 categories with typed msgspec decoders, as a rule in one pass.
    """

    def __init__(self):
        super().__init__()
        self.frame.is_numbered = True
        self._decode, self._decode_texts = [
            msgspec.json.Decoder(v5_orderbook.OrderBookSnapshot[levels] | v5_orderbook.OrderBookDelta[levels]).decode
            for levels in (msgspec.Raw, list[v5_orderbook.PricePoint])
        ]
        self._bytes = FrameBytes()

    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book):
        """Raises MalformedFrame, SymbolMismatch or InvalidLevel. O(size)."""
        cdef const char* end = data + size
        cdef BookFrame frame = self.frame
        cdef object message = self._message(self._decode, data, size, book)
        cdef const MessageSlots* slots = &SNAPSHOT_SLOTS if type(message) is SNAPSHOT else &DELTA_SLOTS
        cdef PyObject* fields = <PyObject*>message
        cdef PyObject* content = slot(fields, slots.data)
        if not same_text(slot(content, SYMBOL_SLOT), <PyObject*>book.symbol):
            raise SymbolMismatch(f"data of {<object>slot(content, SYMBOL_SLOT)!r} on the topic of {book.symbol}", book.symbol)
        frame.start(type(message) is SNAPSHOT, -1 if type(message) is SNAPSHOT else book.decimals)
        if not (
            self._take_written(slot(content, BIDS_SLOT), BID, data, end)
            and self._take_written(slot(content, ASKS_SLOT), ASK, data, end)
        ):
            message = self._message(self._decode_texts, data, size, book)
            fields = <PyObject*>message
            content = slot(fields, slots.data)
            frame.start(frame.is_snapshot, -1 if frame.is_snapshot else book.decimals)
            self._take_texts(slot(content, BIDS_SLOT), BID, book.symbol)
            self._take_texts(slot(content, ASKS_SLOT), ASK, book.symbol)
        frame.update_id = integer(slot(content, UPDATE_ID_SLOT), "u", 0, book.symbol)
        frame.cross_seq = integer(slot(content, SEQ_SLOT), "seq", 0, book.symbol)
        if not frame.cross_seq and book.cross_seq:      # option frames may have none, but then all of them
            raise MalformedFrame(f"no 'seq' in a frame of a book that was at {book.cross_seq}", book.symbol)
        frame.ts_exchange_us = milliseconds(slot(fields, slots.ts), "ts", book.symbol)
        frame.ts_matching_us = milliseconds(slot(fields, slots.cts), "cts", book.symbol)
        return frame

    cdef object _message(self, object decode, const char* data, Py_ssize_t size, Book book):
        try:
            return decode(self._bytes.over(data, size))
        except UNDECODABLE as error:
            raise unreadable_book(error, excerpt(data, size), book.symbol) from None

    cdef bint _take_written(self, PyObject* levels, int side, const char* data, const char* end) except -1:
        """Turn one side's JSON into changes. False where that is no list of pairs of short numbers. O(levels)."""
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
        if at < data or stop > end:     # msgspec has copied it, so that it ends with the message
            return False
        at = behind(at, stop, c'[')
        if behind(at, stop, c']') == stop:
            return True
        while True:
            at = behind(behind(at, stop, c'['), stop, c'"')
            at = literal(scan_decimal(at, end, &price), stop, b'"')
            at = behind(behind(at, stop, c','), stop, c'"')
            at = literal(scan_decimal(at, end, &size), stop, b'"')
            at = behind(at, stop, c']')
            if at == NULL:
                return False
            change = frame.add(side, action)
            if not frame.set_price(change, &price) or not rounded(&size, &change.size):
                return False
            if size.mantissa == 0 and not frame.is_snapshot:
                change.action = REMOVE
            next_pair = behind(at, stop, c',')
            if next_pair == NULL:
                return behind(at, stop, c']') == stop
            at = next_pair

    cdef int _take_texts(self, PyObject* levels, int side, str symbol) except -1:
        """Turn one side's pairs into changes. O(levels)."""
        cdef BookFrame frame = self.frame
        cdef LevelChange* change
        cdef PyObject* price
        cdef PyObject* size
        cdef Py_ssize_t i
        for i in range(PyList_GET_SIZE(levels)):
            price = PyTuple_GET_ITEM(PyList_GET_ITEM(levels, i), 0)
            size = PyTuple_GET_ITEM(PyList_GET_ITEM(levels, i), 1)
            change = frame.add(side, INSERT if frame.is_snapshot else SET)
            if not take_price(price, change, frame):
                raise InvalidLevel(
                    f"price {shortened(<object>price)} is no plain decimal number above 0 that has at most {MAX_DIGITS} "
                    "digits beside the book's others",
                    symbol,
                )
            if not PyUnicode_IS_COMPACT_ASCII(size) or not whole_size(
                ascii_of(size), PyUnicode_GET_LENGTH(size), &change.size
            ):
                raise InvalidLevel(f"size {shortened(<object>size)} is no plain decimal number", symbol)
            if change.action == SET and change.size == 0 and is_zero(size):
                change.action = REMOVE
        return 0


cdef inline const char* behind(const char* at, const char* end, char expected) noexcept:
    """Behind a character that may have blanks before it; NULL where another one stands there."""
    if at == NULL:
        return NULL
    while at < end and (at[0] == c' ' or at[0] == c'\t' or at[0] == c'\n' or at[0] == c'\r'):
        at += 1
    return at + 1 if at < end and at[0] == expected else NULL


cdef inline bint take_price(PyObject* price, LevelChange* change, BookFrame frame) noexcept:
    """Read a price into the frame's last change."""
    cdef DecimalText value
    change.price_id = 0
    return (
        PyUnicode_IS_COMPACT_ASCII(price)
        and whole_decimal(ascii_of(price), PyUnicode_GET_LENGTH(price), &value)
        and frame.set_price(change, &value)
    )


cdef inline bint is_zero(PyObject* size) noexcept:
    """Whether a size is written with zeros alone: one that is only too small for a float64 deletes nothing."""
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
        raise InvalidLevel(f"{field} {shortened(<object>number)} is no integer of {least} to 2**63 - 1", symbol)
    return value


cdef inline int64_t milliseconds(PyObject* number, str field, str symbol) except? -1:
    """A time in ms as µs."""
    cdef int64_t value = integer(number, field, 0, symbol)
    if value > LATEST_MS:
        raise InvalidLevel(f"{field} {value} ms is no time", symbol)
    return value * US_PER_MS
