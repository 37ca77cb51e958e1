// SPDX-License-Identifier: GPL-2.0
/* The driver, connecting, and the command: see evilfront.h. */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "evilfront.h"

#define NEVER		30000
#define WAIT_MS		10000

static struct evil *evil;		/* the one vif; under the parameters' lock */

grant_ref_t evil_gref(struct evil *e, enum evil_gref kind, unsigned int n)
{
	switch (kind) {
	case EVIL_NEVER:
		return NEVER;
	case EVIL_BEYOND:
		return ~0u;
	case EVIL_REVOKED:
		return e->revoked;
	case EVIL_FOREIGN:
		return e->foreign;
	case EVIL_READONLY:
		return e->readonly;
	case EVIL_PULLED:
		return e->pulled;
	default:
		return e->page[n % EVIL_PAGES];
	}
}

void evil_notify(struct evil *e)
{
	notify_remote_via_evtchn(e->event);
}

/* ---- states ---- */

int evil_wait_backend(struct evil *e, unsigned int states)
{
	for (unsigned int ms = 0; ms < WAIT_MS; ms += 10) {
		if (states & 1u << xenbus_read_driver_state(e->xb->otherend))
			return 0;
		msleep(10);
	}
	return -ETIMEDOUT;
}

static void drop_rings(struct evil *e)
{
	if (e->event)
		xenbus_free_evtchn(e->xb, e->event);
	if (e->ctrl_event)
		xenbus_free_evtchn(e->xb, e->ctrl_event);
	e->event = e->ctrl_event = 0;
	xenbus_teardown_ring((void **)&e->ctrl.sring, 1, &e->ctrl_ref);
	xenbus_teardown_ring((void **)&e->tx.sring, 1, &e->tx_ref);
	xenbus_teardown_ring((void **)&e->rx.sring, 1, &e->rx_ref);
}

static int make_rings(struct evil *e)
{
	int err = xenbus_setup_ring(e->xb, GFP_KERNEL, (void **)&e->tx.sring, 1, &e->tx_ref);

	if (err)
		return err;
	err = xenbus_setup_ring(e->xb, GFP_KERNEL, (void **)&e->rx.sring, 1, &e->rx_ref);
	if (err)
		return err;
	XEN_FRONT_RING_INIT(&e->tx, e->tx.sring, PAGE_SIZE);
	XEN_FRONT_RING_INIT(&e->rx, e->rx.sring, PAGE_SIZE);
	e->tx_answers = e->tx_okay = e->rx_answers = e->rx_okay = 0;
	return xenbus_alloc_evtchn(e->xb, &e->event);
}

static int make_ctrl(struct evil *e)
{
	int err = xenbus_setup_ring(e->xb, GFP_KERNEL, (void **)&e->ctrl.sring, 1, &e->ctrl_ref);

	if (err)
		return err;
	XEN_FRONT_RING_INIT(&e->ctrl, e->ctrl.sring, PAGE_SIZE);
	return xenbus_alloc_evtchn(e->xb, &e->ctrl_event);
}

/* From any state: make the backend wait for a connection, with no grant in use. */
static int reset(struct evil *e)
{
	int err;

	/* A case may have written another state to the xenstore than the bus knows. */
	e->xb->state = XenbusStateUnknown;
	xenbus_switch_state(e->xb, XenbusStateClosing);
	xenbus_switch_state(e->xb, XenbusStateClosed);
	err = evil_wait_backend(e, 1 << XenbusStateClosed | 1 << XenbusStateInitWait);
	drop_rings(e);
	if (err)
		return err;
	xenbus_switch_state(e->xb, XenbusStateInitialising);
	return evil_wait_backend(e, 1 << XenbusStateInitWait);
}

static void write_queue(struct evil *e, const char *dir, const struct evil_wrong *wrong)
{
	xenbus_printf(XBT_NIL, dir, "tx-ring-ref", "%u", e->tx_ref);
	xenbus_printf(XBT_NIL, dir, "rx-ring-ref", "%u", e->rx_ref);
	xenbus_printf(XBT_NIL, dir, "event-channel", "%u", e->event);
	if (wrong && wrong->key && wrong->value)
		xenbus_printf(XBT_NIL, dir, wrong->key, wrong->value, e->tx_ref);
	else if (wrong && wrong->key)
		xenbus_rm(XBT_NIL, dir, wrong->key);
}

/* There is one ring of each kind: several queues share it. */
static void write_queues(struct evil *e, const struct evil_wrong *wrong)
{
	char dir[64];

	xenbus_printf(XBT_NIL, e->xb->nodename, "multi-queue-num-queues", "%u", wrong->queues);
	for (unsigned int i = 0; i < wrong->queues; i++) {
		snprintf(dir, sizeof(dir), "%s/queue-%u", e->xb->nodename, i);
		write_queue(e, dir, i == wrong->queues - 1 ? wrong : NULL);
	}
}

