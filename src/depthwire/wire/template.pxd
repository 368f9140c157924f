# Text of a frame that is the same each time, but for its numbers: kept once proven, and the next held against it as a whole.
#
# Equal where no number stands, digits where one does, instead of one field after the other. Whatever is written otherwise,
# with another number of digits or with others before a number's last eight, is left to the readers of single fields: NULL
# says so.

from libc.stdint cimport int64_t

from depthwire.wire.masked cimport MaskedText   # whose C functions the ones below use


cdef extern from *:
    """
    #define DEPTHWIRE_KEPT_NUMBERS 3

    /* Its last eight digits, or as many as it has: the ones before, which seldom change, are text that must be equal. */
    typedef struct {
        int64_t above;                  /* what the digits before those are worth */
        int16_t at;                     /* where the eight bytes begin that end with it */
        int8_t others;                  /* how many bits of them are not its digits */
        int8_t leads;                   /* whether the first of its digits may not be 0 */
    } depthwire_kept_number;

    typedef struct {
        int count;
        depthwire_kept_number numbers[DEPTHWIRE_KEPT_NUMBERS];
        depthwire_masked_text masked;
    } depthwire_kept_text;

    static inline void depthwire_keep(depthwire_kept_text* kept, const char* text, ptrdiff_t length) {
        kept->count = 0;
        depthwire_take_text(&kept->masked, text, length);
    }

    static inline void depthwire_keep_number(depthwire_kept_text* kept, const char* text, const char* first, const char* end) {
        ptrdiff_t digits = end - first, last = digits < 8 ? digits : 8;
        depthwire_kept_number* number = &kept->numbers[kept->count++];
        if (end - text < 8) {
            kept->masked.length = 0;
            return;
        }
        depthwire_take_digits(&kept->masked, end - last - text, last);
        number->above = 0;
        for (; first < end - last; first++) number->above = number->above * 10 + (*first - '0');
        number->above *= 100000000;
        number->at = (int16_t)(end - 8 - text);
        number->others = (int8_t)(64 - 8 * last);
        number->leads = 1 < digits && digits <= 8;
    }

    /* The number that stands there now; its bytes' upper halves are those of digits. */
    static inline int64_t depthwire_kept_value(const char* text, const depthwire_kept_number* number, uint64_t* wrong) {
        uint64_t digits = (depthwire_word(text + number->at) ^ DEPTHWIRE_ZEROS) >> number->others;
        *wrong |= number->leads & !(digits & 0xFF);
        digits <<= number->others;
        *wrong |= depthwire_above_nine(digits);
        return number->above + depthwire_eight(digits);
    }

    static inline const char* depthwire_kept(const char* at, const char* end, const depthwire_kept_text* kept, int64_t** places) {
        uint64_t wrong = 0;
        int i, length = kept->masked.length;
        if (!at || !length || end - at < length || !depthwire_is_same(at, &kept->masked)) return 0;
        for (i = 0; i < kept->count; i++)
            *places[i] = depthwire_kept_value(at, &kept->numbers[i], &wrong);
        return wrong ? 0 : at + length;
    }
    """
    enum:
        KEPT_NUMBERS "DEPTHWIRE_KEPT_NUMBERS"

    ctypedef struct KeptText "depthwire_kept_text":
        pass

    # Keep a text that was proven; then say where each of its numbers stands, KEPT_NUMBERS at most.
    void keep "depthwire_keep"(KeptText* kept, const char* text, Py_ssize_t length) nogil
    void keep_number "depthwire_keep_number"(KeptText* kept, const char* text, const char* first, const char* end) nogil
    # Behind text that is the one that is kept, or NULL. Its numbers go to ``places``, in the order in which they were told of.
    const char* kept_text "depthwire_kept"(const char* at, const char* end, const KeptText* kept, int64_t** places) nogil
