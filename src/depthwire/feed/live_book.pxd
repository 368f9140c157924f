from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame


cdef class BookListener:
    cdef int on_book(self, LiveBook book) except -1
    cdef int on_sent_again(self, LiveBook book) except -1


cdef class LiveBook(Book):
    cdef readonly str topic
    cdef readonly bint finished
    cdef readonly object failure        # the error with which the topic ended, or None
    cdef object report
    cdef int64_t slow_callback_ns       # 0: no limit
    cdef tuple _listeners
    cdef tuple _state_listeners

    cdef void number_as(self, LiveBook other) noexcept
    cdef int renewed(self, int64_t ts_recv_ns) except -1
    cdef int sent_again(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int applied(self) except -1
