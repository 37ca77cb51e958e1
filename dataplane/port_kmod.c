/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container port (veth) through the kernel module nfv.ko, <linux/nfv.h>.
 *
 * One session for all ports, open while there is one. A frame comes as its first
 * bytes in a ring that the module fills, and stays with the module, which moves it
 * when it is told to: see move.h. What becomes of the device: netdev.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <nfv/ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "control.h"
#include "log.h"
#include "move.h"
#include "netdev.h"
#include "worker.h"

#define DEVICE		"/dev/nfv"
#define RING_ENTRIES	512
#define BURST_BYTES	(1 << 20)	/* of one rx, so that other queues get their turn */
#define TX_IOVS		8192

_Static_assert(NFV_HDR_MAX == NFVD_HDR_MAX && NFV_FRAME_MAX == NFVD_FRAME_MAX, "one copy fills a frame's header");
_Static_assert(offsetof(struct nfv_entry, hdr) - offsetof(struct nfv_entry, vnet) == sizeof(struct nfv_vnet_hdr),
	       "vnet and hdr are adjacent on both sides");

struct queue {
	const struct nfv_producer *producer;	/* MAP_FAILED: not mapped */
	const struct nfv_entry *entries;
	struct nfv_consumer *consumer;
	uint32_t port, index, mask;
	uint32_t cons, taken;			/* position of the next entry; entries not given back yet */
	int wake;
};

struct kmod {
	struct nfvd_netdev nd;
	uint32_t id;			/* the module's number */
	bool attached;
	uint32_t map_bytes;
	unsigned int nr_queues;
	struct queue queue[NFVD_RXQS_MAX];
};

/* ---- the session ---- */

static int session = -1;
static unsigned int users;
static uint32_t ring_entries;
static char refusal[128];	/* why the module is there and not used; empty: no such reason */

const char *nfvd_kmod_refusal(void)
{
	return refusal[0] ? refusal : NULL;
}

/* 0 or -errno. */
static int open_session(void)
{
	struct nfv_hello hello = { .abi = NFV_ABI_VERSION };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, NFV_IOC_HELLO, &hello)) {
		refusal[0] = 0;
		session = fd;
		ring_entries = hello.ring_entries;
		return 0;
	}
	err = -errno;
	close(fd);
	if (err == -EPROTO)
		snprintf(refusal, sizeof(refusal), "nfv.ko speaks version %u of its interface, this nfvd version %u",
			 hello.abi, NFV_ABI_VERSION);
	else
		snprintf(refusal, sizeof(refusal), "%s is not nfv.ko's: %s", DEVICE, strerror(-err));
	return err;
}

static bool available(void)
{
	static bool said;

	if (session >= 0 || !open_session())
		return true;
	if (refusal[0] && !said)
		nfvd_event(NULL, "%s: not used", refusal);
	said = refusal[0];
	return false;
}

static int get_session(struct nfvd_err *err)
{
	int ret = session >= 0 ? 0 : open_session();

	if (!ret) {
		users++;
		return 0;
	}
	nfvd_err(err, NFV_RPC_E_FAILED, "the kernel module cannot be used: %s", refusal[0] ? refusal : strerror(-ret));
	nfvd_hint(err, refusal[0] ? "rmmod nfv && insmod kmod/nfv.ko" : "insmod kmod/nfv.ko");
	return -1;
}

/* The module can be unloaded while nobody uses it. */
static void put_session(void)
{
	if (--users)
		return;
	close(session);
	session = -1;
}

void nfvd_kernel_batch(struct nfv_op *ops, unsigned int n)
{
	struct nfv_batch batch = { .ops = (uintptr_t)ops, .n = n };
	int err;

	if (!ioctl(session, NFV_IOC_BATCH, &batch))
		return;
	err = -errno;
	for (unsigned int i = 0; i < n; i++)
		ops[i].result = err;
}

/* ---- receiving ---- */

static void take(const struct queue *q, const struct nfv_entry *e, struct nfvd_frame *f)
{
	f->len = e->len;
	f->hdr_len = e->hdr_len;
	f->iov = NULL;
	f->iov_n = 0;
	f->origin_copies = 0;
	f->held = true;
	f->flooded = false;
	f->handle = NFV_HANDLE(q->port, q->index, e->pos);
	memcpy(&f->vnet, &e->vnet, sizeof(f->vnet) + sizeof(f->hdr));
}

static unsigned int kmod_rx(struct nfvd_worker *w, struct nfvd_rxq *rxq, struct nfvd_frame *frames, unsigned int max)
{
	struct queue *q = rxq->priv;
	uint32_t filled = nfv_ring_filled(&q->producer->prod, q->cons), bytes = 0;

	if (filled > max)
		filled = max;
	for (q->taken = 0; q->taken < filled && bytes < BURST_BYTES; q->taken++) {
		take(q, &q->entries[(q->cons + q->taken) & q->mask], &frames[q->taken]);
		bytes += frames[q->taken].len;
	}
	return q->taken;
}

