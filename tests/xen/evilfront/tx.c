// SPDX-License-Identifier: GPL-2.0
/* Cases of the guest's Tx ring: a table of cases with one frame, valid or not; and cases with several. */
#include <linux/delay.h>
#include <linux/string.h>
#include "evilfront.h"

#define MORE	XEN_NETTXF_more_data
#define EXTRA	XEN_NETTXF_extra_info
#define CSUM	XEN_NETTXF_csum_blank

/* A data slot or, with a type, an extra slot. */
struct step {
	u16 offset, size, flags;
	enum evil_gref gref;
	u8 type, extra_flags, gso_type;
	u16 gso_size;
	u16 times;			/* 0: once */
	bool extra;
};

#define SLOT(off, bytes, fl)		{ .offset = (off), .size = (bytes), .flags = (fl) }
#define SLOTS(n, bytes, fl)		{ .size = (bytes), .flags = (fl), .times = (n) }
#define BAD_SLOT(kind, bytes, fl)	{ .size = (bytes), .flags = (fl), .gref = (kind) }
#define X(t, fl)			{ .extra = true, .type = (t), .extra_flags = (fl) }
#define XS(n, t, fl)			{ .extra = true, .type = (t), .extra_flags = (fl), .times = (n) }
#define GSO(bytes, t)			{ .extra = true, .type = XEN_NETIF_EXTRA_TYPE_GSO, .gso_size = (bytes), .gso_type = (t) }

static const struct tx_case {
	const char *name;
	unsigned int steps;
	struct step step[4];
} cases[] = {
	{ "tx-good", 1, { SLOT(0, 200, 0) } },
	{ "tx-good-2", 2, { SLOT(0, 1000, MORE), SLOT(0, 800, 0) } },
	{ "tx-never", 1, { BAD_SLOT(EVIL_NEVER, 200, 0) } },
	{ "tx-beyond", 1, { BAD_SLOT(EVIL_BEYOND, 200, 0) } },
	{ "tx-revoked", 1, { BAD_SLOT(EVIL_REVOKED, 200, 0) } },
	{ "tx-foreign", 1, { BAD_SLOT(EVIL_FOREIGN, 200, 0) } },
	/* The header is valid, later slots are not. */
	{ "tx-never-second", 2, { SLOT(0, 400, MORE), BAD_SLOT(EVIL_NEVER, 200, 0) } },
	/* All headers are in the first slot; the daemon needs more bytes. */
	{ "tx-never-header", 2, { SLOT(0, 260, MORE), BAD_SLOT(EVIL_NEVER, 200, 0) } },
	{ "tx-offset", 1, { SLOT(4000, 200, 0) } },
	{ "tx-offset-max", 1, { SLOT(0xffff, 0xffff, 0) } },
	{ "tx-offset-second", 2, { SLOT(0, 400, MORE), SLOT(4000, 97, 0) } },
	{ "tx-empty", 1, { SLOT(0, 0, 0) } },
	{ "tx-empty-slots", 3, { SLOT(0, 200, MORE), SLOTS(5, 0, MORE), SLOT(0, 0, 0) } },
	{ "tx-empty-first", 2, { SLOT(0, 200, MORE), SLOT(0, 200, 0) } },
	{ "tx-runt", 1, { SLOT(0, 13, 0) } },
	{ "tx-sum-smaller", 2, { SLOT(0, 100, MORE), SLOT(0, 200, 0) } },
	{ "tx-sum-larger", 2, { SLOT(0, 9000, MORE), SLOT(0, 200, 0) } },
	{ "tx-more-none", 1, { SLOT(0, 200, MORE) } },
	{ "tx-slots-18", 3, { SLOT(0, 900, MORE), SLOTS(16, 50, MORE), SLOT(0, 50, 0) } },
	{ "tx-slots-19", 3, { SLOT(0, 1000, MORE), SLOTS(17, 50, MORE), SLOT(0, 50, 0) } },
	{ "tx-slots-20", 3, { SLOT(0, 1000, MORE), SLOTS(18, 50, MORE), SLOT(0, 50, 0) } },
	{ "tx-slots-21", 3, { SLOT(0, 1100, MORE), SLOTS(19, 50, MORE), SLOT(0, 50, 0) } },
	{ "tx-slots-endless", 2, { SLOT(0, 60000, MORE), SLOTS(EVIL_RING - 1, 1, MORE) } },
	{ "tx-extra-0", 2, { SLOT(0, 200, EXTRA), X(0, 0) } },
	{ "tx-extra-77", 2, { SLOT(0, 200, EXTRA), X(77, 0) } },
	{ "tx-extra-none", 1, { SLOT(0, 200, EXTRA) } },
	{ "tx-extra-more-none", 2, { SLOT(0, 200, EXTRA), X(XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE) } },
	{ "tx-extra-endless", 2, { SLOT(0, 200, EXTRA),
		XS(EVIL_RING - 1, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE) } },
	{ "tx-gso-size-0", 2, { SLOT(0, 200, EXTRA | CSUM), GSO(0, XEN_NETIF_GSO_TYPE_TCPV4) } },
	{ "tx-gso-size-1", 2, { SLOT(0, 200, EXTRA | CSUM), GSO(1, XEN_NETIF_GSO_TYPE_TCPV4) } },
	{ "tx-gso-type-77", 2, { SLOT(0, 200, EXTRA | CSUM), GSO(1000, 77) } },
	{ "tx-gso-v6-of-v4", 2, { SLOT(0, 3000, EXTRA | CSUM), GSO(1000, XEN_NETIF_GSO_TYPE_TCPV6) } },
	{ "tx-gso-no-csum", 2, { SLOT(0, 3000, EXTRA), GSO(1000, XEN_NETIF_GSO_TYPE_TCPV4) } },
	{ "tx-csum-nowhere", 1, { SLOT(64, 200, CSUM) } },
};

