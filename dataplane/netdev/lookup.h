/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which device the parameters of an attach mean: one of nfvd's own namespace, or the other end of a container's veth.
 * Context: control.
 */
#ifndef NFVD_LOOKUP_H
#define NFVD_LOOKUP_H

#include <jansson.h>
#include "err.h"
#include "netlink.h"

struct nfvd_found {
	struct nfvd_link link;		/* in nfvd's namespace */
	char netns[256];		/* the container's, as it was named; empty: not told */
	char container_dev[IFNAMSIZ];	/* the end there, if it was named */
};

/*
 * Find the device for a port of this name, which has to be a veth if veth. params: dev, and for a veth netns, or pid and
 * started. Return 0 with *f, or -1 with *err.
 */
int nfvd_netdev_lookup(const char *port, bool veth, json_t *params, struct nfvd_found *f, struct nfvd_err *err);

#endif
