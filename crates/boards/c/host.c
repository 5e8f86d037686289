/* host.c: the board that is this machine; it does not count. */
#include "board.h"

#include <stdio.h>

void board_write(const char *text)
{
    fputs(text, stdout);
}

void board_measure(void (*function)(void), board_span *span)
{
    function();
    span->ticks = 0;
    span->wrapped = 0;
}

uint32_t board_stack(void (*function)(void))
{
    function();
    return 0;
}

int main(void)
{
    return board_main();
}