static void put_extra(struct evil *e, const struct step *s)
{
	void *slot = RING_GET_REQUEST(&e->tx, e->tx.req_prod_pvt++);
	struct xen_netif_extra_info extra = { .type = s->type, .flags = s->extra_flags };

	if (s->type == XEN_NETIF_EXTRA_TYPE_GSO) {
		extra.u.gso.size = s->gso_size;
		extra.u.gso.type = s->gso_type;
	}
	memcpy(slot, &extra, sizeof(extra));
}

static void put_data(struct evil *e, const struct step *s, unsigned int page)
{
	*RING_GET_REQUEST(&e->tx, e->tx.req_prod_pvt) = (struct xen_netif_tx_request){
		.gref = evil_gref(e, s->gref, page), .offset = s->offset, .size = s->size, .flags = s->flags,
		.id = e->tx.req_prod_pvt % EVIL_RING,
	};
	e->tx.req_prod_pvt++;
}

static void put(struct evil *e, const struct tx_case *c)
{
	for (unsigned int i = 0, page = 0; i < c->steps; i++)
		for (unsigned int n = 0; n < max_t(u16, c->step[i].times, 1); n++) {
			if (c->step[i].extra)
				put_extra(e, &c->step[i]);
			else
				put_data(e, &c->step[i], page++);
		}
}

static void push(struct evil *e)
{
	RING_PUSH_REQUESTS(&e->tx);
	evil_notify(e);
}

void evil_tx_collect(struct evil *e, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	for (;;) {
		u32 prod = READ_ONCE(e->tx.sring->rsp_prod);

		virt_rmb();	/* the index, then the answers; pairs with the backend's */
		for (; e->tx.rsp_cons != prod && prod - e->tx.rsp_cons <= EVIL_RING; e->tx.rsp_cons++) {
			e->tx_answers++;
			e->tx_okay += RING_GET_RESPONSE(&e->tx, e->tx.rsp_cons)->status == XEN_NETIF_RSP_OKAY;
		}
		if (e->tx.rsp_cons == e->tx.req_prod_pvt || time_after(jiffies, end))
			return;
		msleep(5);
	}
}

int evil_tx_frames(struct evil *e, unsigned int n, enum evil_gref last)
{
	static const struct tx_case frame = { "", 3, { SLOT(0, 1000, MORE), SLOTS(3, 100, MORE), SLOT(0, 100, 0) } };
	const struct tx_case odd = { "", 1, { BAD_SLOT(last, 1000, 0) } };

	while (--n)
		put(e, &frame);
	put(e, &odd);
	push(e);
	return 0;
}

/* ---- more than a frame ---- */

static int burst(struct evil *e)
{
	int err = evil_tx_frames(e, 40, EVIL_NEVER);

	/* Frames to an unknown address go through the daemon. */
	if (!err)
		evil_tx_collect(e, 10000);
	return err;
}

