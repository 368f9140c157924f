# Reads the fields of msgspec's Structs, and text, without new references. The offsets come from the Struct's member
# descriptors. Inline, because it runs for every level of a decoded frame.

from cpython.object cimport PyObject
from libc.string cimport memcmp

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyASCIIObject:
        pass

    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member

    void Py_XDECREF(PyObject* it)
    bint PyUnicode_IS_COMPACT_ASCII(PyObject* text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject* text)
    double PyFloat_AS_DOUBLE(PyObject* number)
    bint PyLong_CheckExact(PyObject* number)
    long long PyLong_AsLongLongAndOverflow(PyObject* number, int* overflow) except? -1
    Py_ssize_t PyList_GET_SIZE(PyObject* list)
    PyObject* PyList_GET_ITEM(PyObject* list, Py_ssize_t index)
    PyObject* PyTuple_GET_ITEM(PyObject* tuple, Py_ssize_t index)


cdef inline Py_ssize_t slot_of(object struct, str field) except -1:
    """Return the offset of a field in a Struct's instances, in bytes. Raises ImportError if msgspec stores it differently."""
    descriptor = struct.__dict__[field]
    if type(descriptor).__name__ != "member_descriptor":
        raise ImportError(f"{struct.__name__}.{field} is a {type(descriptor).__name__}, not a slot: this version of msgspec is not supported")
    return (<PyMemberDescrObject*><PyObject*>descriptor).d_member.offset


cdef inline PyObject* slot(PyObject* struct, Py_ssize_t offset) noexcept:
    """Return a borrowed reference to a field of a Struct."""
    return (<PyObject**>(<char*>struct + offset))[0]


cdef inline void put(PyObject* struct, Py_ssize_t offset, PyObject* value) noexcept:
    """Put a new reference into a field of a Struct."""
    cdef PyObject** place = <PyObject**>(<char*>struct + offset)
    cdef PyObject* before = place[0]
    place[0] = value
    Py_XDECREF(before)


cdef inline const char* ascii_of(PyObject* text) noexcept:
    """Return the characters of a compact ASCII str, which owns them."""
    return <const char*>(<PyASCIIObject*>text + 1)


cdef inline bint same_text(PyObject* text, PyObject* expected) noexcept:
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text)
    return (
        PyUnicode_IS_COMPACT_ASCII(text)
        and PyUnicode_IS_COMPACT_ASCII(expected)
        and length == PyUnicode_GET_LENGTH(expected)
        and memcmp(ascii_of(text), ascii_of(expected), length) == 0
    )


cdef inline str shortened(object value):
    """Return the repr of a value for an error message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"


cdef inline str excerpt(const char* data, Py_ssize_t size):
    """Return the beginning of a frame for an error message."""
    shown = bytes(data[: min(size, 120)])
    return f"{shown!r}" + (f"… ({size} bytes)" if size > 120 else "")
