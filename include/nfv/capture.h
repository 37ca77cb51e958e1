/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captured frames, on their way from nfvd's workers to the client of capture.start.
 *
 *	memfd:	one ring for each worker, in order
 *
 *	┌──────┬────────┬────────┬─────┬────────┐
 *	│ head │ slot 0 │ slot 1 │ ... │ slot n │	n + 1 is a power of two
 *	└──────┴────────┴────────┴─────┴────────┘
 *
 * Record number i is in slot i modulo the number of slots. Only the worker writes, and it does not wait for the client:
 * if the client reads too slowly, newer records replace older ones. The memfd is sealed: the client can map it only for
 * reading, and can neither shrink it nor punch holes into it. So the client cannot make a worker wait. nfvd reads
 * nothing from it.
 *
 * A slot's seq is 2 i + 1 while record i is being written, and 2 i + 2 when it is complete. A reader copies the slot,
 * and reads seq before and after. The copy is record i if seq was 2 i + 2 both times.
 */
#ifndef NFV_CAPTURE_H
#define NFV_CAPTURE_H

#include <stdint.h>

#define NFV_CAPTURE_BYTES	132	/* of each frame: what nfvd decides by, and a tag that it adds */

#define NFV_CAPTURE_TURN	64	/* frames of one turn have ids that differ by less, and only in their lowest bits */

enum nfv_capture_kind {
	NFV_CAPTURE_IN,		/* taken from port `from` */
	NFV_CAPTURE_OUT,	/* delivered to port `to` */
	NFV_CAPTURE_DROP,	/* dropped, and counted at port `at`, because of `reason` */
};

struct nfv_capture_record {
	uint64_t id;		/* of the frame: the same in all its records */
	uint64_t time_ns;	/* since 1970, of the turn */
	uint64_t from, to, at;	/* serials of ports, as in port.list; 0: from that is gone, to where none was chosen */
	uint32_t generation;	/* of the configuration */
	uint32_t len;		/* of the frame, in bytes; 0: too malformed to have a length */
	uint16_t bytes;		/* in data */
	uint16_t reason;	/* index into capture.start's "reasons" */
	uint16_t gso_size;
	uint8_t kind;		/* enum nfv_capture_kind */
	uint8_t gso_type;	/* VIRTIO_NET_HDR_GSO_*: a super-frame, unless 0 */
	uint8_t data[NFV_CAPTURE_BYTES];
};

struct nfv_capture_slot {
	_Alignas(64) _Atomic(uint64_t) seq;
	struct nfv_capture_record r;
};

struct nfv_capture_ring {
	_Alignas(64) _Atomic(uint64_t) head;	/* the number of the next record */
	struct nfv_capture_slot slot[];
};

static inline uint64_t nfv_capture_ring_bytes(uint32_t slots)
{
	return sizeof(struct nfv_capture_ring) + (uint64_t)slots * sizeof(struct nfv_capture_slot);
}

#endif
