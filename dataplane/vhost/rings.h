/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of a vhost-user device: they start, stop and are fenced.
 *
 * A ring runs when it has a size, addresses, a kick message and memory, and is enabled. It stops before each message
 * that changes one of these. Stopping waits for all workers: late copy leaves nothing in flight between iterations.
 *
 * Context: v->lock held.
 */
#ifndef NFVD_VHOST_RINGS_H
#define NFVD_VHOST_RINGS_H

#include "vhost/dev.h"

/* Start ring i if it has everything it needs, or all rings that have. */
void nfvd_vhost_start(struct nfvd_vhost *v, unsigned int i);
void nfvd_vhost_start_all(struct nfvd_vhost *v);

/* Stop ring i, or all rings, and wait for all workers. */
void nfvd_vhost_stop(struct nfvd_vhost *v, unsigned int i);
void nfvd_vhost_stop_all(struct nfvd_vhost *v);

/* Set the port's state from that of the connection and the rings. */
void nfvd_vhost_update_state(struct nfvd_vhost *v, const char *why);

/* Report that a worker has fenced ring i, once per fence: counter, event, state. r may be NULL. */
void nfvd_vhost_note_fence(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r);

#endif
