/* PL011 UART: see uart_pl011.h. */
#include "drivers/uart_pl011.h"

#include "core/arch.h"
#include "core/irq.h"
#include "core/log.h"

/* Registers: byte offsets */
enum {
    DATA = 0x00,
    FLAGS = 0x18,
    BAUD_INTEGER = 0x24,
    BAUD_FRACTION = 0x28,
    LINE = 0x2c,
    CONTROL = 0x30,
    INTERRUPT_LEVEL = 0x34,
    INTERRUPT_MASK = 0x38,
    INTERRUPT_CLEAR = 0x44,
};

#define FLAG_RX_EMPTY (1u << 4)
#define FLAG_TX_FULL  (1u << 5)

#define LINE_8_BITS (3u << 5)
#define LINE_FIFO   (1u << 4)

#define CONTROL_ON (1u | 1u << 8 | 1u << 9) /* UART, transmit, receive */

#define INTERRUPT_RX         (1u << 4)
#define INTERRUPT_RX_TIMEOUT (1u << 6) /* fewer characters than the level, and a pause */

#define DATA_ERRORS 0xf00u /* framing, parity, break; overrun: what came after this one is lost */

#define BAUD 115200
#define RING 256u /* a power of two */

static volatile uint8_t *uart;
static unsigned char ring[RING];
static uint32_t ring_head, ring_tail; /* (interrupts masked) ever written, ever read */
static void (*reader_notify)(void);

void uart_pl011_init(volatile void *registers, uint64_t clock)
{
    uart = registers;
    arch_device_write(uart + CONTROL, 0);
    arch_device_write(uart + INTERRUPT_MASK, 0);
    if (clock) {
        uint32_t divisor =
            (uint32_t)((clock * 4 + BAUD / 2) / BAUD); /* clock / (16 * baud), 6 bits of fraction */
        arch_device_write(uart + BAUD_INTEGER, divisor >> 6);
        arch_device_write(uart + BAUD_FRACTION, divisor & 0x3f);
    }
    arch_device_write(uart + LINE, LINE_8_BITS | LINE_FIFO); /* the divisor counts from this write on */
    arch_device_write(uart + CONTROL, CONTROL_ON);
    log_sink_set(uart_pl011_write);
}

static void put(char character)
{
    while (arch_device_read(uart + FLAGS) & FLAG_TX_FULL)
        arch_relax();
    arch_device_write(uart + DATA, (unsigned char)character);
}

void uart_pl011_write(const char *text, size_t length)
{
    for (; length--; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
}

/*
 * Interrupts masked. What does not fit stays in the device, without interrupts until there is room: a sender that is held up by a full
 * FIFO, as QEMU's, then loses nothing, and one that is not gets an overrun.
 */
static void fill(void)
{
    while (ring_head - ring_tail < RING && !(arch_device_read(uart + FLAGS) & FLAG_RX_EMPTY)) {
        uint32_t data = arch_device_read(uart + DATA);
        ring[ring_head++ % RING] = data & DATA_ERRORS ? UART_LOST : (unsigned char)data;
    }
    arch_device_write(uart + INTERRUPT_MASK,
                      ring_head - ring_tail < RING ? INTERRUPT_RX | INTERRUPT_RX_TIMEOUT : 0);
}

static void receive(void *unused)
{
    (void)unused;
    arch_device_write(uart + INTERRUPT_CLEAR, INTERRUPT_RX | INTERRUPT_RX_TIMEOUT);
    fill();
    reader_notify();
}

void uart_pl011_receive(unsigned irq, unsigned cpu, void (*notify)(void))
{
    reader_notify = notify;
    arch_device_write(uart + INTERRUPT_LEVEL, 0); /* as soon as 1/8 of the FIFO is full */
    irq_register(irq, receive, NULL, cpu);
    fill();
}

int uart_pl011_read(void)
{
    uint64_t flags = arch_irq_save();
    int character = -1;

    fill();
    if (ring_head != ring_tail)
        character = ring[ring_tail++ % RING];
    arch_irq_restore(flags);
    return character;
}
