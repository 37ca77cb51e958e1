// SPDX-License-Identifier: GPL-2.0
/* Cases of the control ring: invalid requests, and grants that cannot stay mapped. */
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/string.h>
#include "evilfront.h"

/* Xen's io/netif.h has these, Linux's copy does not. */
#define GET	8
#define ADD	9
#define DEL	10
struct entry {
	u32 ref;
	u16 flags, status;
};

#define OKAY		XEN_NETIF_CTRL_STATUS_SUCCESS
#define UNKNOWN		XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
#define INVALID		XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define WAIT_MS		5000
#define STORM		2000

/* One request. Its list is in a granted page, or in one as `list` says. */
static const struct ctrl_case {
	const char *name;
	u16 type;
	u32 status;			/* that it is to be answered with */
	u32 queue, n;
	enum evil_gref list, named;	/* named: n of them are in the list */
	u32 data;			/* with status 0 */
} cases[] = {
	{ "ctrl-type-0", 0, UNKNOWN },
	{ "ctrl-type-hash", XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, UNKNOWN },
	{ "ctrl-type-77", 77, UNKNOWN },
	{ "ctrl-type-max", 0xffff, UNKNOWN },
	{ "ctrl-queue-1", GET, INVALID, 1 },
	{ "ctrl-queue-max", ADD, INVALID, ~0u, 1 },
	{ "ctrl-list-empty", ADD, INVALID },
	{ "ctrl-list-513", ADD, INVALID, 0, 513 },
	{ "ctrl-list-endless", DEL, INVALID, 0, ~0u },
	{ "ctrl-list-never", ADD, INVALID, 0, 4, EVIL_NEVER },
	{ "ctrl-list-beyond", ADD, INVALID, 0, 4, EVIL_BEYOND },
	{ "ctrl-list-revoked", DEL, INVALID, 0, 4, EVIL_REVOKED },
	{ "ctrl-list-foreign", DEL, INVALID, 0, 4, EVIL_FOREIGN },
	/* The backend cannot write the entries' status. */
	{ "ctrl-list-readonly", DEL, INVALID, 0, 4, EVIL_READONLY },
	{ "ctrl-add-never", ADD, INVALID, 0, 4, EVIL_GOOD, EVIL_NEVER },
	{ "ctrl-add-beyond", ADD, INVALID, 0, 4, EVIL_GOOD, EVIL_BEYOND },
	{ "ctrl-add-revoked", ADD, INVALID, 0, 1, EVIL_GOOD, EVIL_REVOKED },
	{ "ctrl-add-foreign", ADD, INVALID, 0, 1, EVIL_GOOD, EVIL_FOREIGN },
	{ "ctrl-add-readonly", ADD, INVALID, 0, 1, EVIL_GOOD, EVIL_READONLY },
	{ "ctrl-add-twice", ADD, INVALID, 0, EVIL_PAGES + 1 },
	{ "ctrl-del-unknown", DEL, OKAY, 0, 4 },
};

static void push(struct evil *e, u16 type, u32 queue, u32 list, u32 n)
{
	*RING_GET_REQUEST(&e->ctrl, e->ctrl.req_prod_pvt) = (struct xen_netif_ctrl_request){
		.id = e->ctrl.req_prod_pvt, .type = type, .data = { queue, list, n },
	};
	e->ctrl.req_prod_pvt++;
	RING_PUSH_REQUESTS(&e->ctrl);
	notify_remote_via_evtchn(e->ctrl_event);
}

/* Return the next response's status, or -ETIMEDOUT. */
static int take(struct evil *e, u32 *data)
{
	for (unsigned int ms = 0; ms < WAIT_MS; ms++) {
		struct xen_netif_ctrl_response r;

		if (e->ctrl.rsp_cons != READ_ONCE(e->ctrl.sring->rsp_prod)) {
			virt_rmb();	/* the index, then the answer; pairs with the backend's */
			r = *RING_GET_RESPONSE(&e->ctrl, e->ctrl.rsp_cons++);
			*data = r.data;
			return r.status;
		}
		msleep(1);
	}
	return -ETIMEDOUT;
}

static int ask(struct evil *e, const struct ctrl_case *c, u32 *data)
{
	struct entry *list = e->list;

	for (unsigned int i = 0; i < c->n && i < PAGE_SIZE / sizeof(*list); i++)
		list[i] = (struct entry){ .ref = evil_gref(e, c->named, i) };
	push(e, c->type, c->queue, c->list == EVIL_GOOD ? e->list_ref : evil_gref(e, c->list, 0), c->n);
	return take(e, data);
}

static int all_pages(struct evil *e, u16 type)
{
	const struct ctrl_case good = { "", type, .n = EVIL_PAGES };
	u32 data;
	int status = ask(e, &good, &data);

	return status || data != (type == DEL ? EVIL_PAGES : 0) ? -EPROTO : 0;
}

/* Check that the connection still works. */
static int in_order(struct evil *e)
{
	return all_pages(e, ADD) ?: all_pages(e, DEL);
}

