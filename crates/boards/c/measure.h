/* measure.h: a function under measurement. */
#ifndef MEASURE_H
#define MEASURE_H

#include "board.h"

typedef struct {
    /* Number of vectors. */
    uint32_t count;
    /* Puts a vector's input in place. */
    void (*load)(uint32_t vector);
    /* Calls the function. */
    void (*run)(void);
    /* Calls a function of the same arguments that returns at once: what `run` costs besides. */
    void (*idle)(void);
    /* Number of wrong outputs of the last run. */
    uint32_t (*check)(uint32_t vector);
} measure_case;

/* Returns at once. */
void measure_idle(const void *in, void *out, void *scratch);

#endif
