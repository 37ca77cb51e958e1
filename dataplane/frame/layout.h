/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the headers of a frame lie that requests a checksum or segmentation. */
#ifndef NFVD_LAYOUT_H
#define NFVD_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include "frame/frame.h"

#define NFVD_HEADERS_MAX	256	/* bytes of headers: IPv6 in VXLAN in IPv6, tags, TCP options */
#define NFVD_GSO_UDP_L4		5	/* virtio 1.3; younger than Debian 12's headers */

/* Of TCP or UDP, in bytes from the frame's start; in a tunnel both the inner and the outer ones. */
struct nfvd_layout {
	bool v6, udp, tunnel, outer_v6;
	bool labels;		/* of MPLS, before the IP header */
	uint8_t outer_protocol;
	unsigned int l3, l4, payload;
	unsigned int outer_l3, outer_l4;
};

enum nfvd_read { NFVD_READ_OK, NFVD_READ_MORE, NFVD_READ_BAD };

/* Return the network header's offset behind up to two VLAN tags, n if it is not in n bytes. *type is in network order. */
unsigned int nfvd_layout_l3(const uint8_t *h, unsigned int n, uint16_t *type);

/* Find the network headers before the transport header of this protocol, which begins at csum_start. */
enum nfvd_read nfvd_layout_network(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, uint8_t protocol,
				   struct nfvd_layout *t);

/*
 * Find the headers of f, which requests segmentation, in its first n bytes h. Return MORE if the headers are longer
 * than n, BAD if they contradict the request.
 */
enum nfvd_read nfvd_layout_read(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, struct nfvd_layout *t);

/*
 * The outer headers of TCP in a tunnel, as a program may have to know them to put them on: those between the frame's own
 * Ethernet header and the inner IP header. Return 0 for any that it could not: beside a VLAN tag, of a fragment, with options
 * of IPv4, with numbers of GRE, or of a tunnel unknown here. Known are VXLAN, Geneve, GRE, and IP in IP.
 */
#define NFVD_OUTER_LEN		0x007fu	/* their bytes, */
#define NFVD_OUTER_L2(n)	((n) << 7)	/* of these the inner Ethernet header and its tags: 5 bits */
#define NFVD_OUTER_V6		0x1000u
#define NFVD_OUTER_UDP		0x2000u
#define NFVD_OUTER_GRE		0x4000u
uint16_t nfvd_layout_outer(const struct nfvd_layout *t, const uint8_t *h);

/* Return where the checksum of a tunnel's outer headers is, 0 if they have none. */
unsigned int nfvd_layout_outer_sum(const struct nfvd_layout *t, const uint8_t *h);

#endif