static void kmod_rx_done(struct nfvd_worker *w, struct nfvd_rxq *rxq)
{
	struct queue *q = rxq->priv;

	if (!q->taken)
		return;
	q->cons += q->taken;
	q->taken = 0;
	nfv_ring_pass(&q->consumer->cons, q->cons);
}

static bool kmod_arm(struct nfvd_rxq *rxq, bool on)
{
	struct queue *q = rxq->priv;

	nfv_ring_sleep(&q->consumer->need_wakeup, on);
	return on && nfv_ring_filled(&q->producer->prod, q->cons);
}

/* ---- sending ---- */

static unsigned int make_op(const struct kmod *k, const struct nfvd_frame *f, struct nfv_op *op, struct iovec *iov)
{
	if (f->held) {
		*op = (struct nfv_op){
			.code = NFV_OP_FORWARD, .flags = f->flooded ? 0 : NFV_OP_LAST, .handle = f->handle, .port = k->id,
		};
		return 0;
	}
	*op = (struct nfv_op){ .code = NFV_OP_SEND, .port = k->id, .iov = (uintptr_t)iov, .iov_n = f->iov_n + 1 };
	memcpy(&op->vnet, &f->vnet, sizeof(op->vnet));
	iov[0] = (struct iovec){ (void *)f->hdr, f->hdr_len };
	memcpy(iov + 1, f->iov, f->iov_n * sizeof(*iov));
	return f->iov_n + 1;
}

static void send_all(struct nfvd_worker *w, struct nfvd_port *port, struct nfv_op *ops, struct nfvd_frame **frames,
		     unsigned int n, struct nfvd_ledger *l)
{
	if (!n)
		return;
	nfvd_kernel_batch(ops, n);
	l->syscalls++;
	for (unsigned int i = 0; i < n; i++)
		if (ops[i].result < 0)
			nfvd_tx_drop(w, port, nfvd_kernel_reason(ops[i].result), 1);
		else if (frames[i]->held)
			nfvd_forwarded(l, frames[i]);
		else
			nfvd_moved(l, frames[i]);
}

static void kmod_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		    struct nfvd_ledger *l)
{
	static __thread struct iovec iov[TX_IOVS];
	struct kmod *k = port->priv;
	struct nfv_op ops[NFVD_BURST];
	unsigned int first = 0, used = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (used + frames[i]->iov_n + 1u > TX_IOVS) {
			send_all(w, port, ops + first, frames + first, i - first, l);
			first = i;
			used = 0;
		}
		used += make_op(k, frames[i], &ops[i], iov + used);
	}
	send_all(w, port, ops + first, frames + first, n - first, l);
}

/* ---- attaching ---- */

static int map_queue(struct kmod *k, unsigned int i)
{
	struct queue *q = &k->queue[i];
	void *consumer;

	q->producer = mmap(NULL, k->map_bytes, PROT_READ, MAP_SHARED, session, NFV_MMAP(k->id, i, NFV_MMAP_ENTRIES));
	if (q->producer == MAP_FAILED)
		return -errno;
	consumer = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, session,
			NFV_MMAP(k->id, i, NFV_MMAP_CONSUMER));
	if (consumer == MAP_FAILED)
		return -errno;
	q->consumer = consumer;
	q->entries = (const void *)((const uint8_t *)q->producer + NFV_ENTRIES_OFFSET);
	q->mask = q->producer->entries - 1;
	q->port = k->id;
	q->index = i;
	return 0;
}

static void attach_error(const struct nfvd_netdev *nd, int error, struct nfvd_err *err)
{
	switch (error) {
	case EBUSY:
		nfvd_err(err, NFV_RPC_E_EXIST, "somebody else takes the frames of '%s' already (bridge, bond, macvlan)",
			 nd->link.name);
		nfvd_hint(err, "ip -d link show %s", nd->link.name);
		break;
	case EOPNOTSUPP:
		nfvd_err(err, NFV_RPC_E_FAILED, "'%s' is no device that the module serves", nd->link.name);
		break;
	case ENOBUFS:
		nfvd_err(err, NFV_RPC_E_LIMIT, "the rings do not fit the limit on locked memory");
		nfvd_hint(err, "ulimit -l unlimited");
		break;
	default:
		nfvd_err(err, NFV_RPC_E_FAILED, "nfv.ko refused '%s': %s", nd->link.name, strerror(error));
	}
}

