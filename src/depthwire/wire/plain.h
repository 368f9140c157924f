/* Whether text has the plain form in which the exchange writes numbers and times.
 *
 * All functions are strict: what they do not prove is left to a slower reader that takes every form.
 */
#ifndef DEPTHWIRE_WIRE_PLAIN_H
#define DEPTHWIRE_WIRE_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "depthwire/wire/decimal.h"

#if defined(__SSE2__) && !defined(DEPTHWIRE_PORTABLE)
#include <emmintrin.h>
#define DEPTHWIRE_PLAIN_SSE2
#endif

#define DEPTHWIRE_LONGEST_PLAIN 40 /* characters of a plain number */

static inline int depthwire_is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* Whether any of eight bytes is less than a number, which is at most 128, or equal to a byte. */
#define DEPTHWIRE_EIGHT(byte) ((uint64_t)(byte) * UINT64_C(0x0101010101010101))
#define DEPTHWIRE_ANY_LESS(bytes, n) (((bytes) - DEPTHWIRE_EIGHT(n)) & ~(bytes) & DEPTHWIRE_EIGHT(0x80))
#define DEPTHWIRE_ANY_EQUAL(bytes, n) DEPTHWIRE_ANY_LESS((bytes) ^ DEPTHWIRE_EIGHT(n), 1)

/* Whether text is printable ASCII without a backslash. A JSON parser need not check what it skips. */
static inline int depthwire_is_plain_text(const char* text, size_t size) {
    uint64_t odd = 0, bytes;
    size_t at = 0;
#ifdef DEPTHWIRE_PLAIN_SSE2
    __m128i found = _mm_setzero_si128();
    for (; at + 16 <= size; at += 16) {
        __m128i chars = _mm_loadu_si128((const __m128i*)(text + at));
        found = _mm_or_si128(found, _mm_cmplt_epi8(chars, _mm_set1_epi8(0x20))); /* signed: also bytes above ASCII */
        found = _mm_or_si128(found, _mm_cmpeq_epi8(chars, _mm_set1_epi8(0x7f)));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(chars, _mm_set1_epi8('\\')));
    }
    odd = (uint64_t)_mm_movemask_epi8(found);
#endif
    for (; at + 8 <= size; at += 8) {
        memcpy(&bytes, text + at, 8);
        odd |= (bytes & DEPTHWIRE_EIGHT(0x80)) | DEPTHWIRE_ANY_LESS(bytes, 0x20) | DEPTHWIRE_ANY_EQUAL(bytes, 0x7f) |
               DEPTHWIRE_ANY_EQUAL(bytes, '\\');
    }
    for (; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        odd |= (uint64_t)((c < 0x20) | (c > 0x7e) | (c == '\\'));
    }
    return !odd;
}

/* Whether a JSON number may be -0. Its sign does not outlive a conversion to an integer. */
static inline int depthwire_has_negative_zero(const char* text, size_t size) {
    const char *at = text, *end = text + size;
    while ((at = (const char*)memchr(at, '-', (size_t)(end - at))) != NULL) {
        if (at > text && strchr(":,[ ", at[-1]) && at + 1 < end && at[1] == '0' && (at + 2 == end || at[2] != '.')) {
            return 1;
        }
        at++;
    }
    return 0;
}

/* The end of a run of digits. */
static inline const char* depthwire_after_digits(const char* at, const char* end) {
    while (at < end && depthwire_is_digit(*at)) at++;
    return at;
}

/* The end of -?[0-9]+(\.[0-9]+)?, or NULL if the text does not begin with it. */
static inline const char* depthwire_after_number(const char* text, const char* end) {
    const char* at = text;
    if (at < end && *at == '-') at++;
    const char* digits = at;
    at = depthwire_after_digits(at, end);
    if (at == digits) return NULL;
    if (digits != text && *digits == '0' && (at == end || *at != '.')) return NULL; /* -0 may be read as an integer */
    if (at < end && *at == '.') {
        digits = ++at;
        at = depthwire_after_digits(at, end);
        if (at == digits) return NULL;
    }
    return at;
}

