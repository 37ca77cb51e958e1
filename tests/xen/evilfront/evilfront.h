/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hostile frontend of a vif, to test backends. In the guest:
 *
 *	echo CASE >/sys/module/evilfront/parameters/do		run one case, on a new connection
 *	cat /sys/module/evilfront/parameters/do			print the backend's responses
 *
 *	main.c	the driver, connecting, and the command
 *	tx.c	cases of the guest's Tx ring
 *	rx.c	cases of the guest's Rx ring, and of events
 *	bus.c	cases of the xenstore
 *	ctrl.c	cases of the control ring
 *
 * There is no network device. Data pages are granted once, rings with each connection.
 * Everything runs within the command, one case at a time, by polling.
 */
#ifndef EVILFRONT_H
#define EVILFRONT_H

#include <linux/if_ether.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xenbus.h>
#include <xen/interface/io/netif.h>

#define EVIL_RING	256	/* slots */
#define EVIL_PAGES	24
#define EVIL_MAC	{ 0x00, 0x16, 0x3e, 0x66, 0x66, 0x66 }

/* The page that a slot names. */
enum evil_gref {
	EVIL_GOOD,
	EVIL_NEVER,			/* was not granted */
	EVIL_BEYOND,			/* there is no such entry */
	EVIL_REVOKED,
	EVIL_FOREIGN,			/* granted to another domain */
	EVIL_READONLY,
	EVIL_PULLED,			/* granted, and revoked right after sending */
};

struct evil {
	struct xenbus_device *xb;
	u8 *data;			/* EVIL_PAGES, the first with a header */
	grant_ref_t page[EVIL_PAGES], revoked, foreign, readonly, pulled;
	void *list;			/* a page with the list of grants for the control ring */
	grant_ref_t list_ref;

	/* The present connection. */
	evtchn_port_t event;
	struct xen_netif_tx_front_ring tx;
	struct xen_netif_rx_front_ring rx;
	grant_ref_t tx_ref, rx_ref;
	evtchn_port_t ctrl_event;	/* 0: there is no control ring */
	struct xen_netif_ctrl_front_ring ctrl;
	grant_ref_t ctrl_ref;
	unsigned int tx_answers, tx_okay, rx_answers, rx_okay;
	unsigned int slowest_ms;	/* of the last case that measures: time until the backend had unmapped all */
};

/* Deviations of a connection from a valid one. */
struct evil_wrong {
	const char *key, *value;	/* in the frontend's directory; no value: it is missing. %u: the Tx ring */
	u32 tx_prod;			/* the Tx ring's producer index, from the start */
	unsigned int queues;		/* 0: one, in the old format; else a directory each, the key in the last */
	bool ctrl;			/* with a control ring */
	bool fine;			/* the backend connects nevertheless */
};

typedef int (*evil_case_fn)(struct evil *e, const char *name);	/* -ENOENT: not one of its cases */

/* main.c */
int evil_connect(struct evil *e, const struct evil_wrong *wrong);
int evil_wait_backend(struct evil *e, unsigned int states);	/* bits */
grant_ref_t evil_gref(struct evil *e, enum evil_gref kind, unsigned int n);
void evil_notify(struct evil *e);

int evil_tx(struct evil *e, const char *name);
int evil_tx_frames(struct evil *e, unsigned int n, enum evil_gref last);	/* of five slots, at most 50; the last of one, as given */
int evil_tx_hold(struct evil *e, unsigned int ms);	/* frames that the daemon leaves unanswered; it has that long to take them */
void evil_tx_collect(struct evil *e, unsigned int ms);		/* answers, until there is one to each request */
int evil_rx(struct evil *e, const char *name);
void evil_rx_collect(struct evil *e);
int evil_ctrl(struct evil *e, const char *name);
int evil_bus(struct evil *e, const char *name);

#endif
