# Prefetches a side's best levels. Needs the package's C headers, so no public .pxd file cimports it.

from depthwire.book.ladder cimport Ladder
from depthwire.book.parallel_arrays cimport prefetch_tail


cdef inline void prefetch_best(Ladder ladder) noexcept nogil:
    """Prefetch the best levels while a frame is parsed: other books may have evicted them from the cache. O(1)."""
    prefetch_tail(ladder.ids, ladder.lots, ladder.count)
