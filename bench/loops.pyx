# cython: language_level=3
"""Loops over frames in C, so that the interpreter's own time stays out of the measurement.

Built when the benchmarks run, against the .pxd files that depthwire ships.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

from depthwire.book cimport Book
from depthwire.book_decoder cimport BookDecoder
from depthwire.channel cimport Channel
from depthwire.frame cimport BookFrame


cdef class DecodedFrames:
    """DecodedFrames(decoders, book, raws)

    Frames decoded beforehand: a decoder's frame holds until its next call, so each has a decoder of its own.
    """

    cdef list decoders
    cdef list frames
    cdef Book book
    cdef list raws

    def __init__(self, list decoders, Book book, list raws):
        self.decoders, self.book, self.raws = decoders, book, raws

    def decode(self):
        """Decode all anew: to apply a frame swaps its sizes with the book's."""
        cdef BookDecoder decoder
        self.frames = []
        for decoder, raw in zip(self.decoders, self.raws):
            self.frames.append(decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), self.book))

    def apply(self):
        cdef BookFrame frame
        for frame in self.frames:
            self.book.apply(frame, 0)


cdef class IdleChannel(Channel):
    """A channel that leaves its frames alone: what remains is the feed's routing."""

    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1:
        self.frames += 1
        return 0


def decode(BookDecoder decoder, Book book, list raws):
    """msgspec's decoding and the proof of each level, without applying."""
    for raw in raws:
        decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), book)


def decode_and_apply(BookDecoder decoder, Book book, list raws):
    for raw in raws:
        book.apply(decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), book), 0)


def measured(run):
    """Call ``run``: a function of its own, so that a profiler can be told to count inside it alone."""
    run()