static void write_keys(struct evil *e, const struct evil_wrong *wrong)
{
	const char *dir = e->xb->nodename;

	xenbus_rm(XBT_NIL, dir, "multi-queue-num-queues");
	xenbus_rm(XBT_NIL, dir, "ctrl-ring-ref");
	xenbus_rm(XBT_NIL, dir, "event-channel-ctrl");
	xenbus_printf(XBT_NIL, dir, "request-rx-copy", "%u", 1);
	xenbus_printf(XBT_NIL, dir, "feature-sg", "%u", 1);
	if (e->ctrl_event) {
		xenbus_printf(XBT_NIL, dir, "ctrl-ring-ref", "%u", e->ctrl_ref);
		xenbus_printf(XBT_NIL, dir, "event-channel-ctrl", "%u", e->ctrl_event);
	}
	if (wrong && wrong->queues)
		write_queues(e, wrong);
	else
		write_queue(e, dir, wrong);
}

int evil_connect(struct evil *e, const struct evil_wrong *wrong)
{
	int err = reset(e);

	if (!err)
		err = make_rings(e);
	if (!err && wrong && wrong->ctrl)
		err = make_ctrl(e);
	if (err)
		return err;
	write_keys(e, wrong);
	if (wrong)
		e->tx.sring->req_prod = wrong->tx_prod;
	xenbus_switch_state(e->xb, XenbusStateConnected);
	return evil_wait_backend(e, 1 << (wrong && !wrong->fine ? XenbusStateClosing : XenbusStateConnected));
}

/* ---- the command ---- */

static int run(const char *val, const struct kernel_param *kp)
{
	static const evil_case_fn cases[] = { evil_tx, evil_rx, evil_ctrl, evil_bus };
	char name[32];
	int err = -ENOENT;

	strscpy(name, val, sizeof(name));
	for (unsigned int i = 0; evil && i < ARRAY_SIZE(cases) && err == -ENOENT; i++)
		err = cases[i](evil, strim(name));
	return err;
}

static int result(char *buf, const struct kernel_param *kp)
{
	if (!evil || !evil->tx.sring)
		return sysfs_emit(buf, "not connected\n");
	evil_rx_collect(evil);
	return sysfs_emit(buf, "tx %u answers, %u okay; rx %u answers, %u okay; %u ms\n", evil->tx_answers, evil->tx_okay,
			  evil->rx_answers, evil->rx_okay, evil->slowest_ms);
}

static const struct kernel_param_ops ops = { .set = run, .get = result };

module_param_cb(do, &ops, NULL, 0600);
MODULE_PARM_DESC(do, "a case to do; read: what was answered");

/* ---- the driver ---- */

/* Ethernet, IPv4 and TCP headers with unused addresses. */
static void write_header(u8 *p)
{
	static const u8 header[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x66, 0x66, 0x66, 0x08, 0x00,
		0x45, 0x00, 0x00, 0x28, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0x26, 0xbb, 10, 9, 9, 9, 10, 9, 9, 10,
		0x10, 0x00, 0x10, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0x10, 0x00, 0, 0, 0, 0,
	};

	memcpy(p, header, sizeof(header));
}

static int grant_pages(struct evil *e)
{
	domid_t to = e->xb->otherend_id;
	unsigned long first = virt_to_gfn(e->data);
	int ref = 0;

	for (unsigned int i = 0; i < EVIL_PAGES && ref >= 0; i++)
		e->page[i] = ref = gnttab_grant_foreign_access(to, virt_to_gfn(e->data + i * PAGE_SIZE), 0);
	if (ref >= 0)
		e->revoked = ref = gnttab_grant_foreign_access(to, first, 0);
	if (ref >= 0)
		e->foreign = ref = gnttab_grant_foreign_access(to + 1, first, 0);
	if (ref >= 0)
		e->readonly = ref = gnttab_grant_foreign_access(to, first, 1);
	if (ref >= 0)
		e->pulled = ref = gnttab_grant_foreign_access(to, first, 0);
	if (ref >= 0)
		e->list_ref = ref = gnttab_grant_foreign_access(to, virt_to_gfn(e->list), 0);
	if (ref < 0)
		return ref;
	/* Keep the grant's number. */
	return gnttab_end_foreign_access_ref(e->revoked) ? 0 : -EBUSY;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct evil *e;
	int err;

	if (evil)
		return -EBUSY;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->xb = xb;
	e->data = alloc_pages_exact(EVIL_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	e->list = (void *)get_zeroed_page(GFP_KERNEL);
	err = e->data && e->list ? grant_pages(e) : -ENOMEM;
	if (err)		/* grants stay: this guest is only for tests */
		return err;
	write_header(e->data);
	evil = e;
	/* Otherwise the bus waits for this device to connect. */
	return xenbus_switch_state(xb, XenbusStateClosed);
}

/* Ignore the backend's state: only cases connect and close. */
static void changed(struct xenbus_device *xb, enum xenbus_state state)
{
}

static const struct xenbus_device_id ids[] = {
	{ "vif" },
	{ "" },
};

static struct xenbus_driver driver = {
	.name = "evilfront",
	.ids = ids,
	.probe = probe,
	.otherend_changed = changed,
};

/* No exit function: the grants stay until the guest ends. */
static int __init evilfront_init(void)
{
	return xenbus_register_frontend(&driver);
}
module_init(evilfront_init);

MODULE_DESCRIPTION("A hostile frontend of a vif");
MODULE_LICENSE("GPL");
