# Text of a frame that is the same each time, but for its numbers: kept once proven, and the next held against it as a whole.
#
# Equal where no number stands, digits where one does, instead of one field after the other. Whatever is written otherwise,
# or with another number of digits, is left to the readers of single fields: NULL says so.

from libc.stdint cimport int64_t

from depthwire.masked_text cimport MaskedText   # whose C functions the ones below use


cdef extern from *:
    """
    #define DEPTHWIRE_KEPT_NUMBERS 3

    typedef struct { int16_t at, digits; } depthwire_kept_number;

    typedef struct {
        int count;
        depthwire_kept_number numbers[DEPTHWIRE_KEPT_NUMBERS];
        depthwire_masked_text masked;
    } depthwire_kept_text;

    static inline void depthwire_keep(depthwire_kept_text* kept, const char* text, ptrdiff_t length) {
        kept->count = 0;
        depthwire_take_text(&kept->masked, text, length);
    }

    /* Eight bytes are read from its first digit on, which the text must have. */
    static inline void depthwire_keep_number(depthwire_kept_text* kept, ptrdiff_t at, ptrdiff_t digits) {
        if (at + 8 > kept->masked.length || digits > 16) {
            kept->masked.length = 0;
            return;
        }
        depthwire_take_digits(&kept->masked, at, digits);
        kept->numbers[kept->count].at = (int16_t)at;
        kept->numbers[kept->count++].digits = (int16_t)digits;
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
        int i, length = kept->masked.length;
        if (!at || !length || end - at < length || !depthwire_is_same(at, &kept->masked)) return 0;
        for (i = 0; i < kept->count; i++)
            *places[i] = depthwire_kept_value(at + kept->numbers[i].at, kept->numbers[i].digits, &wrong);
        return wrong ? 0 : at + length;
    }
    """
    enum:
        KEPT_NUMBERS "DEPTHWIRE_KEPT_NUMBERS"

    ctypedef struct KeptText "depthwire_kept_text":
        pass

    # Keep a text that was proven; then say where each of its numbers stands, KEPT_NUMBERS at most.
    void keep "depthwire_keep"(KeptText* kept, const char* text, Py_ssize_t length) nogil
    void keep_number "depthwire_keep_number"(KeptText* kept, Py_ssize_t at, Py_ssize_t digits) nogil
    # Behind text that is the one that is kept, or NULL. Its numbers go to ``places``, in the order in which they were told of.
    const char* kept_text "depthwire_kept"(const char* at, const char* end, const KeptText* kept, int64_t** places) nogil
