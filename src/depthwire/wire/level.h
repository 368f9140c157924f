/* Price levels in a shape that was learned from the previous level.
 *
 * The trick: the levels of a topic differ in their digits, but rarely in the number of digits. One compare (pattern.h)
 * proves all the text of a level around its digits. Then one load takes the price's digits, two masks remove its point,
 * and three multiplications compute the price id (word.h). v2 also sends the id: its digits are compared with the
 * price's instead of being parsed.
 *
 * The reason: most of a frame's text is levels. Here a level costs about as many branches as it has fields.
 *
 * The worst case: one compare, and NULL. A level whose price has a different number of digits, more than seven digits
 * or no point is scanned field by field, and its shape is learned if possible. A side that alternates between 999.5 and
 * 1000.0 pays for both on each level.
 *
 * A known shape is tried only if 32 bytes of text remain after the start of a pair or the end of a level, so that no
 * load reads past the end of the text.
 */
#ifndef DEPTHWIRE_WIRE_LEVEL_H
#define DEPTHWIRE_WIRE_LEVEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "depthwire/wire/pattern.h"
#include "depthwire/wire/scan.h"
#include "depthwire/wire/word.h"

/* The position of a price's digits in a word, and the shift that moves them to its top without the point. */
typedef struct {
    uint64_t before, after; /* masks: the digits before the point, and after it once it is removed */
    int shift;
} depthwire_price_digits;

static inline depthwire_price_digits depthwire_learn_price(int digits, int decimals) {
    depthwire_price_digits price;
    price.before = depthwire_first_bytes(digits - decimals);
    price.after = depthwire_first_bytes(digits) & ~price.before;
    price.shift = 64 - 8 * digits;
    return price;
}

static inline uint64_t depthwire_load_price(const char* at, const depthwire_price_digits* price) {
    uint64_t word = depthwire_load_word(at) ^ DEPTHWIRE_ZEROS;
    return (word & price->before) | (word >> 8 & price->after);
}

/* ---- v5's pair: ["PRICE","SIZE"] */

typedef struct {
    depthwire_block head; /* ["PRICE"," */
    int size_at;          /* the length of the head; 0: no shape is known */
    int decimals;
    depthwire_price_digits price;
} depthwire_pair_shape;

/* Learn the shape of a proven pair. */
static inline void depthwire_learn_pair(depthwire_pair_shape* shape, const char* pair, int digits, int decimals) {
    int i;
    shape->size_at = 0;
    if (decimals < 1 || digits > 7) return;
    shape->size_at = 2 + digits + 1 + 3; /* [" PRICE with its point "," */
    shape->decimals = decimals;
    shape->price = depthwire_learn_price(digits, decimals);
    memset(&shape->head, 0, sizeof shape->head);
    memcpy(shape->head.text, pair, (size_t)shape->size_at);
    for (i = 0; i < shape->size_at; i++) shape->head.mask[i] = (unsigned)(pair[i] - '0') <= 9 ? 0xF0 : 0xFF;
}

/* Return the decimals of the last learned price. */
static inline int depthwire_shape_decimals(const depthwire_pair_shape* shape) { return shape->decimals; }

/* Scan a pair if its price has the known shape and its size is short, else return NULL. */
static inline const char* depthwire_match_pair(const char* at, const char* end, const depthwire_pair_shape* shape,
                                               int scale, int64_t* price_id, int64_t* mantissa, int* decimals) {
    uint64_t price;
    int digits;
    if (shape->size_at == 0 || shape->decimals != scale || end - at < 32) return NULL;
    if (!depthwire_is_equal(depthwire_compare_block(at, &shape->head))) return NULL;
    price = depthwire_load_price(at + 2, &shape->price);
    if (depthwire_above_nine(price) || !price) return NULL;
    *price_id = (int64_t)depthwire_parse_digits(price << shape->price.shift, 8);
    at = depthwire_scan_short_decimal(at + shape->size_at, end, mantissa, &digits, decimals);
    return at && at[0] == '"' && at[1] == ']' ? at + 2 : NULL;
}

