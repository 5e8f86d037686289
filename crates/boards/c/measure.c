/* measure.c: runs every case on every vector, checks it, counts it, and says so line by line. */
#include "measure.h"

/* Filled in by the program that was made for this run. */
extern const measure_case *const measure_cases[];
extern const unsigned measure_case_count;

static void span(const char *what, void (*function)(void))
{
    board_span s;
    board_measure(function, &s);
    board_say(what, 0, s.ticks, s.wrapped);
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
        board_say("case", i, c->count, 0);
        for (uint32_t v = 0; v < c->count; ++v) {
            board_span s, idle;
            c->load(v);
            board_measure(c->idle, &idle);
            board_measure(c->run, &s);
            const uint32_t bad = c->check(v);
            const uint32_t low = board_stack(c->idle);
            const uint32_t high = board_stack(c->run);
            wrong += bad;
            board_say("vector", v, s.ticks, s.wrapped);
            board_say("idle", v, idle.ticks, idle.wrapped);
            board_say("wrong", v, bad, high > low ? high - low : 0);
        }
    }
    board_say("end", 0, 0, 0);
    return wrong == 0 ? 0 : 1;
}
