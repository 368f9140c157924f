/* Bit scans, which compilers spell differently. The argument is never 0: the result would be undefined. */
#ifndef DEPTHWIRE_WIRE_BITS_H
#define DEPTHWIRE_WIRE_BITS_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>

static inline int depthwire_lowest_bit(uint64_t bits) {
    unsigned long index;
    _BitScanForward64(&index, bits);
    return (int)index;
}

static inline int depthwire_highest_bit(uint64_t bits) {
    unsigned long index;
    _BitScanReverse64(&index, bits);
    return (int)index;
}

#else

static inline int depthwire_lowest_bit(uint64_t bits) { return __builtin_ctzll(bits); }

static inline int depthwire_highest_bit(uint64_t bits) { return 63 - __builtin_clzll(bits); }

#endif

#endif
