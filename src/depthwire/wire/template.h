/* A template: the part of a frame that repeats except for its numbers, learned from a frame that was proven field by
 * field.
 *
 * The trick: the next frame is matched against the last one as a whole (pattern.h). Then each number is read at its
 * known place with one load. A number's last eight digits may change. The digits before these change rarely, so they
 * count as fixed text, and their value is computed once.
 *
 * The reason: the text before and after a frame's levels differs from the last frame's only in sequences and times.
 *
 * The worst case: one compare of at most 192 bytes, and NULL. A frame that is written differently, with another number
 * of digits, or with a carry beyond a number's last eight digits, is scanned field by field and learned again. Times in
 * µs carry every 100 s, times in ms every 28 hours.
 */
#ifndef DEPTHWIRE_WIRE_TEMPLATE_H
#define DEPTHWIRE_WIRE_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "depthwire/wire/pattern.h"
#include "depthwire/wire/word.h"

#define DEPTHWIRE_TEMPLATE_NUMBERS 3

typedef struct {
    int64_t above;       /* the value of the digits before the last eight */
    int16_t at;          /* the offset of the eight bytes that end with the number */
    int8_t foreign_bits; /* the bits of these bytes before the number's digits */
    int8_t refuses_zero; /* whether the first of the digits must not be 0 */
} depthwire_template_number;

typedef struct {
    int count;
    depthwire_template_number numbers[DEPTHWIRE_TEMPLATE_NUMBERS];
    depthwire_pattern pattern;
} depthwire_template;

/* Learn a proven text. Learn each of its numbers afterwards, at most DEPTHWIRE_TEMPLATE_NUMBERS. */
static inline void depthwire_learn_text(depthwire_template* learned, const char* text, ptrdiff_t length) {
    learned->count = 0;
    depthwire_set_pattern(&learned->pattern, text, length);
}

/* Learn the place of a number. If fewer than eight bytes of text end with it, discard the template. */
static inline void depthwire_learn_number(depthwire_template* learned, const char* text, const char* first,
                                          const char* end) {
    ptrdiff_t digits = end - first, variable = digits < 8 ? digits : 8;
    depthwire_template_number* number = &learned->numbers[learned->count++];
    if (end - text < 8) {
        learned->pattern.length = 0;
        return;
    }
    depthwire_pattern_digits(&learned->pattern, end - variable - text, variable);
    number->above = 0;
    for (; first < end - variable; first++) number->above = number->above * 10 + (*first - '0');
    number->above *= 100000000;
    number->at = (int16_t)(end - 8 - text);
    number->foreign_bits = (int8_t)(64 - 8 * variable);
    number->refuses_zero = 1 < digits && digits <= 8;
}

/* Return a number's value in text that matched the pattern. Set *wrong if it has a leading zero or a byte above '9'. */
static inline int64_t depthwire_template_value(const char* text, const depthwire_template_number* number,
                                               uint64_t* wrong) {
    uint64_t digits = (depthwire_load_word(text + number->at) ^ DEPTHWIRE_ZEROS) >> number->foreign_bits;
    *wrong |= number->refuses_zero & !(digits & 0xFF);
    digits <<= number->foreign_bits;
    *wrong |= depthwire_above_nine(digits);
    return number->above + (int64_t)depthwire_parse_digits(digits, 8);
}

/* Match text against a template and store its numbers in the order in which they were learned. Return NULL if it
 * differs; some numbers may have been stored. */
static inline const char* depthwire_match_template(const char* at, const char* end, const depthwire_template* learned,
                                                   int64_t** numbers) {
    uint64_t wrong = 0;
    int i, length = learned->pattern.length;
    if (!at || !length || end - at < length || !depthwire_match_pattern(at, &learned->pattern)) return NULL;
    for (i = 0; i < learned->count; i++) *numbers[i] = depthwire_template_value(at, &learned->numbers[i], &wrong);
    return wrong ? NULL : at + length;
}

#endif
