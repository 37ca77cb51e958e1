/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/address.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include "frame/offload.h"

#define DHCP_SERVER	67
#define DHCP_CLIENT	68
#define DHCP6_CLIENT	546
#define DHCP6_SERVER	547
#define OPTIONS_MAX	2048	/* bytes of neighbour discovery's options: no fragments are taken of it, RFC 6980 */
#define TYPE_MIN	0x600	/* of an EtherType: below it is the length of an 802.3 frame */

/* Types of ICMPv6. */
enum { MLD_REPORT = 131, MLD_DONE = 132, ROUTER_SOLICIT = 133, ROUTER_ADVERT, NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT, REDIRECT,
       MLD2_REPORT = 143 };

static uint16_t be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

/*
 * Return whether udp (8 bytes) may be a server's message: it comes from the server's port, or goes to a client's
 * port, because clients accept it from any port.
 */
static bool from_server(const uint8_t *udp, unsigned int server, unsigned int client)
{
	return be16(udp) == server || be16(udp + 2) == client;
}

/* Read n (at most 8) bytes that may lie anywhere. */
static inline uint64_t word(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	memcpy(&w, p, n);
	return w;
}

static inline bool in_prefix(const struct nfvd_prefix *p, const uint8_t *address, unsigned int at, size_t n)
{
	return (word(address + at, n) & word(p->mask + at, n)) == word(p->address + at, n);
}

static bool in_ip4(const struct nfvd_policy *p, const uint8_t *address)
{
	for (unsigned int i = 0; i < p->n_ip4; i++)
		if (in_prefix(&p->ip4[i], address, 0, 4))
			return true;
	return false;
}

static bool in_ip6(const struct nfvd_policy *p, const uint8_t *address)
{
	for (unsigned int i = 0; i < p->n_ip6; i++)
		if (in_prefix(&p->ip6[i], address, 0, 8) && in_prefix(&p->ip6[i], address, 8, 8))
			return true;
	return false;
}

static bool has_mac(const struct nfvd_policy *p, const uint8_t *mac)
{
	static const uint8_t vrrp[2][5] = { { 0, 0, 0x5e, 0, 1 }, { 0, 0, 0x5e, 0, 2 } };	/* RFC 5798 */

	if (p->vrrp && (!memcmp(mac, vrrp[0], 5) || !memcmp(mac, vrrp[1], 5)))
		return true;
	for (unsigned int i = 0; i < p->n_macs; i++)
		if (!memcmp(mac, p->macs[i], 6))
			return true;
	return false;
}

/* The first address after the port came up is its own. */
static bool pinned(struct nfvd_address_state *state, const uint8_t *mac)
{
	uint64_t mine = NFVD_PINNED, none = 0;

	memcpy(&mine, mac, 6);
	return atomic_load_explicit(nfvd_pinned(state), memory_order_relaxed) == mine ||
	       (!nfvd_bad_source(mac) && atomic_compare_exchange_strong(nfvd_pinned(state), &none, mine));
}

static bool mac_ok(struct nfvd_address_state *state, const struct nfvd_policy *p, const uint8_t *mac)
{
	return (!p->n_macs && !p->pin) || has_mac(p, mac) || (p->pin && pinned(state, mac));
}

static bool ip_limited(const struct nfvd_policy *p)
{
	return p->n_ip4 || p->n_ip6;
}

static enum nfvd_drop check_arp(struct nfvd_address_state *state, const struct nfvd_policy *p, const uint8_t *arp, unsigned int left)
{
	static const uint8_t ethernet_ip[6] = { 0, 1, 8, 0, 6, 4 }, probe[4];	/* RFC 5227: a probe's sender is 0.0.0.0 */

	if (left < 28 || memcmp(arp, ethernet_ip, sizeof(ethernet_ip)) || !mac_ok(state, p, arp + 8))
		return NFVD_DROP_SPOOFED_MAC;
	return !ip_limited(p) || in_ip4(p, arp + 14) || !memcmp(arp + 14, probe, 4) ? NFVD_PASS :
		NFVD_DROP_SPOOFED_IP;
}

static enum nfvd_drop check_ip4(const struct nfvd_policy *p, const uint8_t *ip, unsigned int left)
{
	static const uint8_t any[4], all[4] = { 255, 255, 255, 255 };
	const uint8_t *udp = NULL;
	unsigned int len;
	bool first;

