/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fdstore.h"
#include "log.h"
#include "worker/call.h"

#define MAGIC	"nfvdkeep"
#define VERSION	2u
#define REPLAY_MS	500	/* without one port ready: it may hang */
#define REPLAY_ALL_MS	3000	/* a large guest takes 0.1 s to map; the supervisor waits 5 s */

struct what {
	char text[12];
};

/* The name of one of several: "kick" and 3 is "kick3". */
static struct what numbered(const char *what, unsigned int i)
{
	struct what w;

	snprintf(w.text, sizeof(w.text), "%s%u", what, i);
	return w;
}

/* ---- taken from the store ---- */

static atomic_uint not_ready;	/* ports whose thread has not replayed yet */

void nfvd_keep_wait(void)
{
	unsigned int left, before = 0;

	for (unsigned int ms = 0, all = 0; (left = atomic_load(&not_ready)) && ms < REPLAY_MS && all < REPLAY_ALL_MS; ms++, all++) {
		if (left != before)
			ms = 0;
		before = left;
		poll(NULL, 0, 1);
	}
}

void nfvd_kept_take(struct nfvd_kept *kept, const char *name)
{
	kept->conn = nfvd_fdstore_take(name, "conn");
	kept->counted = kept->conn >= 0;
	atomic_fetch_add(&not_ready, kept->counted);
	kept->state = nfvd_fdstore_take(name, "state");
	kept->request = nfvd_fdstore_take(name, "request");
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		kept->mem[i] = nfvd_fdstore_take_shared(name, numbered("mem", i).text);
	for (unsigned int i = 0; i < NFVD_VHOST_QUEUES_MAX; i++) {
		kept->kick[i] = nfvd_fdstore_take_shared(name, numbered("kick", i).text);
		kept->call[i] = nfvd_fdstore_take_shared(name, numbered("call", i).text);
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void nfvd_kept_close(struct nfvd_kept *kept)
{
	if (kept->counted)
		atomic_fetch_sub(&not_ready, 1);
	kept->counted = false;
	close_fd(&kept->conn);
	close_fd(&kept->state);
	close_fd(&kept->request);
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		close_fd(&kept->mem[i]);
	for (unsigned int i = 0; i < NFVD_VHOST_QUEUES_MAX; i++) {
		close_fd(&kept->kick[i]);
		close_fd(&kept->call[i]);
	}
}

/* ---- replayed ---- */

/*
 * Read the state. Nobody can change it meanwhile, because the nfvd that wrote it is gone. Return NULL, or why it is
 * of no use.
 */
static const char *read_state(struct nfvd_kept *kept, struct nfvd_keep_state *s)
{
	const ssize_t head = offsetof(struct nfvd_keep_state, complete);
	int fd = kept->state;
	struct stat st;

	if (fd < 0)
		return "its state was not kept";
	/*
	 * Check that it is a memfd, which nobody else can have opened by a name, and seal it so that nobody can
	 * shorten it.
	 */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) || fstat(fd, &st) || st.st_nlink || st.st_uid != geteuid() ||
	    pread(fd, s, head, 0) != head || memcmp(s->magic, MAGIC, sizeof(s->magic)))
		return "its state is none of nfvd's";
	/* Check the version before the size, because another version may have another size. */
	if (s->version != VERSION) {
		snprintf(kept->why, sizeof(kept->why), "its state is of version %u, and this nfvd reads version %u", s->version, VERSION);
		return kept->why;
	}
	if (s->bytes != sizeof(*s) || st.st_size != sizeof(*s) || pread(fd, s, sizeof(*s), 0) != sizeof(*s))
		return "its state is none of nfvd's";
	if (!atomic_load(&s->complete))
		return "nfvd ended while its peer changed it";
	if (s->n_regions > VU_REGIONS_MAX)
		return "its state is none of nfvd's";
	return NULL;
}

/* Carry out one message as if the peer had sent it now. Set *fds to -1 for those that the device has taken. */
static bool obey(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, int *fds, unsigned int n_fds)
{
	enum nfvd_drop why;
	bool responds;

	msg->flags = VU_VERSION;
	msg->n_fds = n_fds;
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		msg->fds[i] = -1;
	for (unsigned int i = 0; i < n_fds; i++)
		msg->fds[i] = fds[i];
	why = nfvd_vu_check(msg, 2 * v->queues, v->offered);
	why = nfvd_vhost_message(v, msg, why, &responds);
	for (unsigned int i = 0; i < n_fds; i++)
		fds[i] = msg->fds[i];
	return why == NFVD_PASS;
}

