"""One side of a book: price ids and sizes in two sorted, contiguous arrays, the best price at the tail.

Most changes happen near the best price. With the best at the tail, an insert or delete there moves a few elements
instead of the whole side. A topic of fixed depth answers each of them with one at the far end, so free room is kept at
both ends, and the shorter part is what moves. The ladder does not know which side it is: it is told once whether ids
rise or fall towards the tail.
"""

from libc.math cimport isfinite
from libc.string cimport memcpy

from depthwire.book.arguments cimport MAX_LEVELS, clipped, shown, to_double, to_int64
from depthwire.book.ladder_inline cimport is_price_id, is_valid
from depthwire.book.parallel_arrays cimport SLACK, close_gap, move, open_gap, search

import numpy as np

cdef enum:
    FEW = 4     # changes


cdef class Ladder:
    """Ladder(descending=False, capacity=32)

    One side of a book. ``descending=False`` keeps the highest price id at the tail (bids), ``descending=True`` the
    lowest (asks). ``capacity`` is the number of levels to make room for; it doubles when it does not suffice.

    Memory: 16 bytes a level of capacity, and for 16 more.
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
        # Read-only from Python for good; the pointers taken before keep write access.
        self.ids, self.lots = &new_ids[SLACK], &new_lots[SLACK]
        self.first, self.room = 0, capacity
        ids.flags.writeable = lots.flags.writeable = False
        self._ids_view, self._lots_view = ids, lots

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for ``capacity`` levels; afterwards that many can be held without a failure."""
        cdef Py_ssize_t grown = self.room
        if capacity > grown:
            while grown < capacity:
                grown *= 2
            self._allocate(grown)
        return 0

    cdef void _recentre(self) noexcept nogil:
        """Bring half of the room before the levels behind them, so that the next inserts there find some."""
        cdef Py_ssize_t by = (self.first + 1) // 2
        move(self.ids, self.lots, self.count, -by)
        self._settle(self.first - by)

    cdef void _settle(self, Py_ssize_t first) noexcept nogil:
        """Say where the first level stands from now on."""
        self.ids += first - self.first
        self.lots += first - self.first
        self.first = first

    cdef inline Py_ssize_t seek(self, int64_t price_id) noexcept nogil:
        """Index of the first level that is not worse than ``price_id``. O(log n)."""
        return search(self.ids, self.count, price_id, self.flip)

    cdef inline bint stands(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Whether the level at an index, which may be one after the last, has this price id."""
        return (at < self.count) & (self.ids[at] == price_id)

    cdef inline bint belongs(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Whether a price id that has no level belongs at an index, so that ``seek`` returns it."""
        cdef int64_t flip = self.flip, key = price_id ^ flip
        return (
            at <= self.count
            and (at == self.count or (self.ids[at] ^ flip) > key)
            and (at == 0 or (self.ids[at - 1] ^ flip) < key)
        )

    cdef inline bint apply(self, LevelChange* change) noexcept nogil:
        """Make one change, an insert into room reserved before; leaves the size that stood there in the change.

        ``change.at`` need not be right. Looking for all changes of a frame before the first is made saves most of the
        waiting for memory: a change moves nothing that is worse, so what was found holds for changes best first.

        False, and nothing done: there is no such level to delete or update, or there is one where one is to be inserted.
        """
        cdef Py_ssize_t at = min(change.at, self.count), behind     # levels may have gone since it was found
        cdef bint stands = self.stands(at, change.price_id)
        if not stands and not self.belongs(at, change.price_id):
            at = self.seek(change.price_id)
            stands = self.stands(at, change.price_id)
        if change.action == SET:
            change.action = UPDATE if stands else INSERT
        elif change.action == REMOVE:
            change.action = DELETE if stands else NOTHING
            if not stands:
                return True
        elif stands == (change.action == INSERT):
            return False
        if change.action == UPDATE:
            change.size, self.lots[at] = self.lots[at], change.size
            return True
        behind = self.count - at
        if change.action == DELETE:
            change.size = self.lots[at]
            if at < behind:
                close_gap(self.ids + at, self.lots + at, at, -1)
                self._settle(self.first + 1)
            else:
                close_gap(self.ids + at, self.lots + at, behind - 1, 1)
            self.count -= 1
        else:
            if self.first + self.count == self.room:
                self._recentre()
            if at < behind and self.first:
                self._settle(self.first - 1)
                open_gap(self.ids + at, self.lots + at, at, -1)
            else:
                open_gap(self.ids + at, self.lots + at, behind, 1)
            self.ids[at] = change.price_id
            self.lots[at] = change.size
            self.count += 1
        return True

    cdef int64_t highest_id(self) noexcept nogil:
        """The greatest price id; 0 in an empty ladder. O(1)."""
        return self.ids[0 if self.flip else self.count - 1] if self.count else 0

    cdef void rescale(self, int64_t factor) noexcept nogil:
        """Multiply all price ids by a factor above 0, with which the highest of them still fits. O(n)."""
        cdef Py_ssize_t i
        for i in range(self.count):
            self.ids[i] *= factor

    cdef void empty(self) noexcept nogil:
        """Remove all levels."""
        self.count = 0
        self._settle(0)

    cdef void append(self, int64_t price_id, double size) noexcept nogil:
        """Put a level that is better than all others at the tail, into room reserved before."""
        self.ids[self.count] = price_id
        self.lots[self.count] = size
        self.count += 1

    def delete(self, price_id):
        """Remove a level. Returns the size that stood there, or None if there was no such level. O(log n + moved)."""
        cdef LevelChange change = LevelChange(0, 0.0, 0, 0, DELETE)
        return change.size if to_int64(price_id, &change.price_id) and self.apply(&change) else None

    def update(self, price_id, size):
        """Change a level's size. Returns the size before, or None if there was no such level. O(log n).

        Raises ValueError if ``size`` is not finite and positive or ``price_id`` does not fit int64.
        """
        cdef LevelChange change = level_of(price_id, size, UPDATE)
        return change.size if self.apply(&change) else None

    def insert(self, price_id, size):
        """Add a level. Returns None, or the size that stands there already (and stays). O(log n + moved).

        Raises ValueError if ``size`` is not finite and positive or ``price_id`` does not fit int64.
        """
        cdef LevelChange change = level_of(price_id, size, INSERT)
        self.reserve(self.count + 1)
        return None if self.apply(&change) else self.lots[self.seek(change.price_id)]

    def size_at(self, price_id):
        """The size at a price id, 0.0 where there is no level. O(log n)."""
        cdef int64_t wanted
        cdef Py_ssize_t at
        if not to_int64(price_id, &wanted):
            return 0.0
        at = self.seek(wanted)
        return self.lots[at] if self.stands(at, wanted) else 0.0

    def clear(self):
        """Remove all levels; the capacity stays. O(1)."""
        self.empty()

    def __len__(self):
        return self.count

    def __contains__(self, price_id):
        cdef int64_t wanted
        return to_int64(price_id, &wanted) and self.stands(self.seek(wanted), wanted)

    @property
    def best_id(self):
        """The best price id, or None in an empty ladder. O(1)."""
        return self.ids[self.count - 1] if self.count else None

    @property
    def capacity(self):
        """How many levels fit before the arrays are doubled. O(1)."""
        return self.room

    @property
    def price_ids(self):
        """Price ids, best first: int64 array of shape (n,), read-only, the ladder's own memory. O(1).

        The view shows the levels of now. After the next change it may show a mixture of old and new ones, and after
        a growth the old ones; its memory stays valid for as long as the view is held.
        """
        return self._ids_view[SLACK + self.first : SLACK + self.first + self.count][::-1]

    @property
    def sizes(self):
        """Sizes, best first: float64 array of shape (n,), read-only; holds as long as :attr:`price_ids`. O(1)."""
        return self._lots_view[SLACK + self.first : SLACK + self.first + self.count][::-1]

    def _check(self):
        """Assert the invariants: room for all, strictly sorted, sizes finite and positive. O(n)."""
        cdef Py_ssize_t i
        assert 0 <= self.count <= self.first + self.count <= self.room
        for i in range(self.count):
            assert isfinite(self.lots[i]) and self.lots[i] > 0, (i, self.lots[i])
            if i:
                assert self.ids[i - 1] ^ self.flip < self.ids[i] ^ self.flip, (i, self.ids[i - 1], self.ids[i])


cdef Py_ssize_t apply_changes(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1:
    """Make changes, in their order, up to the first that is invalid or refused; returns their number.

    Of many, it first finds where each belongs: then they wait for memory, and for mispredicted branches, together.
    """
    cdef Py_ssize_t i
    cdef bint found = count > FEW
    if found:
        look_up(ladders, changes, count)
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


cdef int look_up(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1:
    """Find where each change belongs before any is made, and make room for the levels that come."""
    cdef Py_ssize_t come[2]
    cdef LevelChange* change
    cdef Py_ssize_t at
    cdef int side
    come[:] = [0, 0]
    for change in changes[:count]:
        at = (<Ladder>ladders[change.side]).seek(change.price_id)
        change.at = <int32_t>at
        come[change.side] += (change.action >= INSERT) & (not (<Ladder>ladders[change.side]).stands(at, change.price_id))
    for side in range(2):
        (<Ladder>ladders[side]).reserve((<Ladder>ladders[side]).count + come[side])
    return 0


cdef LevelChange level_of(object price_id, object size, int action) except *:
    """Return a change of one level. Raises ValueError for a size or price id that no level can have."""
    cdef LevelChange change = LevelChange(0, to_double(size), 0, 0, action)
    if not (isfinite(change.size) and change.size > 0):
        raise ValueError(f"size must be finite and above 0, not {shown(size)}")
    if not to_int64(price_id, &change.price_id):
        raise ValueError(f"price_id must fit int64, not {shown(price_id)}")
    return change
