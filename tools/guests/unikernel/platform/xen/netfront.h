/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device of a Xen guest, with one pair of rings. Its states:
 *
 *	backend				frontend (vif.c)
 *	-------				----------------
 *					Initialising
 *	InitWait
 *					reads its features, new rings ─► Connected
 *	Connected
 *					posts Rx slots; names pages, if it has a control ring
 *	InitWait, maybe Connected again
 *					another driver took over, rings and grants as they are:
 *					names pages again, and sends an event
 *	Closing
 *					nothing more is read or written ─► Closed
 *	Closed, but online
 *					─► Initialising, for the next backend
 *
 * Pages are granted once, for ever, and contain only frames: sent frames are copied
 * into them, received ones are copied out of them before they are read. So the driver
 * works the same whether a backend keeps them mapped or not.
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
#define NETFRONT_PAGES	(2 * NETFRONT_RING)	/* pages that are named to the backend */

struct netfront_rings {
	grant_ref_t tx_ref, rx_ref;
	evtchn_port_t tx_port, rx_port;
};

/* Initialise, once. */
void netfront_init(domid_t backend, struct netfront_rings *rings);
/* Start with empty rings. SPLIT: the backend binds both event channels; otherwise only Rx's, for both rings. */
void netfront_start(bool split);
/* A backend is connected, or has taken over: post Rx slots from now on, and send it an event. */
void netfront_kick(void);
void netfront_stop(void);
/* Stop, and print a line with the reason: "the backend ..." */
void netfront_give_up(const char *reason);
unsigned int netfront_poll(unsigned int budget);
bool netfront_send(struct pbuf *frame, const struct netdev_offload *offload);
void netfront_flush(void);
bool netfront_ready(void);
/* Return the Nth of NETFRONT_PAGES. */
struct xen_netif_gref netfront_page(unsigned int n);

/*
 * Set the number of responses from CONS on, by the backend's producer index, which may have any value. Return
 * false if there are more than requests. PUSHED: the driver's own index of the last request.
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
/* Start with an empty ring. */
void netfront_ctrl_start(void);
/* Ask whether the backend will map the pages, and name them; netfront_ctrl_poll() continues it. */
void netfront_ctrl_name_pages(void);
void netfront_ctrl_poll(void);
bool netfront_ctrl_ready(void);
void netfront_ctrl_stop(void);

#endif
