// SPDX-License-Identifier: GPL-2.0
/* Cases of the guest's Rx ring, and of events. The test sends the frames to the guest. */
#include <linux/sched.h>
#include <linux/string.h>
#include "evilfront.h"

#define POSTED	64		/* requests */
#define EVENTS	200000

/* Do not post the first page: it has the header of sent frames, which received ones would overwrite. */
static void post(struct evil *e, unsigned int n, enum evil_gref kind, unsigned int pages)
{
	for (unsigned int i = 0; i < n; i++) {
		*RING_GET_REQUEST(&e->rx, e->rx.req_prod_pvt) = (struct xen_netif_rx_request){
			.id = e->rx.req_prod_pvt % EVIL_RING, .gref = evil_gref(e, kind, 1 + i % pages),
		};
		e->rx.req_prod_pvt++;
	}
	RING_PUSH_REQUESTS(&e->rx);
	evil_notify(e);
}

void evil_rx_collect(struct evil *e)
{
	u32 prod = READ_ONCE(e->rx.sring->rsp_prod);

	virt_rmb();	/* the index, then the answers; pairs with the backend's */
	for (; e->rx.rsp_cons != prod; e->rx.rsp_cons++) {
		e->rx_answers++;
		e->rx_okay += RING_GET_RESPONSE(&e->rx, e->rx.rsp_cons)->status > 0;
	}
}

static void good(struct evil *e) { post(e, POSTED, EVIL_GOOD, EVIL_PAGES - 1); }
static void never(struct evil *e) { post(e, POSTED, EVIL_NEVER, 1); }
static void beyond(struct evil *e) { post(e, POSTED, EVIL_BEYOND, 1); }
static void revoked(struct evil *e) { post(e, POSTED, EVIL_REVOKED, 1); }
static void readonly(struct evil *e) { post(e, POSTED, EVIL_READONLY, 1); }
static void foreign(struct evil *e) { post(e, POSTED, EVIL_FOREIGN, 1); }
static void duplicates(struct evil *e) { post(e, POSTED, EVIL_GOOD, 1); }
static void none(struct evil *e) { }

static void prod_far(struct evil *e)
{
	e->rx.sring->req_prod += EVIL_RING + 1;
	evil_notify(e);
}

static void prod_back(struct evil *e)
{
	e->rx.sring->req_prod -= 1;
	evil_notify(e);
}

/* Alternate the index, also while the backend fills slots: at some time it reads the wrong one. */
static void prod_flicker(struct evil *e)
{
	good(e);
	for (unsigned int i = 0; i < EVENTS; i++) {
		WRITE_ONCE(e->rx.sring->req_prod, e->rx.req_prod_pvt - i % POSTED);
		if (i % 64 == 0)
			evil_notify(e);
		cond_resched();
	}
}

static void event_storm(struct evil *e)
{
	for (unsigned int i = 0; i < EVENTS; i++) {
		evil_notify(e);
		cond_resched();
	}
}

/* Send events all the time, with little or no work. */
static void rx_event_storm(struct evil *e)
{
	for (unsigned int i = 0; i < EVENTS; i++) {
		e->rx.sring->req_prod = i % 2;
		evil_notify(e);
		cond_resched();
	}
}

static const struct {
	const char *name;
	void (*fn)(struct evil *e);
} cases[] = {
	{ "rx-good", good },		{ "rx-never", never },		{ "rx-beyond", beyond },
	{ "rx-revoked", revoked },	{ "rx-readonly", readonly },	{ "rx-foreign", foreign },
	{ "rx-duplicates", duplicates },	{ "rx-none", none },	{ "rx-prod-far", prod_far },
	{ "rx-prod-back", prod_back },	{ "rx-prod-flicker", prod_flicker },
	{ "event-storm", event_storm },	{ "event-storm-rx", rx_event_storm },
};

int evil_rx(struct evil *e, const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		int err;

		if (strcmp(cases[i].name, name))
			continue;
		err = evil_connect(e, NULL);
		if (!err)
			cases[i].fn(e);
		return err;
	}
	return -ENOENT;
}