static bool obey_u64(struct nfvd_vhost *v, uint32_t request, uint64_t u64)
{
	struct nfvd_vu_msg msg = { .request = request, .size = sizeof(u64), .payload.u64 = u64 };

	return obey(v, &msg, NULL, 0);
}

static bool obey_state(struct nfvd_vhost *v, uint32_t request, unsigned int i, uint32_t num)
{
	struct nfvd_vu_msg msg = { .request = request, .size = sizeof(msg.payload.state), .payload.state = { i, num } };

	return obey(v, &msg, NULL, 0);
}

/* A message with an eventfd, or with none. */
static bool obey_eventfd(struct nfvd_vhost *v, uint32_t request, unsigned int i, bool has, int *fd)
{
	struct nfvd_vu_msg msg = { .request = request, .size = sizeof(uint64_t),
				   .payload.u64 = i | (has ? 0 : VU_VRING_NOFD) };

	return obey(v, &msg, fd, has && *fd >= 0);
}

static bool obey_mem(struct nfvd_vhost *v, const struct nfvd_keep_state *s, struct nfvd_kept *kept)
{
	struct nfvd_vu_msg msg = { .request = VU_SET_MEM_TABLE, .size = 8 + s->n_regions * sizeof(s->region[0]) };
	int fds[VU_REGIONS_MAX];

	msg.payload.mem.n = s->n_regions;
	memcpy(msg.payload.mem.r, s->region, sizeof(s->region));
	for (unsigned int i = 0; i < s->n_regions; i++)
		fds[i] = s->mem[i] < VU_REGIONS_MAX ? kept->mem[s->mem[i]] : -1;
	return obey(v, &msg, fds, s->n_regions);
}

static bool obey_vring(struct nfvd_vhost *v, unsigned int i, const struct nfvd_keep_vq *q, int *kick, int *call)
{
	struct nfvd_vu_msg addr = { .request = VU_SET_VRING_ADDR, .size = sizeof(addr.payload.addr) };

	memcpy(&addr.payload.addr, &q->addr, sizeof(q->addr));
	return (!q->num || obey_state(v, VU_SET_VRING_NUM, i, q->num)) && (!q->has_addr || obey(v, &addr, NULL, 0)) &&
	       obey_eventfd(v, VU_SET_VRING_CALL, i, q->has_call, call) &&
	       (!q->kicked || obey_eventfd(v, VU_SET_VRING_KICK, i, q->has_kickfd, kick)) &&
	       obey_state(v, VU_SET_VRING_ENABLE, i, q->enabled);
}

const char *nfvd_keep_replay(struct nfvd_keep *k, struct nfvd_vhost *v, struct nfvd_kept *kept)
{
	struct nfvd_vu_msg request = { .request = VU_SET_BACKEND_REQ_FD };
	struct nfvd_keep_state s;
	const char *why = read_state(kept, &s);

	if (why)
		return why;
	if (!nfvd_vu_is_unix(k->conn))
		return "its connection is no socket";
	if (s.queues != v->queues || s.offered != v->offered)
		return "it was attached with other queues or features";
	k->state = mmap(NULL, sizeof(s), PROT_READ | PROT_WRITE, MAP_SHARED, kept->state, 0);
	if (k->state == MAP_FAILED)
		k->state = NULL;
	else
		atomic_store(&v->marks, k->state->mark);
	if (!obey_u64(v, VU_SET_FEATURES, s.features) || !obey_u64(v, VU_SET_PROTOCOL_FEATURES, s.protocol) ||
	    (s.n_regions && !obey_mem(v, &s, kept)) || (s.has_request && !obey(v, &request, &kept->request, 1)))
		return "what was kept of it is not sound";
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		if (!obey_vring(v, i, &s.vq[i], &kept->kick[i], &kept->call[i]))
			return "what was kept of its queues is not sound";
	k->n_regions = s.n_regions;
	memcpy(k->region, s.region, sizeof(s.region));
	k->whole = true;
	return NULL;
}

