/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices of the shortcut, and the map "ports" by which its programs know them. For this room alone; others use
 * shortcut.h. Context: control.
 */
#ifndef NFVD_SHORTCUT_DEVICE_H
#define NFVD_SHORTCUT_DEVICE_H

#include <stdatomic.h>
#include "shortcut/shortcut.h"
#include "shortcut/tc.h"

#define NFVD_NOBODY	UINT32_MAX

/* One device with our programs on it; index is the port id. */
struct nfvd_device {
	struct nfvd_port *port;		/* NULL: unused */
	int ifindex;			/* 0: none of the host's, or gone */
	struct nfvd_shortcut_device is;
	bool redirect, on;
	uint32_t group;			/* ports of one group reach each other without nfvd; NFVD_NOBODY: none does */
	int sock;			/* packet socket; -1: there is none */
	uint64_t cookie;		/* of it; 0: none */
	bool stored;			/* the next nfvd can go on with all of it */
	bool redirected;		/* as of the last nfvd_device_publish() */
	uint64_t from_ns;		/* since when, and a little */
	struct nfvd_tc tc;
	uint64_t added_us;		/* when the port came */
	uint64_t lost;			/* nfvd_order_lost() that has been counted */
	atomic_bool first;		/* the program at egress sees what our socket sends before all others; read by workers */
};

extern struct nfvd_device nfvd_devices[NFVD_PORTS_MAX];
extern bool nfvd_shortcut_on;	/* false: off for all ports */
extern bool nfvd_shortcut_adopting;	/* the maps are an earlier nfvd's, and stay as they are until all ports are attached */

/* Return whether the module's table, which forwards as nfvd would, may carry the port's frames. It knows no groups. */
bool nfvd_device_by_module(unsigned int id);
/* Return whether our programs may carry the port's frames, past all that is on the device. */
bool nfvd_device_redirects(unsigned int id);

/* Tell the programs of the device as it is now, or that it is none of theirs any more. */
void nfvd_device_publish(struct nfvd_device *d);
void nfvd_device_unpublish(const struct nfvd_device *d);

#endif
