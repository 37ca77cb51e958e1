/* SPDX-License-Identifier: BSD-3-Clause */
#include "vufront.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HDR_BYTES	offsetof(struct nfvd_vu_msg, payload)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int vuf_init(struct vuf *f, const struct vuf_options *o)
{
	unsigned int size = o->ring_size ? o->ring_size : 256, pairs = o->pairs ? o->pairs : 1;
	int err;

	*f = (struct vuf){ .sock = -1, .listener = -1, .memfd = -1, .wanted = o->wanted };
	for (unsigned int i = 0; i < 2 * VUF_PAIRS_MAX; i++)
		f->vq[i].kickfd = f->vq[i].callfd = -1;
	if (pairs > VUF_PAIRS_MAX || size > 32768 || size & (size - 1))
		return -EINVAL;
	f->timeout_ms = o->timeout_ms ? o->timeout_ms : 20000;
	f->n_vq = 2 * pairs;
	err = vuf_make_memory(f, o);
	for (unsigned int i = 0; i < f->n_vq && !err; i++)
		err = vuf_make_ring(f, i, size);
	if (err)
		vuf_fini(f);
	return err;
}

void vuf_fini(struct vuf *f)
{
	vuf_disconnect(f);
	close_fd(&f->listener);
	for (unsigned int i = 0; i < 2 * VUF_PAIRS_MAX; i++) {
		close_fd(&f->vq[i].kickfd);
		close_fd(&f->vq[i].callfd);
		free(f->vq[i].free_ids);
		f->vq[i].free_ids = NULL;
	}
	if (f->mem)
		munmap(f->mem, f->mem_bytes);
	f->mem = NULL;
	close_fd(&f->memfd);
}

