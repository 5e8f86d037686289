/* tiny_weights.c: constants of the kernel tiny */
#include "tiny_weights.h"

const tiny_FLASH int8_t tiny_w0[4] = {
    3, -2, 7, -8,
};

const tiny_FLASH int16_t tiny_b0[2] = {
    64, -192,
};

const tiny_FLASH int8_t tiny_w1[6] = {
    1, -1, 3, -4, 2, 2,
};

const tiny_FLASH int8_t tiny_s0[3] = {
    -1, 0, -1,
};
