"""The fields of an instrument, changed in place by the frames that are plain.

A plain frame is one JSON object in the exchange's own form: without spaces or escapes, each value a short number, a text or
one of ``null``, ``true``, ``false``. It is read once, key by key, and nothing changes before all of it is proven. Any
other frame, and any that is not simply the next one, is left to the decoder and to ``Instrument.apply``.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memset

from depthwire.bybit.records cimport FLAG, INTEGER, NUMBER, TEXT, TIME, Layout, as_float
from depthwire.bybit.struct_slots cimport (
    PyLong_AsLongLongAndOverflow,
    PyLong_CheckExact,
    PyUnicode_GET_LENGTH,
    PyUnicode_IS_COMPACT_ASCII,
    ascii_of,
    put,
    slot,
    slot_of,
)
from depthwire.feed.frame_state cimport FrameState
from depthwire.wire.plain cimport (
    is_json_number,
    is_plain_number,
    is_plain_text,
    is_plain_time,
    plain_double,
    plain_integer,
)

from decimal import Decimal

from msgspec.structs import fields

from depthwire.book.types import BookState
from depthwire.bybit.times import Nanoseconds
from depthwire.feed.callbacks import report_raised

cdef extern from "Python.h":
    PyObject* Py_NewRef(PyObject* it)
    bint PyUnicode_CheckExact(PyObject* it)
    PyObject* PyUnicode_DecodeASCII(const char* text, Py_ssize_t size, const char* errors) except NULL
    PyObject* PyLong_FromLongLong(long long value) except NULL
    PyObject* NONE "Py_None"

cdef object LIVE = BookState.LIVE
cdef int64_t US_PER_MS = 1000
cdef int64_t LAST_MS = 10**15       # in µs within int64


cdef inline uint64_t hash_of(const char* key, Py_ssize_t size) noexcept:
    """Return a hash that spreads the keys of one Struct; equal hashes are resolved by comparing bytes."""
    if size == 0:
        return 0
    cdef uint64_t first = <unsigned char>key[0], middle = <unsigned char>key[size // 2]
    cdef uint64_t last = <unsigned char>key[size - 1], fourth = <unsigned char>key[3 if size > 3 else 0]
    return ((first * 37 + fourth) * 37 + middle) * 37 + last + <uint64_t>size * 131


cdef class Columns:
    """Columns(kind, empty_is_absent, names)

    The fields of a Struct by their keys on the wire. ``names`` pairs each field with its name in ``updated``.
    """

    def __init__(self, kind, bint empty_is_absent, names):
        self.kind = kind
        self.empty_is_absent = empty_is_absent
        numbers = Layout.of(kind, empty_is_absent).numbers
        found = fields(kind)
        self.length = len(found)
        if self.length > MOST_FIELDS:
            raise ImportError(f"{kind.__name__} has {self.length} fields; there is room for {MOST_FIELDS}")
        called = dict(names)
        self.called = tuple([called[each.name] for each in found])
        times = {each.field for each in vars(kind).values() if isinstance(each, Nanoseconds)}
        twin = Layout.of(kind, empty_is_absent).twin
        memset(self.by_key, 0, sizeof(self.by_key))
        kept = []
        cdef Column* column
        cdef uint64_t place
        cdef bytes key
        for index, each in enumerate(found):
            key = each.encode_name.encode()
            default = None if each.required else each.default
            kept.append((key, default))
            options = getattr(each.type, "__args__", (each.type,))
            column = &self.columns[<Py_ssize_t>index]
            column.key, column.key_size = key, len(key)
            column.offset = slot_of(twin, each.name)
            column.may_be_none = type(None) in options
            column.absent = NULL if each.required else <PyObject*>default
            if each.name in numbers:
                column.kind = NUMBER
            elif each.name in times:
                column.kind = TIME
            elif int in options and str not in options:
                column.kind = INTEGER
            elif str in options and int not in options:
                column.kind = TEXT
            else:
                column.kind = FLAG      # left to the decoder
            if each.name == "symbol":
                self.symbol = index
            place = hash_of(key, len(key)) % KEY_SLOTS
            while self.by_key[place]:
                place = (place + 1) % KEY_SLOTS
            self.by_key[place] = <unsigned char>(<int>index + 1)
        self._kept = kept
        memset(self.asked, 0, sizeof(self.asked))
        self.answers = [frozenset()] * REMEMBERED

    cdef Py_ssize_t find(self, const char* key, Py_ssize_t size) noexcept:
        """Return the column of a key, or -1. O(1)."""
        cdef uint64_t place = hash_of(key, size) % KEY_SLOTS
        cdef Column* column
        while self.by_key[place]:
            column = &self.columns[self.by_key[place] - 1]
            if column.key_size == size and memcmp(column.key, key, <size_t>size) == 0:
                return self.by_key[place] - 1
            place = (place + 1) % KEY_SLOTS
        return -1

    cdef object names(self, Bits changed):
        """Return the names of a set of columns, cached because frames often change the same ones. O(1) or O(columns)."""
        cdef Py_ssize_t index
        cdef Py_ssize_t place = <Py_ssize_t>((changed.low * 0x9E3779B97F4A7C15u ^ changed.high * 0xC2B2AE3D27D4EB4Fu) >> 58)
        if self.asked[place].low == changed.low and self.asked[place].high == changed.high:
            return self.answers[place]
        found = []
        for index in range(self.length):
            if has(&changed, index):
                found.append(self.called[index])
        self.answers[place] = frozenset(found)
        self.asked[place] = changed
        return self.answers[place]


cdef inline bint has(Bits* bits, Py_ssize_t index) noexcept:
    return (bits.low if index < 64 else bits.high) >> <uint64_t>(index & 63) & 1


cdef inline void add(Bits* bits, Py_ssize_t index) noexcept:
    if index < 64:
        bits.low |= <uint64_t>1 << <uint64_t>index
    else:
        bits.high |= <uint64_t>1 << <uint64_t>(index - 64)


# ---- reading

cdef inline bint begins(const char** at, const char* end, char expected) noexcept:
    """Step over one expected character; return False if another one is there."""
    if at[0] < end and at[0][0] == expected:
        at[0] += 1
        return True
    return False


cdef inline bint read_text(const char** at, const char* end, Span* span) noexcept:
    """Read a text up to its closing quote; the frame holds no escapes."""
    if not begins(at, end, b'"'):
        return False
    span.text = at[0]
    while at[0] < end and at[0][0] != b'"':
        at[0] += 1
    span.size = at[0] - span.text
    span.is_quoted = True
    return begins(at, end, b'"')


cdef inline bint read_value(const char** at, const char* end, Span* span) noexcept:
    """Read a text, a short number, or one of null, true, false."""
    if at[0] < end and at[0][0] == b'"':
        return read_text(at, end, span)
    span.text = at[0]
    span.is_quoted = False
    while at[0] < end and at[0][0] != b',' and at[0][0] != b'}' and at[0][0] != b']':
        at[0] += 1
    span.size = at[0] - span.text
    if is_null(span) or is_word(span, "true", 4) or is_word(span, "false", 5):
        return True
    cdef Py_ssize_t sign = 1 if span.size and span.text[0] == b'-' else 0
    if span.size > sign + 1 and span.text[sign] == b'0' and b'0' <= span.text[sign + 1] <= b'9':
        return False        # not JSON
    return is_json_number(span.text, <size_t>span.size)


cdef inline bint is_word(Span* span, const char* word, Py_ssize_t size) noexcept:
    return not span.is_quoted and span.size == size and memcmp(span.text, word, <size_t>size) == 0


cdef inline bint is_null(Span* span) noexcept:
    return is_word(span, "null", 4)


cdef inline bint read_integer(const char** at, const char* end, int64_t* number) noexcept:
    cdef Span span
    return read_value(at, end, &span) and plain_integer(span.text, <size_t>span.size, number)


cdef inline bint is_key(Span* key, const char* expected, Py_ssize_t size) noexcept:
    return key.size == size and memcmp(key.text, expected, <size_t>size) == 0


cdef bint read_fields(Columns columns, const char** at, const char* end, Frame* frame) noexcept:
    """Read the members of an object, after its opening brace. Of two members with one key the last counts."""
    cdef Span key, value
    cdef Py_ssize_t index
    if begins(at, end, b'}'):
        return True
    while True:
        if not read_text(at, end, &key) or not begins(at, end, b':') or not read_value(at, end, &value):
            return False
        index = columns.find(key.text, key.size)
        if index >= 0:
            frame.spans[index] = value
            if not has(&frame.named, index):
                add(&frame.named, index)
                frame.order[frame.count] = <unsigned char>index
                frame.count += 1
        if begins(at, end, b'}'):
            return True
        if not begins(at, end, b','):
            return False


cdef bint read_parts(Columns columns, const char** at, const char* end, Frame* frame) noexcept:
    """Read the lists of a v2 delta, after the opening brace: one update, and empty others."""
    cdef Span key
    cdef int updates = 0
    frame.has_parts = True
    while True:
        if not read_text(at, end, &key) or not begins(at, end, b':') or not begins(at, end, b'['):
            return False
        if is_key(&key, "update", 6):
            updates += 1
            if updates > 1 or not begins(at, end, b'{') or not read_fields(columns, at, end, frame):
                return False
        elif not is_key(&key, "delete", 6) and not is_key(&key, "insert", 6):
            return False
        if not begins(at, end, b']'):
            return False
        if begins(at, end, b'}'):
            return updates == 1
        if not begins(at, end, b','):
            return False


cdef bint read_frame(Columns columns, const char* data, Py_ssize_t size, Frame* frame) noexcept:
    """Read a whole frame; False if it is not plain."""
    cdef const char* at = data
    cdef const char* end = data + size
    cdef const char* ahead
    cdef Span key, value
    frame.is_delta = frame.is_snapshot = frame.has_seq = frame.has_ts = frame.has_data = frame.has_parts = False
    frame.seq = frame.ts = 0
    frame.named = Bits(0, 0)
    frame.count = 0
    if not begins(&at, end, b'{'):
        return False
    while True:
        if not read_text(&at, end, &key) or not begins(&at, end, b':'):
            return False
        if is_key(&key, "data", 4):
            if frame.has_data or not begins(&at, end, b'{'):
                return False
            frame.has_data = True
            ahead = at
            if not columns.empty_is_absent and read_text(&ahead, end, &value) and (
                is_key(&value, "delete", 6) or is_key(&value, "update", 6) or is_key(&value, "insert", 6)
            ):
                if not read_parts(columns, &at, end, frame):
                    return False
            elif not read_fields(columns, &at, end, frame):
                return False
        elif is_key(&key, "type", 4):
            if frame.is_delta or frame.is_snapshot or not read_text(&at, end, &value):
                return False
            frame.is_delta = is_key(&value, "delta", 5)
            frame.is_snapshot = is_key(&value, "snapshot", 8)
            if not frame.is_delta and not frame.is_snapshot:
                return False
        elif is_key(&key, "cs", 2) if columns.empty_is_absent else is_key(&key, "cross_seq", 9):
            if frame.has_seq or not read_integer(&at, end, &frame.seq):
                return False
            frame.has_seq = True
        elif is_key(&key, "ts", 2) if columns.empty_is_absent else is_key(&key, "timestamp_e6", 12):
            if frame.has_ts or not read_integer(&at, end, &frame.ts):
                return False
            frame.has_ts = True
        elif not read_value(&at, end, &value):
            return False
        elif is_key(&key, "topic", 5) and not value.is_quoted:
            return False
        if begins(&at, end, b'}'):
            break
        if not begins(&at, end, b','):
            return False
    if at != end or not frame.has_data or not frame.has_ts or not (frame.is_delta or frame.is_snapshot):
        return False
    if columns.empty_is_absent:
        if not 0 <= frame.ts < LAST_MS:
            return False
        frame.ts *= US_PER_MS
        return True
    return frame.has_seq and frame.has_parts == frame.is_delta


cdef inline bint is_null_text(Span* span) noexcept:
    """Return whether a text may be read as null, in upper or lower case."""
    return span.is_quoted and span.size == 4 and (span.text[0] == b'n' or span.text[0] == b'N')


cdef class LiveFields(FrameState):
    """LiveFields(topic, symbol, info, names, empty_is_absent)

    The part of an instrument that frames change: the fields of a Struct, and the numbers of the last frame.
    """

    def __init__(self, topic, symbol, info, names, empty_is_absent):
        self.topic = topic
        self.symbol = symbol
        self._symbol = symbol.encode()
        self._info = info
        self._is_shared = True
        self._updated = frozenset()
        self.columns = COLUMNS.get(type(info))
        if self.columns is None:
            self.columns = COLUMNS[type(info)] = Columns(type(info), empty_is_absent, names)

    @property
    def updated(self):
        """The names of the fields that the last frame changed."""
        if self._updated is None:
            self._updated = self.columns.names(self._changed)
        return self._updated

    @updated.setter
    def updated(self, names):
        self._updated = names

    def _shared(self):
        """Return the fields, which no frame changes any more. Other threads see this as one step."""
        self._is_shared = True
        return self._info

    def as_float(self, str name not None):
        """Return a number's nearest float64, None if it is absent; raises BookNotLive, or AttributeError. O(1)."""
        if self.state is not LIVE:
            self.snapshot()
        return as_float(self._info, name)

    def as_floats(self, *names):
        """Return :meth:`as_float` of several fields, as a tuple. O(names)."""
        if self.state is not LIVE:
            self.snapshot()
        info = self._info
        return tuple([as_float(info, name) for name in names])

    cdef bint take(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1:
        cdef Frame frame
        cdef int64_t seq, ts_us
        cdef int over_seq, over_ts
        if self.state is not LIVE or self._starts_over:
            return False
        seq = PyLong_AsLongLongAndOverflow(<PyObject*>self.frame_seq, &over_seq)
        ts_us = PyLong_AsLongLongAndOverflow(<PyObject*>self.ts_exchange_us, &over_ts)
        if over_seq or over_ts:
            return False
        if not is_plain_text(data, <size_t>size) or not read_frame(self.columns, data, size, &frame):
            return False
        if frame.is_delta:
            if frame.seq < seq:
                return False
        elif not (frame.seq > seq > 0 or frame.ts > ts_us > 0):
            return False
        if not self.proven(&frame):
            return False
        if self._is_shared:
            self._info = self._info.__copy__()
            self._is_shared = False
        self.commit(&frame)
        self.frame_seq, self.ts_exchange_us, self.ts_recv_ns = frame.seq, frame.ts, ts_recv_ns
        self.version += 1
        for listener in self._listeners.now:
            try:
                listener(self, self.updated)
            except BaseException as error:
                report_raised(error, f"{self.topic}: a callback", self.report)
        return True

    cdef bint proven(self, Frame* frame) noexcept:
        """Return whether each named field has a plain value of its kind, and the symbol is that of the state."""
        cdef Py_ssize_t at
        for at in range(frame.count):
            if not self.is_proven(&self.columns.columns[frame.order[at]], &frame.spans[frame.order[at]]):
                return False
        cdef Span* symbol = &frame.spans[self.columns.symbol]
        return (
            has(&frame.named, self.columns.symbol)
            and symbol.size == len(self._symbol)
            and memcmp(symbol.text, <const char*>self._symbol, <size_t>symbol.size) == 0
        )

    cdef bint is_proven(self, Column* column, Span* span) noexcept:
        cdef int64_t number
        if is_null(span):
            return column.may_be_none
        if span.is_quoted and span.size == 0 and self.columns.empty_is_absent:
            return column.absent != NULL
        if column.kind == NUMBER:
            # A long number may be beyond the bounds, and reading a short one as an integer changes nothing.
            if span.is_quoted:
                return is_plain_number(span.text, <size_t>span.size)
            return span.size <= 18 and is_json_number(span.text, <size_t>span.size)
        if column.kind == INTEGER:
            return plain_integer(span.text, <size_t>span.size, &number)
        if column.kind != TEXT and column.kind != TIME:
            return False
        if not span.is_quoted or (column.may_be_none and is_null_text(span)):
            return False
        return column.kind == TEXT or span.size == 0 or is_plain_time(span.text, <size_t>span.size)

    cdef int commit(self, Frame* frame) except -1:
        """Set the named fields, and on a snapshot all others to their defaults."""
        cdef Py_ssize_t at, index
        cdef Column* column
        cdef Span* span
        cdef PyObject* info = <PyObject*>self._info
        self._updated = None
        self._changed = Bits(0, 0)
        if frame.is_snapshot:
            self.clear(frame)
        for at in range(frame.count):
            index = frame.order[at]
            column = &self.columns.columns[index]
            span = &frame.spans[index]
            if is_null(span) or (span.is_quoted and span.size == 0 and self.columns.empty_is_absent):
                if slot(info, column.offset) != column.absent:
                    put(info, column.offset, Py_NewRef(column.absent))
                    add(&self._changed, index)
            elif column.kind == NUMBER:
                self.set_number(index, column, info, span)
            elif column.kind == INTEGER:
                self.set_integer(index, column, info, span)
            else:
                self.set_text(index, column, info, span)
        return 0

    cdef int clear(self, Frame* frame) except -1:
        """Set the fields that a snapshot does not name to their defaults."""
        cdef Py_ssize_t index
        cdef Column* column
        cdef PyObject* info = <PyObject*>self._info
        for index in range(self.columns.length):
            column = &self.columns.columns[index]
            if not has(&frame.named, index) and slot(info, column.offset) != column.absent:
                put(info, column.offset, Py_NewRef(column.absent))
                add(&self._changed, index)
        return 0

    cdef int set_text(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1:
        if not is_same_text(slot(info, column.offset), span):
            put(info, column.offset, PyUnicode_DecodeASCII(span.text, span.size, NULL))
            add(&self._changed, index)
        return 0

    cdef int set_integer(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1:
        cdef int64_t number
        cdef int overflow
        cdef PyObject* known = slot(info, column.offset)
        plain_integer(span.text, <size_t>span.size, &number)
        if PyLong_CheckExact(known) and PyLong_AsLongLongAndOverflow(known, &overflow) == number and not overflow:
            return 0
        put(info, column.offset, PyLong_FromLongLong(number))
        add(&self._changed, index)
        return 0

    cdef int set_number(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1:
        """Store the new digits. The field counts as changed only if the numbers differ."""
        cdef PyObject* known = slot(info, column.offset)
        cdef double before, now
        cdef bint differs
        if is_same_text(known, span):
            return 0
        text = <object>PyUnicode_DecodeASCII(span.text, span.size, NULL)
        Py_DECREF(text)
        if known == NONE:
            differs = True
        elif (
            PyUnicode_CheckExact(known)
            and plain_double(ascii_of(known), <size_t>PyUnicode_GET_LENGTH(known), &before)
            and plain_double(span.text, <size_t>span.size, &now)
            and before != now
        ):
            differs = True
        else:
            differs = (Decimal(<object>known) if PyUnicode_CheckExact(known) else <object>known) != Decimal(text)
        put(info, column.offset, Py_NewRef(<PyObject*>text))
        if differs:
            add(&self._changed, index)
        return 0


cdef inline bint is_same_text(PyObject* known, Span* span) noexcept:
    return (
        PyUnicode_CheckExact(known)
        and PyUnicode_IS_COMPACT_ASCII(known)
        and PyUnicode_GET_LENGTH(known) == span.size
        and memcmp(ascii_of(known), span.text, <size_t>span.size) == 0
    )


cdef dict COLUMNS = {}      # by Struct
