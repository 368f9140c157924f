/* Powers of ten, as integers and as floats.
 *
 * The trick: 10**0 to 10**22 are exact in float64, and so is every integer up to 2**53. One division of two exact
 * numbers rounds once, so its result is the float64 nearest to the decimal: D. Gay, "Correctly rounded binary-decimal
 * and decimal-binary conversions", 1990.
 */
#ifndef DEPTHWIRE_WIRE_DECIMAL_H
#define DEPTHWIRE_WIRE_DECIMAL_H

#include <stdint.h>

#define DEPTHWIRE_MAX_DIGITS 18 /* as many digits always fit an int64 */
#define DEPTHWIRE_EXACT_INTEGERS (INT64_C(1) << 53)

static const int64_t depthwire_powers[DEPTHWIRE_MAX_DIGITS + 1] = {
    /* clang-format off */
    1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL,
    10000000000LL, 100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL,
    1000000000000000LL, 10000000000000000LL, 100000000000000000LL, 1000000000000000000LL,
    /* clang-format on */
};

static const double depthwire_units[DEPTHWIRE_MAX_DIGITS + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

#endif
