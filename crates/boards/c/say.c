/* say.c: a word and three numbers as a line, without the division that some processors lack. */
#include "board.h"

static void number(char *to, uint32_t value)
{
    static const uint32_t powers[] = {
        1000000000u, 100000000u, 10000000u, 1000000u, 100000u, 10000u, 1000u, 100u, 10u, 1u,
    };
    int started = 0;
    for (int i = 0; i < 10; ++i) {
        char digit = '0';
        while (value >= powers[i]) {
            value -= powers[i];
            ++digit;
        }
        started |= digit != '0' || i == 9;
        if (started) {
            *to = digit;
            ++to;
        }
    }
    *to = '\0';
}

void board_say(const char *what, uint32_t a, uint32_t b, uint32_t c)
{
    char text[16];
    board_write(what);
    const uint32_t all[3] = {a, b, c};
    for (int i = 0; i < 3; ++i) {
        number(text, all[i]);
        board_write(" ");
        board_write(text);
    }
    board_write("\n");
}