/* -?[0-9]+(\.[0-9]+)? of at most DEPTHWIRE_LONGEST_PLAIN characters. */
static inline int depthwire_is_plain_number(const char* text, size_t size) {
    return size <= DEPTHWIRE_LONGEST_PLAIN && depthwire_after_number(text, text + size) == text + size;
}

/* A plain number, or a JSON number with an exponent up to 20: its first digit is within 10**+-60. */
static inline int depthwire_is_json_number(const char* text, size_t size) {
    if (size > DEPTHWIRE_LONGEST_PLAIN) return 0;
    const char *end = text + size, *at = depthwire_after_number(text, end);
    if (at == NULL) return 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '-' || *at == '+')) at++;
        int exponent = 0;
        const char* digits = at;
        while (at < end && at < digits + 2 && depthwire_is_digit(*at)) exponent = exponent * 10 + (*at++ - '0');
        if (at == digits || exponent > 20) return 0;
    }
    return at == end;
}

/* -?(0|[1-9][0-9]*) of at most 18 digits, but for -0. */
static inline int depthwire_plain_integer(const char* text, size_t size, int64_t* value) {
    int is_negative = size && *text == '-';
    text += is_negative;
    size -= (size_t)is_negative;
    if (!size || size > DEPTHWIRE_MAX_DIGITS || (*text == '0' && (size > 1 || is_negative))) return 0;
    int64_t found = 0;
    for (size_t i = 0; i < size; i++) {
        if (!depthwire_is_digit(text[i])) return 0;
        found = found * 10 + (text[i] - '0');
    }
    *value = is_negative ? -found : found;
    return 1;
}

/* The float64 next to a plain number. False if one division of exact operands is not enough: see decimal.h. */
static inline int depthwire_plain_double(const char* text, size_t size, double* value) {
    int is_negative = size && *text == '-', decimals = 0, has_point = 0, digits = 0;
    int64_t mantissa = 0;
    for (size_t i = (size_t)is_negative; i < size; i++) {
        if (text[i] == '.') {
            has_point = 1;
            continue;
        }
        if (!depthwire_is_digit(text[i])) return 0;
        if (++digits > DEPTHWIRE_MAX_DIGITS) return 0;
        mantissa = mantissa * 10 + (text[i] - '0');
        decimals += has_point;
    }
    if (mantissa > DEPTHWIRE_EXACT_INTEGERS) return 0;
    double found = (double)mantissa / depthwire_units[decimals];
    *value = is_negative ? -found : found;
    return 1;
}

static inline int depthwire_two_digits(const char* text) {
    if (!depthwire_is_digit(text[0]) || !depthwire_is_digit(text[1])) return -1;
    return (text[0] - '0') * 10 + (text[1] - '0');
}

/* The days of a month in a year that is not a leap year. */
static inline int depthwire_fewest_days(int month) {
    if (month == 2) return 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* A time in UTC as the exchange writes it, such as 2022-06-23T04:08:47.956636888Z; 29 February is left to the slower
 * reader. */
static inline int depthwire_is_plain_time(const char* text, size_t size) {
    if (size < 20 || size > 30 || text[size - 1] != 'Z') return 0;
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return 0;
    int century = depthwire_two_digits(text), year = depthwire_two_digits(text + 2);
    int month = depthwire_two_digits(text + 5), day = depthwire_two_digits(text + 8);
    int hour = depthwire_two_digits(text + 11), minute = depthwire_two_digits(text + 14);
    int second = depthwire_two_digits(text + 17);
    if (century < 1 || year < 0 || month < 1 || month > 12 || day < 1 || day > depthwire_fewest_days(month)) return 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return 0;
    if (size == 20) return 1;
    if (size == 21 || text[19] != '.') return 0;
    for (size_t i = 20; i < size - 1; i++) {
        if (!depthwire_is_digit(text[i])) return 0;
    }
    return 1;
}

#endif