	if (left < 20)
		return ip_limited(p) ? NFVD_DROP_SPOOFED_IP : NFVD_PASS;
	/* What follows is padding. */
	if (be16(ip + 2) && be16(ip + 2) < left)
		left = be16(ip + 2);
	len = (ip[0] & 0xf) * 4u;
	first = !(be16(ip + 6) & 0x1fff);
	if (first && len >= 20 && ip[9] == IPPROTO_UDP && left >= len + 8)
		udp = ip + len;
	if (p->guard & NFVD_GUARD_DHCP && first && ip[9] == IPPROTO_UDP && (!udp || from_server(udp, DHCP_SERVER, DHCP_CLIENT)))
		return NFVD_DROP_GUARD;
	if (!ip_limited(p) || in_ip4(p, ip + 12))
		return NFVD_PASS;
	return !memcmp(ip + 12, any, 4) && !memcmp(ip + 16, all, 4) && udp && be16(udp) == DHCP_CLIENT &&
		be16(udp + 2) == DHCP_SERVER ? NFVD_PASS : NFVD_DROP_SPOOFED_IP;
}

/* A link-local address made from this MAC address: RFC 4291, appendix A. */
static bool link_local_of(const uint8_t *ip, const uint8_t *mac)
{
	uint8_t want[16] = { 0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	return !memcmp(ip, want, sizeof(want));
}

static bool ip6_ok(const struct nfvd_policy *p, const uint8_t *ip, const uint8_t *mac)
{
	return in_ip6(p, ip) || link_local_of(ip, mac);
}

/* The options of a message of neighbour discovery: a link-layer address has to be the port's. */
static bool options_ok(struct nfvd_address_state *state, const struct nfvd_policy *p, const uint8_t *opt, unsigned int left)
{
	while (left >= 2) {
		unsigned int len = opt[1] * 8u;

		/* Of no length, or cut off: Linux takes no such message. */
		if (!len || len > left)
			return false;
		if ((opt[0] == 1 || opt[0] == 2) && !mac_ok(state, p, opt + 2))
			return false;
		opt += len;
		left -= len;
	}
	return !left;
}

/* Of f, n bytes from off on. */
static enum nfvd_drop check_options(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f,
				    unsigned int off, unsigned int n)
{
	uint8_t options[OPTIONS_MAX];

	if (n > sizeof(options))
		return NFVD_DROP_SPOOFED_MAC;
	if (off + n > f->hdr_len && !f->origin_copies)
		return NFVD_ADDRESS_BEHIND;
	return nfvd_frame_read(f, off, options, n) == n && options_ok(state, p, options, n) ? NFVD_PASS : NFVD_DROP_SPOOFED_MAC;
}

/* ICMPv6 begins at off; n bytes of it are in the private header, of left bytes in all. */
static enum nfvd_drop check_discovery(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f,
				      const uint8_t *ip, unsigned int off, unsigned int n, unsigned int left)
{
	static const uint8_t any[16];
	static const unsigned int fixed[] = { 8, 16, 24, 24, 40 };	/* of ROUTER_SOLICIT to REDIRECT, before the options */
	const uint8_t *icmp = f->hdr + off;
	unsigned int type = icmp[0], skip;

	if (p->guard & NFVD_GUARD_RA && (type == ROUTER_ADVERT || type == REDIRECT))
		return NFVD_DROP_GUARD;
	if (type < ROUTER_SOLICIT || type > REDIRECT)
		return NFVD_PASS;
	skip = fixed[type - ROUTER_SOLICIT];
	if (left < skip)
		return NFVD_DROP_SPOOFED_MAC;
	/* Check the target of a message that claims an address, or that asks whether the sender may have it. */
	if (ip_limited(p) && (type == NEIGHBOUR_ADVERT || (type == NEIGHBOUR_SOLICIT && !memcmp(ip + 8, any, 16))) &&
	    (n < 24 || !ip6_ok(p, icmp + 8, f->hdr + 6)))
		return NFVD_DROP_SPOOFED_IP;
	/* The target of a redirect, and the link-layer address with it, are another station's. */
	return type != REDIRECT && (p->pin || p->n_macs) ? check_options(state, p, f, off + skip, left - skip) : NFVD_PASS;
}

static bool may_be_unspecified(unsigned int type)
{
	return type == MLD_REPORT || type == MLD_DONE || type == ROUTER_SOLICIT || type == NEIGHBOUR_SOLICIT || type == MLD2_REPORT;
}

/*
 * Step over the extension headers from *off on, before end. The upper protocol; -1: it does not begin before end; -2: a later
 * fragment.
 */
static int upper_protocol(const struct nfvd_frame *f, unsigned int *off, unsigned int end, unsigned int next)
{
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_AH) {
		const uint8_t *h;

		if (*off + 8 > end)
			return -1;
		h = f->hdr + *off;
		if (next == IPPROTO_FRAGMENT && be16(h + 2) & 0xfff8)
			return -2;
		*off += next == IPPROTO_FRAGMENT ? 8 : next == IPPROTO_AH ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		next = h[0];
	}
	return next;
}

