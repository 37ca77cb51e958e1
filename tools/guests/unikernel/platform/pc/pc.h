/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PC: ports, registers of devices, interrupts. boot.S, too, includes this.
 *
 * Interrupts only end pc_sleep(). Their handlers run no driver code except the
 * acknowledgement, so code outside cpu.c need not expect them.
 */
#ifndef PC_H
#define PC_H

#define SEGMENT_CODE		8
#define SEGMENT_DATA		16
#define VECTOR_TIMER		0x40
#define VECTOR_NET		0x41
#define VECTOR_SPURIOUS		0xff

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Registers in memory. */
#define REGISTER_ACCESS(bits) \
static inline uint##bits##_t read##bits(uintptr_t address) \
{ \
	return *(const volatile uint##bits##_t *)address; \
} \
static inline void write##bits(uintptr_t address, uint##bits##_t value) \
{ \
	*(volatile uint##bits##_t *)address = value; \
}
REGISTER_ACCESS(8)
REGISTER_ACCESS(16)
REGISTER_ACCESS(32)

/* The TSC when boot.S began. */
extern uint64_t boot_tsc;

void cpu_init(void);
uint64_t cpu_now_us(void);
/* Route line LINE of the first I/O APIC to the network's interrupt. */
void cpu_route_net_irq(unsigned int line);
void cpu_sleep(uint64_t timeout_us, bool (*ready)(void));
void cpu_halt(void) __attribute__((noreturn));
void serial_put_char(char c);
#endif
#endif
