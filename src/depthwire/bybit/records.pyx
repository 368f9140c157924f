"""Events whose numbers stay text until they are read, decoded in one pass.

Each Struct of an event has a twin: the same fields, hence the same places in memory, but numbers are of any type. msgspec
decodes a frame into twins; then each field of each twin is checked in place, and the twin becomes the Struct. A frame
that is not plain is left to :mod:`depthwire.feed.repair`, which reads it field by field.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from depthwire.bybit.struct_slots cimport (
    PyList_GET_ITEM,
    PyList_GET_SIZE,
    PyLong_AsLongLongAndOverflow,
    PyLong_CheckExact,
    PyUnicode_GET_LENGTH,
    PyUnicode_IS_COMPACT_ASCII,
    ascii_of,
    put,
    slot,
    slot_of,
)
from depthwire.feed.book_decoder cimport FrameBytes
from depthwire.wire.plain cimport (
    has_negative_zero,
    is_json_number,
    is_plain_number,
    is_plain_text,
    is_plain_time,
    plain_double,
    plain_integer,
)

from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, defstruct, field
from msgspec.structs import fields

from depthwire.bybit.times import Nanoseconds
from depthwire.errors import UNDECODABLE

cdef extern from *:
    """
    /* A twin becomes the Struct with the same layout. Both are heap types, so their instances hold references to them. */
    static inline void depthwire_become(PyObject *twin, PyObject *type) {
        PyObject *before = (PyObject *)Py_TYPE(twin);
        Py_INCREF(type);
        Py_SET_TYPE(twin, (PyTypeObject *)type);
        Py_DECREF(before);
    }
    """
    void become "depthwire_become"(PyObject* twin, PyObject* kind)

cdef extern from "Python.h":
    PyObject* Py_NewRef(PyObject* it)
    PyObject* PyObject_Str(PyObject* it) except NULL
    bint PyUnicode_CheckExact(PyObject* it)
    bint PyDict_CheckExact(PyObject* it)
    bint PyList_CheckExact(PyObject* it)
    bint PyBool_Check(PyObject* it)
    int PyDict_Next(PyObject* it, Py_ssize_t* at, PyObject** key, PyObject** value)
    PyObject* PyLong_FromLongLong(long long value) except NULL
    PyObject* NONE "Py_None"


cdef inline bint is_plain_int(PyObject* value) noexcept:
    """Return whether a value is an int that fits into 64 bits."""
    cdef int overflow
    if not PyLong_CheckExact(value):
        return False
    PyLong_AsLongLongAndOverflow(value, &overflow)
    return overflow == 0


cdef inline bint is_exact(PyObject* value) noexcept:
    """Return whether a value is a small int, or the Decimal of a JSON number with an exponent."""
    return is_plain_int(value) or type(<object>value) is Decimal


cdef inline bint is_number_text(PyObject* text) noexcept:
    return PyUnicode_IS_COMPACT_ASCII(text) and is_plain_number(ascii_of(text), PyUnicode_GET_LENGTH(text))


@cython.final
cdef class Number:
    """A field that holds a Decimal, or text that becomes one when it is read. Replaces the Struct's own descriptor."""

    def __init__(self, str name not None, Py_ssize_t offset):
        self.name = name
        self.offset = offset

    def __get__(self, record, owner):
        if record is None:
            return self
        cdef PyObject* value = slot(<PyObject*>record, self.offset)
        if value == NULL:
            raise AttributeError(self.name)
        if PyUnicode_CheckExact(value) or PyLong_CheckExact(value) or PyDict_CheckExact(value):
            return self.read(record)
        return <object>value

    cdef object read(self, record):
        """Return the exact value, and keep it."""
        cdef PyObject* value = slot(<PyObject*>record, self.offset)
        cdef object exact
        if PyDict_CheckExact(value):
            if not any(type(each) is str or type(each) is int for each in (<dict>value).values()):
                return <object>value
            exact = {key: Decimal(each) for key, each in (<dict>value).items()}
        elif PyUnicode_CheckExact(value) or PyLong_CheckExact(value):
            exact = Decimal(<object>value)
        else:
            return <object>value
        put(<PyObject*>record, self.offset, Py_NewRef(<PyObject*>exact))
        return exact

    cdef object as_float(self, record):
        """Return the nearest float64, or None. The field still holds its text."""
        cdef PyObject* value = slot(<PyObject*>record, self.offset)
        cdef double number
        if value == NONE:
            return None
        if PyUnicode_CheckExact(value) and PyUnicode_IS_COMPACT_ASCII(value):
            if is_number_text(value) and plain_double(ascii_of(value), PyUnicode_GET_LENGTH(value), &number):
                return number
        return float(<object>value)


