/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: calls to nfv.ko: the checks of their arguments, and batches on held
 * frames: long, short, tagged and shared ones, and frames whose payload is in a guest's
 * memory. The input is the caller's memory, then a list of steps. Between any two steps,
 * ports are attached and detached, their types change, and so does the caller's memory.
 *
 * For any input, nothing outside the caller's memory is accessed, no frame without its
 * payload reaches a port that would read it, and in the end no frame is left.
 */
#include "user.h"
#include "nfvk.h"
#include "account.c"
#include "queue.c"
#undef OK
#define take take_op
#include "frame.c"
#include "batch.c"

#define MEMORY		4096u		/* bytes of the caller's */
#define PORTS		3
#define ENTRIES		64u

unsigned int nfvk_held_kib = 256, nfvk_held_ms = 1000, nfvk_held_mib = 1;

static u8 memory[MEMORY] __attribute__((aligned(16)));
static struct nfvk_session session;
static union { struct nfvk_port port; u8 room[sizeof(struct nfvk_port) + sizeof(struct nfvk_queue)]; } ports[PORTS];
static struct nfvk_counters counters;
static struct net_device dev;

struct input {
	const u8 *at;
	size_t left;
};

static struct input in;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static u32 next(unsigned int bytes)
{
	u32 v = 0;

	for (; bytes && in.left; bytes--, in.left--)
		v = v << 8 | *in.at++;
	return v;
}

/* ---- the rest of the module, and the kernel ---- */

void nfvk_miss(struct nfvk_port *port, enum nfv_miss why) { require(why < NFV_N_MISSES); }
void nfvk_count_rx(struct nfvk_port *port, u32 bytes) { }
void nfvk_count_copy(struct nfvk_port *port, u32 bytes) { }
void nfvk_xen_release(struct sk_buff *skb) { }

/* The guest's payload is copied, or has vanished. */
int nfvk_xen_fetch(struct sk_buff **skb, struct nfv_vnet_hdr *vnet)
{
	struct sk_buff *whole;

	*vnet = (struct nfv_vnet_hdr){ 0 };
	if (next(1) & 1)
		return -EIO;
	whole = nfvk_alloc_frame((*skb)->len, GFP_KERNEL);
	require(whole);
	memcpy(whole->data, (*skb)->data, skb_headlen(*skb));
	skb_reset_mac_header(whole);
	kfree_skb(*skb);
	*skb = whole;
	return 0;
}

static int to_netdev(struct nfvk_port *port, struct sk_buff *skb)
{
	u8 all[64];
	int len = skb->len;

	/* A port reads the whole frame. */
	require(!nfvk_in_guest(skb) && skb_headlen(skb) >= ETH_HLEN && skb->dev == &dev);
	for (u32 off = 0; off < skb->len; off += sizeof(all))
		skb_copy_bits(skb, off, all, min_t(u32, sizeof(all), skb->len - off));
	kfree_skb(skb);
	return len;
}

static int to_guest(struct nfvk_port *port, struct sk_buff *skb)
{
	int len = skb->len;

	require(skb->dev == &dev);
	kfree_skb(skb);
	return len;
}

static const struct nfvk_port_ops netdev_ops = { .xmit = to_netdev };
static const struct nfvk_port_ops guest_ops = { .xmit = to_guest, .xmit_in_guest = to_guest, .xen = true };

static void change_port(u32 b)
{
	u32 id = b % PORTS;
	struct nfvk_port *port = &ports[id].port;

	switch (b >> 4 & 3) {
	case 0: session.ports[id] = NULL; break;
	case 1: session.ports[id] = port; break;
	case 2: port->ops = b & 64 ? &guest_ops : &netdev_ops; break;
	case 3: port->dev = b & 64 ? &dev : NULL; break;
	}
}

/* Changes during a batch: a port's after so many operations, the memory's after so many accesses. */
static struct {
	u32 operations, change;		/* change 0: none */
	u32 accesses, at, value;
} meanwhile;

static void user_touched(void)
{
	if (meanwhile.at && !meanwhile.accesses--)
		memory[meanwhile.at] = meanwhile.value;
}

static void kernel_resched(void)
{
	if (meanwhile.change && !meanwhile.operations--)
		change_port(meanwhile.change);
}

/* ---- what happens ---- */

/* A frame arrives: tagged or not; linear, or with pages, or with its payload in a guest's memory. */
static void arrive(u32 kind)
{
	u32 len = ETH_HLEN + next(2) % 3000, linear = kind & 1 ? min_t(u32, len, NFV_HDR_MAX) : kind & 2 ? min_t(u32, len, ETH_HLEN + 6) : len;
	bool in_guest = kind & 4;
	struct sk_buff *skb = in_guest ? __alloc_skb(len + 256, 0, 0, 0) : alloc_skb_with_frags(linear + 512, len - linear, 3, &(int){ 0 }, 0);

	require(skb);
	if (in_guest)
		linear = min_t(u32, len, NFV_HDR_MAX);
	skb_reserve(skb, NET_SKB_PAD);
	memset(skb_put(skb, linear), next(1), linear);
	skb->data_len = len - linear;
	skb->len = len;
	skb->tagged = !in_guest && kind & 8;
	if (in_guest && skb->data_len)
		skb->destructor = nfvk_xen_release;
	skb_reset_mac_header(skb);
	nfvk_queue_put(&ports[kind >> 4 & 1].port.queue[0], skb);
}

