/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames with offload requests, and an independent checksum to verify the results of the code under test. */
#ifndef NFV_TEST_OFFLOAD_FRAMES_H
#define NFV_TEST_OFFLOAD_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "frame/cut.c"
#include "frame/layout.c"
#include "frame/offload.c"

static uint8_t wire[NFVD_FRAME_MAX];
static struct iovec rest[7];
static struct nfvd_frame f;

/* The frame in wire[], its payload cut into uneven vectors. */
static void build(uint32_t len)
{
	uint32_t off = 0;

	f.len = len;
	f.hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX;
	memcpy(f.hdr, wire, f.hdr_len);
	f.iov = rest;
	for (f.iov_n = 0; f.hdr_len + off < len; f.iov_n++) {
		uint32_t part = f.iov_n == 6 ? len : 3 + 1777u * f.iov_n;

		if (part > len - f.hdr_len - off)
			part = len - f.hdr_len - off;
		rest[f.iov_n] = (struct iovec){ wire + f.hdr_len + off, part };
		off += part;
	}
}

/* RFC 1071 over n bytes, the slow and obvious way. */
static uint32_t plain_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool labelled;	/* by tags: labels of MPLS in their place */

/* A TCP frame with a partial checksum; returns the offset of its payload. */
static unsigned int tcp_frame(bool v6, unsigned int tags, uint32_t payload)
{
	unsigned int l3 = 14 + 4 * tags, l4 = l3 + (v6 ? 40 : 20), data = l4 + 32;
	uint32_t pseudo;

	memset(&f, 0, sizeof(f));
	for (uint32_t i = 0; i < data + payload; i++)
		wire[i] = i < data ? 0 : rand();
	for (unsigned int i = 0; i < tags; i++)
		memcpy(wire + (labelled ? 14 : 12) + 4 * i, labelled ? i == tags - 1 ? "\x00\x06\x41\x40" : "\x00\x06\x40\x40" : "\x81\x00\x00\x05", 4);
	memcpy(wire + (labelled ? 12 : l3 - 2), labelled ? "\x88\x47" : v6 ? "\x86\xdd" : "\x08\x00", 2);
	wire[l3] = v6 ? 0x60 : 0x45;
	wire[l3 + (v6 ? 6 : 9)] = IPPROTO_TCP;
	for (unsigned int i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i++)
		wire[l3 + i] = 17 * i;
	wire[l4 + 7] = 200;		/* sequence number */
	wire[l4 + 12] = 8 << 4;		/* 12 bytes of options */
	wire[l4 + 13] = 0x80 | 0x10 | 0x09;	/* CWR ACK PSH FIN */
	pseudo = plain_sum(wire + l3 + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + 32 + payload);
	wire[l4 + 16] = pseudo >> 8;
	wire[l4 + 17] = pseudo;
	build(data + payload);
	f.vnet.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f.vnet.hdr.csum_start = l4;
	f.vnet.hdr.csum_offset = 16;
	return data;
}

static uint32_t flatten(const struct nfvd_frame *s, uint8_t *out)
{
	uint32_t n = s->hdr_len;

	memcpy(out, s->hdr, n);
	for (unsigned int i = 0; i < s->iov_n; n += s->iov[i++].iov_len)
		memcpy(out + n, s->iov[i].iov_base, s->iov[i].iov_len);
	return n;
}

static void assert_tcp_sum(const uint8_t *p, uint32_t len, bool v6, unsigned int l3, unsigned int l4)
{
	uint32_t sum = plain_sum(p + l3 + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + len - l4);

	assert_int_equal(plain_sum(p + l4, len - l4, sum), 0xffff);
}

static struct iovec whole[NFVD_CUT_IOVS(NFVD_IOV_MAX)];
static struct nfvd_frame segs[2000];

#endif
