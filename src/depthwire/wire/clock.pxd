"""The wall clock in ns since the epoch, read without a Python object."""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>

    static int64_t depthwire_now_ns(void) {
        struct timespec now;
        timespec_get(&now, TIME_UTC);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }

    /* The same clock as of the kernel's latest tick, up to 10 ms ago: a quarter of the cost, where there is one. */
    static int64_t depthwire_coarse_ns(void) {
    #ifdef CLOCK_REALTIME_COARSE
        struct timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    #else
        return depthwire_now_ns();
    #endif
    }
    """
    int64_t now_ns "depthwire_now_ns" () noexcept nogil
    int64_t coarse_ns "depthwire_coarse_ns" () noexcept nogil