static int open_rings(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	struct kmod *k = (struct kmod *)nd;
	uint64_t start = nfvd_now_us();
	struct nfv_attach a = {
		.type = NFV_PORT_NETDEV, .ifindex = nd->link.ifindex, .netns_fd = -1, .queues = k->nr_queues,
		.entries = ring_entries < RING_ENTRIES ? ring_entries : RING_ENTRIES,
	};
	int ret = 0;

	for (unsigned int i = 0; i < NFV_QUEUES_MAX; i++)
		a.eventfd[i] = i < k->nr_queues ? k->queue[i].wake : -1;
	if (ioctl(session, NFV_IOC_ATTACH, &a)) {
		attach_error(nd, errno, err);
		return -1;
	}
	k->id = a.port;
	k->map_bytes = a.map_bytes;
	k->attached = true;
	for (unsigned int i = 0; i < k->nr_queues && !ret; i++)
		ret = map_queue(k, i);
	if (ret)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot map the rings of nfv.ko: %s", strerror(-ret));
	nfvd_attach_step(nd->port, "module", nfvd_now_us() - start);
	return 0;
}

static void close_rings(struct nfvd_netdev *nd)
{
	struct kmod *k = (struct kmod *)nd;
	struct nfv_detach d = { .port = k->id };

	for (unsigned int i = 0; i < k->nr_queues; i++) {
		struct queue *q = &k->queue[i];

		if (q->producer != MAP_FAILED)
			munmap((void *)q->producer, k->map_bytes);
		if (q->consumer)
			munmap(q->consumer, sysconf(_SC_PAGESIZE));
		q->producer = MAP_FAILED;
		q->consumer = NULL;
	}
	if (k->attached && ioctl(session, NFV_IOC_DETACH, &d))
		nfvd_log(LOG_ERR, "%s: nfv.ko does not detach it: %m", nd->port->name);
	k->attached = false;
}

static int get_stats(struct kmod *k, struct nfv_stats *stats)
{
	*stats = (struct nfv_stats){ .port = k->id };
	return ioctl(session, NFV_IOC_STATS, stats) ? -errno : 0;
}

static bool still_bound(struct nfvd_netdev *nd)
{
	struct nfv_stats stats;

	return !get_stats((struct kmod *)nd, &stats) && !(stats.state & NFV_STATE_GONE);
}

static const struct nfvd_carrier carrier = { open_rings, close_rings, still_bound };

static void free_kmod(struct kmod *k)
{
	for (unsigned int i = 0; i < k->nr_queues; i++)
		if (k->queue[i].wake >= 0)
			close(k->queue[i].wake);
	put_session();
	free(k);
}

static struct kmod *make_kmod(struct nfvd_err *err)
{
	struct kmod *k = calloc(1, sizeof(*k));

	if (!k) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	if (get_session(err)) {
		free(k);
		return NULL;
	}
	k->nd.carrier = &carrier;
	k->nr_queues = nfvd_n_workers < NFVD_RXQS_MAX ? nfvd_n_workers : NFVD_RXQS_MAX;
	for (unsigned int i = 0; i < k->nr_queues; i++) {
		k->queue[i].producer = MAP_FAILED;
		k->queue[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return k;
}

static int kmod_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct kmod *k = make_kmod(err);

	if (!k)
		return -1;
	atomic_store(&port->accepts, NFVD_ACCEPT_ALL);
	if (nfvd_netdev_attach(&k->nd, port, params, err)) {
		free_kmod(k);
		return -1;
	}
	port->nr_rxq = k->nr_queues;
	for (unsigned int i = 0; i < k->nr_queues; i++) {
		port->rxq[i].fd = k->queue[i].wake;
		port->rxq[i].priv = &k->queue[i];
		nfvd_worker_add(&port->rxq[i]);
	}
	return 0;
}

static void kmod_detach(struct nfvd_port *port)
{
	nfvd_netdev_detach(port->priv);
	free_kmod(port->priv);
}

static void kmod_show(struct nfvd_port *port, json_t *obj)
{
	static const char *const names[] = {
#define X(e, name, help) name,
		NFV_MISSES(X)
#undef X
	};
	struct nfv_stats stats;
	uint64_t missed = 0;
	json_t *by;

	nfvd_netdev_show(port, obj);
	if (get_stats(port->priv, &stats))
		return;
	by = json_object();
	for (unsigned int i = 0; i < NFV_N_MISSES; i++) {
		if (i != NFV_MISS_EXPIRED)
			missed += stats.missed[i];
		if (stats.missed[i])
			json_object_set_new(by, names[i], json_integer((json_int_t)stats.missed[i]));
	}
	json_object_set_new(obj, "missed", json_integer((json_int_t)missed));
	json_object_set_new(obj, "missed_by", by);
	json_object_set_new(obj, "held", json_integer(stats.held));
	json_object_set_new(obj, "held_kib", json_integer(stats.held_kib));
}

const struct nfvd_port_ops nfvd_port_veth_module = {
	.type = "veth",
	.mode = "module",
	.available = available,
	.attach = kmod_attach,
	.detach = kmod_detach,
	.rx = kmod_rx,
	.rx_done = kmod_rx_done,
	.tx = kmod_tx,
	.arm = kmod_arm,
	.show = kmod_show,
	.tick = nfvd_netdev_tick,
};
