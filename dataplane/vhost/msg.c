/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/msg.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY_MAX	(4ull << 40)	/* bytes of one guest; nfvd has 2^47 of addresses for all of them */

int nfvd_vu_vring(const struct nfvd_vu_msg *msg)
{
	switch (msg->request) {
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return msg->payload.u64 & VU_VRING_IDX;
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_ENABLE:
		return msg->payload.state.index > 0xffff ? 0xffff : (int)msg->payload.state.index;
	case VU_SET_VRING_ADDR:
		return msg->payload.addr.index > 0xffff ? 0xffff : (int)msg->payload.addr.index;
	default:
		return -1;
	}
}

/* Bytes of payload that a request has; -1: we do not offer it. */
static int payload_size(uint32_t request)
{
	switch (request) {
	case VU_GET_FEATURES:
	case VU_SET_OWNER:
	case VU_RESET_OWNER:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_SET_BACKEND_REQ_FD:
		return 0;
	case VU_SET_FEATURES:
	case VU_SET_PROTOCOL_FEATURES:
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
	case VU_SET_VRING_ENABLE:
		return 8;
	case VU_SET_VRING_ADDR:
		return sizeof(struct vhost_vring_addr);
	case VU_SET_MEM_TABLE:
		return -2;	/* by its number of regions */
	default:
		return -1;
	}
}

static bool is_eventfd(int fd)
{
	char link[32], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	return !strcmp(target, "anon_inode:[eventfd]");
}

bool nfvd_vu_is_unix(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX;
}

/*
 * Return whether fd is one end of a pair of stream sockets without names. An accepted connection has a name at one
 * end.
 */
static bool is_pair(int fd)
{
	struct sockaddr_un un;
	socklen_t own = sizeof(un), other = sizeof(un), len = sizeof(int);
	int type;

	return nfvd_vu_is_unix(fd) && !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM &&
	       !getsockname(fd, (struct sockaddr *)&un, &own) && own == sizeof(un.sun_family) &&
	       !getpeername(fd, (struct sockaddr *)&un, &other) && other == sizeof(un.sun_family);
}

