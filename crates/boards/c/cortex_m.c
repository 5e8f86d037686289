/* cortex_m.c: start-up, semihosting and SysTick for a Cortex-M without a C library. */
#include "board.h"

extern uint32_t board_stack_top[];

void board_reset(void);
void board_fault(void);

static long semihosting(long operation, const void *argument)
{
    register long r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_write(const char *text)
{
    semihosting(0x04, text);
}

/* Ends the emulator with a status: the extended exit, which takes one. */
static void leave(uint32_t status)
{
    const uint32_t block[2] = {0x20026u, status};
    semihosting(0x20, block);
    for (;;) {
    }
}

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)

void board_measure(void (*function)(void), board_span *span)
{
    SYST_CSR = 0;
    SYST_RVR = 0xFFFFFFu;
    SYST_CVR = 0;
    /* Enabled on the processor's clock, without the interrupt. */
    SYST_CSR = 5;
    /* The counter loads its greatest value at the first tick; only then does it count. */
    while (SYST_CVR == 0) {
    }
    (void)SYST_CSR;
    const uint32_t start = SYST_CVR;
    function();
    const uint32_t end = SYST_CVR;
    /* The flag is set when the counter reached 0 since it was read last. */
    span->wrapped = (SYST_CSR >> 16) & 1u;
    span->ticks = (start - end) & 0xFFFFFFu;
    SYST_CSR = 0;
}

/* Bytes of stack that are painted. */
#define PAINTED 32768u
#define PAINT 0xA5A5A5A5u

uint32_t board_stack(void (*function)(void))
{
    uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    uint32_t *const bottom = top - PAINTED / 4;
    for (volatile uint32_t *p = bottom; p < (uint32_t *)top; ++p) {
        *p = PAINT;
    }
    function();
    const volatile uint32_t *p = bottom;
    while (p < (uint32_t *)top && *p == PAINT) {
        ++p;
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)p);
}

void board_fault(void)
{
    board_write("fault\n");
    leave(99);
}

void board_reset(void)
{
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb");
#endif
    leave((uint32_t)board_main());
}

/* The vector table: initial stack pointer, reset, NMI and faults. */
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    board_stack_top, board_reset, board_fault, board_fault,
    board_fault,     board_fault, board_fault, board_fault,
};
