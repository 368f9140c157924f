# cython: language_level=3
"""Loops over frames in C, so that the measurement excludes the interpreter's time.

Built when the benchmarks run, against the .pxd files that depthwire ships.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t

from depthwire.book.book cimport Book
from depthwire.feed.book_decoder cimport BookDecoder
from depthwire.feed.channel cimport Channel
from depthwire.feed.listener cimport Feed
from depthwire.book.update cimport BookFrame

cdef extern from "Python.h" nogil:
    ctypedef struct PyMemAllocatorEx:
        void* ctx
        void* (*malloc)(void* ctx, size_t size) noexcept nogil
        void* (*calloc)(void* ctx, size_t count, size_t size) noexcept nogil
        void* (*realloc)(void* ctx, void* block, size_t size) noexcept nogil
        void (*free)(void* ctx, void* block) noexcept nogil
    ctypedef enum PyMemAllocatorDomain:
        PYMEM_DOMAIN_RAW
        PYMEM_DOMAIN_MEM
        PYMEM_DOMAIN_OBJ
    void PyMem_GetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx* allocator)
    void PyMem_SetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx* allocator)


cdef class DecodedFrames:
    """DecodedFrames(decoders, book, raws)

    Frames decoded beforehand: a decoder's frame is valid until its next call, so each frame has a separate decoder.
    """

    cdef list decoders
    cdef list frames
    cdef Book book
    cdef list raws

    def __init__(self, list decoders, Book book, list raws):
        self.decoders, self.book, self.raws = decoders, book, raws

    def decode(self):
        """Decode all frames again, because applying a frame swaps its sizes with the book's."""
        cdef BookDecoder decoder
        self.frames = []
        for decoder, raw in zip(self.decoders, self.raws):
            self.frames.append(decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), self.book))

    def apply(self):
        cdef BookFrame frame
        for frame in self.frames:
            self.book.apply(frame, 0)


cdef class IdleChannel(Channel):
    """A channel that ignores its frames, so that only the feed's routing is measured."""

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        return 0


def decode(BookDecoder decoder, Book book, list raws):
    """Run msgspec's decoding and the check of each level, without applying."""
    for raw in raws:
        decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), book)


def decode_and_apply(BookDecoder decoder, Book book, list raws):
    for raw in raws:
        book.apply(decoder.decode(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), book), 0)


def measured(run):
    """Call ``run``. This is a separate function so that a profiler can count inside it alone."""
    run()


def receive(Feed feed, list raws):
    """Run the feed's path, called from C."""
    for raw in raws:
        feed.on_message(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), 0)


def read_best(Book book, int64_t times):
    """Read the best bid from C; return the sum, so that the compiler cannot remove a read."""
    cdef double total = 0.0
    cdef int64_t number
    for number in range(times):
        total += book.best_price(0)
    return total


cdef uint64_t allocations
cdef PyMemAllocatorEx original[3]


cdef void* counting_malloc(void* ctx, size_t size) noexcept nogil:
    global allocations
    allocations += 1
    return (<PyMemAllocatorEx*>ctx).malloc((<PyMemAllocatorEx*>ctx).ctx, size)


cdef void* counting_calloc(void* ctx, size_t count, size_t size) noexcept nogil:
    global allocations
    allocations += 1
    return (<PyMemAllocatorEx*>ctx).calloc((<PyMemAllocatorEx*>ctx).ctx, count, size)


cdef void* counting_realloc(void* ctx, void* block, size_t size) noexcept nogil:
    global allocations
    allocations += 1
    return (<PyMemAllocatorEx*>ctx).realloc((<PyMemAllocatorEx*>ctx).ctx, block, size)


cdef void plain_free(void* ctx, void* block) noexcept nogil:
    (<PyMemAllocatorEx*>ctx).free((<PyMemAllocatorEx*>ctx).ctx, block)


def allocations_of(Feed feed, list raws):
    """Return how often Python's allocators (objects, memory, raw) are called while a feed takes the frames."""
    global allocations
    cdef PyMemAllocatorDomain[3] domains = [PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ]
    cdef PyMemAllocatorEx counting
    cdef int number
    counting.malloc, counting.calloc = counting_malloc, counting_calloc
    counting.realloc, counting.free = counting_realloc, plain_free
    for number in range(3):
        PyMem_GetAllocator(domains[number], &original[number])
        counting.ctx = &original[number]
        PyMem_SetAllocator(domains[number], &counting)
    allocations = 0
    try:
        receive(feed, raws)
        return allocations
    finally:
        for number in range(3):
            PyMem_SetAllocator(domains[number], &original[number])
