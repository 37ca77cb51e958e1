// SPDX-License-Identifier: BSD-3-Clause
/*
 * Faults, interrupts (local and I/O APIC) and time (TSC, set by the PIT's clock).
 */
#include "console.h"
#include "cpu.h"
#include "fault.h"
#include "pc.h"
#include "virtio.h"

#define APIC			0xfee00000u
#define APIC_EOI		(APIC + 0xb0)
#define APIC_SPURIOUS		(APIC + 0xf0)
#define APIC_LINT0		(APIC + 0x350)
#define APIC_TIMER		(APIC + 0x320)
#define APIC_TIMER_START	(APIC + 0x380)
#define APIC_TIMER_COUNT	(APIC + 0x390)
#define APIC_TIMER_DIVIDE	(APIC + 0x3e0)
#define APIC_ENABLE		0x100
#define APIC_MASKED		0x10000
#define APIC_DIVIDE_BY_1	0xb

#define IOAPIC			0xfec00000u
#define IOAPIC_SELECT		IOAPIC
#define IOAPIC_DATA		(IOAPIC + 0x10)
#define IOAPIC_LINE(n)		(0x10 + 2 * (n))
#define IOAPIC_LEVEL		0x8000

#define PIC_MASTER_MASK		0x21
#define PIC_SLAVE_MASK		0xa1

#define PIT_HZ			1193182u
#define PIT_CHANNEL2		0x42
#define PIT_COMMAND		0x43
#define PIT_CHANNEL2_RATE	0xb4	/* both bytes, mode 2 */
#define PIT_CHANNEL2_LATCH	0x80
#define PIT_GATE		0x61
#define PIT_GATE_ON		1
#define CALIBRATE_TICKS		600u	/* half a millisecond */
#define CALIBRATE_MAX		(1ull << 36)	/* of the TSC: at least ten seconds */

struct gate {
	uint16_t low;
	uint16_t segment;
	uint8_t stack;
	uint8_t type;
	uint16_t middle;
	uint32_t high;
	uint32_t zero;
};

#define GATE_INTERRUPT		0x8e

/* The three clocks at one instant. */
struct instant {
	uint64_t tsc;
	uint32_t apic;	/* counts down */
	uint16_t pit;	/* counts down */
};

extern const char fault_stubs[], irq_timer[], irq_net[], irq_spurious[];

uint64_t boot_tsc;
static struct gate idt[256];
static uint64_t tsc_per_ms, apic_per_ms;

void irq(uint64_t vector);

void irq(uint64_t vector)
{
	if (vector == VECTOR_SPURIOUS)
		return;
	if (vector == VECTOR_NET)
		virtio_net_irq();
	write32(APIC_EOI, 0);
}

static void set_gate(unsigned int vector, const char *handler)
{
	uint64_t address = (uintptr_t)handler;

	idt[vector] = (struct gate){
		.low = (uint16_t)address,
		.segment = SEGMENT_CODE,
		.type = GATE_INTERRUPT,
		.middle = (uint16_t)(address >> 16),
		.high = (uint32_t)(address >> 32),
	};
}

static void idt_init(void)
{
	const struct {
		uint16_t limit;
		const void *base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, idt };
	unsigned int i;

	for (i = 0; i < FAULTS; i++)
		set_gate(i, fault_stubs + i * FAULT_STUB_BYTES);
	set_gate(VECTOR_TIMER, irq_timer);
	set_gate(VECTOR_NET, irq_net);
	set_gate(VECTOR_SPURIOUS, irq_spurious);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static void apic_init(void)
{
	out8(PIC_MASTER_MASK, 0xff);
	out8(PIC_SLAVE_MASK, 0xff);
	write32(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
	write32(APIC_LINT0, APIC_MASKED);
	write32(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
	write32(APIC_TIMER, APIC_MASKED | VECTOR_TIMER);
}

static uint16_t pit_read(void)
{
	uint8_t low;

	out8(PIT_COMMAND, PIT_CHANNEL2_LATCH);
	low = in8(PIT_CHANNEL2);
	return (uint16_t)(in8(PIT_CHANNEL2) << 8 | low);
}

/* An emulator may stop between two reads: take the closest of several tries. */
static struct instant instant(void)
{
	struct instant best = { 0 };
	uint64_t shortest = UINT64_MAX;
	int i;

	for (i = 0; i < 8; i++) {
		uint64_t before = tsc(), took;
		uint16_t pit = pit_read();
		uint32_t apic = read32(APIC_TIMER_COUNT);

		took = tsc() - before;
		if (took < shortest) {
			shortest = took;
			best = (struct instant){ before + took / 2, apic, pit };
		}
	}
	return best;
}

/*
 * A pause in which the PIT's 16 bits wrap makes the other clocks seem too fast. So
 * take the slowest of three measurements.
 */
static void calibrate(void)
{
	int i;

	out8(PIT_GATE, PIT_GATE_ON);
	out8(PIT_COMMAND, PIT_CHANNEL2_RATE);
	out8(PIT_CHANNEL2, 0);
	out8(PIT_CHANNEL2, 0);
	write32(APIC_TIMER_START, UINT32_MAX);
	tsc_per_ms = UINT64_MAX;
	for (i = 0; i < 3; i++) {
		struct instant a = instant(), b;
		uint64_t ticks, per_ms;

		do {
			b = instant();
			ticks = (uint16_t)(a.pit - b.pit);
			if (b.tsc - a.tsc > CALIBRATE_MAX)
				stop("the PIT does not count");
		} while (ticks < CALIBRATE_TICKS);
		per_ms = (b.tsc - a.tsc) * PIT_HZ / ticks / 1000;
		if (per_ms < tsc_per_ms) {
			tsc_per_ms = per_ms;
			apic_per_ms = (uint64_t)(a.apic - b.apic) * PIT_HZ / ticks / 1000;
		}
	}
	write32(APIC_TIMER_START, 0);
	if (tsc_per_ms < 1000 || apic_per_ms < 1000)
		stop("no clock: TSC %u, APIC %u per ms", (unsigned int)tsc_per_ms, (unsigned int)apic_per_ms);
}

uint64_t cpu_now_us(void)
{
	uint64_t ticks = tsc() - boot_tsc;

	/* In two steps, because the product would overflow after some hours. */
	return ticks / tsc_per_ms * 1000 + ticks % tsc_per_ms * 1000 / tsc_per_ms;
}

void cpu_route_net_irq(unsigned int line)
{
	write32(IOAPIC_SELECT, IOAPIC_LINE(line) + 1);
	write32(IOAPIC_DATA, 0);
	write32(IOAPIC_SELECT, IOAPIC_LINE(line));
	write32(IOAPIC_DATA, IOAPIC_LEVEL | VECTOR_NET);
}

void cpu_sleep(uint64_t timeout_us, bool (*ready)(void))
{
	uint64_t count = timeout_us * apic_per_ms / 1000;

	__asm__ volatile("cli");
	if (!ready()) {
		write32(APIC_TIMER, VECTOR_TIMER);
		write32(APIC_TIMER_START, count > UINT32_MAX ? UINT32_MAX : count ? (uint32_t)count : 1);
		/* sti allows interrupts only after the next instruction. */
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		write32(APIC_TIMER_START, 0);
	}
	__asm__ volatile("sti");
}

void cpu_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void cpu_init(void)
{
	idt_init();
	apic_init();
	calibrate();
}
