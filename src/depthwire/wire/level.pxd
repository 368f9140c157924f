# Reading one price level in a shape that is known, with as few looks at its bytes as that takes.
#
# Whatever is written otherwise, or is too long, is left to the readers of single fields: NULL says so.

from libc.stdint cimport int8_t, int64_t

from depthwire.wire.masked cimport MaskedText     # whose C functions the ones below use


cdef extern from *:
    """
    /* Where a price's digits are: before its point, behind it; and how to bring them to the top, without the point. */
    typedef struct { uint64_t whole, behind; int shift; } depthwire_price_digits;

    static inline depthwire_price_digits depthwire_price_at(int digits, int decimals) {
        depthwire_price_digits price;
        price.whole = depthwire_low(digits - decimals);
        price.behind = depthwire_low(digits) & ~price.whole;
        price.shift = 64 - 8 * digits;
        return price;
    }

    static inline uint64_t depthwire_digits_at(const char* at, const depthwire_price_digits* price) {
        uint64_t word = depthwire_word(at) ^ DEPTHWIRE_ZEROS;
        return (word & price->whole) | (word >> 8 & price->behind);
    }

    /* ---- a pair: ["PRICE","SIZE"] */

    typedef struct {
        depthwire_block head;
        int size_at;                    /* 0: no shape that can be kept */
        int decimals;
        depthwire_price_digits price;
    } depthwire_pair_shape;

    static inline void depthwire_learn_pair(depthwire_pair_shape* shape, const char* pair, int digits, int decimals) {
        int i;
        shape->size_at = 0;
        if (decimals < 1 || digits > 7) return;
        shape->size_at = 2 + digits + 1 + 3;
        shape->decimals = decimals;
        shape->price = depthwire_price_at(digits, decimals);
        memset(&shape->head, 0, sizeof shape->head);
        memcpy(shape->head.text, pair, (size_t)shape->size_at);
        for (i = 0; i < shape->size_at; i++) shape->head.mask[i] = (unsigned)(pair[i] - '0') <= 9 ? 0xF0 : 0xFF;
    }

    static inline int depthwire_shape_decimals(const depthwire_pair_shape* shape) { return shape->decimals; }

    /* Behind a pair whose price is in that shape, and whose size is short; 32 bytes are left at least. */
    static inline const char* depthwire_shaped_pair(
        const char* at, const char* end, const depthwire_pair_shape* shape, int scale, int64_t* price_id, int64_t* mantissa, int* decimals
    ) {
        uint64_t price;
        int digits;
        if (shape->size_at == 0 || shape->decimals != scale || end - at < 32) return 0;
        if (!depthwire_is_none(depthwire_differing(at, &shape->head))) return 0;
        price = depthwire_digits_at(at + 2, &shape->price);
        if (depthwire_above_nine(price) || !price) return 0;
        *price_id = depthwire_eight(price << shape->price.shift);
        at = depthwire_short_decimal(at + shape->size_at, end, mantissa, &digits, decimals);
        return at && at[0] == '"' && at[1] == ']' ? at + 2 : 0;
    }

    /* ---- a level: {"price":"PRICE","symbol":"SYMBOL","id":ID,"side":" */

    /* A level's text up to its side, kept from one that was proven field by field. */
    typedef struct {
        int scale;                      /* the id is the price by 10**scale */
        int price_at, id_at;
        depthwire_price_digits price;
        uint64_t kept;                  /* those of the price's digits that the id begins with */
        int skipped;                    /* bits: zeros that the price begins with, and its id does not */
        int64_t factor;                 /* for the zeros that the id has behind the price's digits */
        depthwire_masked_text masked;   /* none: no shape that can be kept */
    } depthwire_level_shape;

    static inline void depthwire_learn_level(
        depthwire_level_shape* shape, const char* level, int length, int price_at, int digits, int decimals, int id_at, int id_length, int scale
    ) {
        int i, zeros = scale - decimals, kept = id_length - zeros;
        shape->masked.length = 0;
        if (decimals < 1 || digits > 7 || zeros < 0 || zeros > 8 || kept < 1 || kept > digits) return;
        depthwire_take_text(&shape->masked, level, length);
        for (i = digits - kept; i < digits; i++) depthwire_take_digits(&shape->masked, price_at + i + (i >= digits - decimals), 1);
        depthwire_take_digits(&shape->masked, id_at, kept);
        shape->scale = scale;
        shape->price_at = price_at;
        shape->id_at = id_at;
        shape->price = depthwire_price_at(digits, decimals);
        shape->kept = depthwire_low(kept);
        shape->skipped = 8 * (digits - kept);
        shape->factor = depthwire_small_powers[zeros];
    }

    /* Behind a level in that shape, where 32 bytes are left at least. */
    static inline const char* depthwire_shaped_level(
        const char* at, const char* end, const depthwire_level_shape* shape, int scale, int64_t* price_id
    ) {
        uint64_t digits;
        int length = shape->masked.length;
        if (length == 0 || shape->scale != scale || end - at < length + 32) return 0;
        if (!depthwire_is_same(at, &shape->masked)) return 0;
        digits = depthwire_digits_at(at + shape->price_at, &shape->price);
        if (depthwire_above_nine(digits)) return 0;
        *price_id = depthwire_eight(digits << shape->price.shift) * shape->factor;
        digits >>= shape->skipped;
        if (((depthwire_word(at + shape->id_at) ^ DEPTHWIRE_ZEROS ^ digits) & shape->kept) || !(digits & 0xFF)) return 0;
        return at + length;
    }

    /* What may stand from a level's side on: up to its size, or to its end where it has none. */
    static const depthwire_block depthwire_sides[2][2] = {
        {{"Buy\\"}", {255, 255, 255, 255, 255}}, {"Sell\\"}", {255, 255, 255, 255, 255, 255}}},
        {{"Buy\\",\\"size\\":", {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
         {"Sell\\",\\"size\\":", {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}}};

    /* Behind it, with 0 or 1 in *side, without a branch that the next level takes the other way; 16 bytes are left. */
    static inline const char* depthwire_side(const char* at, const char* end, int is_sized, int8_t* side) {
        int is_sell;
        if (!at || end - at < DEPTHWIRE_BLOCK) return 0;
        is_sell = *at == 'S';
        *side = (int8_t)is_sell;
        return depthwire_is_none(depthwire_differing(at, &depthwire_sides[is_sized][is_sell])) ? at + 5 + 7 * is_sized + is_sell : 0;
    }
    """
    ctypedef struct PairShape "depthwire_pair_shape":
        pass

    ctypedef struct LevelShape "depthwire_level_shape":
        pass

    const char* scan_side "depthwire_side"(const char* at, const char* end, bint is_sized, int8_t* side) nogil
    void learn_pair "depthwire_learn_pair"(PairShape* shape, const char* pair, int digits, int decimals) nogil
    int shape_decimals "depthwire_shape_decimals"(const PairShape* shape) nogil     # of the price that was learnt last
    const char* shaped_pair "depthwire_shaped_pair"(
        const char* at, const char* end, const PairShape* shape, int scale, int64_t* price_id, int64_t* mantissa, int* decimals
    ) nogil
    void learn_level "depthwire_learn_level"(
        LevelShape* shape, const char* level, int length, int price_at, int digits, int decimals, int id_at, int id_length, int scale
    ) nogil
    const char* shaped_level "depthwire_shaped_level"(
        const char* at, const char* end, const LevelShape* shape, int scale, int64_t* price_id
    ) nogil
