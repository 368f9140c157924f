"""One side of a book: price ids and sizes in two sorted, contiguous arrays, the best price at the tail.

Most changes happen near the best price. With the best at the tail, an insert or delete there moves a few elements instead
of the whole side. A topic of fixed depth pairs each of these with a change at the far end, so both ends have free space, and
the shorter part moves. The code does not distinguish bids from asks: a ladder stores once whether its ids rise or fall
towards the tail.
"""

from libc.math cimport isfinite
from libc.string cimport memcpy

from depthwire.book.arguments cimport MAX_LEVELS, clipped, shown, to_double, to_int64
from depthwire.book.level_limits cimport is_price_id, is_valid
from depthwire.book.parallel_arrays cimport SLACK, close_gap, move, open_gap, search

import numpy as np

cdef enum:
    FEW_CHANGES = 4


cdef class Ladder:
    """Ladder(descending=False, capacity=32)

    One side of a book. ``descending=False`` keeps the highest price id at the tail (bids), ``descending=True`` the lowest
    (asks). ``capacity``, 1 to 2**31 - 1, is the number of levels to allocate; it doubles when it is exceeded.

    Raises ValueError if ``capacity`` is out of range. Methods raise TypeError for a price id that is not an integer.
    Memory: 16 bytes a level, for ``capacity`` + 16 levels. Running times are for n levels, d of them better than the one
    that changes.
    """

    def __cinit__(self, bint descending=False, capacity=32):
        cdef int64_t levels = clipped(capacity)
        if not 1 <= levels <= MAX_LEVELS:
            raise ValueError(f"capacity must be 1 to 2**31 - 1, not {shown(capacity)}")
        self.count = 0
        self.flip = -1 if descending else 0
        self._allocate(levels)

    cdef _allocate(self, Py_ssize_t capacity):
        ids, lots = np.empty(capacity + 2 * SLACK, np.int64), np.empty(capacity + 2 * SLACK, np.float64)
        cdef int64_t[::1] new_ids = ids
        cdef double[::1] new_lots = lots
        if self.count:
            memcpy(&new_ids[SLACK], self.ids, self.count * sizeof(int64_t))
            memcpy(&new_lots[SLACK], self.lots, self.count * sizeof(double))
        # Read-only from Python; the pointers above were taken before and can still write.
        self.ids, self.lots = &new_ids[SLACK], &new_lots[SLACK]
        self.unused_before, self.length = 0, capacity
        ids.flags.writeable = lots.flags.writeable = False
        self._ids_view, self._lots_view = ids, lots

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for ``capacity`` levels, so that adding them cannot fail."""
        cdef Py_ssize_t grown = self.length
        if capacity > grown:
            while grown < capacity:
                grown *= 2
            self._allocate(grown)
        return 0

    cdef void _recentre(self) noexcept nogil:
        """Move the levels to the middle of the arrays' unused space, so that there is some after them."""
        cdef Py_ssize_t by = (self.unused_before + 1) // 2
        move(self.ids, self.lots, self.count, -by)
        self._set_start(self.unused_before - by)

    cdef void _set_start(self, Py_ssize_t unused_before) noexcept nogil:
        """Set how many unused elements precede the first level."""
        self.ids += unused_before - self.unused_before
        self.lots += unused_before - self.unused_before
        self.unused_before = unused_before

    cdef inline Py_ssize_t seek(self, int64_t price_id) noexcept nogil:
        """Return the index of the first level that is not worse than ``price_id``. O(log n)."""
        return search(self.ids, self.count, price_id, self.flip)

    cdef inline bint has_at(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Return whether the level at an index has this price id. The index may be ``count``."""
        return (at < self.count) & (self.ids[at] == price_id)

    cdef inline bint fits_at(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Return whether ``seek`` would return this index for a price id that has no level."""
        cdef int64_t flip = self.flip, key = price_id ^ flip
        return (
            at <= self.count
            and (at == self.count or (self.ids[at] ^ flip) > key)
            and (at == 0 or (self.ids[at - 1] ^ flip) < key)
        )

    cdef inline bint apply(self, LevelChange* change) noexcept nogil:
        """Make one change and store the replaced size in it. Room for an insert must be reserved.

        Return False, and change nothing, if the level to delete or update does not exist or the level to insert does.

        ``change.at`` is a hint that need not be right. Searching for all changes of a frame before making the first one
        hides most of the memory latency: a change does not move worse levels, so the hints of changes sorted best first
        stay right.
        """
        cdef Py_ssize_t at = min(change.at, self.count), after      # levels may have been deleted since the search
        cdef bint exists = self.has_at(at, change.price_id)
        if not exists and not self.fits_at(at, change.price_id):
            at = self.seek(change.price_id)
            exists = self.has_at(at, change.price_id)
        if change.action == SET:
            change.action = UPDATE if exists else INSERT
        elif change.action == REMOVE:
            change.action = DELETE if exists else NOTHING
            if not exists:
                return True
        elif exists == (change.action == INSERT):
            return False
        if change.action == UPDATE:
            change.size, self.lots[at] = self.lots[at], change.size
            return True
        after = self.count - at
        if change.action == DELETE:
            change.size = self.lots[at]
            if at < after:
                close_gap(self.ids + at, self.lots + at, at, -1)
                self._set_start(self.unused_before + 1)
            else:
                close_gap(self.ids + at, self.lots + at, after - 1, 1)
            self.count -= 1
        else:
            if self.unused_before + self.count == self.length:
                self._recentre()
            if at < after and self.unused_before:
                self._set_start(self.unused_before - 1)
                open_gap(self.ids + at, self.lots + at, at, -1)
            else:
                open_gap(self.ids + at, self.lots + at, after, 1)
            self.ids[at] = change.price_id
            self.lots[at] = change.size
            self.count += 1
        return True

    cdef int64_t highest_id(self) noexcept nogil:
        """Return the highest price id, 0 for an empty ladder. O(1)."""
        return self.ids[0 if self.flip else self.count - 1] if self.count else 0

    cdef void rescale(self, int64_t factor) noexcept nogil:
        """Multiply all price ids by a positive factor. The highest product must fit int64. O(n)."""
        cdef Py_ssize_t i
        for i in range(self.count):
            self.ids[i] *= factor

    cdef void remove_all(self) noexcept nogil:
        """Remove all levels."""
        self.count = 0
        self._set_start(0)

    cdef void append(self, int64_t price_id, double size) noexcept nogil:
        """Add a level that is better than all others. Room for it must be reserved. O(1)."""
        self.ids[self.count] = price_id
        self.lots[self.count] = size
        self.count += 1

    def delete(self, price_id):
        """Delete a level. Return its size, or None if there is no such level. O(log n + d)."""
        cdef LevelChange change = LevelChange(0, 0.0, 0, 0, DELETE)
        return change.size if to_int64(price_id, &change.price_id) and self.apply(&change) else None

    def update(self, price_id, size):
        """Change the size of a level. Return the previous size, or None if there is no such level. O(log n).

        Raises ValueError if ``size`` is not finite and positive or ``price_id`` does not fit int64.
        """
        cdef LevelChange change = level_of(price_id, size, UPDATE)
        return change.size if self.apply(&change) else None

    def insert(self, price_id, size):
        """Insert a level and return None. If the level exists, change nothing and return its size. O(log n + d).

        Raises ValueError if ``size`` is not finite and positive or ``price_id`` does not fit int64.
        """
        cdef LevelChange change = level_of(price_id, size, INSERT)
        self.reserve(self.count + 1)
        return None if self.apply(&change) else self.lots[self.seek(change.price_id)]

    def size_at(self, price_id):
        """Return the size at a price id, 0.0 if there is no level. O(log n)."""
        cdef int64_t wanted
        cdef Py_ssize_t at
        if not to_int64(price_id, &wanted):
            return 0.0
        at = self.seek(wanted)
        return self.lots[at] if self.has_at(at, wanted) else 0.0

    def clear(self):
        """Delete all levels and keep the capacity. O(1)."""
        self.remove_all()

    def __len__(self):
        return self.count

    def __contains__(self, price_id):
        cdef int64_t wanted
        return to_int64(price_id, &wanted) and self.has_at(self.seek(wanted), wanted)

    @property
    def best_id(self):
        """The best price id, or None if the ladder is empty. O(1)."""
        return self.ids[self.count - 1] if self.count else None

    @property
    def capacity(self):
        """The number of levels that fit before the arrays grow. O(1)."""
        return self.length

    @property
    def price_ids(self):
        """Price ids, best first: a read-only view of the ladder's memory, int64 of shape (n,). O(1).

        The view is correct until the next change. Then it may show a mixture of old and new levels, or old ones after the
        arrays have grown. Its memory stays readable as long as you keep the view.
        """
        return self._ids_view[SLACK + self.unused_before : SLACK + self.unused_before + self.count][::-1]

    @property
    def sizes(self):
        """Sizes, best first: a read-only view, float64 of shape (n,), correct as long as :attr:`price_ids`. O(1)."""
        return self._lots_view[SLACK + self.unused_before : SLACK + self.unused_before + self.count][::-1]

    def _check(self):
        """Assert the invariants: levels within the arrays, strictly sorted, sizes finite and positive. O(n)."""
        cdef Py_ssize_t i
        assert 0 <= self.count <= self.unused_before + self.count <= self.length
        for i in range(self.count):
            assert isfinite(self.lots[i]) and self.lots[i] > 0, (i, self.lots[i])
            if i:
                assert self.ids[i - 1] ^ self.flip < self.ids[i] ^ self.flip, (i, self.ids[i - 1], self.ids[i])


cdef Py_ssize_t apply_changes(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1:
    """Make changes in order, up to the first that is invalid or refused. Return how many were made.

    If there are many, search for all of them first: their cache misses and mispredicted branches then overlap.
    """
    cdef Py_ssize_t i
    cdef bint found = count > FEW_CHANGES
    if found:
        find_all(ladders, changes, count)
    else:
        for i in range(2):
            (<Ladder>ladders[i]).reserve((<Ladder>ladders[i]).count + count)
    for i in range(count):
        if not is_valid(&changes[i]) and (
            changes[i].action > DELETE or (changes[i].action == REMOVE and not is_price_id(changes[i].price_id))
        ):
            return i
        if not found:
            changes[i].at = <int32_t>(<Ladder>ladders[changes[i].side]).seek(changes[i].price_id)
        if not (<Ladder>ladders[changes[i].side]).apply(&changes[i]):
            return i
    return count


cdef int find_all(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1:
    """Find the index of each change before any is made, and reserve room for the levels to insert."""
    cdef Py_ssize_t inserts[2]
    cdef LevelChange* change
    cdef Py_ssize_t at
    cdef int side
    inserts[:] = [0, 0]
    for change in changes[:count]:
        at = (<Ladder>ladders[change.side]).seek(change.price_id)
        change.at = <int32_t>at
        inserts[change.side] += (change.action >= INSERT) & (not (<Ladder>ladders[change.side]).has_at(at, change.price_id))
    for side in range(2):
        (<Ladder>ladders[side]).reserve((<Ladder>ladders[side]).count + inserts[side])
    return 0


cdef LevelChange level_of(object price_id, object size, int action) except *:
    """Return a change of one level. Raises ValueError for a size or price id that no level can have."""
    cdef LevelChange change = LevelChange(0, to_double(size), 0, 0, action)
    if not (isfinite(change.size) and change.size > 0):
        raise ValueError(f"size must be finite and above 0, not {shown(size)}")
    if not to_int64(price_id, &change.price_id):
        raise ValueError(f"price_id must fit int64, not {shown(price_id)}")
    return change
