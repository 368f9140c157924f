from libc.stdint cimport uint64_t

from depthwire.feed.channel cimport Channel


cdef struct Route:
    uint64_t hash
    const char* topic       # owned by the key in Routes._channels
    Py_ssize_t length
    void* channel           # borrowed from Routes._channels; NULL: the slot is free


cdef class Routes:
    cdef dict _channels     # topic as bytes -> Channel
    cdef Route* _slots
    cdef Py_ssize_t _mask
    cdef readonly uint64_t changes      # topics that came or went

    cdef Channel find(self, const char* frame, const char* end, const char** after_topic)
    cdef Py_ssize_t _slot(self, uint64_t wanted, const char* topic, Py_ssize_t length) noexcept
    cdef void _insert(self, bytes topic, Channel channel) noexcept
    cdef void _clear(self, Py_ssize_t hole) noexcept
    cdef int _rebuild(self) except -1
