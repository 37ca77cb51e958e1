// SPDX-License-Identifier: BSD-3-Clause
/*
 * From the platform's entry to a host on the network.
 */
#include "console.h"
#include "fault.h"
#include "iperf.h"
#include "net.h"
#include "platform.h"

#define CMDLINE_BYTES	1024

const struct platform *platform;

static char cmdline[CMDLINE_BYTES];

void main(const struct platform *p, const void *start_info) __attribute__((noreturn));

void fault(uint64_t vector, const struct fault_frame *frame)
{
	uint64_t address;

	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	stop("fault %u, error %x, at %x, address %x", (unsigned int)vector, (unsigned int)frame->error,
	     (unsigned int)frame->rip, (unsigned int)address);
}

void main(const struct platform *p, const void *start_info)
{
	platform = p;
	platform->init(start_info, cmdline, sizeof(cmdline));
	net_open(cmdline);
	iperf_open(cmdline);
	print("nfv-guest-ready after %u us\n", (unsigned int)now_us());
	net_run();
}
