/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <nfv/ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"
#include "frame/nfv_batch.h"
#include "log.h"
#include "nfvd.h"
#include "switch/move.h"
#include "worker/worker.h"

#define DEVICE		"/dev/nfv"
#define RING_ENTRIES	512
#define TX_IOVS		8192

_Static_assert(NFV_HDR_MAX == NFVD_HDR_MAX && NFV_FRAME_MAX == NFVD_FRAME_MAX, "one copy fills a frame's header");
_Static_assert(offsetof(struct nfv_entry, hdr) - offsetof(struct nfv_entry, vnet) == sizeof(struct nfv_vnet_hdr),
	       "vnet and hdr are adjacent on both sides");

/* ---- the session ---- */

static unsigned int users;
static uint32_t ring_entries;
static struct nfvd_kmod *attached[NFVD_PORTS_MAX];	/* by id of their port */
static char refusal[128];	/* why the module is there and not used; empty: no such reason */

const char *nfvd_kmod_refusal(void)
{
	return refusal[0] ? refusal : NULL;
}

struct nfvd_kmod *nfvd_kmod_of(unsigned int port)
{
	return port < NFVD_PORTS_MAX ? attached[port] : NULL;
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
		nfvd_kernel_fd = fd;
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

static void close_session(void)
{
	close(nfvd_kernel_fd);
	nfvd_kernel_fd = -1;
}

bool nfvd_kmod_available(void)
{
	static bool said;

	if (nfvd_kernel_fd >= 0)
		return true;
	if (!open_session()) {
		close_session();
		return true;
	}
	if (refusal[0] && !said)
		nfvd_event(NULL, "%s: not used", refusal);
	said = refusal[0];
	return false;
}

static int get_session(struct nfvd_err *err)
{
	int ret = nfvd_kernel_fd >= 0 ? 0 : open_session();

	if (!ret) {
		users++;
		return 0;
	}
	nfvd_err(err, NFV_RPC_E_FAILED, "the kernel module cannot be used: %s", refusal[0] ? refusal : strerror(-ret));
	nfvd_hint(err, "%s", ret == -EMFILE || ret == -ENFILE ? NFVD_NOFILE_HINT :
		  refusal[0] ? "rmmod nfv && insmod kmod/nfv.ko" : "insmod kmod/nfv.ko");
	return -1;
}

/* The module can be unloaded while nobody uses it. */
static void put_session(void)
{
	if (!--users)
		close_session();
}

/* ---- receiving ---- */

static void take(const struct nfvd_kmod_queue *q, const struct nfv_entry *e, struct nfvd_frame *f)
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

unsigned int nfvd_kmod_rx(struct nfvd_worker *w, struct nfvd_rxq *rxq, struct nfvd_frame *frames, unsigned int max)
{
	struct nfvd_kmod_queue *q = rxq->priv;
	uint32_t filled = nfv_ring_filled(&q->producer->prod, q->cons), bytes = 0, n;

	if (filled > max)
		filled = max;
	for (n = 0; n < filled && bytes < NFVD_BURST_BYTES; n++) {
		take(q, &q->entries[(q->cons + n) & q->mask], &frames[n]);
		bytes += frames[n].len;
	}
	return n;
}

void nfvd_kmod_rx_done(struct nfvd_worker *w, struct nfvd_rxq *rxq, unsigned int n)
{
	struct nfvd_kmod_queue *q = rxq->priv;

	if (!n)
		return;
	q->cons += n;
	nfv_ring_pass(&q->consumer->cons, q->cons);
}

bool nfvd_kmod_arm(struct nfvd_rxq *rxq, bool on)
{
	struct nfvd_kmod_queue *q = rxq->priv;

	nfv_ring_sleep(&q->consumer->need_wakeup, on);
	return on && nfv_ring_filled(&q->producer->prod, q->cons);
}

/* ---- sending ---- */

static unsigned int make_op(const struct nfvd_kmod *k, const struct nfvd_frame *f, struct nfv_op *op, struct iovec *iov)
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
			nfvd_tx_drop(w, port, nfvd_kernel_reason(ops[i].result), &frames[i], 1);
		else
			nfvd_moved_by_kernel(l, frames[i], ops[i].copies);
}

