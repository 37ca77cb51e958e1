// SPDX-License-Identifier: GPL-2.0
/* Cases of the xenstore: invalid connection data, and states at the wrong time. */
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/string.h>
#include "evilfront.h"

#define STORM	100		/* rounds */
#define CLOSES	25

static const struct {
	const char *name;
	struct evil_wrong wrong;
} cases[] = {
	{ "ring-never",		{ .key = "tx-ring-ref", .value = "30000" } },
	{ "ring-rx-never",	{ .key = "rx-ring-ref", .value = "30000" } },
	{ "ring-beyond",	{ .key = "tx-ring-ref", .value = "4294967295" } },
	{ "ring-text",		{ .key = "tx-ring-ref", .value = "ring" } },
	{ "ring-missing",	{ .key = "tx-ring-ref" } },
	{ "ring-same",		{ .key = "rx-ring-ref", .value = "%u" } },
	{ "ring-prod",		{ .tx_prod = 100000 } },
	{ "event-never",	{ .key = "event-channel", .value = "4000" } },
	{ "event-beyond",	{ .key = "event-channel", .value = "4294967295" } },
	{ "event-missing",	{ .key = "event-channel" } },
	{ "queues-0",		{ .key = "multi-queue-num-queues", .value = "0" } },
	{ "queues-1000",	{ .key = "multi-queue-num-queues", .value = "1000" } },
	{ "queues-text",	{ .key = "multi-queue-num-queues", .value = "-1", .fine = true } },
	{ "queues-beyond",	{ .key = "multi-queue-num-queues", .value = "4294967295" } },
	{ "queues-no-dirs",	{ .key = "multi-queue-num-queues", .value = "2" } },
	{ "queues-twins",	{ .queues = 2 } },
	{ "queues-second-never", { .queues = 2, .key = "tx-ring-ref", .value = "30000" } },
	{ "queues-second-missing", { .queues = 4, .key = "event-channel" } },
	/* Frames are still served without the control ring. */
	{ "ctrl-ring-never",	{ .ctrl = true, .key = "ctrl-ring-ref", .value = "30000", .fine = true } },
	{ "ctrl-ring-data",	{ .ctrl = true, .key = "ctrl-ring-ref", .value = "%u", .fine = true } },
	{ "ctrl-event-never",	{ .ctrl = true, .key = "event-channel-ctrl", .value = "4000", .fine = true } },
	{ "no-rx-copy",		{ .key = "request-rx-copy", .value = "0" } },
};

static void write_state(struct evil *e, enum xenbus_state state)
{
	xenbus_printf(XBT_NIL, e->xb->nodename, "state", "%d", state);
}

/* Close while frames are on their way; the next case waits for it. */
static int close_under_traffic(struct evil *e)
{
	evil_tx_frames(e, 50, EVIL_GOOD);
	write_state(e, XenbusStateClosing);
	write_state(e, XenbusStateClosed);
	return 0;
}

static int closed_at_once(struct evil *e)
{
	evil_tx_frames(e, 50, EVIL_GOOD);
	write_state(e, XenbusStateClosed);
	return 0;
}

static int states(struct evil *e)
{
	static const enum xenbus_state order[] = {
		XenbusStateClosed, XenbusStateInitialising, XenbusStateConnected, XenbusStateInitWait,
		XenbusStateReconfiguring, XenbusStateConnected, XenbusStateClosing, 99,
	};

	for (unsigned int i = 0; i < STORM; i++)
		write_state(e, order[i % ARRAY_SIZE(order)]);
	return 0;
}

/*
 * Goes in each way that there is, with frames that are held, or just being taken: the backend has let go of
 * all grants when it says so, within a time that hangs on nobody.
 */
static int close_held(struct evil *e)
{
	static const struct {
		enum xenbus_state we, backend;
	} ways[] = {
		{ XenbusStateClosing, XenbusStateClosing },
		{ XenbusStateClosed, XenbusStateClosed },
		{ XenbusStateInitialising, XenbusStateInitWait },	/* as if it had crashed */
	};
	int err = 0;

	e->slowest_ms = 0;
	for (unsigned int i = 0; i < CLOSES && !err; i++) {
		unsigned int way = get_random_u32() % ARRAY_SIZE(ways);
		unsigned long start;

		err = i ? evil_connect(e, NULL) : 0;
		if (err)
			break;
		evil_tx_hold(e, get_random_u32() % 30);
		start = jiffies;
		write_state(e, ways[way].we);
		err = evil_wait_backend(e, 1 << ways[way].backend);
		e->slowest_ms = max(e->slowest_ms, jiffies_to_msecs(jiffies - start));
		if (!err && !gnttab_end_foreign_access_ref(e->page[0]))
			err = -EBUSY;
		gnttab_grant_foreign_access_ref(e->page[0], e->xb->otherend_id, virt_to_gfn(e->data), 0);
	}
	return err;
}

/* Change keys of an existing connection. */
static int keys(struct evil *e)
{
	for (unsigned int i = 0; i < STORM; i++) {
		xenbus_printf(XBT_NIL, e->xb->nodename, "tx-ring-ref", "%u", i);
		xenbus_printf(XBT_NIL, e->xb->nodename, "event-channel", "%u", i);
		xenbus_printf(XBT_NIL, e->xb->nodename, "multi-queue-num-queues", "%u", i);
		write_state(e, XenbusStateConnected);
	}
	evil_tx_frames(e, 4, EVIL_GOOD);
	evil_tx_collect(e, 2000);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct evil *e);
} others[] = {
	{ "close-under-traffic", close_under_traffic },
	{ "closed-at-once", closed_at_once },
	{ "close-held", close_held },
	{ "state-storm", states },
	{ "key-storm", keys },
};

int evil_bus(struct evil *e, const char *name)
{
	int err = -ENOENT;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name))
			err = evil_connect(e, &cases[i].wrong);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(others[i].name, name)) {
			err = evil_connect(e, NULL);
			if (!err)
				err = others[i].fn(e);
		}
	return err;
}
