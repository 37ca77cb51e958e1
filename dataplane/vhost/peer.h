/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of a KVM guest's port, which carries out what its peer asks. */
#ifndef NFVD_VHOST_PEER_H
#define NFVD_VHOST_PEER_H

struct nfvd_vhost;

/* Start the port's thread. Return 0 or -errno. Context: control. */
int nfvd_vhost_thread_start(struct nfvd_vhost *v);
/* Have the thread end, and free v. Context: control. */
void nfvd_vhost_thread_end(struct nfvd_vhost *v);

#endif
