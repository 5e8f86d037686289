/* board.h: what the board under a program of this crate offers; cortex_m.c, avr.c or host.c, and say.c, give it. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Writes text; a line ends with a line feed. */
void board_write(const char *text);

/* Writes a word and three numbers as a line. */
void board_say(const char *what, uint32_t a, uint32_t b, uint32_t c);

/* A span of time: `ticks` of the board's counter, and 1 if the counter wrapped meanwhile. */
typedef struct {
    uint32_t ticks;
    uint32_t wrapped;
} board_span;

/* Measures one call of `function`, with the call itself. */
void board_measure(void (*function)(void), board_span *span);

/* Calls `function` on painted stack; returns how many bytes below the call were written. 0 where
 * the board cannot tell. */
uint32_t board_stack(void (*function)(void));

/* The program: gives the exit status. */
int board_main(void);

#endif
