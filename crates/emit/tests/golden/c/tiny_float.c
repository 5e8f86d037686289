/* tiny_float.c: floats to the kernel's inputs, and its outputs to floats.
 * Integer operations on the bits of floats: no rounding mode, no library.
 * Empty where tiny_NO_FLOAT is defined.
 */
#include "tiny.h"

#ifndef tiny_NO_FLOAT
#include <float.h>

/* Floats must be those of IEEE 754, of 32 bits, in the byte order of integers. */
typedef char tiny_needs_binary32[(FLT_RADIX == 2) && (FLT_MANT_DIG == 24) && (FLT_MAX_EXP == 128) && (sizeof(float) == sizeof(uint32_t)) ? 1 : -1];

/* A float and its bits: sign, 8 of exponent, 23 of fraction. */
typedef union {
    float value;
    uint32_t bits;
} tiny_binary32;

static tiny_in_t tiny_quantized(float x)
{
    tiny_binary32 v;
    v.value = x;
    const uint32_t negative = v.bits >> 31;
    const uint32_t exponent = (v.bits >> 23) & UINT32_C(0xFF);
    const uint32_t fraction = v.bits & UINT32_C(0x7FFFFF);
    const uint32_t limit = (negative != UINT32_C(0)) ? UINT32_C(256) : UINT32_C(255);
    /* |x| * 2^F = a * 2^k */
    const uint32_t a = (exponent == UINT32_C(0)) ? fraction : (fraction | UINT32_C(0x800000));
    const int32_t k = ((exponent == UINT32_C(0)) ? INT32_C(1) : (int32_t)exponent) + (-INT32_C(142));
    uint32_t m = UINT32_C(0);
    if (exponent == UINT32_C(0xFF)) {
        m = (fraction == UINT32_C(0)) ? limit : UINT32_C(0);
    } else if (a == UINT32_C(0)) {
        m = UINT32_C(0);
    } else if (k >= INT32_C(0)) {
        const uint32_t left = (uint32_t)k;
        m = ((left > UINT32_C(31)) || (a > (limit >> left))) ? limit : (a << left);
    } else if (k >= -INT32_C(24)) {
        /* A tie goes up: away from zero for positive x, towards zero for negative x. */
        const uint32_t right = (uint32_t)(-k);
        m = ((a + (UINT32_C(1) << (right - UINT32_C(1)))) - negative) >> right;
    } else {
        /* |x| * 2^F < 1/2 */
        m = UINT32_C(0);
    }
    m = (m > limit) ? limit : m;
    return ((negative != UINT32_C(0)) && (m != UINT32_C(0))) ? (tiny_in_t)(-(int32_t)(m - UINT32_C(1)) - INT32_C(1)) : (tiny_in_t)m;
}

void tiny_quantize(const float x[tiny_IN_SIZE], tiny_in_t in[tiny_IN_SIZE])
{
    for (size_t j = 0u; j < (size_t)tiny_IN_SIZE; ++j) {
        in[j] = tiny_quantized(x[j]);
    }
}

static float tiny_value(tiny_out_t m)
{
    tiny_binary32 v;
    uint32_t a = (uint32_t)m;
    v.bits = UINT32_C(0);
    if (m < 0) {
        v.bits = UINT32_C(1) << 31;
        a = UINT32_C(0) - a;
    }
    int32_t length = INT32_C(0);
    for (uint32_t rest = a; rest != UINT32_C(0); rest >>= 1) {
        ++length;
    }
    /* a * 2^-F lies in [2^e, 2^(e+1)); a float has so many bits from its leading one on. */
    const int32_t e = length + (-INT32_C(8));
    const int32_t digits = (e >= -INT32_C(126)) ? INT32_C(24) : (e + INT32_C(150));
    if ((a != UINT32_C(0)) && (digits >= INT32_C(0))) {
        uint32_t kept;
        const int32_t excess = length - digits;
        if (excess > INT32_C(0)) {
            const uint32_t drop = (uint32_t)excess - UINT32_C(1);
            const uint32_t upper = a >> drop;
            kept = upper >> 1;
            /* The first bit dropped is set, and is not alone or stands behind an odd one. */
            if (((upper & UINT32_C(1)) != UINT32_C(0)) && (((kept & UINT32_C(1)) != UINT32_C(0)) || ((upper << drop) != a))) {
                ++kept;
            }
        } else {
            kept = a << (uint32_t)(-excess);
        }
        if (e > INT32_C(127)) {
            v.bits |= UINT32_C(0x7F800000);
        } else if (e >= -INT32_C(126)) {
            /* The leading bit adds one to the exponent. */
            v.bits |= (uint32_t)kept + ((uint32_t)(e + INT32_C(126)) << 23);
        } else {
            v.bits |= (uint32_t)kept;
        }
    }
    return v.value;
}

void tiny_dequantize(const tiny_out_t out[tiny_OUT_SIZE], float y[tiny_OUT_SIZE])
{
    for (size_t j = 0u; j < (size_t)tiny_OUT_SIZE; ++j) {
        y[j] = tiny_value(out[j]);
    }
}
#endif
