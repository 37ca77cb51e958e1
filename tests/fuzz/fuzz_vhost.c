/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: the messages of a vhost-user peer, in any order, with descriptors (descriptors.h):
 * memory that is truncated meanwhile, eventfds (also full ones), sockets, and unsuitable
 * ones. Between messages the guest writes its rings, and a worker takes and delivers.
 *
 * For any input, a refused message changes nothing, a running ring is valid, and when the
 * peer has disconnected, none of its rings, mappings and descriptors is left.
 */
#include "guest_files.h"
#include "vhost/dev.c"
#undef OK
#include "vhost/msg.c"
#include "vhost/rings.c"
#include "vring/vring_setup.c"
#include "vring/vring_split.c"
#include "vring/gmem.c"
#include "worker/call.c"
#include "../unit/module.h"

#define UVA		0x10000000ull
#define GPA		0x100000ull
#define PAIRS		2
#define REAL_EVERY	64		/* one of so many runs is repeated with the kernel's descriptors */

static struct nfvd_port port = { .id = 5, .name = "fuzz" };
static struct nfvd_vhost dev;
static bool workers_refuse;
static unsigned int queued;		/* queues that a worker has */
static struct iovec pool[4096];
static struct nfvd_frame frames[NFVD_BURST];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const bool replaying __attribute__((weak));	/* replay_main.c defines it, and runs each input with both */

/* ---- the rest of nfvd ---- */

const struct nfvd_reason nfvd_reasons[NFVD_N_REASONS];

uint64_t nfvd_now_us(void) { return 1; }
void nfvd_quiesce(void) { }
void nfvd_port_replays(struct nfvd_port *p, unsigned int n) { require(!n); }
bool nfvd_fdstore_handing_over(void) { return false; }
void nfvd_event(const char *name, const char *fmt, ...) { require(name == port.name); }
void nfvd_event_of(enum nfvd_event_kind kind, const char *name, const char *fmt, ...) { require(name == port.name); }
void nfvd_port_set_state(struct nfvd_port *p, enum nfvd_state state, const char *why) { atomic_store(&p->state, state); }
void nfvd_fault(struct nfvd_port *p, enum nfvd_drop what, unsigned int n) { require(what < NFVD_N_REASONS); }

int nfvd_worker_add(struct nfvd_rxq *q)
{
	if (workers_refuse)
		return -ENOMEM;
	queued++;
	q->worker = (void *)q;
	return 0;
}

void nfvd_worker_del(struct nfvd_rxq *q)
{
	queued -= !!q->worker;
	q->worker = NULL;
}

/* ---- the input ---- */

struct input {
	const uint8_t *at;
	size_t left;
};

static uint32_t next(struct input *in, unsigned int bytes)
{
	uint32_t v = 0;

	for (; bytes && in->left; bytes--, in->left--)
		v = v << 8 | *in->at++;
	return v;
}

static void attach_fd(struct nfvd_vu_msg *m, uint32_t kind)
{
	int fd = model_dup(kind % KINDS);

	if (m->n_fds < VU_REGIONS_MAX)
		m->fds[m->n_fds] = fd;
	else
		close(fd);
	m->n_fds++;
}

/* ---- messages ---- */

static bool same_told(const struct nfvd_vhost *a, const struct nfvd_vhost *b)
{
	return a->features == b->features && a->protocol == b->protocol && a->mem == b->mem &&
	       a->request_fd == b->request_fd && !memcmp(a->vq, b->vq, sizeof(a->vq));
}

/* Check that exactly the table's regions are mapped, and that all open descriptors have an owner. */
static void check_model(void)
{
	unsigned int known = dev.request_fd >= 0, n = dev.mem ? dev.mem->n : 0;

	for (unsigned int i = 0; i < n; i++)
		require(is_mapped(dev.mem->r[i].map, dev.mem->r[i].map_size));
	for (unsigned int i = 0; i < 2 * PAIRS; i++)
		known += (dev.vq[i].kickfd >= 0) + (dev.vq[i].call != NFVD_CALL_NONE);
	require(model.n_mapped == n && model.n_open == known);
}

static void check_rings(void)
{
	unsigned int running = 0;

	for (unsigned int i = 0; i < 2 * PAIRS; i++) {
		const struct nfvd_vq *q = &dev.vq[i];
		const struct nfvd_vring *r = nfvd_vhost_ring(&dev, i);

		if (!r)
			continue;
		running += i & 1;
		require(dev.mem && r->mem == dev.mem && r->size == q->num && q->kicked && q->enabled && q->has_addr);
		require(nfvd_vring_check(r) == NFVD_PASS && r->call == q->call);
		written = true;
	}
	if (model.on)
		check_model();
	require(queued == running && !dev.n_closing);
}

