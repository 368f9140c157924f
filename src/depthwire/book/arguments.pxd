# Numbers that Python callers pass, of any numeric type and magnitude.

from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

cdef enum:
    MAX_BITS_SHOWN = 256
    MAX_LEVELS = (1 << 31) - 1      # a side's; LevelChange.at is an int32


cdef inline bint to_int64(object number, int64_t* value) except -1:
    """Convert an integer; False if it does not fit. Raises TypeError for a float and for anything else without __index__."""
    cdef int overflow = 0
    value[0] = PyLong_AsLongLongAndOverflow(number, &overflow)
    return overflow == 0


cdef inline int64_t clipped(object number) except? -1:
    """Return an integer as the nearest int64. Raises TypeError as :func:`to_int64` does."""
    cdef int overflow = 0
    cdef int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow)
    if overflow:
        return INT64_MAX if overflow > 0 else INT64_MIN
    return value


cdef inline double to_double(object number) except? -1:
    """Return a number as a float64, infinite if it is too large. Raises TypeError for other types, also for a str."""
    try:
        return number
    except OverflowError:
        return INFINITY if number > 0 else -INFINITY


cdef inline str shown(object value):
    """Return a value's text for an error message. Python refuses to print integers of more than 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS_SHOWN:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)