static int one(struct evil *e, const struct ctrl_case *c)
{
	u32 data;
	int status = ask(e, c, &data);

	if (status != (int)c->status || data != c->data) {
		pr_err("evilfront: %s: status %d, data %u\n", c->name, status, data);
		return -EPROTO;
	}
	return in_order(e);
}

/* Send frames in mapped pages, and have them unmapped while the frames are on their way. */
static int del_in_traffic(struct evil *e)
{
	int err = 0;

	for (unsigned int i = 0; i < 20 && !err; i++) {
		err = all_pages(e, ADD);
		if (!err)
			err = evil_tx_frames(e, 40, EVIL_GOOD) ?: all_pages(e, DEL);
		evil_tx_collect(e, 2000);
	}
	return err ?: e->tx_okay == 20 * (39 * 5 + 1) ? 0 : -EPROTO;
}

/* When the backend has closed, no grant is in use. */
static int close_mapped(struct evil *e)
{
	int err = all_pages(e, ADD);

	if (!err && gnttab_end_foreign_access_ref(e->page[1]))
		err = -EPROTO;			/* it was not mapped */
	if (!err)
		err = evil_connect(e, NULL);
	for (unsigned int i = 0; i < EVIL_PAGES && !err; i++) {
		if (!gnttab_end_foreign_access_ref(e->page[i]))
			err = -EBUSY;
		gnttab_grant_foreign_access_ref(e->page[i], e->xb->otherend_id, virt_to_gfn(e->data + i * PAGE_SIZE), 0);
	}
	return err;
}

#define FULL	1024		/* grants that a queue may have mapped */
#define LIST	512		/* of one request */
#define FLAPS	20

/* Name the maximum of grants, all of one page; the backend must unmap them all before it has closed. */
static int close_full(struct evil *e)
{
	static const struct evil_wrong with_ring = { .ctrl = true, .fine = true };
	static grant_ref_t ref[FULL];
	struct entry *list = e->list;
	int err = 0;
	u32 data;

	for (unsigned int i = 0; i < FULL && !ref[i]; i++) {
		int got = gnttab_grant_foreign_access(e->xb->otherend_id, virt_to_gfn(e->data + PAGE_SIZE), 0);

		if (got < 0)
			return got;
		ref[i] = got;
	}
	e->slowest_ms = 0;
	for (unsigned int flap = 0; flap < FLAPS && !err; flap++) {
		unsigned long start;

		err = flap ? evil_connect(e, &with_ring) : 0;
		for (unsigned int n = 0; n < FULL && !err; n += LIST) {
			for (unsigned int i = 0; i < LIST; i++)
				list[i] = (struct entry){ .ref = ref[n + i] };
			push(e, ADD, 0, e->list_ref, LIST);
			err = take(e, &data);
		}
		if (err)
			break;
		start = jiffies;
		xenbus_printf(XBT_NIL, e->xb->nodename, "state", "%d", XenbusStateClosing);
		err = evil_wait_backend(e, 1 << XenbusStateClosing);
		e->slowest_ms = max(e->slowest_ms, jiffies_to_msecs(jiffies - start));
	}
	return err;
}

/* Full rings of requests, and an event for each. */
static int storm(struct evil *e)
{
	unsigned int sent = 0, taken = 0;
	u32 data;

	while (taken < STORM) {
		for (; sent < STORM && sent - taken < RING_SIZE(&e->ctrl); sent++)
			push(e, sent % 2 ? ADD : 77, sent, 0, sent);
		if (take(e, &data) < 0)
			return -ETIMEDOUT;
		taken++;
		cond_resched();
	}
	return in_order(e);
}

static int prod_far(struct evil *e)
{
	e->ctrl.sring->req_prod += RING_SIZE(&e->ctrl) + 1;
	notify_remote_via_evtchn(e->ctrl_event);
	return evil_tx_frames(e, 4, EVIL_GOOD);
}

/* Set the index back before the last response. */
static int prod_back(struct evil *e)
{
	int err = in_order(e);

	e->ctrl.sring->req_prod -= 1;
	notify_remote_via_evtchn(e->ctrl_event);
	return err ?: evil_tx_frames(e, 4, EVIL_GOOD);
}

static const struct {
	const char *name;
	int (*fn)(struct evil *e);
} others[] = {
	{ "ctrl-del-in-traffic", del_in_traffic },
	{ "ctrl-close-mapped", close_mapped },
	{ "ctrl-close-full", close_full },
	{ "ctrl-storm", storm },
	{ "ctrl-prod-far", prod_far },
	{ "ctrl-prod-back", prod_back },
};

int evil_ctrl(struct evil *e, const char *name)
{
	static const struct evil_wrong with_ring = { .ctrl = true, .fine = true };
	int err = -ENOENT;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name))
			err = evil_connect(e, &with_ring) ?: one(e, &cases[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(others[i].name, name))
			err = evil_connect(e, &with_ring) ?: others[i].fn(e);
	if (!err)
		evil_tx_collect(e, 500);
	return err;
}
