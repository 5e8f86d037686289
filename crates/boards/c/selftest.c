/* selftest.c: runs the self-tests of kernels and says of each how many outputs are wrong. */
#include "selftest.h"

/* Filled in by the program that was made for this run. */
extern const selftest_kernel selftest_kernels[];
extern const unsigned selftest_kernel_count;

int board_main(void)
{
    uint32_t all = 0;
    for (unsigned i = 0; i < selftest_kernel_count; ++i) {
        const uint32_t count = (uint32_t)selftest_kernels[i].count();
        const uint32_t wrong = (uint32_t)selftest_kernels[i].run();
        all += wrong;
        board_say("kernel", i, count, wrong);
    }
    board_say("end", 0, 0, 0);
    return all == 0 ? 0 : 1;
}
