# A decimal number as it was written: what decoders hand to a book. It needs no C header, so public .pxd files may use it.

from libc.stdint cimport int64_t


cdef struct DecimalText:
    int64_t mantissa    # the digits, without the point
    int decimals        # how many of them come after the point
    int digits          # how many there are
