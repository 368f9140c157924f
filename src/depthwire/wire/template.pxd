# The part of a frame that repeats except for its numbers, learned once proven, and matched as a whole: see template.h.

from libc.stdint cimport int64_t


cdef extern from "depthwire/wire/template.h" nogil:
    enum:
        TEMPLATE_NUMBERS "DEPTHWIRE_TEMPLATE_NUMBERS"

    ctypedef struct Template "depthwire_template":
        pass

    # Learn a text that was proven; then where each of its numbers stands, TEMPLATE_NUMBERS at most.
    void learn_text "depthwire_learn_text"(Template* learned, const char* text, Py_ssize_t length)
    void learn_number "depthwire_learn_number"(Template* learned, const char* text, const char* first, const char* end)
    # Scan text that matches. Stores its numbers in the order in which they were learned.
    const char* match_template "depthwire_match_template"(
        const char* at, const char* end, const Template* learned, int64_t** numbers
    )
