# How old a snapshot is compared to a LIVE book, judged by their numbers.
#
#   number                      others              the snapshot is           the channel
#   lower, or 0 or 1            one of them newer   a restart                 applies it
#   lower                       none newer          a late copy               skips and counts it
#   equal, same levels          any                 sent again                updates the times
#   equal, other levels         any                 proof of a damaged frame  refuses it: the book is STALE
#   higher                      older, none newer   from before a restart     skips and counts it
#   higher                      else                the next one              applies it
#
# On v5 the number is `u`, the others are `seq` and `ts`. v2 has no `u`: its number is `cross_seq`, the others are
# `cross_seq` again and `timestamp_e6`, and 0 and 1 have no special meaning. An absent number, 0, is neither newer nor older.

from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame


cdef enum Age:
    NEXT
    LATE
    SAME_NUMBER


cdef inline bint is_above(int64_t number, int64_t other) noexcept:
    return number > other > 0


cdef inline bint is_newer(BookFrame frame, Book book) noexcept:
    """Return whether one of a snapshot's other numbers is above the book's."""
    return is_above(frame.cross_seq, book.cross_seq) or is_above(frame.ts_exchange_us, book.ts_exchange_us)


cdef inline bint is_restart(BookFrame frame, Book book) noexcept:
    """Return whether a snapshot restarts the numbering, even if the book has the same number."""
    return frame.is_numbered and frame.update_id <= 1 and is_newer(frame, book)


cdef inline Age age_of(BookFrame frame, Book book) noexcept:
    """Return how a snapshot's number relates to the number of a book that has one. O(1)."""
    cdef int64_t number = frame.update_id if frame.is_numbered else frame.cross_seq
    cdef int64_t known = book.update_id if frame.is_numbered else book.cross_seq
    if number == known:
        return SAME_NUMBER
    if is_newer(frame, book):
        return NEXT
    if (
        number < known
        or is_above(book.cross_seq, frame.cross_seq)
        or is_above(book.ts_exchange_us, frame.ts_exchange_us)
    ):
        return LATE
    return NEXT
