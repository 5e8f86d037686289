/* selftest.h: a kernel with its self-test. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "board.h"

typedef struct {
    /* Number of vectors. */
    unsigned long (*count)(void);
    /* Number of wrong outputs. */
    unsigned long (*run)(void);
} selftest_kernel;

#endif
