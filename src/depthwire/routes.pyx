"""Which channel a topic's frames go to: a hash table over the topic's bytes, asked once per frame."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memcmp, memcpy


@cython.final
cdef class Routes:
    """A mapping of topics to channels that is asked with borrowed bytes, without making an object."""

    def __cinit__(self):
        self._channels = {}
        self._rebuild()

    def __dealloc__(self):
        PyMem_Free(self._slots)

    def add(self, Channel channel not None):
        """Route ``channel.topic`` to it. O(1), and O(n) now and then."""
        cdef bytes topic = channel.topic.encode()
        known = topic in self._channels
        self._channels[topic] = channel
        if known or 2 * len(self._channels) > self._mask + 1:
            self._rebuild()
        else:
            self._insert(topic, channel)

    def remove(self, str topic not None):
        """Forget a topic; returns its channel, or None. O(1)."""
        cdef bytes key = topic.encode()
        channel = self._channels.get(key)
        if channel is not None:
            self._clear(self._slot(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
            del self._channels[key]
        return channel

    def get(self, str topic not None):
        """The channel of a topic, or None. O(1)."""
        return self._channels.get(topic.encode())

    def __iter__(self):
        return iter(list(self._channels.values()))

    def __len__(self):
        return len(self._channels)

    cdef Channel find(self, const char* topic, Py_ssize_t length):
        """The channel of the topic that these bytes spell, or None. O(length)."""
        cdef Route* route = &self._slots[self._slot(topic, length)]
        return None if route.channel == NULL else <Channel>route.channel

    cdef Py_ssize_t _slot(self, const char* topic, Py_ssize_t length) noexcept:
        """Where a topic stands, or the free slot where it would."""
        cdef uint64_t wanted = hash_of(topic, length)
        cdef Py_ssize_t at = wanted & self._mask
        cdef Route* route = &self._slots[at]
        while route.channel != NULL:
            if route.hash == wanted and route.length == length and memcmp(route.topic, topic, length) == 0:
                break
            at = (at + 1) & self._mask
            route = &self._slots[at]
        return at

    cdef void _insert(self, bytes topic, Channel channel) noexcept:
        """Take a free slot for a topic that has none; ``topic`` is the key in ``_channels``."""
        cdef const char* text = PyBytes_AS_STRING(topic)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(topic)
        self._slots[self._slot(text, length)] = Route(hash_of(text, length), text, length, <void*>channel)

    cdef void _clear(self, Py_ssize_t hole) noexcept:
        """Free a slot; those behind it that stand out of their place because it was taken move up."""
        cdef Py_ssize_t at = hole
        while True:
            at = (at + 1) & self._mask
            if self._slots[at].channel == NULL:
                break
            # Both are distances to this slot: from where its topic belongs, and from the hole.
            if ((<uint64_t>at - self._slots[at].hash) & <uint64_t>self._mask) >= <uint64_t>((at - hole) & self._mask):
                self._slots[hole] = self._slots[at]
                hole = at
        self._slots[hole].channel = NULL

    cdef int _rebuild(self) except -1:
        cdef Py_ssize_t size = 8
        cdef Route* slots
        while size < 2 * len(self._channels):
            size *= 2
        slots = <Route*>PyMem_Calloc(size, sizeof(Route))
        if slots == NULL:
            raise MemoryError
        PyMem_Free(self._slots)
        self._slots = slots
        self._mask = size - 1
        for topic, channel in self._channels.items():
            self._insert(topic, channel)
        return 0


cdef inline uint64_t hash_of(const char* text, Py_ssize_t length) noexcept nogil:
    """Multiply and fold, eight bytes at a time. Topics come from the user, so collisions are not an attack."""
    cdef uint64_t state = <uint64_t>length * 0x9E3779B97F4A7C15ULL, word = 0
    if length < 8:
        memcpy(&word, text, length)
        return folded(state, word)
    while length > 8:
        memcpy(&word, text, 8)
        state = folded(state, word)
        text += 8
        length -= 8
    memcpy(&word, text + length - 8, 8)     # the last eight, some of them again
    return folded(state, word)


cdef inline uint64_t folded(uint64_t state, uint64_t word) noexcept nogil:
    state = (state ^ word) * 0xD6E8FEB86659FD93ULL
    return state ^ state >> 32
