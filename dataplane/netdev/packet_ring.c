/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define VNET_LEN	sizeof(struct virtio_net_hdr)
#define RING_BYTES	((size_t)NFVD_RING_BLOCKS * NFVD_RING_BLOCK)
#define MACS_LEN	(2 * ETH_ALEN)
#define TAG_LEN		4
#define ADOPT_LOOKS	100
#define FILLING_MAX	128	/* slots that CPUs fill at one moment; frames behind them may be there already */

/*
 * Offset of the Ethernet header of a long frame in ring.room: tpacket2_hdr and virtio_net_hdr come before it, as in a
 * slot.
 */
#define LONG_MAC	(TPACKET_ALIGN(sizeof(struct tpacket2_hdr)) + TPACKET_ALIGNMENT)
#define LONG_BYTES	(LONG_MAC + NFVD_FRAME_MAX)
/* A burst, and the frame that passes its limit. */
#define ROOM_BYTES	(NFVD_BURST_BYTES + NFVD_BURST * (LONG_MAC + TPACKET_ALIGNMENT) + LONG_BYTES)

_Static_assert(NFVD_RING_SLOT % TPACKET_ALIGNMENT == 0, "the kernel wants aligned slots");
_Static_assert(VNET_LEN <= TPACKET_ALIGNMENT, "room before the frame");
_Static_assert(NFVD_RING_SLOTS > NFVD_BURST, "a burst must leave slots to fill");

/* Map the ring that the socket has; the kernel refuses if it is of another size. 0 or -errno. */
static int map(struct nfvd_packet_ring *r, int sock)
{
	void *mem;

	r->room = malloc(ROOM_BYTES);
	if (!r->room)
		return -ENOMEM;
	mem = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, sock, 0);
	if (mem == MAP_FAILED) {
		int err = -errno;

		nfvd_ring_unmap(r);
		return err;
	}
	r->mem = mem;
	r->sock = sock;
	return 0;
}

int nfvd_ring_map(struct nfvd_packet_ring *r, int sock)
{
	const int version = TPACKET_V2, on = 1, queued = NFVD_RING_QUEUED;
	const struct tpacket_req req = {
		.tp_block_size = NFVD_RING_BLOCK, .tp_block_nr = NFVD_RING_BLOCKS,
		.tp_frame_size = NFVD_RING_SLOT, .tp_frame_nr = NFVD_RING_SLOTS,
	};

	if (setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(sock, SOL_PACKET, PACKET_COPY_THRESH, &on, sizeof(on)) ||
	    setsockopt(sock, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	/* Exceed the system's limit if nfvd may; the limit will do otherwise. */
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &queued, sizeof(queued)))
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &queued, sizeof(queued));
	return map(r, sock);
}

void nfvd_ring_unmap(struct nfvd_packet_ring *r)
{
	if (r->mem)
		munmap(r->mem, RING_BYTES);
	free(r->room);
	*r = (struct nfvd_packet_ring){ 0 };
}

static uint8_t *slot_of(const struct nfvd_packet_ring *r, unsigned int i)
{
	return r->mem + (size_t)i * NFVD_RING_SLOT;
}

static struct tpacket2_hdr *header(const struct nfvd_packet_ring *r, unsigned int i)
{
	return (struct tpacket2_hdr *)slot_of(r, i % NFVD_RING_SLOTS);
}

static bool filled(const struct nfvd_packet_ring *r, unsigned int i)
{
	return __atomic_load_n(&header(r, i)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

unsigned int nfvd_ring_queued(const struct nfvd_packet_ring *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NFVD_RING_SLOTS; i++)
		n += filled(r, i);
	return n;
}

unsigned int nfvd_ring_queued_next(const struct nfvd_packet_ring *r)
{
	unsigned int n = 0, empty = 0;

	for (unsigned int i = 0; i < NFVD_RING_SLOTS && empty < FILLING_MAX; i++) {
		bool frame = filled(r, r->next + i);

		n += frame;
		empty = frame ? 0 : empty + 1;
	}
	return n;
}

/* Behind it the compiler moves nothing. */
static void write_position(const struct nfvd_packet_ring *r, unsigned int next, unsigned int giving_back, unsigned int taken)
{
	if (r->position)
		__atomic_store_n(r->position, next | giving_back << 16 | taken << 24, __ATOMIC_RELEASE);
}

/*
 * Return whether all filled slots follow each other from next on. Try again if not, because the kernel may be filling
 * some.
 */
static bool begins_at(const struct nfvd_packet_ring *r, unsigned int next)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ADOPT_LOOKS; i++) {
		for (n = 0; n < NFVD_RING_SLOTS && filled(r, next + n);)
			n++;
		if (n == nfvd_ring_queued(r))
			return true;
	}
	return false;
}

int nfvd_ring_adopt(struct nfvd_packet_ring *r, int sock, uint32_t *position)
{
	unsigned int next = *position & 0xffff, n = *position >> 16 & 0xff, taken = *position >> 24;
	int err = next < NFVD_RING_SLOTS && n <= NFVD_BURST && taken <= NFVD_BURST ? map(r, sock) : -EINVAL;

	if (err)
		return err;
	/* The end came while these were given back. */
	for (; n; n--)
		__atomic_store_n(&header(r, next + NFVD_RING_SLOTS - n)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	if (!begins_at(r, next)) {
		nfvd_ring_unmap(r);
		return -EINVAL;
	}
	r->next = next;
	r->position = position;
	write_position(r, next, 0, taken);
	return (int)taken;
}

int nfvd_ring_renew(struct nfvd_packet_ring *r, int sock)
{
	const struct tpacket_req none = { 0 };
	uint32_t *position = r->position;
	int err = 0;

	nfvd_ring_unmap(r);
	if (setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &none, sizeof(none)))
		err = -errno;
	if (!err)
		err = nfvd_ring_map(r, sock);
	r->position = position;
	write_position(r, 0, 0, 0);
	return err;
}