static int wait_fd(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

int vuf_wait_call(struct vuf *f, struct vuf_vring *r)
{
	uint64_t n;
	int err = wait_fd(r->callfd, POLLIN, f->timeout_ms);

	return err ? err : read(r->callfd, &n, sizeof(n)) < 0 ? -errno : 0;
}

/* --- the socket ---------------------------------------------------------------- */

static int unix_socket(struct sockaddr_un *a, const char *path)
{
	int fd;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int vuf_connect(struct vuf *f, const char *path)
{
	struct sockaddr_un a;
	int fd = unix_socket(&a, path), err;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	vuf_disconnect(f);
	f->sock = fd;
	return 0;
}

int vuf_listen(struct vuf *f, const char *path)
{
	struct sockaddr_un a;
	int fd = unix_socket(&a, path), err;

	if (fd < 0)
		return fd;
	if ((unlink(path) < 0 && errno != ENOENT) || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 1) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	close_fd(&f->listener);
	f->listener = fd;
	return 0;
}

int vuf_accept(struct vuf *f)
{
	int err = wait_fd(f->listener, POLLIN, f->timeout_ms), fd;

	if (err)
		return err;
	fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	vuf_disconnect(f);
	f->sock = fd;
	return 0;
}

void vuf_disconnect(struct vuf *f)
{
	close_fd(&f->sock);
}

int vuf_wait_closed(struct vuf *f)
{
	char rest[256];
	ssize_t n;

	do {
		int err = wait_fd(f->sock, POLLIN, f->timeout_ms);

		if (err)
			return err;
		n = recv(f->sock, rest, sizeof(rest), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	return n == 0 || errno == ECONNRESET ? 0 : -errno;
}

int vuf_send(struct vuf *f, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	     unsigned int n_fds)
{
	uint32_t hdr[3] = { request, flags, size };
	struct iovec iov[2] = { { hdr, sizeof(hdr) }, { (void *)payload, size } };
	union {
		char room[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} ctl = { 0 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = payload && size ? 2 : 1 };
	struct cmsghdr *c = &ctl.align;
	int err = wait_fd(f->sock, POLLOUT, f->timeout_ms);

	if (err)
		return err;
	if (n_fds > 64)
		return -EINVAL;
	if (n_fds) {
		m.msg_control = ctl.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	/* Messages are small, so the socket takes a message completely or not at all. */
	if (sendmsg(f->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return 0;
}

/* Receive exactly n bytes; descriptors that come with them go to *m, if given. */
static int recv_all(struct vuf *f, void *to, size_t n, struct nfvd_vu_msg *m)
{
	union {
		char room[CMSG_SPACE(sizeof(int) * VU_REGIONS_MAX)];
		struct cmsghdr align;
	} ctl;

	for (size_t done = 0; done < n;) {
		struct iovec iov = { (uint8_t *)to + done, n - done };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
				    .msg_control = ctl.room, .msg_controllen = sizeof(ctl) };
		int err = wait_fd(f->sock, POLLIN, f->timeout_ms);
		ssize_t got;

		if (err)
			return err;
		got = recvmsg(f->sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		done += got;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
			if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || !m)
				continue;
			m->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
		}
	}
	return 0;
}

int vuf_recv(struct vuf *f, struct nfvd_vu_msg *reply)
{
	int err;

	memset(reply, 0, sizeof(*reply));
	err = recv_all(f, reply, HDR_BYTES, reply);
	if (err)
		return err;
	if (reply->size > sizeof(reply->payload) || !(reply->flags & VU_REPLY))
		return -EPROTO;
	return recv_all(f, &reply->payload, reply->size, NULL);
}

static int recv_u64(struct vuf *f, uint32_t request, uint64_t *value)
{
	struct nfvd_vu_msg reply;
	int err = vuf_recv(f, &reply);

	if (err)
		return err;
	if (reply.request != request || reply.size != sizeof(*value))
		return -EPROTO;
	*value = reply.payload.u64;
	return 0;
}

int vuf_ask(struct vuf *f, uint32_t request, uint64_t *value)
{
	int err = vuf_send(f, request, VU_VERSION, NULL, 0, NULL, 0);

	return err ? err : recv_u64(f, request, value);
}

int vuf_tell(struct vuf *f, uint32_t request, const void *payload, uint32_t size, const int *fds,
	     unsigned int n_fds)
{
	bool ack = f->protocol & 1ull << VUF_PROTOCOL_REPLY_ACK;
	uint64_t refused;
	int err = vuf_send(f, request, VU_VERSION | (ack ? VU_NEED_REPLY : 0), payload, size, fds, n_fds);

	if (err || !ack)
		return err;
	err = recv_u64(f, request, &refused);
	return err ? err : refused ? -EREMOTEIO : 0;
}

/* --- the handshake --------------------------------------------------------------- */

int vuf_negotiate(struct vuf *f)
{
	int err;

	f->protocol = 0;
	err = vuf_ask(f, VU_GET_FEATURES, &f->offered);
	if (err)
		return err;
	f->features = f->offered & f->wanted;
	if (f->features & 1ull << VUF_F_PROTOCOL) {
		uint64_t protocol;

		err = vuf_ask(f, VU_GET_PROTOCOL_FEATURES, &f->protocol_offered);
		if (err)
			return err;
		protocol = f->protocol_offered & (1ull << VUF_PROTOCOL_MQ | 1ull << VUF_PROTOCOL_REPLY_ACK);
		err = vuf_tell(f, VU_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol), NULL, 0);
		if (err)
			return err;
		f->protocol = protocol;
	}
	err = vuf_tell(f, VU_SET_OWNER, NULL, 0, NULL, 0);
	return err ? err : vuf_tell(f, VU_SET_FEATURES, &f->features, sizeof(f->features), NULL, 0);
}

int vuf_set_mem_table(struct vuf *f)
{
	struct {
		uint32_t n, padding;
		struct nfvd_vu_region r[VU_REGIONS_MAX];
	} table = { .n = f->n_regions };
	int fds[VU_REGIONS_MAX];

	for (unsigned int i = 0; i < f->n_regions; i++) {
		table.r[i] = f->region[i];
		fds[i] = f->memfd;
	}
	return vuf_tell(f, VU_SET_MEM_TABLE, &table, offsetof(typeof(table), r[f->n_regions]), fds, f->n_regions);
}

static int tell_state(struct vuf *f, uint32_t request, unsigned int i, unsigned int num)
{
	struct vhost_vring_state s = { .index = i, .num = num };

	return vuf_tell(f, request, &s, sizeof(s), NULL, 0);
}

static int tell_fd(struct vuf *f, uint32_t request, unsigned int i, int fd)
{
	uint64_t index = i;

	return vuf_tell(f, request, &index, sizeof(index), &fd, 1);
}

int vuf_ring_start(struct vuf *f, unsigned int i)
{
	struct vuf_vring *r = &f->vq[i];
	struct vhost_vring_addr a = {
		.index = i,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
		.log_guest_addr = vuf_gpa(f, r->used),
	};
	int err;

	r->event_idx = f->features & 1ull << VIRTIO_RING_F_EVENT_IDX;
	err = tell_fd(f, VU_SET_VRING_CALL, i, r->callfd);
	if (!err)
		err = tell_state(f, VU_SET_VRING_NUM, i, r->size);
	if (!err)
		err = tell_state(f, VU_SET_VRING_BASE, i, r->used->idx);
	if (!err)
		err = vuf_tell(f, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
	return err ? err : tell_fd(f, VU_SET_VRING_KICK, i, r->kickfd);
}

int vuf_ring_enable(struct vuf *f, unsigned int i, bool on)
{
	/* Without the feature a ring is enabled once it is started. */
	if (!(f->features & 1ull << VUF_F_PROTOCOL))
		return 0;
	return tell_state(f, VU_SET_VRING_ENABLE, i, on);
}

int vuf_ring_stop(struct vuf *f, unsigned int i, uint16_t *base)
{
	struct vhost_vring_state s = { .index = i };
	struct nfvd_vu_msg reply;
	int err = vuf_send(f, VU_GET_VRING_BASE, VU_VERSION, &s, sizeof(s), NULL, 0);

	if (!err)
		err = vuf_recv(f, &reply);
	if (err)
		return err;
	if (reply.request != VU_GET_VRING_BASE || reply.size != sizeof(s) || reply.payload.state.index != i)
		return -EPROTO;
	if (base)
		*base = reply.payload.state.num;
	return 0;
}

int vuf_start(struct vuf *f)
{
	int err = vuf_negotiate(f);

	if (!err)
		err = vuf_set_mem_table(f);
	for (unsigned int i = 0; i < f->n_vq && !err; i++)
		err = vuf_ring_start(f, i);
	for (unsigned int i = 0; i < f->n_vq && !err; i++)
		err = vuf_ring_enable(f, i, true);
	return err;
}

int vuf_stop(struct vuf *f)
{
	int err = 0;

	for (unsigned int i = 0; i < f->n_vq && !err; i++)
		err = vuf_ring_enable(f, i, false);
	for (unsigned int i = 0; i < f->n_vq && !err; i++)
		err = vuf_ring_stop(f, i, NULL);
	return err;
}
