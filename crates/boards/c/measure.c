/* measure.c: runs every case on every vector, checks it, counts it, and says so line by line. */
#include "measure.h"

/* Filled in by the program that was made for this run. */
extern const measure_case *const measure_cases[];
extern const unsigned measure_case_count;

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

static void say(const char *what, uint32_t a, uint32_t b, uint32_t c)
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

static void span(const char *what, void (*function)(void))
{
    board_span s;
    board_measure(function, &s);
    say(what, 0, s.ticks, s.wrapped);
}

void measure_idle(const void *in, void *out, void *scratch)
{
    (void)in;
    (void)out;
    (void)scratch;
}

/* Calibration: nothing, and a thousand instructions of one cycle more than that. */
__attribute__((noinline)) static void nothing(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static void thousand(void)
{
    __asm__ volatile(".rept 1000\n\tnop\n\t.endr");
}

int board_main(void)
{
    uint32_t wrong = 0;
    /* The first measurement pays for what happens once. */
    span("warm", nothing);
    span("nothing", nothing);
    span("thousand", thousand);
    for (unsigned i = 0; i < measure_case_count; ++i) {
        const measure_case *const c = measure_cases[i];
        say("case", i, c->count, 0);
        for (uint32_t v = 0; v < c->count; ++v) {
            board_span s, idle;
            c->load(v);
            board_measure(c->idle, &idle);
            board_measure(c->run, &s);
            const uint32_t bad = c->check(v);
            const uint32_t low = board_stack(c->idle);
            const uint32_t high = board_stack(c->run);
            wrong += bad;
            say("vector", v, s.ticks, s.wrapped);
            say("idle", v, idle.ticks, idle.wrapped);
            say("wrong", v, bad, high > low ? high - low : 0);
        }
    }
    say("end", 0, 0, 0);
    return wrong == 0 ? 0 : 1;
}
