/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of the shortcut outlives nfvd, in the descriptor store (fdstore.h), so that containers lose no frame between them:
 *
 *	@shortcutN/MAP		the maps, N being SHORTCUT_LAYOUT: another layout is another name
 *	PORT/packet		the packet socket, with its filter and its ring
 *	PORT/ingress, PORT/egress	the tcx links, once there are any (tc.h): the socket is stored after them
 *
 * The record of which port is which is the map "ports" itself: device number, port id, name, cookie of the socket. A
 * port is adopted if all agree: it is attached by that name to that device; the socket has that cookie, is in this
 * network namespace, and is bound to the device still (the kernel unbinds it when the device goes); the links are at
 * the device, with programs of ours. Else all of it is closed, and the port begins anew.
 *
 * Context: control.
 */
#ifndef NFVD_SHORTCUT_INHERIT_H
#define NFVD_SHORTCUT_INHERIT_H

#include <linux/types.h>
#include <stdbool.h>
#include "port/port.h"
#include "shortcut/bpf/shortcut.h"
#include "shortcut/tc.h"

/* A port of the nfvd before. */
struct nfvd_inherited {
	int ifindex;			/* 0: none */
	struct shortcut_port as;
	bool taken;			/* it was adopted, with tc, whose programs are the old ones still */
	struct nfvd_tc tc;
};

struct bpf_object;

/* Give obj, which is not loaded yet, the maps that are stored. Return false, with none of them, if not all fit. */
bool nfvd_inherit_maps_take(struct bpf_object *obj);
/* Store the maps of obj; remove them. */
void nfvd_inherit_maps_put(struct bpf_object *obj);
void nfvd_inherit_maps_remove(struct bpf_object *obj);

/* Read the record from the map of ports, by its descriptor. Return the highest group that a port had. */
uint32_t nfvd_inherit_read(int ports);
/* Return the id that the port of this name had; NFVD_PORTS_MAX: none. */
unsigned int nfvd_inherit_id(const char *name);
/* Return the port that had this id, or NULL. */
struct nfvd_inherited *nfvd_inherit_of(unsigned int id);
void nfvd_inherit_forget(unsigned int id);

/* Check whether sock and the stored links are the port's, and take the links. If not, none of them stays stored. */
bool nfvd_inherit_take(const struct nfvd_port *port, int ifindex, int sock);
/* Store what a port has; remove it. Return 0 or -errno. */
int nfvd_inherit_put(const struct nfvd_port *port, const struct nfvd_tc *tc, int sock);
void nfvd_inherit_remove(const struct nfvd_port *port);

#endif
