/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device behind a port, with either carrier of frames (port_packet.c, port_module.c): finding it, following
 * its changes, leaving it as it was.
 *
 * The device is identified by its index while the carrier is bound to it. The kernel unbinds the carrier when the device
 * goes, so a later device with the same index is never mistaken for ours. Changes of the device:
 *
 *	set down, or its carrier	port down; up again when it is
 *	lost (the container's end
 *	of a veth is down)
 *	renamed				only the name shown changes
 *	deleted, or moved to		port gone, detached at once. Brought back, it
 *	another namespace		is a new device, to be attached anew
 *
 *	put into a bridge or bond	port down, and the frames are the bridge's; up
 *					again when it is taken out
 *
 * Attaching sets the device up. The programs of shortcut.h keep the host from sending there. Detaching restores the
 * device. A device that the host uses itself is attached only with force. nfvd does not change the container's end.
 *
 * Context: all functions are for the control thread.
 */
#ifndef NFVD_NETDEV_H
#define NFVD_NETDEV_H

#include "netdev/others.h"
#include "netdev/trace.h"
#include "netlink.h"
#include "port/port.h"

/* What carries the frames. */
struct nfvd_netdev;
struct nfvd_carrier {
	/* Bind to nd->link, and record attach steps. Return 0, or -1 with *err; close() follows in both cases. */
	int (*open)(struct nfvd_netdev *nd, struct nfvd_err *err);
	void (*close)(struct nfvd_netdev *nd);	/* also after an open() that failed or never happened */
	bool (*bound)(struct nfvd_netdev *nd);	/* whether it is still bound to its device */
	/* Take over what an earlier nfvd left for nd->link, if it left any; open() and close() follow. NULL: never. */
	void (*adopt)(struct nfvd_netdev *nd);
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
	int claim;			/* shows other nfvds that the device is ours */
	struct nfvd_trace trace;	/* to be put back */
	bool stays;			/* for the next nfvd: nothing is undone */
	bool lost_carrier;
	char not_plain[NFVD_OTHER_MAX];	/* why the shortcut is not used; empty: nothing hinders it */
	bool passed_by;			/* a packet socket takes frames before the tc program of others that is there */
	unsigned int ticks;
	bool unsure;			/* news may have been lost */
};

/*
 * Attach port to the device that params name (dev, force; for a veth also netns or pid), and set port->priv to nd. nd is
 * zero but for carrier. On failure leave nothing behind. Never free nd.
 */
int nfvd_netdev_attach(struct nfvd_netdev *nd, struct nfvd_port *port, json_t *params, struct nfvd_err *err);
void nfvd_netdev_detach(struct nfvd_netdev *nd);

void nfvd_netdev_tick(struct nfvd_port *port);
/* Append what doctor reports of these ports to list. */
void nfvd_netdev_findings(json_t *list);
void nfvd_netdev_show(struct nfvd_port *port, json_t *obj);

/* Check the port of a device of nfvd's own namespace again, if there is one. 0: soon, the ports of all. */
void nfvd_netdev_link_changed(int ifindex);

#endif