/* Process a message as a gate and the port's thread do. */
static void say(struct nfvd_vu_msg *m)
{
	enum nfvd_drop why = nfvd_vu_check(m, 2 * PAIRS, dev.offered);
	struct nfvd_vhost before = dev;
	bool answers;

	/* A malformed message has no descriptors here. */
	for (int i = 0; i < VU_REGIONS_MAX && why != NFVD_PASS; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
		m->fds[i] = -1;
	}
	if (nfvd_vhost_message(&dev, m, why, &answers) != NFVD_PASS)
		require(!answers && same_told(&before, &dev));
	require(!answers || m->size == 8);
	for (int i = 0; i < VU_REGIONS_MAX; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	check_rings();
}

static struct nfvd_vu_msg message(uint32_t request, uint32_t size)
{
	struct nfvd_vu_msg m;

	memset(&m, 0, sizeof(m));
	m.request = request;
	m.flags = VU_VERSION;
	m.size = size;
	memset(m.fds, -1, sizeof(m.fds));
	return m;
}

static void say_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct nfvd_vu_msg m = message(request, 8);

	m.payload.state = (struct vhost_vring_state){ index, num };
	say(&m);
}

static void say_u64(uint32_t request, uint64_t value)
{
	struct nfvd_vu_msg m = message(request, 8);

	m.payload.u64 = value;
	say(&m);
}

static void say_fd(uint32_t request, uint64_t index, int kind)
{
	struct nfvd_vu_msg m = message(request, request == VU_SET_BACKEND_REQ_FD ? 0 : 8);

	m.payload.u64 = index | (kind < 0 ? VU_VRING_NOFD : 0);
	if (kind >= 0)
		attach_fd(&m, kind);
	say(&m);
}

/* Set the addresses of descriptors, avail and used ring, each on its own page from uva on. */
static void say_addr(uint32_t index, uint64_t uva)
{
	struct nfvd_vu_msg m = message(VU_SET_VRING_ADDR, sizeof(struct vhost_vring_addr));

	m.payload.addr = (struct vhost_vring_addr){ .index = index, .desc_user_addr = uva, .avail_user_addr = uva + PAGE,
						    .used_user_addr = uva + 2 * PAGE };
	say(&m);
}

static void say_memory(struct input *in, unsigned int n)
{
	struct nfvd_vu_msg m = message(VU_SET_MEM_TABLE, 8 + n * sizeof(struct nfvd_vu_region));

	m.payload.mem.n = n;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t b = next(in, 2), pages = b >> 4 & 31;
		struct nfvd_vu_region r = {
			.gpa = GPA + i * PAGES * PAGE + (b >> 14) * 64, .size = (pages ? pages : PAGES) * PAGE,
			.uva = UVA + i * PAGES * PAGE, .mmap_offset = (b >> 9 & 31) * PAGE,
		};

		if (i < VU_REGIONS_MAX)
			m.payload.mem.r[i] = r;
		attach_fd(&m, b & 15);
	}
	say(&m);
}

static void say_anything(struct input *in)
{
	struct nfvd_vu_msg m = message(next(in, 1), 0);
	unsigned int n_fds;

	m.flags = next(in, 1);
	m.size = next(in, 1);
	n_fds = next(in, 1) % 12;
	for (unsigned int i = 0; i < 40 && i < m.size; i++)
		m.payload.room[i] = next(in, 1);
	while (n_fds--)
		attach_fd(&m, next(in, 1));
	say(&m);
}

/* Set up a valid guest in one step. */
static void start(unsigned int pair)
{
	struct nfvd_vu_msg m = message(VU_SET_MEM_TABLE, 8 + sizeof(struct nfvd_vu_region));

	say_u64(VU_SET_FEATURES, dev.offered);
	m.payload.mem.n = 1;
	m.payload.mem.r[0] = (struct nfvd_vu_region){ GPA, PAGES * PAGE, UVA, 0 };
	attach_fd(&m, MEMORY);
	say(&m);
	for (unsigned int i = 2 * pair; i < 2 * pair + 2; i++) {
		say_state(VU_SET_VRING_NUM, i, 16);
		say_addr(i, UVA + 3 * i * PAGE);
		say_fd(VU_SET_VRING_CALL, i, EVENT);
		say_fd(VU_SET_VRING_KICK, i, EVENT);
		say_state(VU_SET_VRING_ENABLE, i, 1);
	}
}

/* ---- what else happens ---- */