cdef dict LAYOUTS = {}      # by Struct


def read_all(record):
    """Compute every Decimal of a record and of the records in it; return the record. O(fields)."""
    cdef Layout layout = LAYOUTS.get(type(record))
    if layout is not None:
        layout.read(record)
    return record


def as_floats(record, *names):
    """Return :func:`as_float` of several fields, as a tuple. O(names)."""
    return tuple([as_float(record, name) for name in names])


cpdef object as_float(record, str name):
    """Return a number's nearest float64, None if it is absent. Raises AttributeError if there is no such field. O(1).

    The exact value is not computed.
    """
    cdef Layout layout = LAYOUTS.get(type(record))
    number = None if layout is None else layout.numbers.get(name)
    if number is None:
        value = getattr(record, name)
        return None if value is None else float(value)
    return (<Number>number).as_float(record)


@cython.final
cdef class Layout:
    """The offsets of a Struct's fields, and what must be proven about each."""

    def __cinit__(self):
        self.places = NULL

    def __init__(self, kind, bint empty_is_absent):
        self.kind = kind
        self.empty_is_absent = empty_is_absent
        self.numbers = {}
        self.inner = []
        self.derived = []
        cdef list found = []
        cdef list columns = []
        times = _times_of(kind)
        for each in fields(kind):
            offset = _offset_of(kind, each.name)
            options = set(_options(each.type))
            item = _item_of(options)
            proven, wire = None, each.type
            inner = -1
            if Decimal in options:
                proven, wire = NUMBER, Any
            elif item is not None and issubclass(item, Struct):
                layout = Layout.of(item, empty_is_absent)
                inner = len(self.inner)
                self.inner.append(layout)
                proven, wire = RECORDS, _with_item(each.type, layout.twin)
            elif any(get_origin(option) is dict for option in options):
                proven, wire = AMOUNTS, Any
            elif each.name in times:
                proven = TIME
            elif int in options and str not in options:
                proven, wire = INTEGER, Any
            elif empty_is_absent and bool in options:
                proven, wire = FLAG, Any
            elif empty_is_absent and each.required:
                proven = TEXT
            if proven in (NUMBER, AMOUNTS):
                self.numbers[each.name] = Number(each.name, offset)
            if proven is not None:
                found.append((proven, offset, each.required, type(None) in options, inner, each.default))
            own = {"name": each.encode_name} if each.required else {"name": each.encode_name, "default": each.default}
            columns.append((each.name, wire, field(**own)))
        self.twin = defstruct(f"{kind.__name__}Twin", columns, frozen=True, kw_only=True, gc=False)
        for each in fields(kind):
            if slot_of(self.twin, each.name) != _offset_of(kind, each.name):
                raise ImportError(f"{kind.__name__}.{each.name} has another offset in its twin: unsupported msgspec")
        if self.twin.__basicsize__ != kind.__basicsize__:
            raise ImportError(f"{kind.__name__} has another size than its twin: unsupported msgspec")
        for target, sources in getattr(kind, "DERIVED", {}).items():
            self.derived.append((slot_of(self.twin, target), [slot_of(self.twin, source) for source in sources], target))
        self.derived_required = getattr(kind, "DERIVED_REQUIRED", frozenset())
        self.length = len(found)
        self.places = <Place*>PyMem_Calloc(max(1, self.length), sizeof(Place))
        if self.places == NULL:
            raise MemoryError
        cdef Place* place
        for index, (proven, offset, is_required, may_be_none, inner, default) in enumerate(found):
            place = &self.places[<Py_ssize_t>index]
            place.kind = proven
            place.offset = offset
            place.is_required = is_required
            place.may_be_none = may_be_none
            place.inner = inner
            # None and "" live forever, and so does the default of a type that is kept below.
            place.absent = NULL if is_required else <PyObject*>default
        self._kept = found
        for name, number in self.numbers.items():
            setattr(kind, name, number)

    def __dealloc__(self):
        PyMem_Free(self.places)

    @staticmethod
    def of(kind, bint empty_is_absent):
        """Return the layout of a Struct, which is made once."""
        found = LAYOUTS.get(kind)
        if found is None:
            found = LAYOUTS[kind] = Layout(kind, empty_is_absent)
        return found

    cdef int read(self, record) except -1:
        cdef Number number
        cdef Place* place
        for number in self.numbers.values():
            if slot(<PyObject*>record, number.offset) != NULL:
                number.read(record)
        for index in range(self.length):
            place = &self.places[index]
            if place.kind == RECORDS and PyList_CheckExact(slot(<PyObject*>record, place.offset)):
                for item in <list>slot(<PyObject*>record, place.offset):
                    (<Layout>self.inner[place.inner]).read(item)
        return 0

    cdef bint settle(self, PyObject* twin) except -1:
        """Prove each field of a twin and turn it into the Struct; return False if a field is not plain."""
        cdef Py_ssize_t index
        cdef Place* place
        cdef PyObject* value
        cdef int64_t number
        for index in range(self.length):
            place = &self.places[index]
            value = slot(twin, place.offset)
            if value == place.absent:
                continue
            if PyUnicode_CheckExact(value):
                if not PyUnicode_IS_COMPACT_ASCII(value):
                    return False
                if PyUnicode_GET_LENGTH(value) == 0:
                    if not self.empty_is_absent or place.is_required:
                        return False
                    put(twin, place.offset, Py_NewRef(place.absent))
                elif place.kind == NUMBER:
                    if not is_plain_number(ascii_of(value), PyUnicode_GET_LENGTH(value)):
                        return False
                elif place.kind == INTEGER:
                    if not plain_integer(ascii_of(value), PyUnicode_GET_LENGTH(value), &number):
                        return False
                    put(twin, place.offset, PyLong_FromLongLong(number))
                elif place.kind == TIME:
                    if not is_plain_time(ascii_of(value), PyUnicode_GET_LENGTH(value)):
                        return False
                elif place.kind != TEXT:
                    return False
            elif value == NONE:
                if not place.may_be_none:
                    return False
            elif place.kind == NUMBER:
                if not is_exact(value):
                    return False
                put(twin, place.offset, PyObject_Str(value))  # as msgspec encodes a Decimal
            elif place.kind == INTEGER:
                if not PyLong_CheckExact(value):
                    return False
            elif place.kind == FLAG:
                if not PyBool_Check(value):
                    return False
            elif place.kind == RECORDS:
                if not (<Layout>self.inner[place.inner]).settle_all(value):
                    return False
            elif place.kind == AMOUNTS:
                if not are_amounts(value):
                    return False
            else:
                return False
        if self.derived and not self.derive(twin):
            return False
        become(twin, <PyObject*>self.kind)
        return True

    cdef bint settle_all(self, PyObject* twins) except -1:
        cdef Py_ssize_t index
        for index in range(PyList_GET_SIZE(twins)):
            if not self.settle(PyList_GET_ITEM(twins, index)):
                return False
        return True

    cdef bint derive(self, PyObject* twin) except -1:
        """Fill in absent fields from others; return False if a required one stays absent."""
        cdef PyObject* value
        for target, sources, name in self.derived:
            value = slot(twin, target)
            if value != NONE and not (PyUnicode_CheckExact(value) and PyUnicode_GET_LENGTH(value) == 0):
                continue
            for source in sources:
                value = slot(twin, source)
                if value != NONE and not (PyUnicode_CheckExact(value) and PyUnicode_GET_LENGTH(value) == 0):
                    put(twin, target, Py_NewRef(value))
                    break
            else:
                if name in self.derived_required:
                    return False
        return True


