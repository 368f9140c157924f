/* A pattern: text that repeats except for digits in known places, compared 16 bytes at a time.
 *
 * The trick: each 16 bytes of text have a mask next to them, 0xFF for bytes that must be equal and 0xF0 for digits. All
 * digits have the upper half-byte 3. XOR with the text, AND with the mask: zero means a match, except that ':' to '?'
 * share that upper half. The code that reads the digits must rule these out (depthwire_above_nine).
 *
 * The reason: comparing each piece of fixed text between two numbers costs one branch per piece. A pattern is compared
 * at once, with one branch on the result. Text and mask are adjacent, so they occupy few cache lines.
 *
 * The worst case: one pass over the pattern, at most DEPTHWIRE_PATTERN_BLOCKS blocks, whether it matches or not. Text
 * shorter than one block or longer than all of them gives no pattern; the caller scans it field by field.
 */
#ifndef DEPTHWIRE_WIRE_PATTERN_H
#define DEPTHWIRE_WIRE_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(DEPTHWIRE_PORTABLE)
#include <emmintrin.h>
#define DEPTHWIRE_SSE2 1
#endif

#define DEPTHWIRE_BLOCK 16
#define DEPTHWIRE_PATTERN_BLOCKS 12

typedef struct {
    unsigned char text[DEPTHWIRE_BLOCK], mask[DEPTHWIRE_BLOCK];
} depthwire_block;

/* The last block ends with the text, so it may repeat some bytes of the block before. */
typedef struct {
    int length; /* of the text; 0: there is no pattern */
    depthwire_block blocks[DEPTHWIRE_PATTERN_BLOCKS];
} depthwire_pattern;

/* The bits in which 16 bytes differ from a block. */
#ifdef DEPTHWIRE_SSE2

typedef __m128i depthwire_difference;
#define DEPTHWIRE_NO_DIFFERENCE _mm_setzero_si128()
#define DEPTHWIRE_EITHER(one, other) _mm_or_si128(one, other)
#define DEPTHWIRE_LOAD_BLOCK(from) _mm_loadu_si128((const __m128i*)(from))

static inline depthwire_difference depthwire_compare_block(const char* at, const depthwire_block* block) {
    __m128i differing = _mm_xor_si128(DEPTHWIRE_LOAD_BLOCK(at), DEPTHWIRE_LOAD_BLOCK(block->text));
    return _mm_and_si128(differing, DEPTHWIRE_LOAD_BLOCK(block->mask));
}

static inline int depthwire_is_equal(depthwire_difference found) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128())) == 0xFFFF;
}

#else

typedef uint64_t depthwire_difference;
#define DEPTHWIRE_NO_DIFFERENCE 0
#define DEPTHWIRE_EITHER(one, other) ((one) | (other))

static inline depthwire_difference depthwire_compare_block(const char* at, const depthwire_block* block) {
    uint64_t bytes[2], text[2], mask[2];
    memcpy(bytes, at, DEPTHWIRE_BLOCK);
    memcpy(text, block->text, DEPTHWIRE_BLOCK);
    memcpy(mask, block->mask, DEPTHWIRE_BLOCK);
    return ((bytes[0] ^ text[0]) & mask[0]) | ((bytes[1] ^ text[1]) & mask[1]);
}

static inline int depthwire_is_equal(depthwire_difference found) { return !found; }

#endif

/* Return whether bytes match a pattern. The pattern must exist, and there must be as many bytes as it is long. */
static inline int depthwire_match_pattern(const char* at, const depthwire_pattern* pattern) {
    ptrdiff_t i, last = pattern->length - DEPTHWIRE_BLOCK;
    depthwire_difference found = DEPTHWIRE_NO_DIFFERENCE;
    for (i = 0; i < last; i += DEPTHWIRE_BLOCK)
        found = DEPTHWIRE_EITHER(found, depthwire_compare_block(at + i, pattern->blocks + i / DEPTHWIRE_BLOCK));
    found = DEPTHWIRE_EITHER(found, depthwire_compare_block(at + last, pattern->blocks + i / DEPTHWIRE_BLOCK));
    return depthwire_is_equal(found);
}

static inline ptrdiff_t depthwire_last_block(ptrdiff_t length) { return (length - 1) / DEPTHWIRE_BLOCK; }

/* Make a pattern of a text. All bytes must be equal, except those marked by depthwire_pattern_digits. */
static inline void depthwire_set_pattern(depthwire_pattern* pattern, const char* text, ptrdiff_t length) {
    ptrdiff_t i, last = depthwire_last_block(length);
    pattern->length = 0;
    if (length < DEPTHWIRE_BLOCK || length > DEPTHWIRE_BLOCK * DEPTHWIRE_PATTERN_BLOCKS) return;
    pattern->length = (int)length;
    for (i = 0; i <= last; i++) {
        ptrdiff_t begin = i < last ? i * DEPTHWIRE_BLOCK : length - DEPTHWIRE_BLOCK;
        memcpy(pattern->blocks[i].text, text + begin, DEPTHWIRE_BLOCK);
        memset(pattern->blocks[i].mask, 0xFF, DEPTHWIRE_BLOCK);
    }
}

/* Accept any digits in `count` places from `at` on. Does nothing if there is no pattern. */
static inline void depthwire_pattern_digits(depthwire_pattern* pattern, ptrdiff_t at, ptrdiff_t count) {
    ptrdiff_t i, last = depthwire_last_block(pattern->length), last_begin = pattern->length - DEPTHWIRE_BLOCK;
    if (!pattern->length) return;
    for (i = at; i < at + count; i++) {
        if (i < last * DEPTHWIRE_BLOCK) pattern->blocks[i / DEPTHWIRE_BLOCK].mask[i % DEPTHWIRE_BLOCK] = 0xF0;
        if (i >= last_begin) pattern->blocks[last].mask[i - last_begin] = 0xF0;
    }
}

#endif