static void work(unsigned int i)
{
	struct nfvd_vring *r = nfvd_vhost_ring(&dev, i);
	struct nfvd_frame f = { .len = 60, .hdr_len = 60 }, *list[1] = { &f };
	struct nfvd_take_drops drops;
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop result;

	if (!r)
		return;
	if (i & 1) {
		unsigned int n = nfvd_vring_take(r, frames, NFVD_BURST, pool, 4096, &drops);

		require(n <= NFVD_BURST);
		nfvd_vring_take_done(r, n);
	} else {
		nfvd_vring_deliver(r, list, 1, &result, &l);
	}
	nfvd_vring_arm(r, true);
	nfvd_vhost_note_fence(&dev, i, r);
}

static void guest_writes(struct input *in)
{
	uint32_t at = next(in, 2) % (PAGES * PAGE), n = next(in, 1) % 24;

	if (n > PAGES * PAGE - at)
		n = PAGES * PAGE - at;
	if (n && at + n > size_of_file())
		resize(at + n);
	for (unsigned int i = 0; i < n; i++)
		file[MEMORY][at + i] = next(in, 1);
	written = true;
}

static void step(struct input *in)
{
	uint32_t op = next(in, 1), arg = op >> 4, b;

	switch (op & 15) {
	case 0: start(arg % PAIRS); break;
	case 1: {
		static const uint32_t plain[] = { VU_GET_FEATURES, VU_SET_OWNER, VU_RESET_OWNER, VU_GET_PROTOCOL_FEATURES, VU_GET_QUEUE_NUM };
		struct nfvd_vu_msg m = message(plain[arg % 5], 0);

		say(&m);
		break;
	}
	case 2: b = next(in, 4); say_u64(VU_SET_FEATURES, arg & 1 ? b : dev.offered & ~(uint64_t)b); break;
	case 3: say_memory(in, arg % 10); break;
	case 4: b = next(in, 1); say_state(VU_SET_VRING_NUM, arg & 7, b & 128 ? b : 1u << (b & 15)); break;
	case 5: say_state(VU_SET_VRING_BASE, arg & 7, next(in, 2)); break;
	case 6: b = next(in, 2); say_addr(arg & 7, UVA + (b & 63) * PAGE + (b >> 6 & 15) * 16 + (b >> 14)); break;
	case 7: b = next(in, 1); say_fd(VU_SET_VRING_KICK + (b >> 4) % 3, arg & 7, (int)(b & 15) - 1); break;
	case 8: say_state(VU_SET_VRING_ENABLE, arg & 7, arg >> 3); break;
	case 9: say_state(VU_GET_VRING_BASE, arg & 7, 0); break;
	case 10: say_fd(VU_SET_BACKEND_REQ_FD, 0, arg); break;
	case 11: say_anything(in); break;
	case 12: resize(next(in, 1) % (PAGES + 1) * PAGE); break;
	case 13: work(arg % (2 * PAIRS)); break;
	case 14: guest_writes(in); break;
	case 15:
		workers_refuse = arg & 1;
		if (arg & 2) {
			nfvd_vhost_disconnected(&dev);
			nfvd_vhost_connected(&dev);
		} else if (arg & 4) {
			say_u64(VU_SET_PROTOCOL_FEATURES, next(in, 2));
		}
		break;
	}
}

static void once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	make_fds();
	require(!nfvd_call_init(1) && !nfvd_gmem_sigbus_init());
	for (unsigned int i = 0; i < NFVD_RXQS_MAX; i++)
		port.rxq[i] = (struct nfvd_rxq){ .port = &port, .index = i, .fd = -1 };
	dev.port = &port;
	dev.queues = PAIRS;
	dev.offered = nfvd_vhost_features(PAIRS);
	pthread_mutex_init(&dev.lock, NULL);
}

static void run(struct input in, bool real)
{
	int lowest = -1;

	clear_files();
	workers_refuse = false;
	model.on = !real;
	if (real) {
		lowest = dup(fds[EVENT]);
		close(lowest);
	}
	nfvd_vhost_connected(&dev);
	for (unsigned int steps = 0; in.left && steps < 40; steps++)
		step(&in);
	nfvd_vhost_disconnected(&dev);
	check_rings();
	require(!dev.mem && !queued && !dev.connected);
	if (real) {
		require(dup(fds[EVENT]) == lowest);
		close(lowest);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;

	once();
	if (++runs % REAL_EVERY == 0 || &replaying) {
		count(runs);
		run((struct input){ data, size }, true);
	}
	run((struct input){ data, size }, false);
	return 0;
}
