/* graph.c: fixed-point kernel written by ceg4nc 0.0.0
 *
 * NOT VERIFIED: a test * / ? ?/
 * program sha256: 561d4f5607ec6c0ac9af16f47ff0dca4c97a88b8ad173d55395bbc8191494eb6
 */
#include "graph.h"
#include "graph_weights.h"

/* Right shifts of negative integers must be arithmetic. */
typedef char graph_needs_arithmetic_shift[((((-INT32_C(5)) >> 1) == -INT32_C(3)) && (((-INT64_C(5)) >> 1) == -INT64_C(3))) ? 1 : -1];

/* Conversions to signed types must keep the low bits. */
typedef char graph_needs_modular_conversion[(((int8_t)INT32_C(200) == -INT32_C(56)) && ((int16_t)INT32_C(40000) == -INT32_C(25536)) && ((int32_t)UINT32_C(4294967295) == -INT32_C(1))) ? 1 : -1];

/* first: elements moved; proved range [-128, 127] */
static void graph_stage0(const int8_t *x, int8_t *y)
{
    for (size_t i0 = 0; i0 < 2; ++i0) {
        for (size_t i1 = 0; i1 < 36; ++i1) {
            y[i0 * 36 + i1] = (int8_t)x[i0 + i1 * 2];
        }
    }
}

/* c0: convolution 2 -> 4 channels, 3x3 window on 6x6, 6x6 results, padding 1x1, weights per channel (s3q1, s3q2, s3q1*3, s3q0, ...); accumulator at a scale per channel, any order of sums in 14 bits; proved range [-4335, 4335]
 * r0: relu; proved range [0, 4335]
 * r0: requantize to u8q4, times 1 to 3 by channel, shift right 0 to 2 by channel, rounding half-up; proved range [0, 255]
 */
static void graph_stage1(const int8_t *x, uint8_t *y)
{
    const graph_FLASH int8_t *w = graph_w0;
    size_t j = 0;
    for (size_t c = 0; c < 4; ++c) {
        for (size_t oy = 0; oy < 6; ++oy) {
            const size_t u0 = oy < 1 ? 1 - oy : 0;
            const size_t um = oy < 7 ? 7 - oy : 0;
            const size_t u1 = um < 3 ? um : 3;
            for (size_t ox = 0; ox < 6; ++ox) {
                const size_t v0 = ox < 1 ? 1 - ox : 0;
                const size_t vm = ox < 7 ? 7 - ox : 0;
                const size_t v1 = vm < 3 ? vm : 3;
                int32_t acc = 0;
                for (size_t k = 0; k < 2; ++k) {
                    for (size_t u = u0; u < u1; ++u) {
                        for (size_t v = v0; v < v1; ++v) {
                            acc += (int32_t)w[k * 9 + u * 3 + v] * (int32_t)x[k * 36 + (oy + u - 1) * 6 + ox + v - 1];
                        }
                    }
                }
                if (acc < 0) { acc = 0; }
                acc = acc * (int32_t)graph_m0[c];
                const int s2 = graph_s0[c];
                if (s2 > 0) { acc = (acc + ((int32_t)1 << (s2 - 1))) >> s2; }
                if (acc > INT32_C(255)) { acc = INT32_C(255); }
                y[j] = (uint8_t)acc;
                ++j;
            }
        }
        w += 18;
    }
}

/* c1: convolution 4 -> 8 channels in 4 groups, 3x3 window on 6x6, 4x4 results, stride 2x2, dilation 2x2, padding 3x3, weights s3q1; accumulator at scale 2^-5, any order of sums in 14 bits; proved range [-2805, 2805]
 * leaky: leaky relu of slope 2^-3, with 3 more fraction bits; proved range [-2805, 22440]
 * leaky: requantize to s8q3, shift right 5, rounding half-up; proved range [-88, 127]
 */
