/* tiny.h: fixed-point kernel written by ceg4nc 0.1.0
 *
 * VERIFIED:
 *   PROVED: 1 strict
 * requirement: top1 domain real
 * region: "a" PROVED
 * program sha256: 4e5fef1c6f72ff3ce5529a0725924c60478aa24ae373fb37eaf8f3a69197dbe2
 * network sha256: bc9c34032cf6d6d536687ef54e9f4c251d335a4972682b32d0aa7271715b9312
 * regions sha256: 00ff
 */
#ifndef tiny_H
#define tiny_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where constants live. On AVR in flash, which needs GNU C (-std=gnu99 or later). */
#ifndef tiny_FLASH
#if defined(__AVR__) && defined(__FLASH) && !defined(__cplusplus)
#define tiny_FLASH __flash
#define tiny_IN_FLASH 1
#else
#define tiny_FLASH
#endif
#endif

/* Input: s9q8: integer m in [-256, 255] stands for m * 2^-8; other values are clamped */
#define tiny_IN_SIZE 2
#define tiny_IN_BITS 9
#define tiny_IN_SIGNED 1
#define tiny_IN_FRAC 8
typedef int16_t tiny_in_t;

/* Output: integer m stands for m * 2^-7; proved range [-456, 624] */
#define tiny_OUT_SIZE 3
#define tiny_OUT_FRAC 7
typedef int32_t tiny_out_t;

/* 1 if the claim above says VERIFIED. */
#define tiny_VERIFIED 1

/* Working memory of one inference; needs no initialisation. */
typedef struct {
    int16_t v0[2];
    uint8_t v1[2];
} tiny_scratch;

/* Computes the outputs. The three objects must not overlap. */
void tiny_infer(const tiny_in_t in[tiny_IN_SIZE], tiny_out_t out[tiny_OUT_SIZE], tiny_scratch *scratch);

/* The class: index of the greatest output, the lowest index among equals. */
size_t tiny_argmax(const tiny_out_t out[tiny_OUT_SIZE]);

#ifndef tiny_NO_FLOAT
/* in[j] = floor(x[j] * 2^8 + 1/2), clamped to [-256, 255], exactly, for every finite x[j].
 * An infinity gives the end on its side, a NaN gives 0.
 */
void tiny_quantize(const float x[tiny_IN_SIZE], tiny_in_t in[tiny_IN_SIZE]);

/* y[j] = out[j] * 2^-7, exactly for the kernel's outputs; other integers to the nearest float, ties to even. */
void tiny_dequantize(const tiny_out_t out[tiny_OUT_SIZE], float y[tiny_OUT_SIZE]);
#endif

#ifdef __cplusplus
}
#endif

#endif
