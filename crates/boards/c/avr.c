/* avr.c: serial output, the end of a run and a cycle counter on an ATmega2560 with avr-libc. */
#include "board.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

void board_write(const char *text)
{
    for (; *text != '\0'; ++text) {
        while ((UCSR0A & _BV(UDRE0)) == 0) {
        }
        UDR0 = (uint8_t)*text;
    }
}

/* Timer 1 counts cycles and wraps every 65,536; timer 3 counts 1,024 cycles each, which tells how
 * often timer 1 wrapped. */
void board_measure(void (*function)(void), board_span *span)
{
    TCCR1A = 0;
    TCCR3A = 0;
    TCCR1B = 0;
    TCCR3B = 0;
    TCNT1 = 0;
    TCNT3 = 0;
    TIFR3 = _BV(TOV3);
    TCCR3B = _BV(CS32) | _BV(CS30);
    TCCR1B = _BV(CS10);
    const uint16_t start = TCNT1;
    function();
    const uint16_t fine = (uint16_t)(TCNT1 - start);
    const uint16_t coarse = TCNT3;
    span->wrapped = (TIFR3 & _BV(TOV3)) != 0;
    /* The number near `coarse` that ends as `fine` does. */
    const uint32_t near = (uint32_t)coarse * 1024u + 512u;
    const uint16_t off = (uint16_t)(fine - (uint16_t)near);
    span->ticks = off < 0x8000u ? near + off : near - (0x10000ul - off);
}

#define PAINT 0xA5u
/* Bytes between the last static object and what is painted, and above it. */
#define GUARD 16u

extern uint8_t _end;

uint32_t board_stack(void (*function)(void))
{
    uint8_t *const top = (uint8_t *)SP;
    uint8_t *const bottom = &_end + GUARD;
    for (volatile uint8_t *p = bottom; p < top; ++p) {
        *p = PAINT;
    }
    function();
    const volatile uint8_t *p = bottom;
    while (p < (uint8_t *)top && *p == PAINT) {
        ++p;
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)p) + 1u;
}

int main(void)
{
    /* The fastest rate: output then takes few cycles. */
    UBRR0 = 0;
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(TXEN0);
    board_write(board_main() == 0 ? "exit 0\n" : "exit 1\n");
    /* What was written is to leave the transmitter before the emulator ends. */
    UCSR0A |= _BV(TXC0);
    board_write("\n");
    while ((UCSR0A & _BV(TXC0)) == 0) {
    }
    /* Sleeping without interrupts ends the emulator. */
    cli();
    sleep_enable();
    sleep_cpu();
    for (;;) {
    }
}