void nfvd_vu_mute(const struct nfvd_vu_msg *msg)
{
	uint8_t junk[4096];

	if (msg->n_fds != 1 || !nfvd_vu_is_unix(msg->fds[0]))
		return;
	/* Receive without room for descriptors, so that the kernel closes those in the socket's queue. */
	shutdown(msg->fds[0], SHUT_RD);
	while (recv(msg->fds[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
}

/*
 * Return whether fd is memory that faults without waiting for anybody: tmpfs (a memfd) or hugetlbfs. Only these have
 * seals, and asking for seals does not call any file system.
 */
static bool is_ram(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool ranges_overlap(uint64_t a, uint64_t b, uint64_t an, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

static enum nfvd_drop check_regions(const struct nfvd_vu_msg *msg)
{
	struct nfvd_vu_region r[VU_REGIONS_MAX];
	unsigned int n = msg->payload.mem.n;
	uint64_t all = 0;

	memcpy(r, msg->payload.mem.r, sizeof(r));
	for (unsigned int i = 0; i < n; i++) {
		/* The address one past the end must exist, too. */
		if (!r[i].size || r[i].size > MEMORY_MAX || r[i].mmap_offset >> 46 || r[i].gpa + r[i].size < r[i].gpa ||
		    r[i].uva + r[i].size < r[i].uva)
			return NFVD_DROP_VU_BAD_MEM;
		for (unsigned int j = 0; j < i; j++)
			if (ranges_overlap(r[i].gpa, r[j].gpa, r[i].size, r[j].size) ||
			    ranges_overlap(r[i].uva, r[j].uva, r[i].size, r[j].size))
				return NFVD_DROP_VU_BAD_MEM;
		all += r[i].size;
	}
	return all > MEMORY_MAX ? NFVD_DROP_VU_BAD_MEM : NFVD_PASS;
}

static enum nfvd_drop check_mem_table(const struct nfvd_vu_msg *msg)
{
	unsigned int n = msg->payload.mem.n;
	enum nfvd_drop why;
	struct stat st;

	if (msg->size < 8)
		return NFVD_DROP_VU_BAD_MSG;
	/* QEMU sends an empty table when none of the guest's memory can be shared. */
	if (!n)
		return NFVD_DROP_MEM_UNSHARED;
	if (n > VU_REGIONS_MAX)
		return NFVD_DROP_VU_BAD_MEM;
	if (msg->size < 8 + n * sizeof(struct nfvd_vu_region))
		return NFVD_DROP_VU_BAD_MSG;
	if (msg->n_fds != (int)n)
		return NFVD_DROP_VU_BAD_FDS;
	why = check_regions(msg);
	if (why != NFVD_PASS)
		return why;
	for (unsigned int i = 0; i < n; i++) {
		int flags = fcntl(msg->fds[i], F_GETFL);

		if (flags < 0 || flags & O_PATH)
			return NFVD_DROP_VU_BAD_FDS;
		if (!is_ram(msg->fds[i]))
			return NFVD_DROP_MEM_NOT_RAM;
		if (fstat(msg->fds[i], &st) || !S_ISREG(st.st_mode))
			return NFVD_DROP_VU_BAD_FDS;
		if ((flags & O_ACCMODE) != O_RDWR ||
		    (uint64_t)st.st_size < msg->payload.mem.r[i].mmap_offset + msg->payload.mem.r[i].size)
			return NFVD_DROP_MEM_FD_SHORT;
	}
	return NFVD_PASS;
}

static enum nfvd_drop check_eventfd(const struct nfvd_vu_msg *msg)
{
	int want = msg->payload.u64 & VU_VRING_NOFD ? 0 : 1;

	if (msg->n_fds != want)
		return NFVD_DROP_VU_BAD_FDS;
	/* User-mode Linux takes its interrupts from a socket pair. */
	if (want && !is_eventfd(msg->fds[0]) && !(msg->request == VU_SET_VRING_CALL && is_pair(msg->fds[0])))
		return NFVD_DROP_VU_BAD_FDS;
	return NFVD_PASS;
}

static enum nfvd_drop check_addr(struct vhost_vring_addr a)
{
	/* Logging of the used ring belongs to migration, which is not offered. */
	if (a.flags)
		return NFVD_DROP_VU_BAD_LOG;
	return a.desc_user_addr % 16 || a.avail_user_addr % 2 || a.used_user_addr % 4 ?
		NFVD_DROP_VU_BAD_ADDR : NFVD_PASS;
}

static enum nfvd_drop check_num(uint32_t num)
{
	return !num || num > 32768 || num & (num - 1) ? NFVD_DROP_VU_BAD_NUM : NFVD_PASS;
}

enum nfvd_drop nfvd_vu_check(const struct nfvd_vu_msg *msg, unsigned int n_vrings, uint64_t offered)
{
	int want = payload_size(msg->request);

	if (msg->fds_lost)
		return NFVD_DROP_FD_EXHAUSTED;
	if ((msg->flags & VU_VERSION_MASK) != VU_VERSION || msg->flags & VU_REPLY)
		return NFVD_DROP_VU_BAD_MSG;
	if (msg->request == VU_SET_LOG_BASE || msg->request == VU_SET_LOG_FD)
		return NFVD_DROP_VU_BAD_LOG;
	if (msg->request == VU_GET_INFLIGHT_FD || msg->request == VU_SET_INFLIGHT_FD)
		return NFVD_DROP_VU_BAD_INFLIGHT;
	if (want == -1 || (want >= 0 && msg->size != (uint32_t)want))
		return NFVD_DROP_VU_BAD_MSG;
	if (nfvd_vu_vring(msg) >= (int)n_vrings)
		return NFVD_DROP_VU_BAD_INDEX;
	switch (msg->request) {
	case VU_SET_MEM_TABLE:
		return check_mem_table(msg);
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return check_eventfd(msg);
	case VU_SET_BACKEND_REQ_FD:
		return msg->n_fds == 1 && is_pair(msg->fds[0]) ? NFVD_PASS : NFVD_DROP_VU_BAD_FDS;
	}
	if (msg->n_fds)
		return NFVD_DROP_VU_BAD_FDS;
	switch (msg->request) {
	case VU_SET_FEATURES:
		return msg->payload.u64 & ~offered ? NFVD_DROP_FEATURE_VIOLATION : NFVD_PASS;
	case VU_SET_PROTOCOL_FEATURES:
		return msg->payload.u64 & ~VU_PROTOCOL_OFFERED ? NFVD_DROP_FEATURE_VIOLATION : NFVD_PASS;
	case VU_SET_VRING_NUM:
		return check_num(msg->payload.state.num);
	case VU_SET_VRING_BASE:
		return msg->payload.state.num > 0xffff ? NFVD_DROP_VU_BAD_ADDR : NFVD_PASS;
	case VU_SET_VRING_ADDR:
		return check_addr(msg->payload.addr);
	default:
		return NFVD_PASS;
	}
}