static void graph_stage2(const uint8_t *x, int8_t *y)
{
    const graph_FLASH int8_t *w = graph_w1;
    size_t j = 0;
    for (size_t c = 0; c < 8; ++c) {
        const uint8_t *g = x + c / 2 * 36;
        for (size_t oy = 0; oy < 4; ++oy) {
            const size_t u0 = oy * 2 < 3 ? (4 - oy * 2) / 2 : 0;
            const size_t um = oy * 2 < 9 ? (10 - oy * 2) / 2 : 0;
            const size_t u1 = um < 3 ? um : 3;
            for (size_t ox = 0; ox < 4; ++ox) {
                const size_t v0 = ox * 2 < 3 ? (4 - ox * 2) / 2 : 0;
                const size_t vm = ox * 2 < 9 ? (10 - ox * 2) / 2 : 0;
                const size_t v1 = vm < 3 ? vm : 3;
                int32_t acc = 0;
                for (size_t u = u0; u < u1; ++u) {
                    for (size_t v = v0; v < v1; ++v) {
                        acc += (int32_t)w[u * 3 + v] * (int32_t)g[(oy * 2 + u * 2 - 3) * 6 + ox * 2 + v * 2 - 3];
                    }
                }
                if (acc > 0) { acc = acc * INT32_C(8); }
                acc = (acc + INT32_C(16)) >> 5;
                if (acc > INT32_C(127)) { acc = INT32_C(127); }
                y[j] = (int8_t)acc;
                ++j;
            }
        }
        w += 9;
    }
}

/* turned: elements moved; proved range [-88, 127] */
static void graph_stage3(const int8_t *x, int8_t *y)
{
    for (size_t i0 = 0; i0 < 8; ++i0) {
        for (size_t i1 = 0; i1 < 4; ++i1) {
            for (size_t i2 = 0; i2 < 4; ++i2) {
                y[i0 * 16 + i1 * 4 + i2] = (int8_t)x[i0 * 16 + i1 + i2 * 4];
            }
        }
    }
}

/* sum: add leaky; proved range [-176, 254]
 * sum: requantize to s8q2, shift right 1, rounding half-up; proved range [-88, 127]
 * clip: clip; proved range [-16, 24]
 * clip: requantize to s8q3, shift left 1, rounding half-up; proved range [-32, 48]
 */
static void graph_stage4(const int8_t *x, const int8_t *z1, int8_t *y)
{
    for (size_t j = 0; j < 128; ++j) {
        int32_t acc = (int32_t)x[j];
        acc = acc + (int32_t)z1[j];
        acc = (acc + INT32_C(1)) >> 1;
        if (acc < (-INT32_C(16))) { acc = (-INT32_C(16)); }
        if (acc > INT32_C(24)) { acc = INT32_C(24); }
        acc = acc * INT32_C(2);
        y[j] = (int8_t)acc;
    }
}

/* average: sums of average pool, 8 channels, 3x2 window on 4x4, 2x3 results, stride 2x2, padding 1x1; at a scale per position, any order of sums in 10 bits; proved range [-192, 288]
 * average: requantize to s7q3, times 1 to 21845 by position, shift right 1 to 17 by position, rounding half-up; proved range [-32, 48]
 */
static void graph_stage5(const int8_t *x, int8_t *y)
{
    size_t j = 0;
    for (size_t c = 0; c < 8; ++c) {
        const int8_t *g = x + c * 16;
        for (size_t oy = 0; oy < 2; ++oy) {
            const size_t u0 = oy * 2 < 1 ? 1 - oy * 2 : 0;
            for (size_t ox = 0; ox < 3; ++ox) {
                const size_t v0 = ox * 2 < 1 ? 1 - ox * 2 : 0;
                const size_t vm = ox * 2 < 5 ? 5 - ox * 2 : 0;
                const size_t v1 = vm < 2 ? vm : 2;
                int32_t acc = 0;
                for (size_t u = u0; u < 3; ++u) {
                    for (size_t v = v0; v < v1; ++v) {
                        acc += (int32_t)g[(oy * 2 + u - 1) * 4 + ox * 2 + v - 1];
                    }
                }
                acc = acc * (int32_t)graph_m1[oy * 3 + ox];
                const int s1 = graph_s1[oy * 3 + ox];
                acc = (acc + ((int32_t)1 << (s1 - 1))) >> s1;
                y[j] = (int8_t)acc;
                ++j;
            }
        }
    }
}

/* max: max pool, 8 channels, 3x2 window on 4x4, 2x3 results, stride 2x2, padding 1x1; proved range [-32, 48]
 * max: requantize to s7q3, shift right 0, rounding half-up; proved range [-32, 48]
 */
static void graph_stage6(const int8_t *x, int8_t *y)
{
    size_t j = 0;
    for (size_t c = 0; c < 8; ++c) {
        const int8_t *g = x + c * 16;
        for (size_t oy = 0; oy < 2; ++oy) {
            const size_t u0 = oy * 2 < 1 ? 1 - oy * 2 : 0;
            for (size_t ox = 0; ox < 3; ++ox) {
                const size_t v0 = ox * 2 < 1 ? 1 - ox * 2 : 0;
                const size_t vm = ox * 2 < 5 ? 5 - ox * 2 : 0;
                const size_t v1 = vm < 2 ? vm : 2;
                int32_t acc = (-INT32_C(32));
                for (size_t u = u0; u < 3; ++u) {
                    for (size_t v = v0; v < v1; ++v) {
                        const int32_t t = (int32_t)g[(oy * 2 + u - 1) * 4 + ox * 2 + v - 1];
                        if (t > acc) { acc = t; }
                    }
                }
                y[j] = (int8_t)acc;
                ++j;
            }
        }
    }
}

