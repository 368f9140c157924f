# Text that is the same each time, but for digits in known places: held against bytes 16 at a time.
#
# A mask stands beside each 16 bytes of the text: 0xFF where the bytes must be equal, 0xF0 where a digit stands, whose lower
# half is not looked at. What is compared together stands together in memory, in as few cache lines as it fills.

from depthwire.wire.scan cimport literal    # whose C functions the ones below use


cdef extern from *:
    """
    #if defined(__SSE2__) && !defined(DEPTHWIRE_PORTABLE)
    #include <emmintrin.h>
    #define DEPTHWIRE_SSE2 1
    #endif

    #define DEPTHWIRE_ZEROS 0x3030303030303030u     /* eight digits 0, as text */
    #define DEPTHWIRE_BLOCK 16
    #define DEPTHWIRE_BLOCKS 12

    typedef struct { unsigned char text[DEPTHWIRE_BLOCK], mask[DEPTHWIRE_BLOCK]; } depthwire_block;

    /* The last block ends with the text, and may hold some bytes of the one before. */
    typedef struct {
        int length;                     /* 0: none */
        depthwire_block blocks[DEPTHWIRE_BLOCKS];
    } depthwire_masked_text;

    /* The number that eight digits spell. */
    static inline int64_t depthwire_eight(uint64_t word) { return (int64_t)depthwire_number(word, 8); }

    /* Of bytes whose upper halves are those of digits: whether some are none. */
    static inline uint64_t depthwire_above_nine(uint64_t digits) {
        return (digits + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u;
    }

    /* Where 16 bytes differ from a block. */
    #ifdef DEPTHWIRE_SSE2
    typedef __m128i depthwire_difference;
    #define DEPTHWIRE_NO_DIFFERENCE _mm_setzero_si128()
    #define DEPTHWIRE_EITHER(one, other) _mm_or_si128(one, other)
    #define DEPTHWIRE_LOAD(from) _mm_loadu_si128((const __m128i*)(from))
    static inline depthwire_difference depthwire_differing(const char* at, const depthwire_block* block) {
        return _mm_and_si128(_mm_xor_si128(DEPTHWIRE_LOAD(at), DEPTHWIRE_LOAD(block->text)), DEPTHWIRE_LOAD(block->mask));
    }
    static inline int depthwire_is_none(depthwire_difference found) {
        return _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128())) == 0xFFFF;
    }
    #else
    typedef uint64_t depthwire_difference;
    #define DEPTHWIRE_NO_DIFFERENCE 0
    #define DEPTHWIRE_EITHER(one, other) ((one) | (other))
    static inline depthwire_difference depthwire_differing(const char* at, const depthwire_block* block) {
        uint64_t words[6];
        memcpy(words, at, 16);
        memcpy(words + 2, block->text, 16);
        memcpy(words + 4, block->mask, 16);
        return ((words[0] ^ words[2]) & words[4]) | ((words[1] ^ words[3]) & words[5]);
    }
    static inline int depthwire_is_none(depthwire_difference found) { return !found; }
    #endif

    /* Whether bytes, as many as the text has, are those of it. */
    static inline int depthwire_is_same(const char* at, const depthwire_masked_text* masked) {
        ptrdiff_t i, last = masked->length - DEPTHWIRE_BLOCK;
        depthwire_difference found = DEPTHWIRE_NO_DIFFERENCE;
        for (i = 0; i < last; i += DEPTHWIRE_BLOCK)
            found = DEPTHWIRE_EITHER(found, depthwire_differing(at + i, masked->blocks + i / DEPTHWIRE_BLOCK));
        return depthwire_is_none(DEPTHWIRE_EITHER(found, depthwire_differing(at + last, masked->blocks + i / DEPTHWIRE_BLOCK)));
    }

    static inline ptrdiff_t depthwire_blocks_before_last(ptrdiff_t length) { return (length - 1) / DEPTHWIRE_BLOCK; }

    /* Takes over a text, without any digits yet; none where it is too short or too long. */
    static inline void depthwire_take_text(depthwire_masked_text* masked, const char* text, ptrdiff_t length) {
        ptrdiff_t i, last = depthwire_blocks_before_last(length);
        masked->length = 0;
        if (length < DEPTHWIRE_BLOCK || length > DEPTHWIRE_BLOCK * DEPTHWIRE_BLOCKS) return;
        masked->length = (int)length;
        for (i = 0; i <= last; i++) {
            memcpy(masked->blocks[i].text, text + (i < last ? i * DEPTHWIRE_BLOCK : length - DEPTHWIRE_BLOCK), DEPTHWIRE_BLOCK);
            memset(masked->blocks[i].mask, 0xFF, DEPTHWIRE_BLOCK);
        }
    }

    /* Says that a text, if there is one, has digits from a place on. */
    static inline void depthwire_take_digits(depthwire_masked_text* masked, ptrdiff_t at, ptrdiff_t count) {
        ptrdiff_t i, last = depthwire_blocks_before_last(masked->length), last_at = masked->length - DEPTHWIRE_BLOCK;
        if (!masked->length) return;
        for (i = at; i < at + count; i++) {
            if (i < last * DEPTHWIRE_BLOCK) masked->blocks[i / DEPTHWIRE_BLOCK].mask[i % DEPTHWIRE_BLOCK] = 0xF0;
            if (i >= last_at) masked->blocks[last].mask[i - last_at] = 0xF0;
        }
    }
    """
    ctypedef struct MaskedText "depthwire_masked_text":
        pass