/* Return the bytes of the packet at ip from off on. Anything behind it is padding. */
static unsigned int ip_bytes_left(const struct nfvd_frame *f, const uint8_t *ip, unsigned int off)
{
	unsigned int end = (unsigned int)(ip - f->hdr) + 40 + be16(ip + 4);

	if (!be16(ip + 4) || end > f->len)
		end = f->len;
	return end > off ? end - off : 0;
}

static enum nfvd_drop check_ip6(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f, unsigned int off)
{
	static const uint8_t any[16];
	const uint8_t *ip = f->hdr + off;
	int upper, type = -1;
	unsigned int end;

	if (off + 40 > f->hdr_len)
		return ip_limited(p) ? NFVD_DROP_SPOOFED_IP : NFVD_PASS;
	off += 40;
	/* The headers that can be read. What follows the packet is padding, and may look like one. */
	end = off + ip_bytes_left(f, ip, off);
	if (end > f->hdr_len)
		end = f->hdr_len;
	upper = upper_protocol(f, &off, end, ip[6]);
	if (upper == -1 || (upper >= 0 && (upper == IPPROTO_ICMPV6 || upper == IPPROTO_UDP) && off + 8 > end))
		return p->guard ? NFVD_DROP_GUARD : NFVD_DROP_SPOOFED_IP;
	if (upper == IPPROTO_UDP && p->guard & NFVD_GUARD_DHCP && from_server(f->hdr + off, DHCP6_SERVER, DHCP6_CLIENT))
		return NFVD_DROP_GUARD;
	if (upper == IPPROTO_ICMPV6) {
		enum nfvd_drop why;

		type = f->hdr[off];
		why = check_discovery(state, p, f, ip, off, f->hdr_len - off, ip_bytes_left(f, ip, off));
		if (why != NFVD_PASS)
			return why;
	}
	if (!ip_limited(p) || ip6_ok(p, ip + 8, f->hdr + 6))
		return NFVD_PASS;
	return !memcmp(ip + 8, any, 16) && ip[24] == 0xff && type >= 0 && may_be_unspecified(type) ? NFVD_PASS : NFVD_DROP_SPOOFED_IP;
}

/*
 * Return whether length is followed by an 802.2 header and then an EtherType (RFC 1042, IEEE 802.1H). Some systems
 * take IP from there.
 */
static bool is_snap(const uint8_t *length)
{
	static const uint8_t ethernet[6] = { 0xaa, 0xaa, 3 }, bridge[6] = { 0xaa, 0xaa, 3, 0, 0, 0xf8 };

	return be16(length) < TYPE_MIN && (!memcmp(length + 2, ethernet, 6) || !memcmp(length + 2, bridge, 6));
}

/*
 * Return where the network layer begins, behind all tags and 802.2 headers, and set *type; 0: not in the private
 * header.
 */
static unsigned int network_layer(const struct nfvd_frame *f, uint16_t *type)
{
	for (unsigned int off = 12; off + 2 <= f->hdr_len; off += 4) {
		const uint8_t *h = f->hdr + off;

		*type = be16(h);
		if (off + 8 <= f->hdr_len && is_snap(h))
			off += 4;
		else if (*type != ETH_P_8021Q && *type != ETH_P_8021AD && *type != ETH_P_QINQ1)
			return off + 2;
	}
	return 0;
}

static enum nfvd_drop check_network(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f)
{
	uint16_t type;
	unsigned int off = network_layer(f, &type);

	if (!off)
		return NFVD_DROP_SPOOFED_IP;
	switch (type) {
	case ETH_P_ARP:
	case ETH_P_RARP:
		return check_arp(state, p, f->hdr + off, f->hdr_len - off);
	case ETH_P_IP:
		return check_ip4(p, f->hdr + off, f->hdr_len - off);
	case ETH_P_IPV6:
		return check_ip6(state, p, f, off);
	default:
		return NFVD_PASS;
	}
}

static void note_spoofed(struct nfvd_address_state *state, const struct nfvd_frame *f)
{
	uint64_t mac = NFVD_PINNED;

	if (atomic_load_explicit(&state->spoofed, memory_order_relaxed))
		return;
	memcpy(&mac, f->hdr + 6, 6);
	atomic_store_explicit(&state->spoofed, mac, memory_order_relaxed);
}

enum nfvd_drop nfvd_address_check_rest(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f)
{
	enum nfvd_drop why = check_network(state, p, f);

	if (why == NFVD_DROP_SPOOFED_MAC)
		note_spoofed(state, f);
	return why;
}

enum nfvd_drop nfvd_address_check(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f)
{
	if (mac_ok(state, p, f->hdr + 6))
		return nfvd_address_check_rest(state, p, f);
	note_spoofed(state, f);
	return NFVD_DROP_SPOOFED_MAC;
}
