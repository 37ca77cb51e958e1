/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user messages, and what makes one acceptable. Numbers and layouts: QEMU's
 * vhost-user specification.
 *
 * No function here calls into a descriptor's file system: fstat() of a FUSE file waits for its server. The kernel
 * alone can tell the kind of a descriptor.
 */
#ifndef NFVD_VHOST_MSG_H
#define NFVD_VHOST_MSG_H

#include <linux/vhost_types.h>
#include <stdbool.h>
#include <stdint.h>
#include "frame/drop.h"

enum nfvd_vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
};

#define VU_F_PROTOCOL_FEATURES	30	/* the feature bit that says protocol features are there */

#define VU_PROTOCOL_MQ		0
#define VU_PROTOCOL_REPLY_ACK	3
#define VU_PROTOCOL_BACKEND_REQ	5	/* User-mode Linux has no interrupt at all without */
#define VU_PROTOCOL_OFFERED	(1ull << VU_PROTOCOL_MQ | 1ull << VU_PROTOCOL_REPLY_ACK | 1ull << VU_PROTOCOL_BACKEND_REQ)

#define VU_VERSION_MASK	0x3u
#define VU_VERSION	0x1u
#define VU_REPLY	0x4u
#define VU_NEED_REPLY	0x8u
#define VU_VRING_IDX	0xffu
#define VU_VRING_NOFD	0x100u
#define VU_REGIONS_MAX	8

struct nfvd_vu_region {
	uint64_t gpa, size, uva, mmap_offset;
};

struct nfvd_vu_msg {
	uint32_t request, flags, size;		/* size: bytes of payload */
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t n, padding;
			struct nfvd_vu_region r[VU_REGIONS_MAX];
		} mem;
		uint8_t room[632];
	} payload;
	int fds[VU_REGIONS_MAX];		/* -1: none, or taken */
	int n_fds;				/* as sent: may be more than fit */
	bool fds_lost;				/* nfvd had too few descriptors left to receive them */
} __attribute__((packed));

#define VU_HDR_BYTES	12

/*
 * Check that msg is well-formed, of a kind that is offered, with the right descriptors, and for one of n_vrings queues.
 * offered has the feature bits. Return NFVD_PASS, or why msg is refused.
 */
enum nfvd_drop nfvd_vu_check(const struct nfvd_vu_msg *msg, unsigned int n_vrings, uint64_t offered);

/* Return the queue that msg is about, or -1. */
int nfvd_vu_vring(const struct nfvd_vu_msg *msg);

/*
 * Shut down the receiving side of the socket in a message that has passed, if it has one. From now on nothing can be
 * sent to nfvd by it, and what was sent is gone. If the peer had sent a descriptor of its own connection that way,
 * the connection would stay open after the peer has ended.
 */
void nfvd_vu_mute(const struct nfvd_vu_msg *msg);

/* Return whether fd is a UNIX socket. */
bool nfvd_vu_is_unix(int fd);

#endif
