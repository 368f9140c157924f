"""The short way from an order-book frame's bytes to level changes: the interface that dialects implement.

The exchange writes the frames of a topic in one shape: fixed keys in a fixed order, no spaces. A scanner knows the shapes
of its dialect and proves every byte of a frame against them, in place and without making a Python object. It never
guesses: at the first byte that is not as expected it gives up, and the frame goes to the dialect's typed decoder, which
is the reference.
"""


cdef class Scanner:
    """Scans one topic's frames. Subclass in Cython and override ``scan``."""

    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1:
        """Scan what stands behind a frame's topic, which its route has proven. O(size).

        1: ``frame`` holds what the bytes say. 0: they are in another shape, and ``frame`` holds nothing of use.
        """
        raise NotImplementedError
