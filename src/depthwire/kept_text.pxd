# Text of a frame that is the same each time, but for its numbers: kept once proven, and the next held against it as a whole.
#
# Equal where no number stands, digits where one does: 16 bytes at a time, instead of one field after the other. Whatever is
# written otherwise, or with another number of digits, is left to the readers of single fields: NULL says so.

from libc.stdint cimport int64_t

from depthwire.scan_text cimport literal    # whose C functions the ones below use


cdef extern from *:
    """
    #if defined(__SSE2__) && !defined(DEPTHWIRE_PORTABLE)
    #include <emmintrin.h>
    #define DEPTHWIRE_SSE2 1
    #endif

    #define DEPTHWIRE_ZEROS 0x3030303030303030u     /* eight digits 0, as text */

    /* The number that eight digits spell. */
    static inline int64_t depthwire_eight(uint64_t word) { return (int64_t)depthwire_number(word, 8); }

    /* Of bytes whose upper halves are those of digits: whether some are none. */
    static inline uint64_t depthwire_above_nine(uint64_t digits) {
        return (digits + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u;
    }

    /* Where 16 bytes differ from those of a text, beneath a mask. */
    #ifdef DEPTHWIRE_SSE2
    typedef __m128i depthwire_difference;
    #define DEPTHWIRE_NO_DIFFERENCE _mm_setzero_si128()
    #define DEPTHWIRE_EITHER(one, other) _mm_or_si128(one, other)
    #define DEPTHWIRE_LOAD(from) _mm_loadu_si128((const __m128i*)(from))
    static inline depthwire_difference depthwire_differing(const char* at, const unsigned char* text, const unsigned char* mask) {
        return _mm_and_si128(_mm_xor_si128(DEPTHWIRE_LOAD(at), DEPTHWIRE_LOAD(text)), DEPTHWIRE_LOAD(mask));
    }
    static inline int depthwire_is_none(depthwire_difference found) {
        return _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128())) == 0xFFFF;
    }
    #else
    typedef uint64_t depthwire_difference;
    #define DEPTHWIRE_NO_DIFFERENCE 0
    #define DEPTHWIRE_EITHER(one, other) ((one) | (other))
    static inline depthwire_difference depthwire_differing(const char* at, const unsigned char* text, const unsigned char* mask) {
        uint64_t words[6];
        memcpy(words, at, 16);
        memcpy(words + 2, text, 16);
        memcpy(words + 4, mask, 16);
        return ((words[0] ^ words[2]) & words[4]) | ((words[1] ^ words[3]) & words[5]);
    }
    static inline int depthwire_is_none(depthwire_difference found) { return !found; }
    #endif

    /* Whether 16 bytes or more are those of a text, beneath a mask. */
    static inline int depthwire_is_same(const char* at, const unsigned char* text, const unsigned char* mask, ptrdiff_t length) {
        ptrdiff_t i, last = length - 16;
        depthwire_difference found = DEPTHWIRE_NO_DIFFERENCE;
        for (i = 0; i < last; i += 16) found = DEPTHWIRE_EITHER(found, depthwire_differing(at + i, text + i, mask + i));
        return depthwire_is_none(DEPTHWIRE_EITHER(found, depthwire_differing(at + last, text + last, mask + last)));
    }

    #define DEPTHWIRE_KEPT_LENGTH 192
    #define DEPTHWIRE_KEPT_NUMBERS 3

    typedef struct { ptrdiff_t at; int digits; } depthwire_kept_number;

    typedef struct {
        unsigned char text[DEPTHWIRE_KEPT_LENGTH], mask[DEPTHWIRE_KEPT_LENGTH];
        ptrdiff_t length;               /* 0: none that can be kept */
        int count;
        depthwire_kept_number numbers[DEPTHWIRE_KEPT_NUMBERS];
    } depthwire_kept_text;

    static inline void depthwire_keep(depthwire_kept_text* kept, const char* text, ptrdiff_t length) {
        kept->length = kept->count = 0;
        if (length < 16 || length > DEPTHWIRE_KEPT_LENGTH) return;
        memcpy(kept->text, text, (size_t)length);
        memset(kept->mask, 0xFF, (size_t)length);
        kept->length = length;
    }

    /* Eight bytes are read from its first digit on, which the text must have. */
    static inline void depthwire_keep_number(depthwire_kept_text* kept, ptrdiff_t at, ptrdiff_t digits) {
        if (at + 8 > kept->length || digits > 16) {
            kept->length = 0;
            return;
        }
        memset(kept->mask + at, 0xF0, (size_t)digits);
        kept->numbers[kept->count].at = at;
        kept->numbers[kept->count++].digits = (int)digits;
    }

    /* A number without needless zeros; its bytes' upper halves are those of digits. */
    static inline int64_t depthwire_kept_value(const char* at, int digits, uint64_t* wrong) {
        uint64_t first = depthwire_word(at) ^ DEPTHWIRE_ZEROS, last = 0;
        int64_t value;
        *wrong |= (digits > 1) & !(first & 0xFF);
        if (digits <= 8) {
            first <<= 64 - 8 * digits;
            value = depthwire_eight(first);
        } else {
            last = depthwire_word(at + digits - 8) ^ DEPTHWIRE_ZEROS;
            first <<= 64 - 8 * (digits - 8);
            value = depthwire_eight(first) * 100000000 + depthwire_eight(last);
        }
        *wrong |= depthwire_above_nine(first) | depthwire_above_nine(last);
        return value;
    }

    static inline const char* depthwire_kept(const char* at, const char* end, const depthwire_kept_text* kept, int64_t** places) {
        uint64_t wrong = 0;
        int i;
        if (!at || !kept->length || end - at < kept->length) return 0;
        if (!depthwire_is_same(at, kept->text, kept->mask, kept->length)) return 0;
        for (i = 0; i < kept->count; i++)
            *places[i] = depthwire_kept_value(at + kept->numbers[i].at, kept->numbers[i].digits, &wrong);
        return wrong ? 0 : at + kept->length;
    }
    """
    ctypedef struct KeptText "depthwire_kept_text":
        pass

    # Keep a text that was proven; then say where each of its numbers stands, three at most.
    void keep "depthwire_keep"(KeptText* kept, const char* text, Py_ssize_t length) nogil
    void keep_number "depthwire_keep_number"(KeptText* kept, Py_ssize_t at, Py_ssize_t digits) nogil
    # Behind text that is the one that is kept, or NULL. Its numbers go to ``places``, in the order in which they were told of.
    const char* kept_text "depthwire_kept"(const char* at, const char* end, const KeptText* kept, int64_t** places) nogil