unsigned int nfvd_ring_waiting(const struct nfvd_packet_ring *r)
{
	/* The worker may change next meanwhile. A caller that gets the same value twice can rely on it. */
	unsigned int next = __atomic_load_n(&r->next, __ATOMIC_RELAXED);
	const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)slot_of(r, next);

	return __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER ? NFVD_RING_SLOTS : next;
}

enum nfvd_drop nfvd_ring_frame(uint8_t *slot, struct nfvd_frame *f, struct iovec *rest)
{
	const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)slot;
	uint8_t *data = slot + h->tp_mac;
	bool tagged = h->tp_status & TP_STATUS_VLAN_VALID;
	uint32_t n = h->tp_snaplen, copied;

	if (h->tp_len > NFVD_FRAME_MAX)
		return NFVD_DROP_OVERSIZE;
	if (h->tp_len != h->tp_snaplen)
		return NFVD_DROP_RX_FULL;
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
	return NFVD_PASS;
}

/* The tag of a frame that was read, in the words of a slot. (Its tp_len is not set for such a frame.) */
static void fill_from_aux(struct msghdr *msg, struct tpacket2_hdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		h->tp_status = aux.tp_status;
		h->tp_vlan_tci = aux.tp_vlan_tci;
		h->tp_vlan_tpid = aux.tp_vlan_tpid;
	}
}

/* Read the long frame that has waited longest. */
static void read_long(struct nfvd_packet_ring *r, struct nfvd_packet_long *l)
{
	uint8_t *slot = r->room + r->used;
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec iov = { slot + LONG_MAC - VNET_LEN, VNET_LEN + NFVD_FRAME_MAX };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(r->sock, &msg, MSG_DONTWAIT | MSG_TRUNC);

	/* A socket remembers that its device was down, and says so once in the place of a frame. */
	if (n < 0 && errno == ENETDOWN)
		n = recvmsg(r->sock, &msg, MSG_DONTWAIT | MSG_TRUNC);
	if (n < (ssize_t)VNET_LEN) {
		/* EINVAL: the kernel cannot say in a virtio_net_hdr what is to be done with it, and let it go. */
		*l = (struct nfvd_packet_long){ NULL, n < 0 && errno == EINVAL ? NFVD_DROP_GSO_UNSUP : NFVD_DROP_RX_FULL };
		return;
	}
	n -= VNET_LEN;
	if (n > NFVD_FRAME_MAX) {
		*l = (struct nfvd_packet_long){ NULL, NFVD_DROP_OVERSIZE };
		return;
	}
	*h = (struct tpacket2_hdr){ .tp_len = n, .tp_snaplen = n, .tp_mac = LONG_MAC };
	fill_from_aux(&msg, h);
	*l = (struct nfvd_packet_long){ slot, 0 };
	r->used += TPACKET_ALIGN(LONG_MAC + n);
}

/* Take the next long frame, which may have been read before. Return false if the burst has no room for one more. */
static bool take_long(struct nfvd_packet_ring *r, struct nfvd_frame *f, struct iovec *rest, enum nfvd_drop *why)
{
	struct nfvd_packet_long *l = &r->longs[r->given];

	if (r->given == r->read) {
		if (r->read == NFVD_BURST || r->used + LONG_BYTES > ROOM_BYTES)
			return false;
		read_long(r, l);
		r->read++;
	}
	r->given++;
	*why = l->slot ? nfvd_ring_frame(l->slot, f, rest) : l->why;
	return true;
}

bool nfvd_ring_take(struct nfvd_packet_ring *r, struct nfvd_frame *f, enum nfvd_drop *why)
{
	uint8_t *slot = slot_of(r, r->next);
	const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)slot;
	uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

	if (r->taken == NFVD_BURST || !(status & TP_STATUS_USER))
		return false;
	if (!(status & TP_STATUS_COPY))
		*why = nfvd_ring_frame(slot, f, &r->rest[r->taken]);
	else if (!take_long(r, f, &r->rest[r->taken], why))
		return false;
	r->taken++;
	r->next = r->next + 1 == NFVD_RING_SLOTS ? 0 : r->next + 1;
	return true;
}

/* Forget the first n long frames. The others will be taken again. */
static void done_longs(struct nfvd_packet_ring *r, unsigned int n)
{
	r->read -= n;
	r->given = 0;
	if (!r->read)
		r->used = 0;
	else if (n)
		memmove(r->longs, r->longs + n, r->read * sizeof(r->longs[0]));
}

/* The first slot that is taken. */
static unsigned int first_taken(const struct nfvd_packet_ring *r)
{
	return (r->next + NFVD_RING_SLOTS - r->taken) % NFVD_RING_SLOTS;
}

void nfvd_ring_note(const struct nfvd_packet_ring *r)
{
	write_position(r, first_taken(r), 0, r->taken);
}

void nfvd_ring_done(struct nfvd_packet_ring *r, unsigned int n)
{
	unsigned int i = first_taken(r), longs = 0, end = (i + n) % NFVD_RING_SLOTS, left = r->taken - n;

	write_position(r, end, n, left);
	for (; n; n--) {
		struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot_of(r, i);

		longs += !!(h->tp_status & TP_STATUS_COPY);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		i = i + 1 == NFVD_RING_SLOTS ? 0 : i + 1;
	}
	write_position(r, end, 0, left);
	if (r->read)
		done_longs(r, longs);
	r->next = i;
	r->taken = 0;
}
