# Whether text has the plain form in which the exchange writes numbers and times: see plain.h.

from libc.stdint cimport int64_t


cdef extern from "depthwire/wire/plain.h" nogil:
    bint is_plain_text "depthwire_is_plain_text"(const char* text, size_t size)
    bint has_negative_zero "depthwire_has_negative_zero"(const char* text, size_t size)
    bint is_plain_number "depthwire_is_plain_number"(const char* text, size_t size)
    bint is_json_number "depthwire_is_json_number"(const char* text, size_t size)
    bint plain_integer "depthwire_plain_integer"(const char* text, size_t size, int64_t* value)
    bint plain_double "depthwire_plain_double"(const char* text, size_t size, double* value)
    bint is_plain_time "depthwire_is_plain_time"(const char* text, size_t size)
