// SPDX-License-Identifier: BSD-3-Clause
/*
 * The virtio network device (virtio 1.2, 5.1): one pair of queues. Frames stay
 * where the device or lwIP put them until the other side has processed them.
 */
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include "console.h"
#include "cpu.h"
#include "memory.h"
#include "netdev.h"
#include "virtio.h"

#define RX_BUF_BYTES	4096u
#define RX_BUFS		512u
/* If the device has fewer buffers left, lwIP gets copies, because it may keep frames for long. */
#define RX_FEW		128u
#define TX_PARTS	128u
#define FRAME_MAX	65535u	/* the limit of struct pbuf */

#define BIT(n)		(1ull << (n))
#define WANTED		(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MTU) | \
			 BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_MRG_RXBUF) | \
			 BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_HOST_TSO4))
/* Super-frames need mergeable buffers and open checksums. */
#define GSO_NEEDS	(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM))
#define GSO		(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_ECN))

enum { RX, TX };

/* A buffer belongs to lwIP, to the device (rx_posted), or to the list of free ones. */
struct rx_buf {
	struct pbuf_custom pbuf;	/* first: lwIP frees the buffer through it */
	struct rx_buf *next;
	uint8_t data[RX_BUF_BYTES] __attribute__((aligned(64)));
};

static const struct virtio_transport *transport;
static struct virtq rx, tx;
static uint64_t features;
static bool broken, tx_stalled;

static struct rx_buf *rx_bufs;
static struct rx_buf *rx_free;
static unsigned int rx_n_free;
static struct rx_buf *rx_posted[QUEUE_MAX];

static struct pbuf *tx_frames[QUEUE_MAX];
static struct virtio_net_hdr_v1 tx_headers[QUEUE_MAX];

/* Stop, and keep the first reason. The device is reset, so that it no longer accesses memory. */
static void give_up(const char *reason)
{
	if (broken)
		return;
	broken = true;
	transport->set_status(0);
	print("virtio-net: stopped, the device has %s\n", reason);
}

static void rx_release(struct pbuf *p)
{
	struct rx_buf *buf = (struct rx_buf *)p;

	buf->next = rx_free;
	rx_free = buf;
	rx_n_free++;
}

static void rx_fill(void)
{
	while (rx_free && rx.n_free) {
		struct rx_buf *buf = rx_free;
		struct virtq_part part = { buf->data, RX_BUF_BYTES };

		rx_free = buf->next;
		rx_n_free--;
		rx_posted[virtq_add(&rx, &part, 1, true)] = buf;
	}
}

/* Return the next used buffer as a pbuf without its first SKIP bytes; NULL if the queue is broken. */
static struct pbuf *rx_take(unsigned int skip, struct virtio_net_hdr_v1 *header)
{
	uint32_t length;
	int id = virtq_take(&rx, &length);
	struct rx_buf *buf;

	if (id < 0) {
		give_up(rx.broken);
		return NULL;
	}
	buf = rx_posted[id];
	if (length <= skip || length > RX_BUF_BYTES) {
		rx_release(&buf->pbuf.pbuf);
		give_up("written more than there is, or nothing");
		return NULL;
	}
	if (header)
		memcpy(header, buf->data, sizeof(*header));
	buf->pbuf.custom_free_function = rx_release;
	return pbuf_alloced_custom(PBUF_RAW, (uint16_t)(length - skip), PBUF_REF, &buf->pbuf, buf->data + skip,
				   (uint16_t)(RX_BUF_BYTES - skip));
}

/* Take a frame of at most AVAILABLE buffers. Return their number; 0 if the queue is broken. */
static unsigned int rx_frame(unsigned int available)
{
	struct virtio_net_hdr_v1 header;
	struct pbuf *frame = rx_take(sizeof(header), &header), *more, *copy;
	unsigned int n = 1, i;
	bool fits = true;

	if (!frame)
		return 0;
	if (features & BIT(VIRTIO_NET_F_MRG_RXBUF))
		n = header.num_buffers;
	if (!n || n > available)
		give_up("merged buffers that are not there");
	for (i = 1; i < n && !broken; i++) {
		more = rx_take(0, NULL);
		if (!more)
			break;
		fits = fits && frame->tot_len + more->tot_len <= FRAME_MAX;
		if (fits)
			pbuf_cat(frame, more);
		else
			pbuf_free(more);
	}
	if (broken || !fits) {
		pbuf_free(frame);
		return broken ? 0 : n;
	}
	if (rx_n_free < RX_FEW) {
		copy = pbuf_clone(PBUF_RAW, PBUF_RAM, frame);
		pbuf_free(frame);
		frame = copy;
	}
	if (frame)
		net_input(frame, header.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID));
	return n;
}

static void tx_reclaim(void)
{
	unsigned int n = virtq_used(&tx);
	uint32_t length;

	for (; n; n--) {
		int id = virtq_take(&tx, &length);

		if (id < 0)
			break;
		pbuf_free(tx_frames[id]);
	}
	if (tx.broken)
		give_up(tx.broken);
}