/* ---- stored ---- */

void nfvd_keep_begin(struct nfvd_keep *k, const char *name, int conn, bool stored)
{
	memset(k, 0, sizeof(*k));
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->conn = conn;
	k->stored = stored;
	k->mems = k->kicks = k->calls = stored ? (1u << NFVD_VHOST_QUEUES_MAX) - 1 : 0;
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		k->mem_fds[i] = -1;
}

static void note_mem(struct nfvd_keep *k, struct nfvd_vu_msg *msg)
{
	k->new_mem = true;
	k->n_regions = msg->payload.mem.n;
	memcpy(k->region, msg->payload.mem.r, sizeof(k->region));
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++) {
		close_fd(&k->mem_fds[i]);
		k->mem_fds[i] = msg->fds[i];
		msg->fds[i] = -1;
	}
}

void nfvd_keep_note(struct nfvd_keep *k, struct nfvd_vu_msg *msg)
{
	if (!nfvd_fdstore_ready())
		return;
	switch (msg->request) {
	case VU_SET_MEM_TABLE:
		note_mem(k, msg);
		break;
	case VU_SET_VRING_KICK:
	case VU_GET_VRING_BASE:
		k->new_kicks |= 1u << nfvd_vu_vring(msg);
		break;
	case VU_SET_VRING_CALL:
		k->new_calls |= 1u << nfvd_vu_vring(msg);
		break;
	case VU_SET_BACKEND_REQ_FD:
		k->new_request = true;
		break;
	case VU_SET_FEATURES:
	case VU_SET_PROTOCOL_FEATURES:
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_ADDR:
	case VU_SET_VRING_ENABLE:
		break;
	default:
		return;
	}
	k->whole = false;
	k->pending = true;
}

void nfvd_keep_busy(struct nfvd_keep *k)
{
	k->busy = true;
	if (k->state)
		atomic_store(&k->state->complete, 0);
}

void nfvd_keep_idle(struct nfvd_keep *k)
{
	k->busy = false;
	if (k->state && k->whole)
		atomic_store(&k->state->complete, 1);
}

/* Keep fd as number i of a kind, of which *bits are stored; -1: remove that. 0 or -errno. */
static int store(struct nfvd_keep *k, const char *what, unsigned int i, uint32_t *bits, int fd)
{
	if (fd < 0 && *bits >> i & 1)
		nfvd_fdstore_remove(k->name, numbered(what, i).text);
	*bits &= ~(1u << i);
	if (fd < 0)
		return 0;
	*bits |= 1u << i;
	return nfvd_fdstore_put_shared(k->name, numbered(what, i).text, fd);
}

/* Put the state, which is not complete yet, and the connection into the store. NULL with errno. */
static struct nfvd_keep_state *store_connection(struct nfvd_keep *k)
{
	int fd = memfd_create("nfvd-state", MFD_CLOEXEC | MFD_ALLOW_SEALING), err = 0;
	struct nfvd_keep_state *state = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, sizeof(*state)))
		state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED) {
		err = -errno;
	} else {
		k->stored = true;
		err = nfvd_fdstore_put(k->name, "state", fd);
		if (!err)
			err = nfvd_fdstore_put(k->name, "conn", k->conn);
		if (err)
			munmap(state, sizeof(*state));
	}
	close(fd);
	errno = -err;
	return err ? NULL : state;
}

/* Regions of one file share a descriptor. */
static int store_mem(struct nfvd_keep *k)
{
	struct stat st[VU_REGIONS_MAX];
	int err = 0;

	for (unsigned int i = 0; i < k->n_regions && !err; i++) {
		unsigned int first = 0;

		if (fstat(k->mem_fds[i], &st[i]))
			return -errno;
		while (st[first].st_dev != st[i].st_dev || st[first].st_ino != st[i].st_ino)
			first++;
		k->state->mem[i] = first;
		err = store(k, "mem", i, &k->mems, first == i ? k->mem_fds[i] : -1);
	}
	for (unsigned int i = k->n_regions; i < VU_REGIONS_MAX; i++)
		store(k, "mem", i, &k->mems, -1);
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		close_fd(&k->mem_fds[i]);
	k->new_mem = err;
	return err;
}

