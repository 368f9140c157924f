"""The common base of the order-book decoders of v2 and v5, which decode frames with msgspec."""

from depthwire.bybit.struct_slots cimport excerpt

from depthwire.errors import UNDECODABLE, unreadable_book


cdef class TypedBookDecoder(BookDecoder):
    """Decodes frames in place with a typed msgspec decoder. Subclass in Cython and override ``decode``."""

    def __init__(self):
        super().__init__()
        self._bytes = FrameBytes()

    cdef object message(self, object decode, const char* data, Py_ssize_t size, Book book):
        """Decode a frame. Raises MalformedFrame, or InvalidLevel for a number that is out of range. O(size)."""
        try:
            return decode(self._bytes.over(data, size))
        except UNDECODABLE as error:
            raise unreadable_book(error, excerpt(data, size), book.symbol) from None
