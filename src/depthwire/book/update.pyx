"""What one order-book frame says, as plain numbers: the hand-over from a decoder to a book."""

from cpython.mem cimport PyMem_Free, PyMem_Realloc

from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN, scaled


cdef class BookFrame:
    """Scratch memory for one frame's level changes, reused from frame to frame; grows by doubling."""

    def __dealloc__(self):
        PyMem_Free(self.changes)

    cdef void start(self, bint is_snapshot, int price_decimals) noexcept:
        """Begin a new frame; forgets the last one."""
        self.is_snapshot = is_snapshot
        self.keeps_sides_full = False
        self.price_decimals = price_decimals
        self.cross_seq = self.ts_exchange_us = self.ts_matching_us = self.update_id = 0
        self.count = 0

    cdef bint set_price(self, LevelChange* change, const DecimalText* price) noexcept:
        """Set a change's price id from the price alone, at the frame's scale, which a finer price raises. O(1).

        False where the price is 0, or where it and the frame's other price ids do not fit one scale.
        """
        if self.price_decimals < 0:
            self.price_decimals = price.decimals
        if scaled(price, self.price_decimals, &change.price_id):
            return price.mantissa > 0
        change.price_id = 0
        return (
            price.decimals > self.price_decimals
            and self._refine(price.decimals)
            and scaled(price, self.price_decimals, &change.price_id)
        )

    cdef bint _refine(self, int price_decimals) noexcept:
        """State the changes so far at a finer scale; False, and nothing done, where a price id would not fit."""
        cdef Py_ssize_t i
        cdef int64_t factor = POWERS_OF_TEN[price_decimals - self.price_decimals]
        for i in range(self.count):
            if self.changes[i].price_id > POWERS_OF_TEN[MAX_DIGITS] // factor:
                return False
        for i in range(self.count):
            self.changes[i].price_id *= factor
        self.price_decimals = price_decimals
        return True

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for so many changes; those there are stay."""
        cdef Py_ssize_t grown = self.capacity or 64
        cdef void* memory
        if capacity <= self.capacity:
            return 0
        while grown < capacity:
            grown *= 2
        memory = PyMem_Realloc(self.changes, grown * sizeof(LevelChange))
        if memory == NULL:
            raise MemoryError
        self.changes = <LevelChange*>memory
        self.capacity = grown
        return 0
