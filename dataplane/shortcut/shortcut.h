/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container shortcut: the kernel moves known unicast between two veth ports straight from one container into the
 * other (bpf/shortcut.bpf.c). It is an offload: user space still learns, floods, counts and ages. Switching it off
 * changes nothing but speed.
 *
 * Context: control. Functions marked W: a worker, too.
 */
#ifndef NFVD_SHORTCUT_H
#define NFVD_SHORTCUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "port/port.h"

int nfvd_shortcut_init(void);	/* 0 or -errno; the daemon runs without, too */
void nfvd_shortcut_fini(void);
bool nfvd_shortcut_available(void);

/*
 * Install the programs on a device. Return 0 or -errno. Frames that the port's packet socket has taken are dropped at tc
 * ingress, so that the host's own stack does not respond for the container.
 *
 *	sock -1		the kernel module takes the frames; those that are not redirected go on to it
 *	redirect	the device is the host end of a veth, and known unicast may skip user space
 *	ifindex 0	a port of the module without a device of the host; then sock is -1 and mtu 0
 */
int nfvd_shortcut_port_add(struct nfvd_port *port, int ifindex, int sock, uint32_t mtu, bool redirect);
void nfvd_shortcut_port_del(struct nfvd_port *port);
/* Forget the device, which has gone: its index may be another's. nfvd_shortcut_port_del() still follows. */
void nfvd_shortcut_port_gone(struct nfvd_port *port);
/* Return whether the port stays as it is for the next nfvd: it is not to be undone (inherit.h). */
bool nfvd_shortcut_stays(const struct nfvd_port *port);
/*
 * Record that all ports are attached of which an earlier nfvd may have left something (inherit.h). From now on nfvd
 * changes the maps: it makes them agree with the ports that there are, and the switch learns the addresses of adopted
 * ports.
 */
void nfvd_shortcut_adopted(void);
/* The state of the device and its peer. */
struct nfvd_shortcut_device {
	bool up;		/* both ends are */
	bool plain;		/* nothing but our programs is on it: a frame may skip it */
	bool aside;		/* it has a master now, which takes its frames: do not touch them */
	uint8_t peer[6];	/* address of the container's end */
	uint32_t mtu;
};
void nfvd_shortcut_port_update(struct nfvd_port *port, const struct nfvd_shortcut_device *is);

/*
 * Return whether the device has a tc program or filter of others at its ingress, or at its egress (towards the
 * container), and describe it in what. The port need not be added.
 */
bool nfvd_shortcut_other(const struct nfvd_port *port, int ifindex, char *what, size_t size);
bool nfvd_shortcut_other_egress(const struct nfvd_port *port, int ifindex, char *what, size_t size);

/* Return whether the program at egress completes what a packet socket cannot be told (complete.h). Context: any. */
bool nfvd_shortcut_completes(unsigned int id);

/* Let the programs work for 2 s more, because nfvd lives; may make a filter a link (tc.h). Called every 0.1 s. */
void nfvd_shortcut_tick(void);

/* Switch it on or off, for one port or (NULL) for all. Return 0, or -ENODEV without a shortcut. */
int nfvd_shortcut_set(struct nfvd_port *port, bool on);
bool nfvd_shortcut_enabled(const struct nfvd_port *port);

/*
 * Let the frames of port, whose policy has changed, skip nfvd only to ports with an equivalent policy. When this
 * returns, no frame is on its way by the old policies. It may take some 10 ms.
 */
void nfvd_shortcut_policy_changed(const struct nfvd_port *port);
/* Do the same for all ports whose ids are set in changed, in the same time as for one. */
void nfvd_shortcut_policies_changed(const bool changed[NFVD_PORTS_MAX]);

#endif