/* Make a mostly valid operation, with vectors and buffers in the caller's memory. */
static void make_op(struct nfv_op *op)
{
	u32 b = next(1);

	*op = (struct nfv_op){ .code = 1 + b % 4, .flags = b >> 2 & 1 };
	if (op->code != NFV_OP_SEND)
		op->handle = NFV_HANDLE(b >> 3 & 1, 0, next(1) % (ENTRIES + 2));
	if (op->code == NFV_OP_SEND || op->code == NFV_OP_FORWARD)
		op->port = b >> 4 & 3;
	if (op->code == NFV_OP_COPY || op->code == NFV_OP_SEND) {
		op->iov_n = 1 + (b >> 6);
		op->iov = (uintptr_t)memory + 2048 + next(1) * 8;
	}
	if (op->code == NFV_OP_COPY)
		op->offset = NFV_HDR_MAX;
	if (op->code != NFV_OP_COPY && op->code != NFV_OP_FORWARD)
		op->flags = 0;
}

static void make_iov(void)
{
	struct iovec v = { (void *)((uintptr_t)memory + next(2) % (MEMORY + 64)), next(2) };

	memcpy(memory + 2048 + next(1) % 250 * 8, &v, sizeof(v));
}

static void batch(bool port_changes, bool memory_changes)
{
	u32 n;
	struct nfv_batch b = { 0 };

	memset(&meanwhile, 0, sizeof(meanwhile));
	if (port_changes) {
		meanwhile.operations = next(1) % 16;
		meanwhile.change = next(1);
	}
	if (memory_changes) {
		meanwhile.accesses = next(1);
		meanwhile.at = next(2) % MEMORY;
		meanwhile.value = next(1);
	}
	n = next(1);
	b.ops = (uintptr_t)memory + (n & 128 ? next(2) : 0);
	b.n = n & 15;
	b.flags = n & 64 ? next(1) : 0;
	if (nfvk_batch_ok(&b))
		nfvk_batch(&session, &b);
}

/* The checks alone: accepted values are within bounds. */
static void check_only(void)
{
	struct nfv_attach a;
	struct nfv_fdb_entry e;
	u32 port, queue, what;
	u64 v;

	memcpy(&a, memory, sizeof(a));
	if (nfvk_attach_ok(&a, 1024))
		require(a.queues <= NFV_QUEUES_MAX && a.entries <= 1024 && a.entries >= NFV_RING_MIN && !(a.entries & (a.entries - 1)));
	memcpy(&e, memory + 128, sizeof(e));
	if (nfvk_fdb_entry_ok(&e))
		require(e.port < NFV_PORTS_MAX && e.vlan < 4096 && !(e.mac[0] & 1));
	memcpy(&v, memory + 256, sizeof(v));
	if (nfvk_handle_split(v, &port, &queue, &what))
		require(port < NFV_PORTS_MAX && queue < NFV_QUEUES_MAX && NFV_HANDLE(port, queue, what) == v);
	if (nfvk_mmap_split(v, &port, &queue, &what))
		require(port < NFV_PORTS_MAX && queue < NFV_QUEUES_MAX && what <= NFV_MMAP_CONSUMER);
}

static void step(void)
{
	u32 op = next(1);

	switch (op & 7) {
	case 0: batch(op & 8, op & 16); break;
	case 1: make_op((struct nfv_op *)memory + (op >> 3)); break;
	case 2: make_iov(); break;
	case 3: arrive(op >> 3); break;
	case 4: change_port(next(1)); break;
	case 5:	/* the daemon's index, and age */
		if (op & 128)
			jiffies += 400;
		else
			ports[op >> 3 & 1].port.queue[0].user->cons += (int8_t)next(1);
		nfvk_queue_expire(&ports[op >> 3 & 1].port.queue[0]);
		break;
	case 6: memory[next(2) % MEMORY] = next(1); break;
	case 7: check_only(); break;
	}
}

static void init(void)
{
	user.at = memory;
	user.n = MEMORY;
	memset(memory, 0, MEMORY);
	session.held.v = 0;
	for (u32 i = 0; i < PORTS; i++) {
		struct nfvk_port *port = &ports[i].port;

		port->session = &session;
		port->ops = i == 1 ? &guest_ops : &netdev_ops;
		port->id = i;
		port->dev = &dev;
		port->counters = &counters;
		port->nr_queues = 1;
		session.ports[i] = port;
		memset(&port->queue[0], 0, sizeof(port->queue[0]));
		require(!nfvk_queue_init(&port->queue[0], port, 0, ENTRIES));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, size };
	init();
	for (unsigned int steps = 0; in.left && steps < 200; steps++)
		step();
	in.left = 0;
	for (u32 i = 0; i < PORTS; i++)
		nfvk_queue_free(&ports[i].port.queue[0]);
	require(!buffers_out && !session.held.v);
	return 0;
}
