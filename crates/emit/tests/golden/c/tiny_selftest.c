#if defined(ARDUINO) && !defined(tiny_SELFTEST_NO_MAIN)
#define tiny_SELFTEST_NO_MAIN
#endif
/* tiny_selftest.c: runs the kernel tiny on vectors whose outputs are known.
 * Exit status 0: all as expected; 1: a mismatch, which is printed.
 * With tiny_SELFTEST_NO_MAIN defined there is no program and no <stdio.h>, only the
 * functions below; declare them where they are called.
 */
#include "tiny.h"

#ifndef tiny_SELFTEST_NO_MAIN
#include <stdio.h>
#endif

#define tiny_SELFTEST_COUNT 2ul

static const tiny_FLASH tiny_in_t tiny_inputs[tiny_SELFTEST_COUNT][tiny_IN_SIZE] = {
    {
        -32768, -32768,
    },
    {
        32767, 32767,
    },
};

static const tiny_FLASH tiny_out_t tiny_outputs[tiny_SELFTEST_COUNT][tiny_OUT_SIZE] = {
    {
        -4, -8, 8,
    },
    {
        20, 30, 40,
    },
};

#ifndef tiny_SELFTEST_NO_MAIN
static const char *const tiny_notes[tiny_SELFTEST_COUNT] = {
    "vector \"0\" %d",
    "vector \"1\" %d",
};
#endif

/* Number of vectors. */
unsigned long tiny_selftest_count(void);
/* Copies the input of a vector. */
void tiny_selftest_input(unsigned long vector, tiny_in_t in[tiny_IN_SIZE]);
/* Copies the outputs that are expected for a vector. */
void tiny_selftest_expected(unsigned long vector, tiny_out_t out[tiny_OUT_SIZE]);
/* Runs the kernel on every vector; returns the number of wrong outputs. */
unsigned long tiny_selftest(void);

unsigned long tiny_selftest_count(void)
{
    return tiny_SELFTEST_COUNT;
}

void tiny_selftest_input(unsigned long vector, tiny_in_t in[tiny_IN_SIZE])
{
    for (size_t i = 0; i < tiny_IN_SIZE; ++i) {
        in[i] = tiny_inputs[vector][i];
    }
}

void tiny_selftest_expected(unsigned long vector, tiny_out_t out[tiny_OUT_SIZE])
{
    for (size_t j = 0; j < tiny_OUT_SIZE; ++j) {
        out[j] = tiny_outputs[vector][j];
    }
}

static tiny_in_t tiny_test_in[tiny_IN_SIZE];
static tiny_out_t tiny_test_out[tiny_OUT_SIZE];
static tiny_out_t tiny_test_expected[tiny_OUT_SIZE];
static tiny_scratch tiny_test_scratch;

/* Runs one vector: its outputs, and those that are expected, stand in the arrays above. */
static void tiny_test(unsigned long vector)
{
    tiny_selftest_input(vector, tiny_test_in);
    tiny_selftest_expected(vector, tiny_test_expected);
    tiny_infer(tiny_test_in, tiny_test_out, &tiny_test_scratch);
}

unsigned long tiny_selftest(void)
{
    unsigned long wrong = 0;
    for (unsigned long v = 0; v < tiny_SELFTEST_COUNT; ++v) {
        tiny_test(v);
        for (size_t j = 0; j < tiny_OUT_SIZE; ++j) {
            if (tiny_test_out[j] != tiny_test_expected[j]) {
                ++wrong;
            }
        }
    }
    return wrong;
}

#ifndef tiny_SELFTEST_NO_MAIN
int main(void)
{
    int status = 0;
    for (unsigned long v = 0; v < tiny_SELFTEST_COUNT; ++v) {
        tiny_test(v);
        for (size_t j = 0; j < tiny_OUT_SIZE; ++j) {
            if (tiny_test_out[j] != tiny_test_expected[j]) {
                printf("tiny: vector %lu (%s): output %lu is %lld, expected %lld\n",
                       v, tiny_notes[v], (unsigned long)j,
                       (long long)tiny_test_out[j], (long long)tiny_test_expected[j]);
                status = 1;
            }
        }
    }
    if (status == 0) {
        printf("tiny: %lu vectors pass\n", tiny_SELFTEST_COUNT);
    }
    return status;
}
#endif
