# The wall clock in ns since the epoch, read without a Python object: see clock.h.

from libc.stdint cimport int64_t


cdef extern from "depthwire/wire/clock.h" nogil:
    int64_t now_ns "depthwire_now_ns"()
    int64_t coarse_ns "depthwire_coarse_ns"()       # up to 10 ms old, a quarter of the cost
