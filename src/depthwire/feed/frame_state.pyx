"""A live state that reads its plain frames itself: the interface that dialects implement."""


cdef class FrameState:
    """The base of a live state. Subclass in Cython and override ``take``."""

    cdef bint take(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1:
        """Apply a frame and return True. Otherwise change nothing and return False; the caller then decodes the frame."""
        return False
