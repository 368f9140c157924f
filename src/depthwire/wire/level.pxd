# Matches a price level against the shape of the previous one: see level.h. Other levels are scanned field by field.

from libc.stdint cimport int8_t, int64_t


cdef extern from "depthwire/wire/level.h" nogil:
    ctypedef struct PairShape "depthwire_pair_shape":
        pass

    ctypedef struct LevelShape "depthwire_level_shape":
        pass

    const char* scan_side "depthwire_scan_side"(const char* at, const char* end, bint is_sized, int8_t* side)
    void learn_pair "depthwire_learn_pair"(PairShape* shape, const char* pair, int digits, int decimals)
    int shape_decimals "depthwire_shape_decimals"(const PairShape* shape)
    const char* match_pair "depthwire_match_pair"(
        const char* at, const char* end, const PairShape* shape, int scale, int64_t* price_id, int64_t* mantissa, int* decimals
    )
    void learn_level "depthwire_learn_level"(
        LevelShape* shape, const char* level, int length, int price_at, int digits, int decimals, int id_at, int id_length, int scale
    )
    const char* match_level "depthwire_match_level"(
        const char* at, const char* end, const LevelShape* shape, int scale, int64_t* price_id
    )
