/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session with the kernel module nfv.ko, <linux/nfv.h>, for its port types (netdev/port_module.c, xen/port.c).
 *
 * All ports share one session, which is open while there is a port. The module puts the first bytes of a frame into a
 * ring and keeps the frame. It moves the frame when nfvd requests it, see move.h.
 */
#ifndef NFVD_KMOD_H
#define NFVD_KMOD_H

#include <stdbool.h>
#include <stdint.h>
#include <uapi/linux/nfv.h>
#include "port/port.h"

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

/* C. Return whether the module is loaded, with our version of the ABI; write an event if it has another. */
bool nfvd_kmod_available(void);

/* C. Return why the module is loaded and not used, or NULL. */
const char *nfvd_kmod_refusal(void);

/* C. Join the session. Return 0, or -1 with *err. k is zero. Call fini also after an init that failed. */
int nfvd_kmod_init(struct nfvd_kmod *k, struct nfvd_err *err);
void nfvd_kmod_fini(struct nfvd_kmod *k);

/*
 * C. Attach to the device or guest that type, ifindex, netns_fd, domid and devid of *a name, and fill in the rest of *a.
 * Return 0 or -errno. Record the attach step "module". nfvd_kmod_close() also accepts a port that was never open.
 */
int nfvd_kmod_open(struct nfvd_kmod *k, struct nfvd_port *port, struct nfv_attach *a);
void nfvd_kmod_close(struct nfvd_kmod *k, struct nfvd_port *port);

/* C. Give all queues to workers. Return 0, or -1 with *err and none given. */
int nfvd_kmod_start(struct nfvd_kmod *k, struct nfvd_port *port, struct nfvd_err *err);

/* C. Return the rings of an attached port, or NULL if it is no port of the module. port may be NFVD_PORTS_MAX or more. */
struct nfvd_kmod *nfvd_kmod_of(unsigned int port);

/* C. Read the module's statistics of the port. Return 0 or -errno. */
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
