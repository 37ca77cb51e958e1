/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container shortcut: known unicast between two veth ports goes from one
 * container straight into the other, in the kernel (bpf/shortcut.bpf.c). It is an
 * offload: user space goes on learning, flooding, counting and ageing, and
 * switching it off changes speed, nothing else.
 *
 * Functions without a mark: control thread. W: a worker, too.
 */
#ifndef NFVD_SHORTCUT_H
#define NFVD_SHORTCUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "switch/port.h"

struct nfvd_shortcut_entry {
	uint8_t mac[6];
	uint16_t vlan;
	unsigned int port;	/* id */
};

int nfvd_shortcut_init(void);	/* 0 or -errno; the daemon runs without, too */
void nfvd_shortcut_fini(void);
bool nfvd_shortcut_available(void);

/*
 * Install on a device: what the port's packet socket has taken is dropped at tc
 * ingress, so that the host's own stack does not answer for the container.
 * sock -1: no packet socket takes frames there, the kernel module does; then what
 * is not redirected goes its way. redirect: the device is the host end of a veth,
 * known unicast may skip user space. ifindex 0: a port of the module without device
 * of the host; sock -1, mtu 0 then. 0 or -errno.
 */
int nfvd_shortcut_port_add(struct nfvd_port *port, int ifindex, int sock, uint32_t mtu, bool redirect);
void nfvd_shortcut_port_del(struct nfvd_port *port);
/* The device has gone, with all that was on it: never touch its index again. port_del still follows. */
void nfvd_shortcut_port_gone(struct nfvd_port *port);
/* What is known of the device and its peer. */
struct nfvd_shortcut_device {
	bool up;		/* both ends are */
	bool plain;		/* nothing on it but us: past it, straight to the peer, is as good as through it */
	bool aside;		/* it has a master now, whose its frames are: neither take nor hinder any */
	uint8_t peer[6];	/* address of the container's end */
	uint32_t mtu;
};
void nfvd_shortcut_port_update(struct nfvd_port *port, const struct nfvd_shortcut_device *is);

/*
 * Is a tc program or filter of others at the device's ingress (port need not be added)? Or at its
 * egress, on the frames' way to the container? Then say in what which.
 */
bool nfvd_shortcut_other(const struct nfvd_port *port, int ifindex, char *what, size_t size);
bool nfvd_shortcut_other_egress(const struct nfvd_port *port, int ifindex, char *what, size_t size);

/*
 * No frame shall overtake another by the shortcut, so this is told what becomes of those in a packet
 * socket's ring. A worker is about to begin with it: returns how many the ring has missed until
 * then. W: n more are delivered, or lost.
 */
uint64_t nfvd_shortcut_ring_starts(unsigned int id, int sock);
void nfvd_shortcut_ring_done(unsigned int id, uint64_t n);

/* Every 0.1 s: nfvd lives, its programs may do their work for 2 s more. One of them may become a link (tc.h). */
void nfvd_shortcut_tick(void);

/* Switch on or off, for one port or (NULL) for all. 0, or -ENODEV if there is none. */
int nfvd_shortcut_set(struct nfvd_port *port, bool on);
bool nfvd_shortcut_enabled(const struct nfvd_port *port);

/* All that the switch has learnt; what is not in entries any more is forgotten. */
void nfvd_shortcut_sync(const struct nfvd_shortcut_entry *entries, size_t n);

/*
 * Of these, what was learnt at port is forgotten at once, here and in the module. Nothing is to be done for a port that
 * was not added; then any thread may ask.
 */
void nfvd_shortcut_forget(const struct nfvd_port *port);

/* How long ago e's address last took the shortcut as a source, at e's port. False: it never did. */
bool nfvd_shortcut_last_seen(const struct nfvd_shortcut_entry *e, uint64_t *age_ms);

/* Cumulative. stolen: frames that another tc program took before ours could pass them on. */
struct nfvd_shortcut_count {
	uint64_t frames, bytes, stolen;
};

/* By source and destination port id. */
void nfvd_shortcut_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfvd_shortcut_count *n, void *),
			    void *arg);

#endif