/* ---- v2's level up to its side: {"price":"PRICE","symbol":"SYMBOL","id":ID,"side":" */

typedef struct {
    int scale; /* id = price * 10**scale */
    int price_at, id_at;
    depthwire_price_digits price;
    uint64_t shared;           /* a mask of the id's leading digits, which are also the price's */
    int leading_zero_bits;     /* of the price; an id has no leading zeros */
    int64_t factor;            /* 10**n if n zeros follow the price's digits in the id */
    depthwire_pattern pattern; /* empty: no shape is known */
} depthwire_level_shape;

/* Learn the shape of a proven level. */
static inline void depthwire_learn_level(depthwire_level_shape* shape, const char* level, int length, int price_at,
                                         int digits, int decimals, int id_at, int id_length, int scale) {
    int i, zeros = scale - decimals, shared = id_length - zeros;
    shape->pattern.length = 0;
    if (decimals < 1 || digits > 7 || zeros < 0 || zeros > 8 || shared < 1 || shared > digits) return;
    depthwire_set_pattern(&shape->pattern, level, length);
    for (i = digits - shared; i < digits; i++) {
        int is_after_point = i >= digits - decimals;
        depthwire_pattern_digits(&shape->pattern, price_at + i + is_after_point, 1);
    }
    depthwire_pattern_digits(&shape->pattern, id_at, shared);
    shape->scale = scale;
    shape->price_at = price_at;
    shape->id_at = id_at;
    shape->price = depthwire_learn_price(digits, decimals);
    shape->shared = depthwire_first_bytes(shared);
    shape->leading_zero_bits = 8 * (digits - shared);
    shape->factor = depthwire_small_powers[zeros];
}

/* Scan a level if it has the known shape and its price and id agree, else return NULL. */
static inline const char* depthwire_match_level(const char* at, const char* end, const depthwire_level_shape* shape,
                                                int scale, int64_t* price_id) {
    uint64_t digits, id_digits;
    int length = shape->pattern.length;
    if (length == 0 || shape->scale != scale || end - at < length + 32) return NULL;
    if (!depthwire_match_pattern(at, &shape->pattern)) return NULL;
    digits = depthwire_load_price(at + shape->price_at, &shape->price);
    if (depthwire_above_nine(digits)) return NULL;
    *price_id = (int64_t)depthwire_parse_digits(digits << shape->price.shift, 8) * shape->factor;
    digits >>= shape->leading_zero_bits;
    id_digits = depthwire_load_word(at + shape->id_at) ^ DEPTHWIRE_ZEROS;
    if (((id_digits ^ digits) & shape->shared) || !(digits & 0xFF)) return NULL;
    return at + length;
}

/* ---- v2's level from its side on: up to the size, or up to the end of a level without a size */

/* Indexed by whether there is a size, and by whether it is a Sell. */
static const depthwire_block depthwire_sides[2][2] = {
    {{"Buy\"}", {255, 255, 255, 255, 255}}, {"Sell\"}", {255, 255, 255, 255, 255, 255}}},
    {{"Buy\",\"size\":", {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
     {"Sell\",\"size\":", {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}}};

/* Scan a side into *side: 0 for Buy, 1 for Sell. Sides are hard to predict, so they are an index here and not a branch.
 * Needs 16 bytes of text. */
static inline const char* depthwire_scan_side(const char* at, const char* end, int is_sized, int8_t* side) {
    int is_sell;
    if (!at || end - at < DEPTHWIRE_BLOCK) return NULL;
    is_sell = *at == 'S';
    *side = (int8_t)is_sell;
    if (!depthwire_is_equal(depthwire_compare_block(at, &depthwire_sides[is_sized][is_sell]))) return NULL;
    return at + 5 + 7 * is_sized + is_sell; /* Buy"} has 5 bytes, Buy","size": 12 */
}

#endif
