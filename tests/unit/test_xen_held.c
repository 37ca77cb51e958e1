/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of Xen guests that outlive their rings, that wait, or that consist of many skbs: kmod/xen/tx.c, rx.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "xen_io.h"
#include "xen/maps.c"
#include "nfvk.h"
#include "account.c"
#include "xen/copy.c"
#include "xen/rx.c"
#include "xen/mcast.c"
#include "xen/tx.c"

#define GREFS	600
#define HOST	0			/* a port's or a queue's number */
#define OTHER	1

unsigned int nfvk_xen_maps_max = 64, nfvk_held_ms = 1000, nfvk_held_mib = 16;

static u8 memory[GREFS][XEN_PAGE_SIZE] __attribute__((aligned(4096)));	/* a guest's, by gref */
static u8 headers[NFVK_XEN_BURST * NFV_HDR_MAX] __attribute__((aligned(4096)));
static struct xen_netif_tx_sring tx;
static struct xen_netif_rx_sring rx[2];
static struct nfvk_xen_queue queue[2], *queues[2] = { &queue[0], &queue[1] };
static struct nfvk_vif vif[2];
static struct xenbus_device xb;
static struct net_device dev;
static struct nfvk_session session;
static struct nfvk_counters counters[2];
static union { struct nfvk_port port; u8 room[sizeof(struct nfvk_port) + sizeof(struct nfvk_queue)]; } ports[2];
static struct sk_buff_head held;
static unsigned int missed[NFV_N_MISSES], copied;

static void kernel_resched(void) { }

static u8 *granted_page(domid_t domid, grant_ref_t ref, bool write)
{
	copied++;
	return ref < GREFS ? memory[ref] : NULL;
}

void nfvk_miss(struct nfvk_port *port, enum nfv_miss why) { missed[why]++; }
void nfvk_xen_miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n) { missed[why] += n; }
void nfvk_xen_fence(struct nfvk_xen_queue *q, enum nfv_miss why) { q->broken = true; missed[why]++; }
void nfvk_forwarded(struct nfvk_port *src, struct nfvk_port *dst, int result) { }
int nfvk_set_offloads(struct sk_buff *skb, const struct nfv_vnet_hdr *vnet) { return 0; }
struct nfvk_port *nfvk_route(struct nfvk_port *src, const struct sk_buff *skb) { return NULL; }
void nfvk_forward(struct nfvk_port *src, struct nfvk_port *dst, struct sk_buff *skb) { nfvk_port_xmit(dst, skb); }
void nfvk_queue_put(struct nfvk_queue *q, struct sk_buff *skb) { __skb_queue_tail(&held, skb); }

struct sk_buff *nfvk_alloc_frame(u32 len, gfp_t gfp)
{
	struct sk_buff *skb = __alloc_skb(len, gfp, 0, 0);

	if (skb)
		skb_put(skb, len);
	return skb;
}

/* ---- two guests: one that sends, one that receives ---- */

static void set_up_queue(unsigned int i)
{
	struct nfvk_xen_queue *q = &queue[i];

	memset(q, 0, sizeof(*q));
	vif[i] = (struct nfvk_vif){ .xb = &xb, .domid = i + 1, .port = &ports[i].port, .connected = true, .sg = true,
				    .nr_queues = 1, .queue = &queues[i] };
	q->vif = &vif[i];
	q->fetch.ops = q->deliver.ops = &vif[i].grants.ops;
	q->header = headers;
	q->source = kzalloc(sizeof(*q->source), 0);
	require(q->source);
	INIT_LIST_HEAD(&q->source->held);
	q->source->queue = q;
	__skb_queue_head_init(&q->waiting);
	__skb_queue_head_init(&q->copying);
	memset(&rx[i], 0, sizeof(rx[i]));
	BACK_RING_ATTACH(&q->tx, &tx, 0, 0);
	BACK_RING_ATTACH(&q->rx, &rx[i], 0, 0);
	ports[i].port.session = &session;
	ports[i].port.id = i;
	ports[i].port.dev = &dev;
	ports[i].port.counters = &counters[i];
	ports[i].port.nr_queues = 1;
}

static int up(void **state)
{
	memset(&tx, 0, sizeof(tx));
	memset(missed, 0, sizeof(missed));
	memset(counters, 0, sizeof(counters));
	set_up_queue(HOST);
	set_up_queue(OTHER);
	__skb_queue_head_init(&held);
	copied = 0;
	for (unsigned int i = 0; i < GREFS; i++)
		for (unsigned int k = 0; k < XEN_PAGE_SIZE; k++)
			memory[i][k] = i * 7 + k;
	return 0;
}

static int down(void **state)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&held)))
		kfree_skb(skb);
	for (unsigned int i = 0; i < 2; i++) {
		nfvk_xen_purge(&queue[i]);
		nfvk_xen_leave(&queue[i]);
	}
	assert_int_equal(buffers_out, 0);
	assert_int_equal(session.held.v, 0);
	return 0;
}

