/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: two Xen guests and nfv.ko's code for their rings: Tx, Rx and control,
 * persistent grants, held frames, and frames on their way to each other, to a netdev
 * port, or to the daemon. The input: 64 bytes of frame, then a program: what the guests
 * write (any index, too), when they are polled, what the daemon does.
 *
 * For any input, each copy stays within a page and within granted memory, there are no
 * more responses than requests, and in the end no frame is left and no grant is mapped.
 */
#include "xen_io.h"
#include "xen/maps.c"
#include "nfvk.h"
#include "account.c"
#include "xen/copy.c"
#define answer answer_ctrl
#include "xen/ctrl.c"
#undef answer
#include "xen/rx.c"
#include "xen/mcast.c"
#define forward forward_frame
#include "xen/tx.c"
#undef forward

#define GUESTS		2
#define GREFS		48u	/* that a guest has granted */
#define HELD_MAX	32
#define FRAME_BYTES	64

unsigned int nfvk_xen_maps_max = 64, nfvk_held_ms = 1000, nfvk_held_mib = 1;

static u8 pages[4][XEN_PAGE_SIZE] __attribute__((aligned(4096)));	/* a guest's, by gref */
static u8 scratch[XEN_PAGE_SIZE] __attribute__((aligned(4096)));	/* receive buffers, never read back */
static u8 headers[GUESTS][NFVK_XEN_BURST * NFV_HDR_MAX] __attribute__((aligned(4096)));
static u8 lists[GUESTS][XEN_PAGE_SIZE] __attribute__((aligned(4096)));

static struct xen_netif_tx_sring tx[GUESTS];
static struct xen_netif_rx_sring rx[GUESTS];
static struct xen_netif_ctrl_sring ctrl[GUESTS];
static struct nfvk_xen_queue queue[GUESTS], *queues[GUESTS];
static struct nfvk_vif vif[GUESTS];
static struct xenbus_device xb;
static struct net_device dev;
static struct nfvk_session session;
static union { struct nfvk_port port; u8 room[sizeof(struct nfvk_port) + sizeof(struct nfvk_queue)]; } ports[GUESTS + 1];
static struct nfvk_counters counters;
static struct sk_buff_head held[GUESTS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the module's other files would do ---- */

static void kernel_resched(void) { }

/* Writes of a guest while its memory is being copied, as from another CPU. */
static struct {
	u32 *index, value;
} meanwhile;

static void guests_go_on(void)
{
	if (meanwhile.index)
		*meanwhile.index = meanwhile.value;
	meanwhile.index = NULL;
}

static u8 *granted_page(domid_t domid, grant_ref_t ref, bool write)
{
	guests_go_on();
	if (ref >= GREFS || (write && ref < 4))
		return NULL;
	return write ? scratch : pages[ref % 4];
}

void nfvk_miss(struct nfvk_port *port, enum nfv_miss why) { require(why < NFV_N_MISSES); }
void nfvk_xen_miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n) { require(why < NFV_N_MISSES); }
void nfvk_xen_fence(struct nfvk_xen_queue *q, enum nfv_miss why) { q->broken = true; }
void nfvk_forwarded(struct nfvk_port *src, struct nfvk_port *dst, int result) { require(dst); }

struct sk_buff *nfvk_alloc_frame(u32 len, gfp_t gfp)
{
	u32 linear = len <= 2048 ? len : NFV_HDR_MAX;
	struct sk_buff *skb = alloc_skb_with_frags(linear + NET_SKB_PAD, len - linear, PAGE_ALLOC_COSTLY_ORDER, &(int){ 0 }, gfp);

	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD);
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len += len - linear;
	return skb;
}

int nfvk_set_offloads(struct sk_buff *skb, const struct nfv_vnet_hdr *vnet)
{
	skb->protocol = eth_hdr(skb)->h_proto;
	return virtio_net_hdr_to_skb(skb, (const struct virtio_net_hdr *)vnet, true);
}

void nfvk_queue_put(struct nfvk_queue *q, struct sk_buff *skb)
{
	struct sk_buff_head *list = &held[q->port->id];

	if (list->qlen == HELD_MAX)
		kfree_skb(skb);
	else
		__skb_queue_tail(list, skb);
}