static unsigned int poll(unsigned int budget)
{
	unsigned int n, frames = 0, available;

	if (broken)
		return 0;
	tx_reclaim();
	if (tx_stalled && tx.n_free > tx.size / 2) {
		tx_stalled = false;
		net_tx_ready();
	}
	for (available = virtq_used(&rx); available && frames < budget; available -= n) {
		n = rx_frame(available);
		if (!n)
			break;
		frames++;
	}
	if (rx.broken)
		give_up(rx.broken);
	rx_fill();
	return frames;
}

static bool send(struct pbuf *frame, const struct netdev_offload *offload)
{
	struct virtq_part parts[TX_PARTS];
	unsigned int n = 1;
	struct pbuf *p;
	int head;

	if (broken)
		return false;
	for (p = frame; p; p = p->next) {
		if (n == TX_PARTS)
			return false;
		parts[n++] = (struct virtq_part){ p->payload, p->len };
	}
	if (tx.n_free < n)
		tx_reclaim();
	if (tx.n_free < n) {
		tx_stalled = true;
		return false;
	}
	/* The chain will begin at tx.free, so use that descriptor's header. */
	tx_headers[tx.free] = (struct virtio_net_hdr_v1){
		.flags = offload->csum_start ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
		.csum_start = offload->csum_start,
		.csum_offset = offload->csum_offset,
		.gso_type = offload->segment_bytes ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE,
		.gso_size = offload->segment_bytes,
		.hdr_len = offload->header_bytes,
	};
	parts[0] = (struct virtq_part){ &tx_headers[tx.free], sizeof(tx_headers[0]) };
	head = virtq_add(&tx, parts, n, false);
	pbuf_ref(frame);
	tx_frames[head] = frame;
	return true;
}

static void flush(void)
{
	if (broken)
		return;
	virtq_flush(&rx);
	virtq_flush(&tx);
}

/* Used Tx frames are work only if TCP waits for room. */
static bool has_work(void)
{
	return virtq_used(&rx) || rx.broken || (tx_stalled && (virtq_used(&tx) || tx.broken));
}

static bool ready(void)
{
	if (broken)
		return false;
	virtq_interrupts(&rx, true);
	virtq_interrupts(&tx, tx_stalled);
	if (!has_work())
		return false;
	virtq_interrupts(&rx, false);
	virtq_interrupts(&tx, false);
	return true;
}

void virtio_net_irq(void)
{
	transport->irq_ack();
	virtq_interrupts(&rx, false);
	virtq_interrupts(&tx, false);
}

static void negotiate(void)
{
	transport->set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	transport->set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	features = transport->features() & WANTED;
	if (!(features & BIT(VIRTIO_F_VERSION_1)))
		stop("the network device is older than virtio 1");
	if ((features & GSO_NEEDS) != GSO_NEEDS)
		features &= ~GSO;
	if (!(features & BIT(VIRTIO_NET_F_CSUM)))
		features &= ~BIT(VIRTIO_NET_F_HOST_TSO4);
	transport->accept(features);
	transport->set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(transport->status() & VIRTIO_CONFIG_S_FEATURES_OK))
		stop("the network device refuses features");
}

static void read_config(struct netdev_info *info)
{
	*info = (struct netdev_info){
		.has_mac = features & BIT(VIRTIO_NET_F_MAC),
		.tx_csum = features & BIT(VIRTIO_NET_F_CSUM),
		.tx_gso = features & BIT(VIRTIO_NET_F_HOST_TSO4),
	};
	if (info->has_mac)
		transport->config(offsetof(struct virtio_net_config, mac), info->mac, sizeof(info->mac));
	if (features & BIT(VIRTIO_NET_F_MTU))
		transport->config(offsetof(struct virtio_net_config, mtu), (uint8_t *)&info->mtu, sizeof(info->mtu));
}

static void open(const char *cmdline, struct netdev_info *info)
{
	unsigned int i;

	transport = virtio_mmio_find(VIRTIO_ID_NET, cmdline);
	if (!transport)
		transport = virtio_pci_find(VIRTIO_ID_NET);
	if (!transport)
		stop("no virtio network device");
	negotiate();
	read_config(info);
	if (!virtq_start(&rx, transport, RX) || !virtq_start(&tx, transport, TX))
		stop("the network device has no queues");
	virtq_interrupts(&rx, false);
	virtq_interrupts(&tx, false);
	transport->set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
			      VIRTIO_CONFIG_S_DRIVER_OK);
	rx_bufs = memory_take(RX_BUFS * sizeof(*rx_bufs));
	for (i = 0; i < RX_BUFS; i++)
		rx_release(&rx_bufs[i].pbuf.pbuf);
	rx_fill();
	flush();
}

const struct netdev virtio_net = {
	.open = open,
	.poll = poll,
	.send = send,
	.flush = flush,
	.ready = ready,
};
