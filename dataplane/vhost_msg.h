/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user messages, as librte_vhost hands them to its external handlers,
 * and the checks that it leaves out. Numbers and layouts: QEMU's vhost-user
 * specification; the context's layout is librte_vhost's contract with external
 * handlers (lib/vhost/vhost_user.h, struct vhu_msg_context).
 */
#ifndef NFVD_VHOST_MSG_H
#define NFVD_VHOST_MSG_H

#include <linux/vhost_types.h>
#include <stdbool.h>
#include <stdint.h>
#include "drop.h"

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
	uint32_t request, flags, size;
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
	int fds[VU_REGIONS_MAX];
	int n_fds;
} __attribute__((packed));

/*
 * Is msg well-formed, of a kind that is offered, with the right descriptors, for
 * one of n_vrings queues? offered: the feature bits. NFVD_N_REASONS, or why not.
 */
enum nfvd_drop nfvd_vu_check(const struct nfvd_vu_msg *msg, unsigned int n_vrings, uint64_t offered);

/* The queue that msg is about; -1: none. */
int nfvd_vu_vring(const struct nfvd_vu_msg *msg);

/* Close the message's descriptors: librte_vhost leaves those of a message that an external handler refused. */
void nfvd_vu_close_fds(struct nfvd_vu_msg *msg);

#endif
