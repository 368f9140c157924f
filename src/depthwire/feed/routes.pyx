"""Maps topics to channels: a hash table over the topic's bytes, with one lookup per frame."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memcmp

from depthwire.wire.scan cimport known_text, literal, quoted


@cython.final
cdef class Routes:
    """A mapping of topics to channels; a lookup takes borrowed bytes and makes no object."""

    def __cinit__(self):
        self._channels = {}
        self._rebuild()

    def __dealloc__(self):
        PyMem_Free(self._slots)

    def add(self, Channel channel not None):
        """Route ``channel.topic`` to the channel. Amortized O(1)."""
        cdef bytes topic = channel.topic.encode()
        known = topic in self._channels
        self._channels[topic] = channel
        self.changes += 1
        if known or 2 * len(self._channels) > self._mask + 1:
            self._rebuild()
        else:
            self._insert(topic, channel)

    def remove(self, str topic not None):
        """Remove a topic and return its channel, or None. O(1)."""
        cdef bytes key = topic.encode()
        channel = self._channels.get(key)
        if channel is not None:
            self._clear(self._slot(hash_of(key), PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
            del self._channels[key]
            self.changes += 1
        return channel

    def get(self, str topic not None):
        """Return the channel of a topic, or None. O(1)."""
        return self._channels.get(topic.encode())

    def __iter__(self):
        return iter(list(self._channels.values()))

    def __len__(self):
        return len(self._channels)

    cdef Channel find(self, const char* frame, const char* end, const char** after_topic):
        """Return the channel of the topic that a frame begins with, or None; set where the rest begins. O(length)."""
        cdef uint64_t wanted = 0
        cdef const char* topic = literal(frame, end, b'{"topic":"')
        cdef const char* stop = NULL if topic == NULL else quoted(topic, end, &wanted)
        cdef void* channel
        if stop == NULL:
            return None
        channel = self._slots[self._slot(wanted, topic, stop - topic - 1)].channel
        after_topic[0] = stop
        return None if channel == NULL else <Channel>channel

    cdef inline Py_ssize_t _slot(self, uint64_t wanted, const char* topic, Py_ssize_t length) noexcept:
        """Return the slot of a topic, or the free slot where it belongs."""
        cdef Py_ssize_t at = wanted & self._mask
        cdef Route* route = &self._slots[at]
        while route.channel != NULL:
            if route.hash == wanted and route.length == length and is_same(route.topic, topic, length):
                break
            at = (at + 1) & self._mask
            route = &self._slots[at]
        return at

    cdef void _insert(self, bytes topic, Channel channel) noexcept:
        """Put a new topic into a free slot; ``topic`` is the key in ``_channels``, which owns its bytes."""
        cdef const char* text = PyBytes_AS_STRING(topic)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(topic)
        cdef uint64_t wanted = hash_of(topic)
        self._slots[self._slot(wanted, text, length)] = Route(wanted, text, length, <void*>channel)

    cdef void _clear(self, Py_ssize_t hole) noexcept:
        """Free a slot, and move up the entries after it that it had displaced."""
        cdef Py_ssize_t at = hole
        while True:
            at = (at + 1) & self._mask
            if self._slots[at].channel == NULL:
                break
            # Compare the distance to this slot from where its topic belongs with the distance from the hole.
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


cdef inline bint is_same(const char* one, const char* other, Py_ssize_t length) noexcept:
    return known_text(one, one + length, other, length) != NULL if length >= 8 else memcmp(one, other, length) == 0


cdef uint64_t hash_of(bytes topic) noexcept:
    """Return the hash of a topic. Topics come from the user, so an attacker cannot cause collisions."""
    cdef bytes text = topic + b'"' + 8 * b" "
    cdef const char* at = PyBytes_AS_STRING(text)
    cdef uint64_t result = 0
    quoted(at, at + PyBytes_GET_SIZE(text), &result)
    return result
