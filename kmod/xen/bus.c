// SPDX-License-Identifier: GPL-2.0
/*
 * The backend driver for xenbus devices of type vif, beside or instead of xen-netback.
 * It takes vifs whose script is vif-nfv, and those that nfvd claims. All others are
 * xen-netback's, whichever driver is loaded first. A bound vif can be moved to the other
 * driver by sysfs unbind and bind, even while its guest runs, because rings and grants
 * belong to the guest.
 *
 *	backend (we)				frontend
 *	------------				--------
 *	probe: features ─► InitWait
 *	                                        reads features, makes rings ─► Connected
 *	map rings, bind events
 *	hotplug-status = connected ─► Connected
 *	                                        Closing, Closed
 *	release everything ─► Closing, Closed
 *	  online = 1: the guest returns (reboot, kexec)	Initialising
 *	  ─► InitWait again
 *	  online = 0, or the frontend is gone (Unknown):
 *	  unregister the device ─► remove
 *
 * The frontend's data is not trusted: numbers are bounded, and if a grant cannot be mapped,
 * only that vif gets an error in the xenstore and state Closing.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/xen.h>
#include "compat.h"
#include "backend.h"

static bool registered;

/* ---- offered features ---- */

static const struct {
	const char *key;
	unsigned int value;
} offers[] = {
	{ "feature-sg", 1 },
	{ "feature-gso-tcpv4", 1 },
	{ "feature-gso-tcpv6", 1 },
	{ "feature-ipv6-csum-offload", 1 },
	{ "feature-rx-copy", 1 },
	{ "feature-rx-flip", 0 },
	{ "feature-split-event-channels", 1 },
	{ "feature-multicast-control", 1 },
	{ "feature-ctrl-ring", 1 },
};

static int write_offers(struct xenbus_device *xb, struct xenbus_transaction t)
{
	int err = xenbus_printf(t, xb->nodename, "multi-queue-max-queues", "%u", nfvk_xen_queues);

	for (unsigned int i = 0; i < ARRAY_SIZE(offers) && !err; i++)
		err = xenbus_printf(t, xb->nodename, offers[i].key, "%u", offers[i].value);
	return err;
}

static int offer(struct xenbus_device *xb)
{
	struct xenbus_transaction t;
	int err;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = write_offers(xb, t);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}

/* ---- hotplug-status ---- */

static bool hotplugged(struct xenbus_device *xb)
{
	char *status = xenbus_read(XBT_NIL, xb->nodename, "hotplug-status", NULL);
	bool yes;

	if (IS_ERR(status))
		return false;
	yes = !strcmp(status, "connected");
	kfree(status);
	return yes;
}

static void stop_watching(struct nfvk_vif *vif)
{
	if (!vif->watching)
		return;
	unregister_xenbus_watch(&vif->hotplug);
	kfree(vif->hotplug.node);
	vif->watching = false;
}

static void hotplug_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	struct nfvk_vif *vif = container_of(watch, struct nfvk_vif, hotplug);

	mutex_lock(&vif->lock);
	if (vif->connected && hotplugged(vif->xb))
		xenbus_switch_state(vif->xb, XenbusStateConnected);
	mutex_unlock(&vif->lock);
}

static void say_connected(struct nfvk_vif *vif)
{
	if (hotplugged(vif->xb)) {
		xenbus_switch_state(vif->xb, XenbusStateConnected);
		return;
	}
	if (!vif->watching)
		vif->watching = !xenbus_watch_pathfmt(vif->xb, &vif->hotplug, NULL, hotplug_changed,
						      "%s/hotplug-status", vif->xb->nodename);
}

/* ---- the state machine: drawn above ---- */

/* Start anew from any state, because a killed frontend (kexec) has not closed. */
static void begin_anew(struct nfvk_vif *vif)
{
	struct xenbus_device *xb = vif->xb;

	if (vif->connected) {
		nfvk_xen_disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosing);
	}
	if (xb->state == XenbusStateClosing)
		xenbus_switch_state(xb, XenbusStateClosed);
	if (xb->state == XenbusStateClosed)
		xenbus_switch_state(xb, XenbusStateInitWait);
}

static void frontend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct nfvk_vif *vif = dev_get_drvdata(&xb->dev);
	bool forget = false;

	mutex_lock(&vif->lock);
	switch (state) {
	case XenbusStateInitialising:
		begin_anew(vif);
		break;
	case XenbusStateConnected:
		if (!vif->connected && xb->state == XenbusStateInitWait && !nfvk_xen_connect(vif))
			say_connected(vif);
		break;
	case XenbusStateClosing:
		nfvk_xen_disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosing);
		break;
	case XenbusStateClosed:
		nfvk_xen_disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosed);
		forget = !xenbus_dev_is_online(xb);
		break;
	case XenbusStateUnknown:
		nfvk_xen_disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosed);
		forget = true;
		break;
	default:
		break;
	}
	mutex_unlock(&vif->lock);
	if (forget)
		device_unregister(&xb->dev);
}

static void remove(struct xenbus_device *xb)
{
	struct nfvk_vif *vif = dev_get_drvdata(&xb->dev);

	stop_watching(vif);
	nfvk_vif_unlist(vif);
	mutex_lock(&vif->lock);
	vif->removed = true;
	nfvk_xen_disconnect(vif);
	nfvk_xen_port_gone(vif);
	mutex_unlock(&vif->lock);
	dev_set_drvdata(&xb->dev, NULL);
	nfvk_vif_put(vif);
}

static bool has_our_script(struct xenbus_device *xb)
{
	char *script = xenbus_read(XBT_NIL, xb->nodename, "script", NULL);
	bool ours;

	if (IS_ERR(script))
		return false;
	ours = !strcmp(kbasename(script), "vif-nfv");
	kfree(script);
	return ours;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	int err;

	if (!has_our_script(xb) && !xenbus_read_unsigned(xb->nodename, NFV_XEN_CLAIM, 0))
		return -ENODEV;
	err = nfvk_vif_make(xb);
	if (err)
		return err;
	nfvk_xen_ctrl_init(dev_get_drvdata(&xb->dev));
	nfvk_vif_list(dev_get_drvdata(&xb->dev));
	err = offer(xb);
	if (!err)
		err = xenbus_switch_state(xb, XenbusStateInitWait);
	if (err) {
		xenbus_dev_fatal(xb, err, "cannot write to %s", xb->nodename);
		remove(xb);
	}
	return err;
}

static const struct xenbus_device_id ids[] = {
	{ "vif" },
	{ "" },
};

static struct xenbus_driver driver = {
	.name = "nfv-vif",	/* xen-netback's is vif */
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.otherend_changed = frontend_changed,
	.allow_rebind = true,
};

int nfvk_xen_init(void)
{
	int err;

	if (!xen_domain())
		return 0;
	err = xenbus_register_backend(&driver);
	registered = !err;
	return err;
}

void nfvk_xen_fini(void)
{
	if (registered)
		xenbus_unregister_driver(&driver);
}
