#if defined(ARDUINO) && !defined(tiny_SELFTEST_NO_MAIN)
#define tiny_SELFTEST_NO_MAIN
#endif
/* tiny_selftest.c: runs the kernel tiny on vectors whose outputs are known.
 * Exit status 0: all as expected; 1: a mismatch, which is printed.
 */
#include "tiny.h"

#include <stdio.h>

static const tiny_in_t tiny_inputs[2][tiny_IN_SIZE] = {
    {
        -32768, -32768,
    },
    {
        32767, 32767,
    },
};

static const tiny_out_t tiny_expected[2][tiny_OUT_SIZE] = {
    {
        -4, -8, 8,
    },
    {
        20, 30, 40,
    },
};

static const char *const tiny_notes[2] = {
    "vector \"0\" %d",
    "vector \"1\" %d",
};

#ifndef tiny_SELFTEST_NO_MAIN
int main(void)
{
    static tiny_scratch scratch;
    static tiny_out_t out[tiny_OUT_SIZE];
    int status = 0;
    for (size_t v = 0; v < 2; ++v) {
        tiny_infer(tiny_inputs[v], out, &scratch);
        for (size_t j = 0; j < tiny_OUT_SIZE; ++j) {
            if (out[j] != tiny_expected[v][j]) {
                printf("tiny: vector %lu (%s): output %lu is %lld, expected %lld\n",
                       (unsigned long)v, tiny_notes[v], (unsigned long)j,
                       (long long)out[j], (long long)tiny_expected[v][j]);
                status = 1;
            }
        }
    }
    if (status == 0) {
        puts("tiny: 2 vectors pass");
    }
    return status;
}
#endif