static int call_fd(const struct nfvd_vq *q)
{
	return q->call == NFVD_CALL_NONE ? -1 : q->call & ~NFVD_CALL_SOCKET;
}

static int store_descriptors(struct nfvd_keep *k, const struct nfvd_vhost *v)
{
	int err = k->new_mem ? store_mem(k) : 0;

	if (!err && k->new_request && v->request_fd >= 0)
		err = nfvd_fdstore_put(k->name, "request", v->request_fd);
	for (unsigned int i = 0; i < 2 * v->queues && !err; i++) {
		if (k->new_kicks >> i & 1)
			err = store(k, "kick", i, &k->kicks, v->vq[i].kickfd);
		if (!err && k->new_calls >> i & 1)
			err = store(k, "call", i, &k->calls, call_fd(&v->vq[i]));
	}
	return err ? err : nfvd_fdstore_settle();
}

static void write_state(struct nfvd_keep_state *s, const struct nfvd_keep *k, const struct nfvd_vhost *v)
{
	memcpy(s->magic, MAGIC, sizeof(s->magic));
	s->version = VERSION;
	s->bytes = sizeof(*s);
	s->queues = v->queues;
	s->offered = v->offered;
	s->features = v->features;
	s->protocol = v->protocol;
	s->has_request = v->request_fd >= 0;
	s->n_regions = k->n_regions;
	memcpy(s->region, k->region, sizeof(s->region));
	for (unsigned int i = 0; i < 2 * v->queues; i++) {
		const struct nfvd_vq *q = &v->vq[i];

		s->vq[i] = (struct nfvd_keep_vq){ .num = q->num, .has_addr = q->has_addr, .kicked = q->kicked,
			.enabled = q->enabled, .has_kickfd = q->kickfd >= 0, .has_call = call_fd(q) >= 0, .addr = q->addr };
	}
	atomic_store(&s->complete, 1);
}

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nfvd_vhost *left;		/* detached, with threads that have not ended */

void nfvd_keep_leave(struct nfvd_vhost *v)
{
	pthread_mutex_lock(&left_lock);
	v->next_left = left;
	left = v;
	pthread_mutex_unlock(&left_lock);
}

void nfvd_keep_left(const struct nfvd_vhost *v)
{
	pthread_mutex_lock(&left_lock);
	for (struct nfvd_vhost **at = &left; *at; at = &(*at)->next_left)
		if (*at == v) {
			*at = v->next_left;
			break;
		}
	pthread_mutex_unlock(&left_lock);
}

/* Return whether what a detached port of this name has stored may still be removed: by its name. */
static bool is_left(const char *name)
{
	bool yes = false;

	pthread_mutex_lock(&left_lock);
	for (const struct nfvd_vhost *v = left; v; v = v->next_left)
		yes |= !strcmp(v->name, name);
	pthread_mutex_unlock(&left_lock);
	return yes;
}

void nfvd_keep_flush(struct nfvd_keep *k, struct nfvd_vhost *v)
{
	int err;

	if (!k->pending || k->busy || is_left(k->name))
		return;
	k->pending = false;
	if (!k->state) {
		k->state = store_connection(k);
		atomic_store(&v->marks, k->state ? k->state->mark : NULL);
	}
	err = k->state ? store_descriptors(k, v) : -errno;
	if (k->state && !err) {
		k->new_kicks = k->new_calls = 0;
		k->new_request = false;
		write_state(k->state, k, v);
		k->whole = true;
		return;
	}
	nfvd_log(LOG_WARNING, "%s: its guest has to connect again should nfvd end: it cannot be stored: %s", k->name,
		 strerror(-err));
}

void nfvd_keep_end(struct nfvd_keep *k)
{
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		close_fd(&k->mem_fds[i]);
	if (k->state)
		munmap(k->state, sizeof(*k->state));
	k->state = NULL;
	if (!k->stored || nfvd_fdstore_handing_over())
		return;
	for (unsigned int i = 0; i < NFVD_VHOST_QUEUES_MAX; i++) {
		store(k, "kick", i, &k->kicks, -1);
		store(k, "call", i, &k->calls, -1);
		store(k, "mem", i, &k->mems, -1);
	}
	nfvd_fdstore_remove(k->name, "request");
	nfvd_fdstore_remove(k->name, "state");
	nfvd_fdstore_remove(k->name, "conn");
}
