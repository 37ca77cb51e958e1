/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device behind a port, whatever carries its frames (port_packet.c,
 * port_module.c): finding it, following what happens to it, leaving it as it was.
 * All functions: control thread.
 *
 * The device is known by its index, as long as the carrier is bound to it: the
 * kernel unbinds that when the device goes, so a later device with the same index
 * is never taken for ours. What happens to the device:
 *
 *	set down, or its carrier	port down; up again when it is
 *	lost (the container's end
 *	of a veth is down)
 *	renamed				nothing but the name shown
 *	deleted, or moved to		port gone, detached at once. Brought back, it
 *	another namespace		is a new device, to be attached anew
 *
 *	put into a bridge or bond	port down, and the frames are the bridge's; up
 *					again when it is taken out
 *
 * Attaching sets the device up; the host is not to speak there, for which shortcut.h
 * has its programs. Detaching puts it back as it was. A device that the host uses itself
 * is taken only when that was asked for (force). The container's end is the
 * container's own business.
 */
#ifndef NFVD_NETDEV_H
#define NFVD_NETDEV_H

#include "netdev/others.h"
#include "netlink.h"
#include "switch/port.h"

/* What carries the frames. */
struct nfvd_netdev;
struct nfvd_carrier {
	/* Bind to nd->link, record attach steps. 0, or -1 with *err; close() follows in both cases. */
	int (*open)(struct nfvd_netdev *nd, struct nfvd_err *err);
	void (*close)(struct nfvd_netdev *nd);	/* also after an open() that failed, or never was */
	bool (*bound)(struct nfvd_netdev *nd);	/* still to the device that it was opened for? */
	bool before_tc;				/* it takes frames before tc has seen them */
};

/* First member of a port's private struct. */
struct nfvd_netdev {
	struct nfvd_port *port;
	const struct nfvd_carrier *carrier;
	struct nfvd_link link;
	int sock;			/* a packet socket that takes its frames; -1: none does */
	char netns[256];		/* the container's, as attached; empty: not told */
	char container_dev[IFNAMSIZ];
	int claim;			/* tells other nfvds that the device is ours */
	bool was_up;			/* to be put back */
	bool lost_carrier;
	char not_plain[NFVD_OTHER_MAX];	/* why the shortcut is not used; empty: nothing hinders it */
	bool passed_by;			/* a packet socket takes frames before the tc program of others that is there */
	unsigned int ticks;
};

/*
 * Attach port to the device that params name: dev, for a veth also netns or pid, force. nd is
 * zero but for carrier; port->priv is set to it. All or nothing; does not free nd.
 */
int nfvd_netdev_attach(struct nfvd_netdev *nd, struct nfvd_port *port, json_t *params, struct nfvd_err *err);
void nfvd_netdev_detach(struct nfvd_netdev *nd);

void nfvd_netdev_tick(struct nfvd_port *port);
/* What doctor should know of these ports, appended to list. */
void nfvd_netdev_findings(json_t *list);
void nfvd_netdev_show(struct nfvd_port *port, json_t *obj);

/* Look again at the port, if there is one, of a device of nfvd's own namespace. */
void nfvd_netdev_link_changed(int ifindex);

#endif
