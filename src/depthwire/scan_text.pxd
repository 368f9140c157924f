# Reading canonical JSON text where it lies: each function takes where to read and where the text ends, and returns where it
# stopped, or NULL where the bytes are not exactly what was expected. NULL in gives NULL out, so that a shape is written as
# one call after the other, and asked about once. Inline, since each byte of each frame comes through here.
#
# Digits are read eight at a time: one load finds where a run of digits ends (the first byte that is more than 9 above "0"),
# and three multiplications turn it into a number: D. Lemire, "Quickly parsing eight digits", 2018.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from depthwire.decimal_text cimport DecimalText, rounded

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int depthwire_first_byte(uint64_t mask) { unsigned long at; _BitScanForward64(&at, mask); return (int)(at >> 3); }
    #define DEPTHWIRE_EIGHT_AT_A_TIME 1
    #elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static inline int depthwire_first_byte(uint64_t mask) { return __builtin_ctzll(mask) >> 3; }
    #define DEPTHWIRE_EIGHT_AT_A_TIME 1
    #else
    #define DEPTHWIRE_EIGHT_AT_A_TIME 0
    #endif

    /* The compiler knows a literal's length. */
    static inline const char* depthwire_literal(const char* at, const char* end, const char* text) {
        size_t length = strlen(text);
        return at && (size_t)(end - at) >= length && memcmp(at, text, length) == 0 ? at + length : (const char*)0;
    }

    /* Reads a run of at most 18 digits, adds them behind those of *value, and adds their number to *count. */
    static inline const char* depthwire_digits(const char* at, const char* end, uint64_t* value, int* count) {
        static const uint64_t powers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
        uint64_t total = *value;
        int found = *count;
    #if DEPTHWIRE_EIGHT_AT_A_TIME
        while (end - at >= 8 && found <= 18) {
            uint64_t word, beyond;
            int run = 8;
            memcpy(&word, at, 8);
            word ^= 0x3030303030303030u;
            beyond = (word | (word + 0x7676767676767676u)) & 0x8080808080808080u;
            if (beyond) {
                run = depthwire_first_byte(beyond);
                if (run == 0) break;
                word <<= 64 - 8 * run;
            }
            word = (word & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
            word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
            word = (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
            total = total * powers[run] + word;
            found += run;
            at += run;
            if (run < 8) { *value = total; *count = found; return at; }
        }
    #endif
        while (at < end && (unsigned char)(*at - '0') <= 9 && found <= 18) {
            total = total * 10 + (uint64_t)(*at - '0');
            found++;
            at++;
        }
        *value = total;
        *count = found;
        return at;
    }
    """
    const char* literal "depthwire_literal"(const char* at, const char* end, const char* text) nogil
    const char* digits "depthwire_digits"(const char* at, const char* end, uint64_t* value, int* count) nogil


cdef inline const char* known(const char* at, const char* end, bytes text) noexcept:
    """Bytes that are known when the scanner is made."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(text)
    if at == NULL or end - at < length or memcmp(at, PyBytes_AS_STRING(text), length) != 0:
        return NULL
    return at + length


cdef inline const char* scan_integer(const char* at, const char* end, int64_t* value) noexcept nogil:
    """A JSON integer of 1 to 18 digits."""
    cdef uint64_t number = 0
    cdef int count = 0
    cdef const char* stop
    if at == NULL:
        return NULL
    stop = digits(at, end, &number, &count)
    if count < 1 or count > 18 or (at[0] == c'0' and count > 1):
        return NULL
    value[0] = <int64_t>number
    return stop


cdef inline const char* scan_decimal(const char* at, const char* end, DecimalText* value) noexcept nogil:
    """A plain decimal of 1 to 18 digits, with or without a point among them."""
    cdef uint64_t number = 0
    cdef int count = 0, whole
    cdef const char* stop
    if at == NULL:
        return NULL
    stop = digits(at, end, &number, &count)
    whole = count
    value.decimals = 0
    if end - stop > 0 and stop[0] == c'.':
        stop = digits(stop + 1, end, &number, &count)
        value.decimals = count - whole
        if value.decimals == 0:
            return NULL
    if whole == 0 or count > 18:
        return NULL
    value.mantissa = <int64_t>number
    value.digits = count
    return stop


cdef inline const char* scan_number(const char* at, const char* end, double* value) noexcept nogil:
    """A JSON number without sign or exponent that one division rounds correctly."""
    cdef DecimalText decimal
    cdef const char* stop = scan_decimal(at, end, &decimal)
    if stop == NULL or (at[0] == c'0' and decimal.digits > 1 + decimal.decimals) or not rounded(&decimal, value):
        return NULL
    return stop
