"""The interface of a dialect's scanner, the fast way from an order-book frame's bytes to level changes.

The exchange writes the frames of a topic in one shape: fixed keys in a fixed order, no spaces. A scanner knows the shapes
of its dialect and checks every byte of a frame against them, in place and without making a Python object. At the first
unexpected byte it gives up, and the frame goes to the dialect's typed decoder, which is the reference.
"""


cdef class Scanner:
    """Scans one topic's frames. Subclass in Cython and override ``scan``."""

    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1:
        """Scan what follows a frame's topic, which the route has checked. O(size).

        Return 1 if ``frame`` holds the result, 0 if the bytes have another shape; ``frame`` is then undefined.
        """
        raise NotImplementedError
