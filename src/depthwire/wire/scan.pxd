# Scans canonical JSON text in place: see scan.h. Inline, because it reads every byte of a frame.
#
# Each function takes the position to read from and the end of the text. It returns the position after the scanned bytes, or
# NULL if they are not exactly as expected. NULL in gives NULL out, so a shape is a sequence of calls with one test at the end.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from depthwire.wire.decimal cimport MAX_DIGITS, DecimalText, rounded

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow_exception) except? -1.0

cdef extern from "depthwire/wire/scan.h" nogil:
    enum:
        LONGEST_TOPIC "DEPTHWIRE_LONGEST_TOPIC"

    const char* quoted "depthwire_scan_quoted"(const char* at, const char* end, uint64_t* hash)
    const char* literal "depthwire_scan_literal"(const char* at, const char* end, const char* expected)
    const char* known_text "depthwire_match_bytes"(const char* at, const char* end, const char* expected, Py_ssize_t length)
    const char* digits "depthwire_scan_digits"(const char* at, const char* end, int64_t* value, int* count)
    const char* integer "depthwire_scan_integer"(const char* at, const char* end, int64_t* value)
    const char* short_decimal "depthwire_scan_short_decimal"(
        const char* at, const char* end, int64_t* mantissa, int* digits, int* decimals
    )


cdef inline const char* known(const char* at, const char* end, bytes text) noexcept:
    """Scan the given bytes, at least eight."""
    return known_text(at, end, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline const char* scan_integer(const char* at, const char* end, int64_t* value) noexcept nogil:
    """Scan a JSON integer of 1 to 18 digits."""
    return NULL if at == NULL else integer(at, end, value)


cdef inline const char* scan_decimal(const char* at, const char* end, DecimalText* value) noexcept nogil:
    """Scan a plain decimal of 1 to 18 digits, with or without a point."""
    cdef const char* stop
    if at == NULL:
        return NULL
    stop = short_decimal(at, end, &value.mantissa, &value.digits, &value.decimals)
    return stop if stop != NULL else scan_long_decimal(at, end, value)


cdef inline const char* scan_long_decimal(const char* at, const char* end, DecimalText* value) noexcept nogil:
    cdef const char* stop
    cdef int whole
    value.mantissa = value.digits = value.decimals = 0
    stop = digits(at, end, &value.mantissa, &value.digits)
    whole = value.digits
    if end - stop > 0 and stop[0] == c'.':
        stop = digits(stop + 1, end, &value.mantissa, &value.digits)
        value.decimals = value.digits - whole
        if value.decimals == 0:
            return NULL
    return stop if whole and value.digits <= MAX_DIGITS else NULL


cdef inline const char* scan_number(const char* at, const char* end, double* value) noexcept nogil:
    """Scan a JSON number without sign and exponent that one division rounds correctly."""
    cdef DecimalText decimal
    cdef const char* stop = scan_decimal(at, end, &decimal)
    if stop == NULL or (at[0] == c'0' and decimal.digits > 1 + decimal.decimals) or not rounded(&decimal, value):
        return NULL
    return stop


# The same for the text of a str. Eight bytes before its end are readable, because the object's header precedes the text.


cdef inline bint whole_decimal(const char* text, Py_ssize_t length, DecimalText* value) noexcept nogil:
    """Parse a plain decimal of 1 to 18 digits. Return False if the text is anything else. O(length)."""
    return scan_decimal(text, text + length, value) == text + length


cdef inline bint whole_integer(const char* text, Py_ssize_t length, int64_t* value) noexcept nogil:
    """Parse 1 to 18 digits. Return False if the text is anything else. O(length)."""
    cdef int count = 0
    value[0] = 0
    return digits(text, text + length, value, &count) == text + length and 0 < count <= MAX_DIGITS


cdef inline bint is_plain_decimal(const char* text, Py_ssize_t length) noexcept nogil:
    """Return whether a text consists of any number of digits with at most one point between them. O(length)."""
    cdef Py_ssize_t i
    cdef bint pointed = False
    for i in range(length):
        if text[i] == c'.' and not pointed and 0 < i < length - 1:
            pointed = True
        elif <unsigned char>(text[i] - c'0') > 9:
            return False
    return length > 0


cdef inline bint whole_size(const char* text, Py_ssize_t length, double* size) except -1:
    """Parse a plain decimal as ``float(text)`` does. Return False if the text is anything else. O(length)."""
    cdef DecimalText value
    cdef char* copy
    if whole_decimal(text, length, &value) and rounded(&value, size):
        return True
    if not is_plain_decimal(text, length):
        return False
    copy = <char*>PyMem_Malloc(length + 1)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, text, length)
    copy[length] = 0
    try:
        size[0] = PyOS_string_to_double(copy, NULL, NULL)
    finally:
        PyMem_Free(copy)
    return True
