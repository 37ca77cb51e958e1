/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames by way of the kernel module nfv.ko, <linux/nfv.h>: what its port types
 * (netdev/port_module.c, xen/port.c) have in common.
 *
 * One session for all ports, open while there is one. A frame comes as its first
 * bytes in a ring that the module fills, and stays with the module, which moves it
 * when it is told to: see move.h.
 */
#ifndef NFVD_KMOD_H
#define NFVD_KMOD_H

#include <stdbool.h>
#include <stdint.h>
#include <uapi/linux/nfv.h>
#include "switch/port.h"

struct nfvd_kmod_queue {
	struct nfvd_kmod *kmod;
	const struct nfv_producer *producer;	/* MAP_FAILED: not mapped */
	const struct nfv_entry *entries;
	struct nfv_consumer *consumer;
	uint32_t port, index, mask;
	uint32_t cons;				/* position of the next entry to take */
	int wake;
};

/* The rings of a port. rxq[].priv of the port are its queues. */
struct nfvd_kmod {
	uint32_t id;			/* the module's number */
	bool attached;
	bool copies;			/* its frames lie in a guest's memory, not in the kernel's */
	uint32_t map_bytes;
	unsigned int nr_queues;
	struct nfvd_kmod_queue queue[NFVD_RXQS_MAX];
};

/* C. Is the module there, and of our version? An event line says if it is another's. Leaves no session open. */
bool nfvd_kmod_available(void);

/* C. Why the module is there and not used, or NULL. */
const char *nfvd_kmod_refusal(void);

/* C. Take part in the session. 0, or -1 with *err. k is zero. fini: also after an init that failed. */
int nfvd_kmod_init(struct nfvd_kmod *k, struct nfvd_err *err);
void nfvd_kmod_fini(struct nfvd_kmod *k);

/*
 * C. Attach to what type, ifindex, netns_fd, domid and devid of *a say; the rest is filled in here.
 * 0 or -errno. Records the attach step "module". close: also what was never open.
 */
int nfvd_kmod_open(struct nfvd_kmod *k, struct nfvd_port *port, struct nfv_attach *a);
void nfvd_kmod_close(struct nfvd_kmod *k, struct nfvd_port *port);

/* C. Hand the queues to workers: all of them, or none and -1 with *err. */
int nfvd_kmod_start(struct nfvd_kmod *k, struct nfvd_port *port, struct nfvd_err *err);

/* C. The rings of a port that is attached; NULL: it is none of the module's. Ids from NFVD_PORTS_MAX on are none. */
struct nfvd_kmod *nfvd_kmod_of(unsigned int port);

/* C. 0 or -errno. */
int nfvd_kmod_stats(const struct nfvd_kmod *k, struct nfv_stats *stats);
void nfvd_kmod_show(const struct nfvd_kmod *k, json_t *obj);

#define NFVD_KMOD_TX_WORK 4096

/* struct nfvd_port_ops */
unsigned int nfvd_kmod_rx(struct nfvd_worker *w, struct nfvd_rxq *rxq, struct nfvd_frame *frames, unsigned int max);
void nfvd_kmod_rx_done(struct nfvd_worker *w, struct nfvd_rxq *rxq, unsigned int n);
bool nfvd_kmod_arm(struct nfvd_rxq *rxq, bool on);
void nfvd_kmod_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		  struct nfvd_ledger *l);

#endif
