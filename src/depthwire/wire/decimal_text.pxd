# A decimal number as written. It needs no C header, so public .pxd files may cimport it.

from libc.stdint cimport int64_t


cdef struct DecimalText:
    int64_t mantissa    # the digits, without the point
    int decimals        # the number of digits after the point
    int digits          # the number of digits
