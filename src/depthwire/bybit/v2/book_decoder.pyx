"""Order-book frames of the v2 dialects, from msgspec's typed messages to level changes.

A message exists only during one call, so its fields are read from the Structs' slots without new references.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from depthwire.bybit.struct_slots cimport (
    PyFloat_AS_DOUBLE,
    PyList_GET_ITEM,
    PyList_GET_SIZE,
    PyLong_AsLongLongAndOverflow,
    PyLong_CheckExact,
    PyUnicode_GET_LENGTH,
    PyUnicode_IS_COMPACT_ASCII,
    ascii_of,
    same_text,
    shortened,
    slot,
    slot_of,
)
from depthwire.book.book cimport Book
from depthwire.wire.decimal cimport MAX_DIGITS, DecimalText, scale_of, scaled
from depthwire.book.update cimport BookFrame
from depthwire.book.ladder cimport ASK, BID, DELETE, INSERT, UPDATE, LevelChange
from depthwire.wire.scan cimport whole_decimal, whole_integer

import msgspec

from depthwire.bybit.v2 import messages
from depthwire.errors import InvalidLevel, PriceMismatch, SymbolMismatch


cdef LevelSlots slots_of(object struct, bint sized) except *:
    return LevelSlots(
        price=slot_of(struct, "price"),
        symbol=slot_of(struct, "symbol"),
        id=slot_of(struct, "id"),
        side=slot_of(struct, "side"),
        size=slot_of(struct, "size") if sized else 0,
    )


cdef MessageSlots message_slots_of(object struct) except *:
    return MessageSlots(
        data=slot_of(struct, "data"),
        cross_seq=slot_of(struct, "cross_seq"),
        timestamp_e6=slot_of(struct, "timestamp_e6"),
    )


cdef LevelSlots DELETED = slots_of(messages.DeletedLevel, False)
cdef LevelSlots PRICED = slots_of(messages.PriceLevel, True)
cdef MessageSlots SNAPSHOT_SLOTS = message_slots_of(messages.OrderBookSnapshot)
cdef MessageSlots DELTA_SLOTS = message_slots_of(messages.OrderBookDelta)
cdef Py_ssize_t DELETE_SLOT = slot_of(messages.OrderBookChanges, "delete")
cdef Py_ssize_t UPDATE_SLOT = slot_of(messages.OrderBookChanges, "update")
cdef Py_ssize_t INSERT_SLOT = slot_of(messages.OrderBookChanges, "insert")
cdef Py_ssize_t ORDER_BOOK_SLOT = slot_of(messages.OrderBookLevels, "order_book")
cdef object SNAPSHOT = messages.OrderBookSnapshot
cdef object NESTED_LEVELS = messages.OrderBookLevels


@cython.final
cdef class V2BookDecoder(TypedBookDecoder):
    """V2BookDecoder()

    Decodes ``orderBookL2_25`` and ``orderBook_200.100ms`` of both dialects with one typed msgspec decoder.
    """

    def __init__(self):
        super().__init__()
        self._decode = msgspec.json.Decoder(messages.OrderBookSnapshot | messages.OrderBookDelta).decode

    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book):
        """Decode a frame. Raises MalformedFrame, SymbolMismatch, PriceMismatch or InvalidLevel. O(size)."""
        cdef object message = self.message(self._decode, data, size, book)
        cdef PyObject* fields = <PyObject*>message
        cdef PyObject* content
        cdef const MessageSlots* slots
        cdef BookFrame frame = self.frame
        if type(message) is SNAPSHOT:
            slots = &SNAPSHOT_SLOTS
            frame.start(True, -1)
            content = slot(fields, slots.data)
            if type(<object>content) is NESTED_LEVELS:
                content = slot(content, ORDER_BOOK_SLOT)
            self._read(content, INSERT, &PRICED, book.symbol)
        else:
            slots = &DELTA_SLOTS
            frame.start(False, book.decimals)
            frame.keeps_sides_full = True
            content = slot(fields, slots.data)
            self._read(slot(content, DELETE_SLOT), DELETE, &DELETED, book.symbol)
            self._read(slot(content, UPDATE_SLOT), UPDATE, &PRICED, book.symbol)
            self._read(slot(content, INSERT_SLOT), INSERT, &PRICED, book.symbol)
        frame.cross_seq = integer(slot(fields, slots.cross_seq), "cross_seq", book.symbol)
        frame.ts_exchange_us = integer(slot(fields, slots.timestamp_e6), "timestamp_e6", book.symbol)
        return frame

    cdef int _read(self, PyObject* levels, int action, const LevelSlots* slots, str symbol) except -1:
        """Convert a list of levels to changes. O(levels)."""
        cdef BookFrame frame = self.frame
        cdef LevelChange* change
        cdef PyObject* level
        cdef PyObject* price
        cdef Py_ssize_t i
        for i in range(PyList_GET_SIZE(levels)):
            level = PyList_GET_ITEM(levels, i)
            if not same_text(slot(level, slots.symbol), <PyObject*>symbol):
                raise SymbolMismatch(f"a level of {<object>slot(level, slots.symbol)!r} in a frame of {symbol}", symbol)
            # msgspec has rejected all sides but "Buy" and "Sell".
            change = frame.add(ASK if ascii_of(slot(level, slots.side))[0] == c"S" else BID, action)
            change.price_id = integer(slot(level, slots.id), "id", symbol)
            price = slot(level, slots.price)
            if not prove(price, change.price_id, &frame.price_decimals):
                raise price_fault(<object>price, change.price_id, frame.price_decimals, symbol)
            change.size = PyFloat_AS_DOUBLE(slot(level, slots.size)) if slots.size else 0.0
        return 0


cdef inline bint prove(PyObject* price, int64_t price_id, int* decimals) noexcept:
    """Return whether a level's price and id agree at the scale. The first level of a snapshot sets the scale."""
    cdef DecimalText value
    cdef int64_t expected
    if not PyUnicode_IS_COMPACT_ASCII(price) or not whole_decimal(ascii_of(price), PyUnicode_GET_LENGTH(price), &value):
        return False
    if decimals[0] < 0:
        decimals[0] = scale_of(&value, price_id)
        return decimals[0] >= 0
    return scaled(&value, decimals[0], &expected) and expected == price_id


cdef inline int64_t integer(PyObject* number, str field, str symbol) except? -1:
    """Return an integer that is written as a JSON number or as a string of digits. Raises InvalidLevel."""
    cdef int overflow = 0
    cdef int64_t value
    if PyLong_CheckExact(number):
        value = PyLong_AsLongLongAndOverflow(number, &overflow)
        if not overflow:
            return value
    elif PyUnicode_IS_COMPACT_ASCII(number) and whole_integer(ascii_of(number), PyUnicode_GET_LENGTH(number), &value):
        return value
    raise InvalidLevel(f"{field} {shortened(<object>number)} is not an integer of at most {MAX_DIGITS} digits", symbol)


cdef object price_fault(str price, int64_t price_id, int decimals, str symbol):
    cdef DecimalText value
    if not price.isascii() or not whole_decimal(ascii_of(<PyObject*>price), len(price), &value) or not value.mantissa:
        return InvalidLevel(f"price {shortened(price)} is not a plain decimal number above 0", symbol)
    scale = "any power of ten" if decimals < 0 else f"10**{decimals}"
    return PriceMismatch(f"price {price!r} and id {price_id} disagree; the id must be price × {scale}", symbol)