/* Frames of so many bytes, held for the daemon. */
static void hold_frames(unsigned int n, u16 bytes)
{
	for (unsigned int i = 0; i < n; i++)
		tx.ring[(tx.req_prod + i) % NFVK_XEN_RING].req = (struct xen_netif_tx_request){ .gref = i, .id = tx.req_prod + i, .size = bytes };
	tx.req_prod += n;
	while (nfvk_xen_take(&queue[HOST], NFVK_XEN_BURST))
		;
	assert_int_equal(held.qlen, n);
}

static void post_buffers(unsigned int n)
{
	struct xen_netif_rx_sring *ring = &rx[OTHER];

	for (unsigned int i = 0; i < n; i++, ring->req_prod++)
		ring->ring[ring->req_prod % NFVK_XEN_RING].req = (struct xen_netif_rx_request){ .id = ring->req_prod, .gref = 300 + i };
}

/* As a vif disconnects, a grace period between. */
static void rings_go(unsigned int i)
{
	queue[i].source->gone = true;
	nfvk_xen_leave(&queue[i]);
	assert_null(queue[i].source);
}

/* ---- tests ---- */

static void answered_when_rings_go(void **state)
{
	bool seen[NFVK_XEN_RING] = { 0 };

	hold_frames(200, 600);
	assert_int_equal(tx.rsp_prod, 0);
	/* A frame from the middle gets its response when it is freed, before earlier frames. */
	for (unsigned int i = 0; i < 100; i++)
		__skb_queue_tail(&held, __skb_dequeue(&held));
	kfree_skb(__skb_dequeue(&held));
	assert_int_equal(tx.rsp_prod, 1);
	assert_int_equal(tx.ring[0].rsp.id, 100);
	assert_int_equal(tx.ring[0].rsp.status, XEN_NETIF_RSP_OKAY);
	rings_go(HOST);
	/* Each once, whatever the order. */
	assert_int_equal(tx.rsp_prod, 200);
	for (unsigned int i = 0; i < 200; i++) {
		assert_false(seen[tx.ring[i].rsp.id]);
		seen[tx.ring[i].rsp.id] = true;
		if (i)
			assert_int_equal(tx.ring[i].rsp.status, XEN_NETIF_RSP_DROPPED);
	}
	/* Freeing them must not access the ring now. down() frees them, and ASan reports leaks. */
	memset(&tx, 0xee, sizeof(tx));
}

static void not_copied_when_gone(void **state)
{
	struct nfv_vnet_hdr vnet;
	struct sk_buff *skb;

	hold_frames(3, 600);
	skb = __skb_dequeue(&held);
	copied = 0;
	assert_int_equal(nfvk_xen_fetch(&skb, &vnet), 0);
	assert_true(copied > 0 && !nfvk_in_guest(skb));
	assert_memory_equal(skb->data, memory[0], 600);
	kfree_skb(skb);
	rings_go(HOST);
	copied = 0;
	skb = __skb_dequeue(&held);
	assert_int_equal(nfvk_xen_fetch(&skb, &vnet), -EIO);
	assert_int_equal(copied, 0);
	kfree_skb(skb);
}

/* A frame waits for another guest's buffers when its own guest ends: the other gets no frame, and loses no buffer. */
static void waits_when_its_guest_goes(void **state)
{
	struct sk_buff *ours = nfvk_alloc_frame(300, 0);

	hold_frames(5, 600);
	memset(ours->data, 0x55, 300);
	while (held.qlen)
		assert_int_equal(nfvk_xen_enqueue(&queue[OTHER], &session, __skb_dequeue(&held)), 0);
	assert_int_equal(nfvk_xen_enqueue(&queue[OTHER], &session, ours), 0);
	rings_go(HOST);
	post_buffers(10);
	copied = 0;
	nfvk_xen_deliver(&queue[OTHER]);
	assert_int_equal(missed[NFV_MISS_RX_GRANT], 5);
	assert_int_equal(rx[OTHER].rsp_prod, 1);
	assert_int_equal(rx[OTHER].ring[0].rsp.status, 300);
	assert_int_equal(memory[300][299], 0x55);
	assert_int_equal(queue[OTHER].waiting_bytes, 0);
	assert_int_equal(counters[OTHER].tx_frames.v, 1);
}

static void failed_is_not_sent(void **state)
{
	hold_frames(3, 600);
	while (held.qlen)
		assert_int_equal(nfvk_xen_enqueue(&queue[OTHER], &session, __skb_dequeue(&held)), 0);
	post_buffers(3);
	rx[OTHER].ring[1].req.gref = GREFS;
	nfvk_xen_deliver(&queue[OTHER]);
	assert_int_equal(rx[OTHER].rsp_prod, 3);
	assert_int_equal(rx[OTHER].ring[1].rsp.status, XEN_NETIF_RSP_ERROR);
	assert_int_equal(missed[NFV_MISS_RX_GRANT], 1);
	assert_int_equal(counters[OTHER].tx_frames.v, 2);
	assert_int_equal(counters[OTHER].tx_bytes.v, 1200);
}

