"""From an order-book frame's bytes to a :class:`~depthwire.book.update.BookFrame`: the interface that dialects implement."""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo


@cython.final
cdef class FrameBytes:
    """Borrowed memory as a buffer, so that a decoder reads a frame where it lies. One object serves all frames."""

    cdef FrameBytes over(self, const char* data, Py_ssize_t size):
        """Look at ``data`` from now on; it must outlive the call that this object is passed to."""
        self.data = data
        self.size = size
        return self

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void*>self.data, self.size, True, flags)


cdef class BookDecoder:
    """Reads one dialect's order-book frames. Subclass in Cython and override ``decode``.

    One decoder serves all books of a dialect whose frames one thread applies: there, nothing else runs between decoding
    a frame and applying it.
    """

    def __init__(self):
        self.frame = BookFrame()

    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book):
        """The frame's content, valid until the next call; raises a FrameError where the bytes are no frame of ``book``."""
        raise NotImplementedError
