// SPDX-License-Identifier: BSD-3-Clause
/*
 * The console: a ring that xenconsoled reads.
 */
#include "xen.h"
#include <xen/io/console.h>

#define WAIT_US		20000u
#define PATIENCE	50u	/* waits; afterwards text that does not fit is lost, because nobody reads it */

static struct xencons_interface *ring;
static evtchn_port_t port;
static uint32_t prod;
static unsigned int waits;

static bool has_room(void)
{
	return prod - READ_ONCE(ring->out_cons) < sizeof(ring->out);
}

static void tell(void)
{
	barrier();
	WRITE_ONCE(ring->out_prod, prod);
	event_send(port);
}

void pv_console_put_char(char c)
{
	while (!has_room() && waits < PATIENCE) {
		tell();
		xen_sleep(WAIT_US, has_room);
		waits++;
	}
	if (!has_room())
		return;
	waits = 0;
	WRITE_ONCE(ring->out[MASK_XENCONS_IDX(prod, ring->out)], c);
	prod++;
	if (c == '\n')
		tell();
}

void pv_console_init(uint64_t mfn, evtchn_port_t event)
{
	ring = xen_map(mfn);
	port = event;
	prod = READ_ONCE(ring->out_prod);
	event_listen(port);
}