/* Small frames take more memory than their bytes; the bound is on memory. */
static void memory_is_bounded(void **state)
{
	struct sk_buff *skb;
	u64 before = 0;
	unsigned int n = 0;

	for (;;) {
		skb = nfvk_alloc_frame(60, 0);
		if (nfvk_xen_enqueue(&queue[OTHER], &session, skb))
			break;
		before += skb->truesize;
		n++;
	}
	kfree_skb(skb);
	assert_true(n * 60 < WAITING_MAX / 2);
	assert_true(before > MEMORY_MAX / MEMORY_SHARES - 2000 && before <= MEMORY_MAX / MEMORY_SHARES);
	assert_true((u64)session.held.v >= before && (u64)session.held.v < before + 3 * NFVK_ACCOUNT_PIECE);
	/* They are lost with the connection, and counted. The session's limit is lower. */
	nfvk_xen_purge(&queue[OTHER]);
	assert_int_equal(missed[NFV_MISS_RX_EXPIRED], n);
	missed[NFV_MISS_RX_EXPIRED] = 0;
	assert_int_equal(session.held.v, 0);
	session.held.v = (16 << 20) - (long)NFVK_ACCOUNT_PIECE;
	for (n = 0; !nfvk_xen_enqueue(&queue[OTHER], &session, skb = nfvk_alloc_frame(60, 0)); n++)
		;
	kfree_skb(skb);
	assert_true(n > 0 && n < NFVK_ACCOUNT_PIECE / 60);
	session.held.v -= (16 << 20) - (long)NFVK_ACCOUNT_PIECE;
	jiffies += nfvk_held_ms + 1;
	nfvk_xen_expire(&queue[OTHER]);
	assert_int_equal(missed[NFV_MISS_RX_EXPIRED], n);
	assert_int_equal(session.held.v, 0);
	assert_true(queue[OTHER].stalled);
}

/* Linear parts, pages, empty parts and lists of skbs are copied as one run of bytes. */
static void lists_of_skbs(void **state)
{
	static const u32 linear[] = { 100, 0, 5000, 1, 0 }, frags[] = { 4096, 3000, 0, 9000, 0 };
	struct sk_buff *head = NULL, **end = NULL;
	u32 at = 0, slot = 0;

	for (unsigned int i = 0; i < 5; i++) {
		struct sk_buff *skb = alloc_skb_with_frags(linear[i] + 1, frags[i], 3, &(int){ 0 }, 0);

		for (u32 k = 0; k < linear[i]; k++)
			skb->data[k] = at++;
		for (u32 k = 0; k < frags[i]; k++)
			skb->info.frags[0].at[k] = at++;
		skb->len = linear[i] + frags[i];
		skb->data_len = frags[i];
		if (!head) {
			head = skb;
			end = &skb->info.frag_list;
			continue;
		}
		*end = skb;
		end = &skb->next;
		head->len += skb->len;
		head->data_len += skb->len;
		head->truesize += skb->truesize;
	}
	assert_int_equal(nfvk_xen_enqueue(&queue[OTHER], &session, head), 0);
	post_buffers(10);
	nfvk_xen_deliver(&queue[OTHER]);
	assert_int_equal(rx[OTHER].rsp_prod, DIV_ROUND_UP(at, 4096));
	for (u32 k = 0; k < at; k++, slot = k / 4096)
		assert_int_equal(memory[300 + slot][k % 4096], (u8)k);
	assert_int_equal(counters[OTHER].tx_bytes.v, at);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

/* The rate is 100 kB per 50 ms, for any frame sizes; a silent guest saves up one period. */
static void rate(void **state)
{
	static const u32 sizes[] = { 60, 1514, 65549 };

	for (unsigned int i = 0; i < 3; i++) {
		struct nfvk_xen_rate r = { .bytes = 100000, .usec = 50000 };
		u64 sent = 0, now = 1000000000;

		for (; now < 11000000000ull; now += 100000)
			while (nfvk_xen_may_send(&r, now)) {
				nfvk_xen_pay(&r, sizes[i], now);
				sent += sizes[i];
			}
		assert_in_range(sent, 20000000, 20000000 + 100000 + 65549);
		/* After a second of silence, at most one period's bytes pass at once, and the frame that exceeds it. */
		now += 1000000000;
		for (sent = 0; nfvk_xen_may_send(&r, now); sent += sizes[i])
			nfvk_xen_pay(&r, sizes[i], now);
		assert_in_range(sent, 100000, 100000 + sizes[i]);
	}
}

static void no_rate(void **state)
{
	struct nfvk_xen_rate r = { 0 };

	for (unsigned int i = 0; i < 1000; i++) {
		assert_true(nfvk_xen_may_send(&r, 1000));
		nfvk_xen_pay(&r, 65549, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answered_when_rings_go), T(not_copied_when_gone), T(waits_when_its_guest_goes), T(failed_is_not_sent),
		T(memory_is_bounded), T(lists_of_skbs),
		cmocka_unit_test(rate),
		cmocka_unit_test(no_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
