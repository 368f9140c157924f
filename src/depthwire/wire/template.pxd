# The text of a frame that repeats except for its numbers. It is learned from a proven frame and matched at once: see
# template.h.

from libc.stdint cimport int64_t


cdef extern from "depthwire/wire/template.h" nogil:
    enum:
        TEMPLATE_NUMBERS "DEPTHWIRE_TEMPLATE_NUMBERS"

    ctypedef struct Template "depthwire_template":
        pass

    # Learn a proven text, then the place of each of its numbers, at most TEMPLATE_NUMBERS.
    void learn_text "depthwire_learn_text"(Template* learned, const char* text, Py_ssize_t length)
    void learn_number "depthwire_learn_number"(Template* learned, const char* text, const char* first, const char* end)
    # Match text and store its numbers in the order in which they were learned. Return NULL if it differs.
    const char* match_template "depthwire_match_template"(
        const char* at, const char* end, const Template* learned, int64_t** numbers
    )