cdef bint are_amounts(PyObject* amounts) noexcept:
    """Return whether a value is an object of plain numbers."""
    cdef Py_ssize_t at = 0
    cdef PyObject* key
    cdef PyObject* value
    if not PyDict_CheckExact(amounts):
        return False
    while PyDict_Next(amounts, &at, &key, &value):
        if not (is_exact(value) or (PyUnicode_CheckExact(value) and is_number_text(value))):
            return False
    return True


def _options(kind):
    """Return the types that a field may have."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _item_of(options):
    """Return the type of a list's items, or None."""
    items = [get_args(option)[0] for option in options if get_origin(option) is list]
    return items[0] if items and isinstance(items[0], type) else None


def _with_item(kind, item):
    """Return a type of lists with another item type."""
    return list[item] | None if type(None) in _options(kind) else list[item]


def _times_of(kind):
    """Return the names of the texts that hold times."""
    found = (each for base in kind.__mro__ for each in vars(base).values())
    return {each.field for each in found if isinstance(each, Nanoseconds)}


def _offset_of(kind, name):
    """Return where a Struct keeps a field, which may belong to a base."""
    for base in kind.__mro__:
        if name in vars(base):
            found = vars(base)[name]
            return (<Number>found).offset if isinstance(found, Number) else slot_of(base, name)
    raise AttributeError(name)


