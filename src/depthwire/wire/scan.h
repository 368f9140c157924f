/* Scan canonical JSON text in place.
 *
 * Each function takes the position to read from and the end of the text. It returns the position after the scanned
 * bytes, or NULL if they are not exactly as expected. At least eight bytes before the end must be readable: see word.h.
 *
 * The trick: a shape is written as one call after the other, without a branch between them, because the functions that
 * start a step (scan_literal, match_bytes) pass NULL on. The caller tests the last result only.
 *
 * The reason: the exchange writes its frames in a few shapes, without blanks. Proving that a frame has one of them is
 * cheaper than parsing JSON.
 *
 * The worst case: linear in the text read. The scan of digits stops soon after the 18th, that of a quoted text after
 * DEPTHWIRE_LONGEST_TOPIC bytes, so the cost of a hostile frame is at most proportional to its length.
 */
#ifndef DEPTHWIRE_WIRE_SCAN_H
#define DEPTHWIRE_WIRE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "depthwire/wire/word.h"

#define DEPTHWIRE_LONGEST_TOPIC 256

/* Scan a string that is known at compile time. */
static inline const char* depthwire_scan_literal(const char* at, const char* end, const char* expected) {
    size_t length = strlen(expected); /* a constant to the compiler */
    return at && (size_t)(end - at) >= length && memcmp(at, expected, length) == 0 ? at + length : NULL;
}

/* Scan `length` bytes, at least eight, that are known at run time. The last word overlaps the one before. */
static inline const char* depthwire_match_bytes(const char* at, const char* end, const char* expected,
                                                ptrdiff_t length) {
    ptrdiff_t i, last = length - 8;
    if (!at || end - at < length) return NULL;
    for (i = 0; i < last; i += 8)
        if (depthwire_load_word(at + i) != depthwire_load_word(expected + i)) return NULL;
    return depthwire_load_word(at + last) == depthwire_load_word(expected + last) ? at + length : NULL;
}

static inline uint64_t depthwire_mix_hash(uint64_t state, uint64_t word) {
    state = (state ^ word) * 0xD6E8FEB86659FD93u;
    return state ^ state >> 32;
}

/* Scan a text and the quote that ends it, and hash the text: multiply and fold, eight bytes at a time. NULL if the
 * quote is more than DEPTHWIRE_LONGEST_TOPIC bytes away, or in the last bytes of the frame that do not fill a word. */
static inline const char* depthwire_scan_quoted(const char* at, const char* end, uint64_t* hash) {
    const char* stop = end - at > DEPTHWIRE_LONGEST_TOPIC ? at + DEPTHWIRE_LONGEST_TOPIC : end;
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (; stop - at >= 8; at += 8) {
        uint64_t word = depthwire_load_word(at);
        uint64_t zero_if_quote = word ^ 0x2222222222222222u;
        /* Marks bytes that are zero. Bytes after a zero may be marked too; only the first mark is used. */
        uint64_t quotes = (zero_if_quote - 0x0101010101010101u) & ~zero_if_quote & 0x8080808080808080u;
        if (quotes) {
            int length = depthwire_first_mark(quotes);
            *hash = depthwire_mix_hash(state, word & depthwire_first_bytes(length));
            return at + length + 1;
        }
        state = depthwire_mix_hash(state, word);
    }
    return NULL;
}

/* Append a run of digits to *value and add their number to *count. Stops soon after 18 digits; *value is then
 * undefined.
 */
static inline const char* depthwire_scan_digits(const char* at, const char* end, int64_t* value, int* count) {
    uint64_t total = (uint64_t)*value;
    int run;
    do {
        uint64_t word = depthwire_load_digits(at, end);
        run = depthwire_unmarked_bytes(depthwire_mark_nondigits(word));
        if (run) total = total * (uint64_t)depthwire_small_powers[run] + depthwire_parse_digits(word, run);
        *count += run;
        at += run;
    } while (run == 8 && *count <= 18);
    *value = (int64_t)total;
    return at;
}

/* Scan a JSON integer of 1 to 18 digits, without sign. */
static inline const char* depthwire_scan_integer(const char* at, const char* end, int64_t* value) {
    uint64_t word = depthwire_load_digits(at, end);
    int run = depthwire_unmarked_bytes(depthwire_mark_nondigits(word)), more;
    int has_leading_zero = run > 1 && (word & 0xFF) == 0;
    if (run == 0 || has_leading_zero) return NULL;
    *value = (int64_t)depthwire_parse_digits(word, run);
    at += run;
    if (run < 8) return at;
    word = depthwire_load_digits(at, end);
    more = depthwire_unmarked_bytes(depthwire_mark_nondigits(word));
    if (more) *value = *value * depthwire_small_powers[more] + (int64_t)depthwire_parse_digits(word, more);
    at += more;
    if (more == 8 && at < end && (unsigned char)(*at - '0') <= 9) {
        run = 16;
        at = depthwire_scan_digits(at, end, value, &run);
        if (run > 18) return NULL;
    }
    return at;
}

/* Scan a decimal with at most seven digits before its point and at most seven after it, as most have, else return NULL.
 */
static inline const char* depthwire_scan_short_decimal(const char* at, const char* end, int64_t* mantissa, int* digits,
                                                       int* decimals) {
    uint64_t word = depthwire_load_digits(at, end), marks = depthwire_mark_nondigits(word), marks_after_point;
    int before = depthwire_unmarked_bytes(marks), after;
    if (before == 0 || before == 8) return NULL;
    *decimals = 0;
    *digits = before;
    if (at[before] != '.') {
        *mantissa = (int64_t)depthwire_parse_digits(word, before);
        return at + before;
    }
    marks_after_point = marks & (marks - 1);
    if (marks_after_point) { /* the word holds the whole decimal */
        after = depthwire_first_mark(marks_after_point) - before - 1;
        if (after == 0) return NULL;
        *mantissa = (int64_t)depthwire_parse_digits(depthwire_remove_byte(word, before), before + after);
    } else {
        uint64_t rest = depthwire_load_digits(at + before + 1, end);
        after = depthwire_unmarked_bytes(depthwire_mark_nondigits(rest));
        if (after == 0 || after == 8) return NULL;
        *mantissa = (int64_t)(depthwire_parse_digits(word, before) * (uint64_t)depthwire_small_powers[after] +
                              depthwire_parse_digits(rest, after));
    }
    *digits += after;
    *decimals = after;
    return at + before + 1 + after;
}

#endif
