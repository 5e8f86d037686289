/* tiny.c: fixed-point kernel written by ceg4nc 0.1.0
 *
 * VERIFIED:
 *   PROVED: 1 strict
 * program sha256: 4e5fef1c6f72ff3ce5529a0725924c60478aa24ae373fb37eaf8f3a69197dbe2
 */
#include "tiny.h"
#include "tiny_weights.h"

/* Right shifts of negative integers must be arithmetic. */
typedef char tiny_needs_arithmetic_shift[((((-INT32_C(5)) >> 1) == -INT32_C(3)) && (((-INT64_C(5)) >> 1) == -INT64_C(3))) ? 1 : -1];

/* Conversions to signed types must keep the low bits. */
typedef char tiny_needs_modular_conversion[(((int8_t)INT32_C(200) == -INT32_C(56)) && ((int16_t)INT32_C(40000) == -INT32_C(25536)) && ((int32_t)UINT32_C(4294967295) == -INT32_C(1))) ? 1 : -1];

/* input: clamped as s9q8 */
static void tiny_stage0(const int16_t *x, int16_t *y)
{
    for (size_t j = 0; j < 2; ++j) {
        int32_t acc = (int32_t)x[j];
        if (acc < (-INT32_C(256))) { acc = (-INT32_C(256)); }
        if (acc > INT32_C(255)) { acc = INT32_C(255); }
        y[j] = (int16_t)acc;
    }
}

/* h0: dense 2 -> 2, weights s4q2; accumulator at scale 2^-10, any order of sums in 13 bits; proved range [-4024, 3641]
 * r0: relu; proved range [0, 3641]
 * r0: requantize to u8q5, shift right 5, rounding half-up; proved range [0, 114]
 */
static void tiny_stage1(const int16_t *x, uint8_t *y)
{
    const tiny_FLASH int8_t *w = tiny_w0;
    for (size_t j = 0; j < 2; ++j) {
        int32_t acc = (int32_t)tiny_b0[j];
        for (size_t k = 0; k < 2; ++k) {
            acc += (int32_t)w[k] * (int32_t)x[k];
        }
        w += 2;
        acc = (acc + INT32_C(16)) >> 5;
        if (acc < INT32_C(0)) { acc = INT32_C(0); }
        y[j] = (uint8_t)acc;
    }
}

/* y: dense 2 -> 3, weights per channel (s3q1, s3q2, s3q1, ...); accumulator at a scale per channel, any order of sums in 11 bits; proved range [-456, 312]
 * y: channels aligned to scale 2^-7; proved range [-456, 624]
 */
static void tiny_stage2(const uint8_t *x, int32_t *y)
{
    const tiny_FLASH int8_t *w = tiny_w1;
    for (size_t j = 0; j < 3; ++j) {
        int32_t acc = 0;
        for (size_t k = 0; k < 2; ++k) {
            acc += (int32_t)w[k] * (int32_t)x[k];
        }
        w += 2;
        const int s0 = tiny_s0[j];
        acc = acc * ((int32_t)1 << -s0);
        y[j] = (int32_t)acc;
    }
}

void tiny_infer(const tiny_in_t in[tiny_IN_SIZE], tiny_out_t out[tiny_OUT_SIZE], tiny_scratch *scratch)
{
    tiny_stage0(in, scratch->v0);
    tiny_stage1(scratch->v0, scratch->v1);
    tiny_stage2(scratch->v1, out);
}

size_t tiny_argmax(const tiny_out_t out[tiny_OUT_SIZE])
{
    size_t best = 0u;
    for (size_t j = 1u; j < 3u; ++j) {
        if (out[j] > out[best]) {
            best = j;
        }
    }
    return best;
}