def _unread(str text):
    """Return a JSON number with a point as its own text, with an exponent as a Decimal: no text may have an exponent."""
    if not is_number_text(<PyObject*>text) and is_json_number(ascii_of(<PyObject*>text), len(text)):
        return Decimal(text)
    return text


@cython.final
cdef class EventDecoder:
    """EventDecoder(message, empty_is_absent)

    Decodes the plain frames of a ``message`` whose ``data`` is a list of events. With ``empty_is_absent`` a field whose
    text is "" gets its default.
    """

    def __init__(self, message, bint empty_is_absent):
        (data,) = [each for each in fields(message) if each.name == "data"]
        self._layout = Layout.of(_item_of(_options(data.type)), empty_is_absent)
        integers = [each.name for each in fields(message) if int in _options(each.type)]
        columns = [
            (
                each.name,
                list[self._layout.twin] if each.name == "data" else Any if each.name in integers else each.type,
                field(name=each.encode_name) if each.required else field(name=each.encode_name, default=each.default),
            )
            for each in fields(message)
        ]
        self._twin = defstruct(f"{message.__name__}Twin", columns, kw_only=True, gc=False)
        self._data = slot_of(self._twin, "data")
        self._integers = [slot_of(self._twin, name) for name in integers]
        self._decode = msgspec.json.Decoder(self._twin, strict=False, float_hook=_unread).decode

    def __call__(self, frame):
        """Return a message whose ``data`` holds the events, or None if the frame is not plain. O(size)."""
        cdef FrameBytes borrowed
        cdef const char* text
        cdef Py_ssize_t size, offset
        cdef PyObject* number
        cdef int64_t integer
        if isinstance(frame, FrameBytes):
            borrowed = frame
            text, size = borrowed.data, borrowed.size
        elif isinstance(frame, bytes):
            text, size = frame, len(frame)
        else:
            return None
        # Only as text does a number of -0 have a sign.
        if not is_plain_text(text, size) or (not self._layout.empty_is_absent and has_negative_zero(text, size)):
            return None
        try:
            message = self._decode(frame)
        except UNDECODABLE:
            return None
        for offset in self._integers:
            number = slot(<PyObject*>message, offset)
            if number == NONE or PyLong_CheckExact(number):
                continue
            if not PyUnicode_CheckExact(number) or not PyUnicode_IS_COMPACT_ASCII(number):
                return None
            if not plain_integer(ascii_of(number), PyUnicode_GET_LENGTH(number), &integer):
                return None
            put(<PyObject*>message, offset, PyLong_FromLongLong(integer))
        if not self._layout.settle_all(slot(<PyObject*>message, self._data)):
            return None
        return message
