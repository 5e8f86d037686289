/* tiny_weights.h: constants of the kernel tiny; private to it */
#ifndef tiny_WEIGHTS_H
#define tiny_WEIGHTS_H

#include "tiny.h"

/* h0: 2 rows of 2 weights, s4q2 */
extern const tiny_FLASH int8_t tiny_w0[4];

/* h0: 2 biases at the accumulator's scale */
extern const tiny_FLASH int16_t tiny_b0[2];

/* y: 3 rows of 2 weights, per channel (s3q1, s3q2, s3q1, ...) */
extern const tiny_FLASH int8_t tiny_w1[6];

/* y: right shifts (negative: left) */
extern const tiny_FLASH int8_t tiny_s0[3];

#endif
