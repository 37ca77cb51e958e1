/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device of a Xen guest, one pair of rings. Drawn:
 *
 *	backend				frontend (vif.c)
 *	-------				----------------
 *					Initialising
 *	InitWait
 *					reads what it offers, new rings ─► Connected
 *	Connected
 *					posts Rx slots; names pages, if it has a control ring
 *	InitWait, maybe Connected again
 *					another driver took over, rings and grants as they are:
 *					names pages again, and an event for what waits
 *	Closing
 *					nothing more is read or written ─► Closed
 *	Closed, but online
 *					─► Initialising, for the next that comes
 *
 * Pages are granted once, for ever, and hold nothing but frames: what is sent is
 * copied into them, what comes is copied out of them before anybody looks at it. So
 * it makes no difference to us whether a backend keeps them mapped or maps each time.
 */
#ifndef NETFRONT_H
#define NETFRONT_H

#include "xen.h"
#include <string.h>
#include <xen/io/netif.h>
#include "netdev.h"

extern const struct netdev netfront;

/* ---- netfront.c: frames ---- */

#define NETFRONT_RING	256u			/* slots of each ring, and pages */
#define NETFRONT_PAGES	(2 * NETFRONT_RING)	/* that are named to the backend */

struct netfront_rings {
	grant_ref_t tx_ref, rx_ref;
	evtchn_port_t tx_port, rx_port;
};

/* Once. */
void netfront_init(domid_t backend, struct netfront_rings *rings);
/* With empty rings. SPLIT: the backend binds both event channels, else that of Rx for both. */
void netfront_start(bool split);
/* The backend is there, or has taken over: Rx slots are posted from now on, and it gets an event. */
void netfront_kick(void);
void netfront_stop(void);
/* Stopped, and a line says why: the backend ... */
void netfront_give_up(const char *reason);
unsigned int netfront_poll(unsigned int budget);
bool netfront_send(struct pbuf *frame, const struct netdev_offload *offload);
void netfront_flush(void);
bool netfront_ready(void);
/* The Nth of NETFRONT_PAGES. */
struct xen_netif_gref netfront_page(unsigned int n);

/*
 * How many answers wait from CONS on, by the backend's producer index, which may be anything. False: it
 * answers what was not asked. PUSHED: our own, where the requests end.
 */
static inline bool ring_answers(uint32_t prod, uint32_t cons, uint32_t pushed, uint32_t *n)
{
	*n = prod - cons;
	return *n <= pushed - cons;
}

/* ---- netfront_ctrl.c: the control ring ---- */

struct netfront_ctrl {
	grant_ref_t ref;
	evtchn_port_t port;
};

void netfront_ctrl_init(domid_t backend, struct netfront_ctrl *ctrl);
/* With an empty ring. */
void netfront_ctrl_start(void);
/* Asks whether the backend would map our pages, and names them; netfront_ctrl_poll() goes on with it. */
void netfront_ctrl_name_pages(void);
void netfront_ctrl_poll(void);
bool netfront_ctrl_ready(void);
void netfront_ctrl_stop(void);

#endif
