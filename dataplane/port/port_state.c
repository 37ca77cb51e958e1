/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/port_state.h"

#include "log.h"
#include "port/fdb.h"

void (*nfvd_port_forget_elsewhere)(const struct nfvd_port *port);

void nfvd_port_forget(struct nfvd_port *port)
{
	nfvd_fdb_flush(port);
	if (nfvd_port_forget_elsewhere)
		nfvd_port_forget_elsewhere(port);
}

void nfvd_port_set_state(struct nfvd_port *port, enum nfvd_state state, const char *why)
{
	enum nfvd_state old = atomic_exchange(&port->state, state);

	if (old == state)
		return;
	if (old == NFVD_STATE_UP || state == NFVD_STATE_UP) {
		if (!atomic_load(&port->address.goes_on))
			atomic_store(nfvd_pinned(&port->address), 0);
		if (state == NFVD_STATE_UP)
			atomic_store(&port->address.goes_on, false);
		nfvd_port_forget(port);
	}
	nfvd_event_of(NFVD_EVENT_STATE, port->name, "%s -> %s%s%s", nfvd_state_name(old), nfvd_state_name(state), why ? ": " : "", why ? why : "");
}
