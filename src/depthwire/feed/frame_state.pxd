from libc.stdint cimport int64_t


cdef class FrameState:
    cdef bint take(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1
