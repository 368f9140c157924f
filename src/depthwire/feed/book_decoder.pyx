"""The interface of a dialect's order-book decoder: from a frame's bytes to a :class:`~depthwire.book.update.BookFrame`."""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo


@cython.final
cdef class FrameBytes:
    """Borrowed memory as a buffer, so that a decoder reads a frame without a copy. One object serves all frames."""

    cdef FrameBytes over(self, const char* data, Py_ssize_t size):
        """Point to ``data``, which must outlive the call that this object is passed to."""
        self.data = data
        self.size = size
        return self

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void*>self.data, self.size, True, flags)


cdef class BookDecoder:
    """Reads one dialect's order-book frames. Subclass in Cython and override ``decode``.

    One decoder serves all books of a dialect in one thread, because nothing runs between decoding a frame and applying it.
    """

    def __init__(self):
        self.frame = BookFrame()

    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book):
        """Return the frame's content, valid until the next call; raise a FrameError if the bytes are not a frame of ``book``."""
        raise NotImplementedError
