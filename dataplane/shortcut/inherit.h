/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of the shortcut outlives nfvd, in the descriptor store (fdstore.h), so that containers lose no frame between them:
 *
 *	@shortcutN/MAP		the maps, N being SHORTCUT_LAYOUT: another layout is another name
 *	PORT/packet		the packet socket, with its filter and its ring
 *	PORT/ingress, PORT/egress	the tcx links, once there are any (tc.h): the socket is stored after them
 *
 * The map "ports" itself records which port is which: device number, port id, name, cookie of the socket. A port is
 * adopted if all of this agrees: it is attached by that name to that device; the socket has that cookie, is in this
 * network namespace, and is still bound to the device (the kernel unbinds it when the device goes); the links are at
 * the device, with programs of nfvd. Otherwise all of it is closed, and the port begins anew. If the maps are of
 * another layout, after an upgrade, all ports begin anew. Until a container's turn comes, the earlier programs carry
 * its frames.
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
	bool taken;			/* it can be adopted; tc still has the programs of the earlier nfvd */
	struct nfvd_tc tc;
};

struct bpf_object;

/*
 * Give the stored maps to obj, which is not loaded yet. Return false if not all of them fit; obj then has none of
 * them, and an event says why, unless none were stored.
 */
bool nfvd_inherit_maps_take(struct bpf_object *obj);
/* Store the maps of obj; remove them. */
void nfvd_inherit_maps_put(struct bpf_object *obj);
void nfvd_inherit_maps_remove(struct bpf_object *obj);
/* Say that the shortcut begins without what was stored, and why. */
void nfvd_inherit_nothing(const char *why);

/* Read the record from the map of ports, by its descriptor. Return the highest group that a port had. */
uint32_t nfvd_inherit_read(int ports);
/* Return the id that the port of this name had; NFVD_PORTS_MAX: none. */
unsigned int nfvd_inherit_id(const char *name);
/* Return the port that had this id, or NULL. */
struct nfvd_inherited *nfvd_inherit_of(unsigned int id);
/* Forget the port that had this id. End the links that were taken and not adopted. */
void nfvd_inherit_forget(unsigned int id);

/* Return whether the store has a descriptor of the port that nobody has taken. */
bool nfvd_inherit_stored(const struct nfvd_port *port);
/*
 * Check whether sock and the stored links are the port's, and take the links. If they are not, remove the programs of
 * these links from their device and return false.
 */
bool nfvd_inherit_take(const struct nfvd_port *port, int ifindex, int sock);
/* Store what a port has; remove it. Return 0 or -errno. */
int nfvd_inherit_put(const struct nfvd_port *port, const struct nfvd_tc *tc, int sock);
void nfvd_inherit_remove(const struct nfvd_port *port);

/*
 * nfvd_inherit_anew() counts a stored port that has begun anew, and whose frames nobody took for us microseconds.
 * nfvd_inherit_say_anew() writes one event for all such ports.
 */
void nfvd_inherit_anew(uint64_t us);
void nfvd_inherit_say_anew(void);

#endif
