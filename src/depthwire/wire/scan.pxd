# Reading canonical JSON text where it lies: each function takes where to read and where the text ends, and returns where it
# stopped, or NULL where the bytes are not exactly what was expected. NULL in gives NULL out, so that a shape is written as
# one call after the other, and asked about once. Inline, since each byte of each frame comes through here.
#
# Text is looked at eight bytes at a time: one load finds where a run of digits ends, and three multiplications turn it into
# a number: D. Lemire, "Quickly parsing eight digits", 2018. Near the end of the text the last eight bytes are loaded, so a
# text has eight bytes at least: nothing but its head, which is longer, is ever read first.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from depthwire.wire.decimal cimport MAX_DIGITS, DecimalText, rounded

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow_exception) except? -1.0

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #define DEPTHWIRE_LONGEST_TOPIC 256

    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int depthwire_first_byte(uint64_t mask) { unsigned long at; _BitScanForward64(&at, mask); return (int)(at >> 3); }
    static __inline int depthwire_bit(uint32_t mask) { unsigned long at; _BitScanForward(&at, mask); return (int)at; }
    #else
    static inline int depthwire_first_byte(uint64_t mask) { return __builtin_ctzll(mask) >> 3; }
    static inline int depthwire_bit(uint32_t mask) { return __builtin_ctz(mask); }
    #endif

    /* The first byte in the lowest place, whatever the machine's order. */
    static inline uint64_t depthwire_word(const char* at) {
        uint64_t word;
        memcpy(&word, at, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }

    /* Eight bytes, of which digits are from 0 to 9 now; bytes beyond the end are none. */
    static inline uint64_t depthwire_load(const char* at, const char* end) {
        ptrdiff_t left = end - at;
        if (left >= 8) return depthwire_word(at) ^ 0x3030303030303030u;
        return left > 0 ? depthwire_word(end - 8) >> 8 * (8 - left) ^ 0x3030303030303030u : ~(uint64_t)0;
    }

    /* The highest bit of each byte that is no digit. */
    static inline uint64_t depthwire_others(uint64_t word) {
        return (((word & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | word) & 0x8080808080808080u;
    }

    static inline int depthwire_run(uint64_t others) { return others ? depthwire_first_byte(others) : 8; }

    static inline uint64_t depthwire_low(int bytes) { return bytes < 8 ? ((uint64_t)1 << 8 * bytes) - 1 : ~(uint64_t)0; }

    /* The number that the first one to eight bytes, all digits, spell. */
    static inline uint64_t depthwire_number(uint64_t word, int count) {
        word <<= 64 - 8 * count;
        word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FFu;
        word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFFu;
        return (word * 10000 + (word >> 32)) & 0xFFFFFFFFu;
    }

    /* The same bytes without the one at a point. */
    static inline uint64_t depthwire_closed(uint64_t word, int point) {
        uint64_t before = depthwire_low(point);
        return (word & before) | (word >> 8 & ~before);
    }

    static const int64_t depthwire_small_powers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

    static inline const char* depthwire_literal(const char* at, const char* end, const char* text) {
        size_t length = strlen(text);   /* which the compiler knows */
        return at && (size_t)(end - at) >= length && memcmp(at, text, length) == 0 ? at + length : (const char*)0;
    }

    static inline uint64_t depthwire_folded(uint64_t state, uint64_t word) {
        state = (state ^ word) * 0xD6E8FEB86659FD93u;
        return state ^ state >> 32;
    }

    /* Behind the quote that ends a text, with the text's hash: multiplied and folded, eight bytes at a time. NULL where the
       quote stands too far away, or less than eight bytes from the end. */
    static inline const char* depthwire_quoted(const char* at, const char* end, uint64_t* hash) {
        const char* stop = end - at > DEPTHWIRE_LONGEST_TOPIC ? at + DEPTHWIRE_LONGEST_TOPIC : end;
        uint64_t state = 0x9E3779B97F4A7C15u;
        for (; stop - at >= 8; at += 8) {
            uint64_t word = depthwire_word(at), other = word ^ 0x2222222222222222u;
            uint64_t quotes = (other - 0x0101010101010101u) & ~other & 0x8080808080808080u;
            if (quotes) {
                int length = depthwire_first_byte(quotes);
                *hash = depthwire_folded(state, word & depthwire_low(length));
                return at + length + 1;
            }
            state = depthwire_folded(state, word);
        }
        return 0;
    }

    static inline const char* depthwire_known(const char* at, const char* end, const char* text, ptrdiff_t length) {
        ptrdiff_t i;
        if (!at || end - at < length) return 0;
        for (i = 0; i < length - 8; i += 8)
            if (depthwire_word(at + i) != depthwire_word(text + i)) return 0;
        return depthwire_word(at + length - 8) == depthwire_word(text + length - 8) ? at + length : (const char*)0;
    }

    /* Puts a run of digits behind those of *value and adds their number to *count; stops counting soon after 18. */
    static const char* depthwire_digits(const char* at, const char* end, int64_t* value, int* count) {
        uint64_t total = (uint64_t)*value;
        int run;
        do {
            uint64_t word = depthwire_load(at, end);
            run = depthwire_run(depthwire_others(word));
            if (run) total = total * (uint64_t)depthwire_small_powers[run] + depthwire_number(word, run);
            *count += run;
            at += run;
        } while (run == 8 && *count <= 18);
        *value = (int64_t)total;
        return at;
    }

    static inline const char* depthwire_integer(const char* at, const char* end, int64_t* value) {
        uint64_t word = depthwire_load(at, end);
        int run = depthwire_run(depthwire_others(word)), more;
        if (run == 0 || (run > 1 && (word & 0xFF) == 0)) return 0;
        *value = (int64_t)depthwire_number(word, run);
        at += run;
        if (run < 8) return at;
        word = depthwire_load(at, end);
        more = depthwire_run(depthwire_others(word));
        if (more) *value = *value * depthwire_small_powers[more] + (int64_t)depthwire_number(word, more);
        at += more;
        if (more == 8 && at < end && (unsigned char)(*at - '0') <= 9) {
            run = 16;
            at = depthwire_digits(at, end, value, &run);
            if (run > 18) return 0;
        }
        return at;
    }

    /* A decimal of at most seven digits on either side of its point, as most are; NULL for all others. */
    static inline const char* depthwire_short_decimal(const char* at, const char* end, int64_t* mantissa, int* digits, int* decimals) {
        uint64_t word = depthwire_load(at, end), others = depthwire_others(word), second;
        int whole = depthwire_run(others), behind;
        if (whole == 0 || whole == 8) return 0;
        *decimals = 0;
        *digits = whole;
        if (at[whole] != '.') {
            *mantissa = (int64_t)depthwire_number(word, whole);
            return at + whole;
        }
        second = others & (others - 1);
        if (second) {
            behind = depthwire_first_byte(second) - whole - 1;
            if (behind == 0) return 0;
            *mantissa = (int64_t)depthwire_number(depthwire_closed(word, whole), whole + behind);
        } else {
            uint64_t rest = depthwire_load(at + whole + 1, end);
            behind = depthwire_run(depthwire_others(rest));
            if (behind == 0 || behind == 8) return 0;
            *mantissa = (int64_t)(depthwire_number(word, whole) * (uint64_t)depthwire_small_powers[behind] + depthwire_number(rest, behind));
        }
        *digits += behind;
        *decimals = behind;
        return at + whole + 1 + behind;
    }
    """
    enum:
        LONGEST_TOPIC "DEPTHWIRE_LONGEST_TOPIC"

    const char* quoted "depthwire_quoted"(const char* at, const char* end, uint64_t* hash) nogil
    const char* literal "depthwire_literal"(const char* at, const char* end, const char* text) nogil
    const char* known_text "depthwire_known"(const char* at, const char* end, const char* text, Py_ssize_t length) nogil
    const char* digits "depthwire_digits"(const char* at, const char* end, int64_t* value, int* count) nogil
    const char* integer "depthwire_integer"(const char* at, const char* end, int64_t* value) nogil
    const char* short_decimal "depthwire_short_decimal"(
        const char* at, const char* end, int64_t* mantissa, int* digits, int* decimals
    ) nogil


cdef inline const char* known(const char* at, const char* end, bytes text) noexcept:
    """Bytes that are known when the scanner is made, eight or more."""
    return known_text(at, end, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline const char* scan_integer(const char* at, const char* end, int64_t* value) noexcept nogil:
    """A JSON integer of 1 to 18 digits."""
    return NULL if at == NULL else integer(at, end, value)


cdef inline const char* scan_decimal(const char* at, const char* end, DecimalText* value) noexcept nogil:
    """A plain decimal of 1 to 18 digits, with or without a point among them."""
    cdef const char* stop
    if at == NULL:
        return NULL
    stop = short_decimal(at, end, &value.mantissa, &value.digits, &value.decimals)
    return stop if stop != NULL else scan_long_decimal(at, end, value)


cdef inline const char* scan_long_decimal(const char* at, const char* end, DecimalText* value) noexcept nogil:
    cdef const char* stop
    cdef int whole
    value.mantissa = value.digits = value.decimals = 0
    stop = digits(at, end, &value.mantissa, &value.digits)
    whole = value.digits
    if end - stop > 0 and stop[0] == c'.':
        stop = digits(stop + 1, end, &value.mantissa, &value.digits)
        value.decimals = value.digits - whole
        if value.decimals == 0:
            return NULL
    return stop if whole and value.digits <= MAX_DIGITS else NULL


cdef inline const char* scan_number(const char* at, const char* end, double* value) noexcept nogil:
    """A JSON number without sign or exponent that one division rounds correctly."""
    cdef DecimalText decimal
    cdef const char* stop = scan_decimal(at, end, &decimal)
    if stop == NULL or (at[0] == c'0' and decimal.digits > 1 + decimal.decimals) or not rounded(&decimal, value):
        return NULL
    return stop


# The same for the text of a str, which is all there is to read; its eight bytes are there, since a header stands before it.


cdef inline bint whole_decimal(const char* text, Py_ssize_t length, DecimalText* value) noexcept nogil:
    """Whether a text is a plain decimal of 1 to 18 digits. O(length)."""
    return scan_decimal(text, text + length, value) == text + length


cdef inline bint whole_integer(const char* text, Py_ssize_t length, int64_t* value) noexcept nogil:
    """Whether a text is made of 1 to 18 digits alone. O(length)."""
    cdef int count = 0
    value[0] = 0
    return digits(text, text + length, value, &count) == text + length and 0 < count <= MAX_DIGITS


cdef inline bint is_plain_decimal(const char* text, Py_ssize_t length) noexcept nogil:
    """Whether a text is made of digits with at most one point among them, however many there are. O(length)."""
    cdef Py_ssize_t i
    cdef bint pointed = False
    for i in range(length):
        if text[i] == c'.' and not pointed and 0 < i < length - 1:
            pointed = True
        elif <unsigned char>(text[i] - c'0') > 9:
            return False
    return length > 0


cdef inline bint whole_size(const char* text, Py_ssize_t length, double* size) except -1:
    """A decimal text as the float64 next to it, as ``float(text)`` is. False where it is no plain decimal. O(length)."""
    cdef DecimalText value
    cdef char* copy
    if whole_decimal(text, length, &value) and rounded(&value, size):
        return True
    if not is_plain_decimal(text, length):
        return False
    copy = <char*>PyMem_Malloc(length + 1)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, text, length)
    copy[length] = 0
    try:
        size[0] = PyOS_string_to_double(copy, NULL, NULL)
    finally:
        PyMem_Free(copy)
    return True
