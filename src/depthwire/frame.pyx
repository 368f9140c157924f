"""What one order-book frame says, as plain numbers: the hand-over from a decoder to a book."""

from cpython.mem cimport PyMem_Free, PyMem_Realloc


cdef class BookFrame:
    """Scratch memory for one frame's level changes, reused from frame to frame; grows by doubling."""

    def __dealloc__(self):
        PyMem_Free(self.changes)

    cdef void start(self, bint is_snapshot, int price_decimals) noexcept:
        """Begin a new frame; forgets the last one."""
        self.is_snapshot = is_snapshot
        self.price_decimals = price_decimals
        self.cross_seq = self.ts_exchange_us = 0
        self.count = self.inserts = 0

    cdef int _grow(self) except -1:
        cdef Py_ssize_t capacity = 2 * self.capacity if self.capacity else 64
        cdef void* memory = PyMem_Realloc(self.changes, capacity * sizeof(LevelChange))
        if memory == NULL:
            raise MemoryError
        self.changes = <LevelChange*>memory
        self.capacity = capacity
        return 0
