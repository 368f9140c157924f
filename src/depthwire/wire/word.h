/* Text, eight bytes at a time ("SIMD within a register").
 *
 * The trick: one load takes eight characters into an integer, the first one in the lowest byte. XOR with "00000000"
 * turns digits into their values. One addition then marks the bytes that are not digits, counting trailing zeros finds
 * the first of these, and three multiplications turn up to eight digits into a number: D. Lemire, "Quickly parsing
 * eight digits", 2018.
 *
 * The reason: prices and sizes have one to eight digits. A loop over the digits mispredicts its end on most fields.
 * Here the number of digits is a shift count, not a branch.
 *
 * The worst case: the cost does not depend on the bytes. Within eight bytes of the end of the text, the last eight
 * bytes are loaded and shifted instead, so every text needs at least eight readable bytes before its end.
 */
#ifndef DEPTHWIRE_WIRE_WORD_H
#define DEPTHWIRE_WIRE_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "depthwire/wire/bits.h"

#define DEPTHWIRE_ZEROS 0x3030303030303030u /* "00000000" */

static const int64_t depthwire_small_powers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Load eight bytes, the first one into the lowest byte on every machine. */
static inline uint64_t depthwire_load_word(const char* at) {
    uint64_t word;
    memcpy(&word, at, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Load eight bytes and turn digits into 0 to 9. Bytes after the end count as non-digits. */
static inline uint64_t depthwire_load_digits(const char* at, const char* end) {
    ptrdiff_t left = end - at;
    if (left >= 8) return depthwire_load_word(at) ^ DEPTHWIRE_ZEROS;
    return left > 0 ? depthwire_load_word(end - 8) >> 8 * (8 - left) ^ DEPTHWIRE_ZEROS : ~(uint64_t)0;
}

/* Set the highest bit of each byte that is not 0 to 9, and clear all other bits. */
static inline uint64_t depthwire_mark_nondigits(uint64_t word) {
    return (((word & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | word) & 0x8080808080808080u;
}

/* Nonzero if a byte is above 9. Every byte must be 0 to 15. */
static inline uint64_t depthwire_above_nine(uint64_t word) {
    return (word + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u;
}

/* The index of the first marked byte. At least one byte must be marked. */
static inline int depthwire_first_mark(uint64_t marks) { return depthwire_lowest_bit(marks) >> 3; }

/* How many bytes come before the first marked one: 8 if none is marked. */
static inline int depthwire_unmarked_bytes(uint64_t marks) { return marks ? depthwire_first_mark(marks) : 8; }

/* A mask of the first `count` bytes, 0 to 8. */
static inline uint64_t depthwire_first_bytes(int count) {
    return count < 8 ? ((uint64_t)1 << 8 * count) - 1 : ~(uint64_t)0;
}

/* Remove the byte at an index, 0 to 7. The bytes after it move up by one place. */
static inline uint64_t depthwire_remove_byte(uint64_t word, int index) {
    uint64_t before = depthwire_first_bytes(index);
    return (word & before) | (word >> 8 & ~before);
}

/* The number that the first `count` bytes spell, 1 to 8. Each of them must be 0 to 9. */
static inline uint64_t depthwire_parse_digits(uint64_t word, int count) {
    word <<= 64 - 8 * count;
    word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FFu;
    word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFFu;
    return (word * 10000 + (word >> 32)) & 0xFFFFFFFFu;
}

#endif
