// SPDX-License-Identifier: BSD-3-Clause
/*
 * A PV domain: mapping, events, time, and its end.
 */
#include "xen.h"
#include <string.h>
#include <xen/sched.h>
#include "console.h"
#include "fault.h"
#include "hypercall.h"
#include "netfront.h"
#include "platform.h"
#include "xenstore.h"

#define PAGE_MAPPED	0x67	/* present, writable, for all, accessed, dirty */
#define WINDOWS		5u
#define PORTS		8u
#define US		1000u	/* in ns */

static const struct start_info *start;
static struct shared_info *shared;
static uint8_t windows[WINDOWS][PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static unsigned int n_windows;
static evtchn_port_t ports[PORTS];
static unsigned int n_ports;
static uint64_t start_ns;

extern const char xen_fault_stubs[];
extern const struct platform xen;

/* ---- mapping ---- */

void *xen_map(uint64_t mfn)
{
	void *page = windows[n_windows];

	if (n_windows++ == WINDOWS ||
	    hypercall(__HYPERVISOR_update_va_mapping, (uintptr_t)page, mfn * PAGE_BYTES | PAGE_MAPPED, UVMF_INVLPG))
		stop("cannot map page %x", (unsigned int)mfn);
	return page;
}

uint64_t xen_mfn(const void *page)
{
	return ((const unsigned long *)start->mfn_list)[(uintptr_t)page / PAGE_BYTES];
}

/* ---- events ---- */

void event_listen(evtchn_port_t port)
{
	if (n_ports == PORTS)
		stop("more than %u event channels", PORTS);
	ports[n_ports++] = port;
}

evtchn_port_t event_new(domid_t remote)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
	long error = hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (uintptr_t)&op, 0);

	if (error)
		stop("no event channel: error %d", (int)error);
	event_listen(op.port);
	return op.port;
}

void event_send(evtchn_port_t port)
{
	struct evtchn_send op = { .port = port };

	/* It fails if the other domain has not bound the channel. */
	hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uintptr_t)&op, 0);
}

static void clear_events(void)
{
	unsigned int i;

	for (i = 0; i < n_ports; i++)
		__asm__ volatile("lock btrq %1, %0"
				 : "+m"(shared->evtchn_pending)
				 : "r"((uint64_t)ports[i])
				 : "memory");
}

/* ---- time ---- */

static uint64_t now_ns(void)
{
	const struct vcpu_time_info *t = &shared->vcpu_info[0].time;
	uint64_t base, ticks;
	uint32_t version, factor;
	int8_t shift;

	do {
		version = READ_ONCE(t->version);
		barrier();
		ticks = tsc() - READ_ONCE(t->tsc_timestamp);
		base = READ_ONCE(t->system_time);
		factor = READ_ONCE(t->tsc_to_system_mul);
		shift = READ_ONCE(t->tsc_shift);
		barrier();
	} while (version & 1 || version != READ_ONCE(t->version));
	ticks = shift < 0 ? ticks >> -shift : ticks << shift;
	return base + (uint64_t)((unsigned __int128)ticks * factor >> 32);
}

static uint64_t since_start_us(void)
{
	return (now_ns() - start_ns) / US;
}

void xen_sleep(uint64_t timeout_us, bool (*ready)(void))
{
	struct sched_poll op = { .nr_ports = n_ports, .timeout = now_ns() + timeout_us * US };

	set_xen_guest_handle(op.ports, ports);
	clear_events();
	full_barrier();
	/* It returns at once if there were events after the flags were cleared. */
	if (!ready())
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0);
}

/* ---- the beginning ---- */

static void trap_init(void)
{
	struct trap_info traps[FAULTS + 1] = { 0 };
	unsigned int i;

	for (i = 0; i < FAULTS; i++)
		traps[i] = (struct trap_info){
			.vector = (uint8_t)i,
			.cs = FLAT_KERNEL_CS,
			.address = (uintptr_t)xen_fault_stubs + i * FAULT_STUB_BYTES,
		};
	hypercall(__HYPERVISOR_set_trap_table, (uintptr_t)traps, 0, 0);
}

static void init(const void *start_info, char *cmdline, size_t bytes)
{
	start = start_info;
	shared = xen_map(start->shared_info / PAGE_BYTES);
	start_ns = now_ns();
	pv_console_init(start->console.domU.mfn, start->console.domU.evtchn);
	trap_init();
	memcpy(cmdline, start->cmd_line, bytes < MAX_GUEST_CMDLINE ? bytes : MAX_GUEST_CMDLINE);
	cmdline[bytes - 1] = '\0';
	grant_init();
	xenstore_init(xen_map(start->store_mfn), start->store_evtchn);
}

/* ---- the end ---- */

static bool never(void)
{
	return false;
}

static __attribute__((noreturn)) void halt(void)
{
	n_ports = 0;
	for (;;)
		xen_sleep(UINT32_MAX, never);
}

void xen_shutdown_asked(void)
{
	static const struct {
		const char *word;
		unsigned int reason;
	} known[] = {
		{ "poweroff", SHUTDOWN_poweroff }, { "halt", SHUTDOWN_poweroff }, { "reboot", SHUTDOWN_reboot },
	};
	char word[16];
	unsigned int i;

	if (!xenstore_read("control", "shutdown", word, sizeof(word)))
		return;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct sched_shutdown op = { .reason = known[i].reason };

		if (strncmp(word, known[i].word, sizeof(word)))
			continue;
		xenstore_write("control", "shutdown", "");
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&op, 0);
	}
}

const struct platform xen = {
	.netdev = &netfront,
	.init = init,
	.put_char = pv_console_put_char,
	.now_us = since_start_us,
	.sleep = xen_sleep,
	.halt = halt,
};
