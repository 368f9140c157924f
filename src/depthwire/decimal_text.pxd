# Decimal text to integers, exactly: "60622.50" is 6062250 with 2 decimals. No float is made on the way.
#
# Accepted is what the exchange writes: ASCII digits with at most one point that has digits on both sides. Signs,
# exponents, spaces and other scripts' digits are refused. Inline, since each level of each frame comes through here.

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #define DEPTHWIRE_MAX_DIGITS 18
    static const long long depthwire_powers[DEPTHWIRE_MAX_DIGITS + 1] = {
        1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL,
        10000000000LL, 100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL,
        1000000000000000LL, 10000000000000000LL, 100000000000000000LL, 1000000000000000000LL};
    """
    enum:
        MAX_DIGITS "DEPTHWIRE_MAX_DIGITS"       # that many digits always fit an int64
    const long long* POWERS_OF_TEN "depthwire_powers"


cdef struct DecimalText:
    int64_t mantissa    # the digits, without the point
    int decimals        # how many of them stand behind the point
    int digits          # how many there are


cdef inline bint parse_decimal(const char* text, Py_ssize_t length, DecimalText* value) noexcept nogil:
    """False where the text is no plain decimal number of at most MAX_DIGITS digits. O(length)."""
    cdef int64_t mantissa = 0
    cdef Py_ssize_t i, point = -1
    cdef unsigned char digit
    if length < 1 or length > MAX_DIGITS + 1:
        return False
    for i in range(length):
        digit = <unsigned char>(text[i] - c'0')
        if digit <= 9:
            mantissa = 10 * mantissa + digit
        elif text[i] == c'.' and point < 0 and 0 < i < length - 1:
            point = i
        else:
            return False
    value.mantissa = mantissa
    value.decimals = 0 if point < 0 else <int>(length - 1 - point)
    value.digits = <int>(length if point < 0 else length - 1)
    return value.digits <= MAX_DIGITS


cdef inline bint parse_integer(const char* text, Py_ssize_t length, int64_t* value) noexcept nogil:
    """False where the text is not made of 1 to MAX_DIGITS digits alone. O(length)."""
    cdef int64_t parsed = 0
    cdef Py_ssize_t i
    cdef unsigned char digit
    if length < 1 or length > MAX_DIGITS:
        return False
    for i in range(length):
        digit = <unsigned char>(text[i] - c'0')
        if digit > 9:
            return False
        parsed = 10 * parsed + digit
    value[0] = parsed
    return True


cdef inline bint scaled(const DecimalText* value, int decimals, int64_t* result) noexcept nogil:
    """value × 10**decimals as an integer. False where that is not whole, or has more than MAX_DIGITS digits. O(1)."""
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
