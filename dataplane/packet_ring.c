/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define VNET_LEN	sizeof(struct virtio_net_hdr)
#define RING_BYTES	((size_t)NFVD_RING_BLOCKS * NFVD_RING_BLOCK)
#define MACS_LEN	(2 * ETH_ALEN)
#define TAG_LEN		4

_Static_assert(NFVD_RING_SLOT % TPACKET_ALIGNMENT == 0, "the kernel wants aligned slots");
_Static_assert(NFVD_RING_SLOTS > NFVD_BURST, "a burst must leave slots to fill");

int nfvd_ring_map(struct nfvd_packet_ring *r, int sock)
{
	const int version = TPACKET_V2;
	const struct tpacket_req req = {
		.tp_block_size = NFVD_RING_BLOCK, .tp_block_nr = NFVD_RING_BLOCKS,
		.tp_frame_size = NFVD_RING_SLOT, .tp_frame_nr = NFVD_RING_SLOTS,
	};
	void *mem;

	if (setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	mem = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, sock, 0);
	if (mem == MAP_FAILED)
		return -errno;
	r->mem = mem;
	return 0;
}

void nfvd_ring_unmap(struct nfvd_packet_ring *r)
{
	if (r->mem)
		munmap(r->mem, RING_BYTES);
	r->mem = NULL;
}

static uint8_t *slot_of(const struct nfvd_packet_ring *r, unsigned int i)
{
	return r->mem + (size_t)(i / NFVD_RING_PER_BLOCK) * NFVD_RING_BLOCK +
	       (size_t)(i % NFVD_RING_PER_BLOCK) * NFVD_RING_SLOT;
}

enum nfvd_drop nfvd_ring_frame(uint8_t *slot, struct nfvd_frame *f, struct iovec *rest)
{
	const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)slot;
	uint8_t *data = slot + h->tp_mac;
	bool tagged = h->tp_status & TP_STATUS_VLAN_VALID;
	uint32_t n = h->tp_snaplen, copied;

	if (h->tp_len != h->tp_snaplen)
		return NFVD_DROP_TRUNCATED;
	if (n < NFVD_FRAME_MIN)
		return NFVD_DROP_RUNT;
	memcpy(&f->vnet.hdr, data - VNET_LEN, VNET_LEN);
	f->vnet.num_buffers = 0;
	f->origin_copies = 1;
	f->held = f->flooded = false;
	if (!tagged) {
		copied = n < NFVD_HDR_MAX ? n : NFVD_HDR_MAX;
		memcpy(f->hdr, data, copied);
		f->hdr_len = copied;
		f->len = n;
	} else {
		/* IEEE 802.1Q clause 9: the tag follows the addresses. */
		uint16_t tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : ETH_P_8021Q;
		uint16_t tag[2] = { htons(tpid), htons(h->tp_vlan_tci) };

		copied = n < NFVD_HDR_MAX - TAG_LEN ? n : NFVD_HDR_MAX - TAG_LEN;
		memcpy(f->hdr, data, MACS_LEN);
		memcpy(f->hdr + MACS_LEN, tag, TAG_LEN);
		memcpy(f->hdr + MACS_LEN + TAG_LEN, data + MACS_LEN, copied - MACS_LEN);
		f->hdr_len = copied + TAG_LEN;
		f->len = n + TAG_LEN;
		if (f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			f->vnet.hdr.csum_start += TAG_LEN;
	}
	*rest = (struct iovec){ data + copied, n - copied };
	f->iov = rest;
	f->iov_n = n > copied;
	return NFVD_N_REASONS;
}

bool nfvd_ring_take(struct nfvd_packet_ring *r, struct nfvd_frame *f, enum nfvd_drop *why)
{
	uint8_t *slot = slot_of(r, r->next);
	const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)slot;

	if (r->taken == NFVD_BURST || !(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	*why = nfvd_ring_frame(slot, f, &r->rest[r->taken]);
	r->taken++;
	r->next = r->next + 1 == NFVD_RING_SLOTS ? 0 : r->next + 1;
	return true;
}

void nfvd_ring_done(struct nfvd_packet_ring *r, unsigned int n)
{
	unsigned int i = (r->next + NFVD_RING_SLOTS - r->taken) % NFVD_RING_SLOTS;

	for (; n; n--) {
		struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot_of(r, i);

		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		i = i + 1 == NFVD_RING_SLOTS ? 0 : i + 1;
	}
	r->next = i;
	r->taken = 0;
}