/* The frame's destination selects the daemon, the other guest, or the netdev port. */
struct nfvk_port *nfvk_route(struct nfvk_port *src, const struct sk_buff *skb)
{
	u32 to = skb->data[5] % 4;

	require(skb_headlen(skb) >= 6);
	return to == 1 ? &ports[!src->id].port : to == 2 ? &ports[GUESTS].port : NULL;
}

void nfvk_forward(struct nfvk_port *src, struct nfvk_port *dst, struct sk_buff *skb)
{
	skb->dev = dst->dev;
	nfvk_port_xmit(dst, skb);
}

static int to_guest(struct nfvk_port *port, struct sk_buff *skb)
{
	u32 len = skb->len;
	int err;

	if (nfvk_xen_filtered(&vif[port->id], skb)) {
		kfree_skb(skb);
		return len;
	}
	err = nfvk_xen_enqueue(&queue[port->id], &session, skb);
	if (err)
		kfree_skb(skb);
	return err ? err : (int)len;
}

static void flush_guest(struct nfvk_port *port)
{
	if (!skb_queue_empty_lockless(&queue[port->id].waiting))
		nfvk_xen_deliver(&queue[port->id]);
}

static int to_netdev(struct nfvk_port *port, struct sk_buff *skb)
{
	int len = skb->len;

	/* The frame has no payload in a guest's memory any more. */
	require(!nfvk_in_guest(skb));
	kfree_skb(skb);
	return len;
}

static const struct nfvk_port_ops guest_ops = { .xmit = to_guest, .xmit_in_guest = to_guest, .flush = flush_guest, .xen = true };
static const struct nfvk_port_ops netdev_ops = { .xmit = to_netdev };

/* ---- a run ---- */

/* Attach to the rings at their present indices, as a backend that takes over. */
static void attach_rings(unsigned int g)
{
	struct nfvk_xen_queue *q = &queue[g];

	q->source = kzalloc(sizeof(*q->source), 0);
	require(q->source);
	spin_lock_init(&q->source->lock);
	INIT_LIST_HEAD(&q->source->held);
	q->source->queue = q;
	q->broken = q->taking = q->stalled = false;
	BACK_RING_ATTACH(&q->tx, &tx[g], tx[g].rsp_prod, 0);
	BACK_RING_ATTACH(&q->rx, &rx[g], rx[g].rsp_prod, 0);
}

/* The frontend closes while its frames may be held anywhere. Then it connects again. */
static void reconnect(unsigned int g)
{
	struct nfvk_xen_queue *q = &queue[g];
	u32 taken = q->tx.req_cons;

	q->source->gone = true;
	nfvk_xen_purge(q);
	nfvk_xen_leave(q);
	require(!q->source && q->tx.rsp_prod_pvt == taken);
	memset(&tx[g], 0, sizeof(tx[g]));
	memset(&rx[g], 0, sizeof(rx[g]));
	attach_rings(g);
}

static void init_guest(unsigned int g)
{
	struct nfvk_xen_queue *q = &queue[g];

	memset(&tx[g], 0, sizeof(tx[g]));
	memset(&rx[g], 0, sizeof(rx[g]));
	memset(&ctrl[g], 0, sizeof(ctrl[g]));
	vif[g] = (struct nfvk_vif){ .xb = &xb, .domid = g + 1, .port = &ports[g].port, .connected = true, .sg = true,
				    .nr_queues = 1, .queue = &queues[g], .grants = { .domid = g + 1 }, .ctrl_list = (void *)lists[g] };
	nfvk_xen_ctrl_init(&vif[g]);
	queues[g] = q;
	q->vif = &vif[g];
	q->maps = NULL;
	q->fetch.n = q->deliver.n = q->n_responses = q->waiting_bytes = 0;
	q->fetch.ops = q->deliver.ops = &vif[g].grants.ops;
	q->header = headers[g];
	bitmap_zero(q->fetch.failed, NFVK_XEN_BURST);
	bitmap_zero(q->deliver.failed, NFVK_XEN_BURST);
	spin_lock_init(&q->rx_lock);
	__skb_queue_head_init(&q->waiting);
	__skb_queue_head_init(&q->copying);
	__skb_queue_head_init(&held[g]);
	attach_rings(g);
	BACK_RING_ATTACH(&vif[g].ctrl, &ctrl[g], 0, 0);
}