/* joined: concatenation of 48 + 48 + 48 elements; proved range [-32, 48] */
static void graph_stage7(const int8_t *x0, const int8_t *x1, const int8_t *x2, int8_t *y)
{
    for (size_t i0 = 0; i0 < 8; ++i0) {
        for (size_t i1 = 0; i1 < 6; ++i1) {
            y[i0 * 18 + i1] = (int8_t)x0[i0 * 6 + i1];
        }
    }
    for (size_t i0 = 0; i0 < 8; ++i0) {
        for (size_t i1 = 0; i1 < 6; ++i1) {
            y[6 + i0 * 18 + i1] = (int8_t)x1[i0 * 6 + i1];
        }
    }
    for (size_t i0 = 0; i0 < 8; ++i0) {
        for (size_t i1 = 0; i1 < 6; ++i1) {
            y[12 + i0 * 18 + i1] = (int8_t)x2[i0 * 6 + i1];
        }
    }
}

/* padded: elements moved; proved range [-32, 48]
 * padded: of 280 elements removed: 136 constant, 39 never read
 */
static void graph_stage8(const int8_t *x, int8_t *y)
{
    for (size_t j = 0; j < 105; ++j) {
        const size_t k = (size_t)graph_i0[j];
        y[j] = (int8_t)x[k];
    }
}

/* scaled: multiply by constants; proved range [-144, 144]
 * scaled: of 280 elements removed: 154 constant, 21 never read
 * scaled: requantize to s8q4, shift right 1, rounding half-up; proved range [-72, 72]
 * scaled: of 280 elements removed: 154 constant, 21 never read
 * tanh: tanh by a table of s8q7; proved range [-128, 127]
 * tanh: of 280 elements removed: 154 constant, 21 never read
 */
static void graph_stage9(const int8_t *x, int8_t *y)
{
    for (size_t c = 0; c < 7; ++c) {
        for (size_t p = 0; p < 15; ++p) {
            const size_t j = c * 15 + p;
            int32_t acc = (int32_t)x[j];
            acc = acc * (int32_t)graph_f0[c];
            acc = (acc + INT32_C(1)) >> 1;
            acc = (int32_t)graph_t0[acc + INT32_C(128)];
            y[j] = (int8_t)acc;
        }
    }
}

/* y: dense 105 -> 3, weights s3q2; accumulator at scale 2^-9, any order of sums in 17 bits; proved range [-25080, 25620] */
static void graph_stage10(const int8_t *x, int32_t *y)
{
    const graph_FLASH int8_t *w = graph_w2;
    for (size_t j = 0; j < 3; ++j) {
        int32_t acc = (int32_t)graph_b0[j];
        for (size_t k = 0; k < 105; ++k) {
            acc += (int32_t)w[k] * (int32_t)x[k];
        }
        w += 105;
        y[j] = (int32_t)acc;
    }
}

void graph_infer(const graph_in_t in[graph_IN_SIZE], graph_out_t out[graph_OUT_SIZE], graph_scratch *scratch)
{
    graph_stage0(in, scratch->v0);
    graph_stage1(scratch->v0, scratch->v1.u8);
    graph_stage2(scratch->v1.u8, scratch->v0);
    graph_stage3(scratch->v0, scratch->v1.i8);
    graph_stage4(scratch->v1.i8, scratch->v0, scratch->v2);
    graph_stage5(scratch->v2, scratch->v0);
    graph_stage6(scratch->v2, scratch->v1.i8);
    graph_stage7(scratch->v0, scratch->v1.i8, scratch->v0, scratch->v2);
    graph_stage8(scratch->v2, scratch->v0);
    graph_stage9(scratch->v0, scratch->v1.i8);
    graph_stage10(scratch->v1.i8, out);
}

size_t graph_argmax(const graph_out_t out[graph_OUT_SIZE])
{
    size_t best = 0u;
    for (size_t j = 1u; j < 3u; ++j) {
        if (out[j] > out[best]) {
            best = j;
        }
    }
    return best;
}