/* A grant is revoked before its frame is taken, or while it is held. */
static int pulled(struct evil *e)
{
	static const struct tx_case frame = { "", 1, { BAD_SLOT(EVIL_PULLED, 1000, 0) } };

	gnttab_grant_foreign_access_ref(e->pulled, e->xb->otherend_id, virt_to_gfn(e->data), 0);
	for (unsigned int i = 0; i < 100; i++)
		put(e, &frame);
	push(e);
	while (!gnttab_end_foreign_access_ref(e->pulled))
		msleep(1);
	return 0;
}

static int prod_far(struct evil *e)
{
	e->tx.sring->req_prod += EVIL_RING + 1;
	evil_notify(e);
	return 0;
}

static int prod_back(struct evil *e)
{
	evil_tx_frames(e, 4, EVIL_GOOD);
	evil_tx_collect(e, 2000);
	e->tx.sring->req_prod -= 2;
	evil_notify(e);
	return 0;
}

/* Send frames that the daemon drops: their responses come only with the next frames, or after held_ms. */
int evil_tx_hold(struct evil *e, unsigned int ms)
{
	static const struct tx_case frame = { "", 1, { SLOT(0, 200, 0) } };
	static const u8 lldp[ETH_ALEN] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e };
	u8 was[ETH_ALEN];

	memcpy(was, e->data, ETH_ALEN);
	memcpy(e->data, lldp, ETH_ALEN);
	for (unsigned int i = 0; i < 100; i++)
		put(e, &frame);
	push(e);
	msleep(ms);
	memcpy(e->data, was, ETH_ALEN);
	return e->tx.req_prod_pvt - READ_ONCE(e->tx.sring->rsp_prod) < 2 ? -EAGAIN : 0;
}

/*
 * The index goes back to before what was taken, but not before what was answered; and each slot reads as
 * extra info with more to come, for ever, also if an answer is written over it.
 */
static int prod_back_held(struct evil *e)
{
	int err = evil_tx_hold(e, 150);

	if (err)
		return err;
	for (unsigned int i = 0; i < EVIL_RING; i++)
		*RING_GET_REQUEST(&e->tx, i) = (struct xen_netif_tx_request){
			.gref = 0x104, .flags = EXTRA, .id = 0x104, .size = 200,
		};
	virt_wmb();
	e->tx.sring->req_prod = e->tx.req_prod_pvt - 1;
	evil_notify(e);
	return 0;
}

/* Held frames take room in the ring: post one request more than there is room. */
static int prod_far_held(struct evil *e)
{
	int err = evil_tx_hold(e, 150);

	if (err)
		return err;
	e->tx.sring->req_prod = e->tx.req_prod_pvt + EVIL_RING;
	evil_notify(e);
	return 0;
}

/* Overwrite the backend's index and event index, which it must not read back. */
static int rsp_prod(struct evil *e)
{
	e->tx.sring->rsp_prod = 0x55555555;
	e->tx.sring->req_event = 0x33333333;
	return evil_tx_frames(e, 4, EVIL_GOOD);
}

static int mcast(struct evil *e)
{
	static const struct tx_case add = { "", 2, { SLOT(0, 0, EXTRA), X(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0) } };

	for (unsigned int sent = 0; sent < 10000; sent += 100) {
		for (unsigned int i = 0; i < 100; i++)
			put(e, &add);
		push(e);
		evil_tx_collect(e, 2000);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct evil *e);
} others[] = {
	{ "tx-burst-one-never", burst },
	{ "tx-pulled", pulled },
	{ "tx-prod-far", prod_far },
	{ "tx-prod-back", prod_back },
	{ "tx-prod-back-held", prod_back_held },
	{ "tx-prod-far-held", prod_far_held },
	{ "tx-rsp-prod", rsp_prod },
	{ "tx-mcast-10000", mcast },
};

int evil_tx(struct evil *e, const char *name)
{
	int err = -ENOENT;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name)) {
			err = evil_connect(e, NULL);
			if (err)
				return err;
			put(e, &cases[i]);
			push(e);
		}
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(others[i].name, name)) {
			err = evil_connect(e, NULL);
			if (!err)
				err = others[i].fn(e);
		}
	if (!err)
		evil_tx_collect(e, 500);
	return err;
}