static void init(const u8 *frame)
{
	static bool once;

	memcpy(pages[2], frame, FRAME_BYTES);
	meanwhile.index = NULL;
	for (unsigned int g = 0; g < GUESTS; g++)
		init_guest(g);
	if (once)
		return;
	once = true;
	for (unsigned int i = 0; i <= GUESTS; i++) {
		ports[i].port.session = &session;
		ports[i].port.ops = i < GUESTS ? &guest_ops : &netdev_ops;
		ports[i].port.id = i;
		ports[i].port.dev = &dev;
		ports[i].port.counters = &counters;
		ports[i].port.nr_queues = 1;
		ports[i].port.queue[0].port = &ports[i].port;
		session.ports[i] = &ports[i].port;
	}
	/* A valid TCP frame, and a list of grants. */
	memcpy(pages[0], "\2\0\0\0\0\1\2\0\0\0\0\xee\x08\0\x45\0\0\x3c\0\0\0\0\x40\6", 24);
	for (unsigned int i = 0; i < NFVK_XEN_GREFS_OF_PAGE; i++)
		((struct nfvk_xen_gref *)pages[1])[i] = (struct nfvk_xen_gref){ i * 5 % 61, i & 1, 0 };
	for (unsigned int i = 0; i < GUEST_GRANTS; i++)
		guest[i].granted = i < GREFS;
}

static void check(void)
{
	for (unsigned int g = 0; g < GUESTS; g++) {
		const struct nfvk_xen_queue *q = &queue[g];

		require(q->tx.req_cons - q->tx.rsp_prod_pvt <= NFVK_XEN_RING);
		require(q->rx.req_cons - q->rx.rsp_prod_pvt <= NFVK_XEN_RING);
		require(vif[g].ctrl.req_cons == vif[g].ctrl.rsp_prod_pvt);
		require(!q->n_responses && q->waiting_bytes <= WAITING_MAX);
		require(q->memory.bytes <= q->memory.taken && q->memory.bytes <= MEMORY_MAX / MEMORY_SHARES);
		require(!q->source->lock.held && !q->rx_lock.held && !vif[g].mcast_lock.held);
	}
}

static void end(void)
{
	struct sk_buff *skb;

	for (unsigned int g = 0; g < GUESTS; g++) {
		while ((skb = __skb_dequeue(&held[g])))
			kfree_skb(skb);
		nfvk_xen_purge(&queue[g]);
	}
	for (unsigned int g = 0; g < GUESTS; g++) {
		require(list_empty(&queue[g].source->held) && !queue[g].waiting_bytes);
		nfvk_xen_leave(&queue[g]);
		nfvk_xen_maps_free(queue[g].maps);
		require(!vif[g].grants.mapped.v);
	}
	require(!buffers_out && !pages_out && !session.held.v);
	mapped.v = 0;
}

/* ---- the program ---- */

struct input {
	const u8 *at;
	size_t left;
};

static u32 next(struct input *in, unsigned int bytes)
{
	u32 v = 0;

	for (; bytes && in->left; bytes--, in->left--)
		v = v << 8 | *in->at++;
	return v;
}

/* Post a mostly valid request. */
static void post_tx(unsigned int g, struct input *in)
{
	struct xen_netif_tx_request *r = &tx[g].ring[tx[g].req_prod % NFVK_XEN_RING].req;

	*r = (struct xen_netif_tx_request){ .gref = next(in, 1) % (GREFS + 4), .id = tx[g].req_prod };
	r->flags = next(in, 1) & 15;
	r->offset = next(in, 1) << 4;
	r->size = next(in, 2);
	tx[g].req_prod++;
}

static void post_raw(unsigned int g, struct input *in)
{
	u8 *slot = (u8 *)&tx[g].ring[tx[g].req_prod % NFVK_XEN_RING];

	for (unsigned int i = 0; i < 12; i++)
		slot[i] = next(in, 1);
	tx[g].req_prod++;
}

static void post_rx(unsigned int g, struct input *in, unsigned int n)
{
	u32 gref = next(in, 1);

	for (n = 1 + n * n; n; n--, rx[g].req_prod++)
		rx[g].ring[rx[g].req_prod % NFVK_XEN_RING].req = (struct xen_netif_rx_request){ .id = rx[g].req_prod, .gref = gref % 64 };
}

