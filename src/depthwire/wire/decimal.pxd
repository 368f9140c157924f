# Decimal text to integers, exactly: "60622.50" is 6062250 with 2 decimals. No float is made on the way.
#
# The accepted form is the exchange's: ASCII digits with at most one point, which has digits on both sides. Signs, exponents,
# spaces and digits of other scripts are rejected. Inline, because it runs for every level.

from libc.stdint cimport int64_t

from depthwire.wire.decimal_text cimport DecimalText


cdef extern from "depthwire/wire/decimal.h":
    enum:
        MAX_DIGITS "DEPTHWIRE_MAX_DIGITS"                   # this many digits always fit int64
    const int64_t EXACT_INTEGERS "DEPTHWIRE_EXACT_INTEGERS" # float64 represents all integers up to this one
    const int64_t* POWERS_OF_TEN "depthwire_powers"
    const double* UNITS "depthwire_units"                   # the same as float64, all exact


cdef inline bint scaled(const DecimalText* value, int decimals, int64_t* result) noexcept nogil:
    """Compute value × 10**decimals. Return False if it is not an integer or has more than MAX_DIGITS digits. O(1)."""
    cdef int shift = decimals - value.decimals
    cdef int64_t divisor
    if shift >= 0:
        if value.digits + shift > MAX_DIGITS:
            return False
        result[0] = value.mantissa * POWERS_OF_TEN[shift]
        return True
    divisor = POWERS_OF_TEN[-shift]
    result[0] = value.mantissa // divisor
    return result[0] * divisor == value.mantissa


cdef inline int scale_of(const DecimalText* value, int64_t price_id) noexcept nogil:
    """Return the scale at which a price has this id, -1 if there is none."""
    cdef int64_t expected
    cdef int candidate
    for candidate in range(MAX_DIGITS + 1):
        if value.mantissa and scaled(value, candidate, &expected) and expected == price_id:
            return candidate
    return -1


cdef inline bint rounded(const DecimalText* value, double* size) noexcept nogil:
    """Compute the float64 nearest to a decimal. Return False if one division does not give it. O(1).

    Both operands are exact in float64, so the division is the only rounding: D. Gay, "Correctly rounded binary-decimal and
    decimal-binary conversions", 1990.
    """
    size[0] = <double>value.mantissa / UNITS[value.decimals]
    return value.mantissa <= EXACT_INTEGERS