void nfvd_kmod_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		  struct nfvd_ledger *l)
{
	struct iovec iov[TX_IOVS];
	struct nfvd_kmod *k = ((struct nfvd_kmod_queue *)port->rxq[0].priv)->kmod;
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

static int map_queue(struct nfvd_kmod *k, unsigned int i)
{
	struct nfvd_kmod_queue *q = &k->queue[i];
	void *consumer;

	q->producer = mmap(NULL, k->map_bytes, PROT_READ, MAP_SHARED, nfvd_kernel_fd, NFV_MMAP(k->id, i, NFV_MMAP_ENTRIES));
	if (q->producer == MAP_FAILED)
		return -errno;
	consumer = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, nfvd_kernel_fd,
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

int nfvd_kmod_open(struct nfvd_kmod *k, struct nfvd_port *port, struct nfv_attach *a)
{
	uint64_t start = nfvd_now_us();
	int ret = 0;

	a->queues = k->nr_queues;
	a->entries = ring_entries < RING_ENTRIES ? ring_entries : RING_ENTRIES;
	for (unsigned int i = 0; i < NFV_QUEUES_MAX; i++)
		a->eventfd[i] = i < k->nr_queues ? k->queue[i].wake : -1;
	if (ioctl(nfvd_kernel_fd, NFV_IOC_ATTACH, a))
		return -errno;
	k->id = a->port;
	k->map_bytes = a->map_bytes;
	k->attached = true;
	k->copies = a->type == NFV_PORT_XEN;
	attached[port->id] = k;
	for (unsigned int i = 0; i < k->nr_queues && !ret; i++)
		ret = map_queue(k, i);
	nfvd_attach_step(port, "module", nfvd_now_us() - start);
	return ret;
}

void nfvd_kmod_close(struct nfvd_kmod *k, struct nfvd_port *port)
{
	struct nfv_detach d = { .port = k->id };

	for (unsigned int i = 0; i < k->nr_queues; i++) {
		struct nfvd_kmod_queue *q = &k->queue[i];

		if (q->producer != MAP_FAILED)
			munmap((void *)q->producer, k->map_bytes);
		if (q->consumer)
			munmap(q->consumer, sysconf(_SC_PAGESIZE));
		q->producer = MAP_FAILED;
		q->consumer = NULL;
	}
	if (!k->attached)
		return;
	if (ioctl(nfvd_kernel_fd, NFV_IOC_DETACH, &d))
		nfvd_log(LOG_ERR, "%s: nfv.ko cannot detach it: %m", port->name);
	k->attached = false;
	attached[port->id] = NULL;
}

int nfvd_kmod_init(struct nfvd_kmod *k, struct nfvd_err *err)
{
	if (get_session(err))
		return -1;
	k->nr_queues = nfvd_n_workers < NFVD_RXQS_MAX ? nfvd_n_workers : NFVD_RXQS_MAX;
	for (unsigned int i = 0; i < k->nr_queues; i++) {
		k->queue[i].kmod = k;
		k->queue[i].producer = MAP_FAILED;
		k->queue[i].wake = -1;
	}
	for (unsigned int i = 0; i < k->nr_queues; i++) {
		k->queue[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (k->queue[i].wake < 0) {
			nfvd_err(err, NFV_RPC_E_LIMIT, "no descriptor for the port's queues: %s", strerror(errno));
			nfvd_hint(err, NFVD_NOFILE_HINT);
			return -1;
		}
	}
	return 0;
}

void nfvd_kmod_fini(struct nfvd_kmod *k)
{
	if (!k->nr_queues)
		return;
	for (unsigned int i = 0; i < k->nr_queues; i++)
		if (k->queue[i].wake >= 0)
			close(k->queue[i].wake);
	put_session();
}

int nfvd_kmod_start(struct nfvd_kmod *k, struct nfvd_port *port, struct nfvd_err *err)
{
	int ret = 0;

	port->nr_rxq = k->nr_queues;
	for (unsigned int i = 0; i < k->nr_queues && !ret; i++) {
		port->rxq[i].fd = k->queue[i].wake;
		port->rxq[i].priv = &k->queue[i];
		ret = nfvd_worker_add(&port->rxq[i]);
	}
	if (!ret)
		return 0;
	for (unsigned int i = 0; i < k->nr_queues; i++)
		nfvd_worker_del(&port->rxq[i]);
	return nfvd_err(err, NFV_RPC_E_LIMIT, "no worker can wait for the port's queues: %s", strerror(-ret));
}

/* ---- watching ---- */

int nfvd_kmod_stats(const struct nfvd_kmod *k, struct nfv_stats *stats)
{
	*stats = (struct nfv_stats){ .port = k->id };
	return ioctl(nfvd_kernel_fd, NFV_IOC_STATS, stats) ? -errno : 0;
}

void nfvd_kmod_show(const struct nfvd_kmod *k, json_t *obj)
{
	static const char *const names[] = {
#define X(e, name, help) name,
		NFV_MISSES(X)
#undef X
	};
	struct nfv_stats stats;
	uint64_t missed = 0;
	json_t *by;

	if (nfvd_kmod_stats(k, &stats))
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