static void set_index(unsigned int g, struct input *in, bool any, bool later)
{
	u32 *const indices[] = { &tx[g].req_prod, &rx[g].req_prod, &ctrl[g].req_prod, &tx[g].rsp_event, &rx[g].rsp_event };
	u32 *index = indices[next(in, 1) % ARRAY_SIZE(indices)];

	meanwhile.index = index;
	meanwhile.value = any ? next(in, 4) : *index + (int8_t)next(in, 1);
	if (!later)
		guests_go_on();
}

static void ask(unsigned int g, struct input *in)
{
	struct xen_netif_ctrl_request *r = &ctrl[g].ring[ctrl[g].req_prod % ARRAY_SIZE(ctrl[g].ring)].req;

	r->type = 7 + next(in, 1) % 5;
	r->data[0] = next(in, 1) & 0x81;
	r->data[1] = next(in, 1);
	r->data[2] = next(in, 2);
	ctrl[g].req_prod++;
}

/* Return the number of requests; 0 if the index was set back. */
static u32 requests(u32 prod, u32 cons)
{
	return prod - cons <= NFVK_XEN_RING ? prod - cons : 0;
}

static void poll(unsigned int g, unsigned int max)
{
	struct nfvk_xen_queue *q = &queue[g];
	u32 rx_cons = q->rx.req_cons, tx_cons = q->tx.req_cons, there;
	bool steady = !meanwhile.index;

	if (q->broken)
		return;
	there = requests(rx[g].req_prod, rx_cons);
	nfvk_xen_deliver(q);
	require(!steady || q->rx.req_cons - rx_cons <= there);
	if (q->broken)
		return;
	steady = !meanwhile.index;
	there = requests(tx[g].req_prod, tx_cons);
	require(nfvk_xen_take(q, max) <= max);
	require(!steady || q->tx.req_cons - tx_cons <= there);
}

static void serve_ctrl(unsigned int g)
{
	serve(&vif[g].ctrl_work.work);
}

/* The daemon drops, copies or forwards held frames. */
static void daemon_acts(unsigned int g, struct input *in)
{
	struct sk_buff *skb = __skb_dequeue(&held[g]);
	struct nfv_vnet_hdr vnet;
	u32 what = next(in, 1) % 5;

	if (!skb)
		return;
	if (nfvk_in_guest(skb) && (what == 1 || what == 4) && nfvk_xen_fetch(&skb, &vnet)) {
		kfree_skb(skb);
		return;
	}
	switch (what) {
	case 2: case 3:
		nfvk_forward(&ports[g].port, &ports[what - 2].port, skb);
		flush_guest(&ports[what - 2].port);
		break;
	case 4:
		nfvk_forward(&ports[g].port, &ports[GUESTS].port, skb);
		break;
	default:
		kfree_skb(skb);
	}
}

static void other(unsigned int g, struct input *in)
{
	u32 what = next(in, 1), at, value;

	switch (what % 7) {
	case 0:
		nfvk_xen_purge(&queue[g]);
		break;
	case 1:
		jiffies += what * 100;
		nfvk_xen_expire(&queue[g]);
		break;
	case 2:
		vif[g].mcast_control = what & 64;
		break;
	case 3: case 4:
		at = next(in, 2) % 2048;
		value = next(in, 2);
		memcpy((what % 7 == 3 ? (u8 *)&tx[g] : (u8 *)&rx[g]) + at, &value, 2);
		break;
	case 5:
		jiffies += 40000;	/* mapped grants become idle */
		break;
	case 6:
		reconnect(g);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data + FRAME_BYTES, size - FRAME_BYTES };

	if (size < FRAME_BYTES)
		return 0;
	init(data);
	for (unsigned int steps = 0; in.left && steps < 300; steps++) {
		u32 op = next(&in, 1);
		unsigned int g = op >> 3 & 1;

		switch (op & 7) {
		case 0: post_tx(g, &in); break;
		case 1: post_raw(g, &in); break;
		case 2: post_rx(g, &in, op >> 4); break;
		case 3: set_index(g, &in, op & 16, op & 32); break;
		case 4: poll(g, 1 + (op >> 4) * 4); break;
		case 5: daemon_acts(g, &in); break;
		case 6:
			if (op & 16)
				serve_ctrl(g);
			else
				ask(g, &in);
			break;
		case 7: other(g, &in); break;
		}
		check();
	}
	end();
	return 0;
}
