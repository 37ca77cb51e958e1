/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame/layout.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <rte_ip.h>
#include <string.h>

#define UDP_CSUM 6
#define GRE_CSUM 4
#define GRE_HAS_CSUM 0x80	/* RFC 2784 and 2890: first byte */
#define GRE_HAS_KEY 0x20
#define GRE_UNKNOWN 0x5f	/* routing, numbers, and what is reserved */
#define TUNNEL_LEN 8		/* of VXLAN; of Geneve without options */
#define ETH_P_TEB 0x6558	/* Ethernet */

unsigned int nfvd_layout_l3(const uint8_t *h, unsigned int n, uint16_t *type)
{
	unsigned int off = 12;

	for (int tags = 0;; tags++) {
		if (off + 2 > n)
			return n;
		memcpy(type, h + off, 2);
		if (tags == 2 || (*type != htons(ETH_P_8021Q) && *type != htons(ETH_P_8021AD)))
			return off + 2;
		off += 4;
	}
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
}

/* What follows the IP header at l3: its protocol and where it begins. */
static enum nfvd_read ip_end(const uint8_t *h, unsigned int n, unsigned int l3, bool v6, unsigned int *l4,
			     uint8_t *protocol)
{
	if (l3 + (v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr)) > n)
		return NFVD_READ_MORE;
	if (h[l3] >> 4 != (v6 ? 6 : 4) || (!v6 && (h[l3] & 0xf) < 5))
		return NFVD_READ_BAD;
	if (!v6) {
		*protocol = h[l3 + 9];
		*l4 = l3 + (h[l3] & 0xf) * 4u;
		return NFVD_READ_OK;
	}
	*protocol = h[l3 + 6];
	*l4 = l3 + sizeof(struct ip6_hdr);
	while (is_extension(*protocol)) {
		if (*l4 + 2 > n)
			return NFVD_READ_MORE;
		*protocol = h[*l4];
		*l4 += (h[*l4 + 1] + 1) * 8u;
	}
	return NFVD_READ_OK;
}

/* Return whether ip is an IPv4 header of len bytes, with this protocol, for a packet of `packet` bytes. */
static bool is_ipv4(const uint8_t *ip, unsigned int len, uint32_t packet, uint8_t protocol)
{
	return ip[0] == (0x40 | len / 4) && ip[9] == protocol && (uint32_t)(ip[2] << 8 | ip[3]) == packet &&
	       rte_raw_cksum(ip, len) == 0xffff;
}

/*
 * Find the IP header that ends where the transport header of this protocol begins, somewhere behind from. The kind of
 * the tunnel does not matter. The header is recognised by the length of its packet, and by its checksum (IPv4) or its
 * lack of options (IPv6).
 */
static bool inner_ip(const uint8_t *h, uint32_t total, unsigned int from, unsigned int l4, uint8_t protocol,
		     struct nfvd_layout *t)
{
	for (unsigned int len = 20; len <= 60 && from + len <= l4; len += 4)
		if (is_ipv4(h + l4 - len, len, total - (l4 - len), protocol)) {
			t->v6 = false;
			t->l3 = l4 - len;
			return true;
		}
	t->v6 = true;
	t->l3 = l4 - sizeof(struct ip6_hdr);
	return from + sizeof(struct ip6_hdr) <= l4 && h[t->l3] >> 4 == 6 && h[t->l3 + 6] == protocol &&
	       (uint32_t)(h[t->l3 + 4] << 8 | h[t->l3 + 5]) == total - l4;
}

static bool is_tunnel(uint8_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_GRE || protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

/* Move *l3 behind the labels of MPLS, if type says that there are some. Set *v6 to the IP version of what follows. */
static enum nfvd_read skip_labels(const uint8_t *h, unsigned int n, uint16_t type, unsigned int *l3, bool *labels, bool *v6)
{
	bool bottom;

	*labels = type == htons(ETH_P_MPLS_UC) || type == htons(ETH_P_MPLS_MC);
	*v6 = type == htons(ETH_P_IPV6);
	if (!*labels)
		return *v6 || type == htons(ETH_P_IP) ? NFVD_READ_OK : NFVD_READ_BAD;
	do {
		if (*l3 + 5 > n)
			return NFVD_READ_MORE;
		bottom = h[*l3 + 2] & 1;
		*l3 += 4;
	} while (!bottom);
	*v6 = h[*l3] >> 4 == 6;
	return NFVD_READ_OK;
}

enum nfvd_read nfvd_layout_network(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, uint8_t protocol,
				   struct nfvd_layout *t)
{
	uint16_t type = 0;
	unsigned int l3 = nfvd_layout_l3(h, n, &type), end;
	enum nfvd_read ret;
	uint8_t found;
	bool v6;

	*t = (struct nfvd_layout){ .l4 = f->vnet.hdr.csum_start };
	if (l3 == n)
		return n < f->len ? NFVD_READ_MORE : NFVD_READ_BAD;
	ret = skip_labels(h, n, type, &l3, &t->labels, &v6);
	if (ret == NFVD_READ_OK)
		ret = ip_end(h, n, l3, v6, &end, &found);
	if (ret != NFVD_READ_OK)
		return ret;
	if (end == t->l4) {
		t->v6 = v6;
		t->l3 = l3;
		return found == protocol ? NFVD_READ_OK : NFVD_READ_BAD;
	}
	if (end > t->l4 || !is_tunnel(found))
		return NFVD_READ_BAD;
	if (t->l4 > n)
		return NFVD_READ_MORE;
	t->tunnel = true;
	t->outer_v6 = v6;
	t->outer_l3 = l3;
	t->outer_l4 = end;
	t->outer_protocol = found;
	return inner_ip(h, f->len, end, t->l4, protocol, t) ? NFVD_READ_OK : NFVD_READ_BAD;
}

enum nfvd_read nfvd_layout_read(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, struct nfvd_layout *t)
{
	bool udp = f->vnet.hdr.gso_type == NFVD_GSO_UDP_L4;
	enum nfvd_read ret = nfvd_layout_network(f, h, n, udp ? IPPROTO_UDP : IPPROTO_TCP, t);

	if (ret == NFVD_READ_OK) {
		t->udp = udp;
		t->payload = t->l4 + (udp ? sizeof(struct udphdr) : sizeof(struct tcphdr));
		if (!udp && t->payload <= n)
			t->payload = t->l4 + (h[t->l4 + 12] >> 4) * 4;
		if (!udp && t->payload < t->l4 + sizeof(struct tcphdr))
			return NFVD_READ_BAD;
		if (t->payload > n)
			ret = NFVD_READ_MORE;
	}
	/* More than all there is. */
	return ret == NFVD_READ_MORE && (n >= f->len || t->payload > f->len) ? NFVD_READ_BAD : ret;
}

/* ---- a tunnel's headers ---- */

static uint16_t type_of(const struct nfvd_layout *t)
{
	return htons(t->v6 ? ETH_P_IPV6 : ETH_P_IP);
}

/* Return the length of the Ethernet header with tags that begins at `at`, if the inner IP header follows it, else 0. */
static unsigned int inner_ethernet(const struct nfvd_layout *t, const uint8_t *h, unsigned int at)
{
	uint16_t type = 0;

	if (at + ETH_HLEN > t->l3 || at + nfvd_layout_l3(h + at, t->l3 - at, &type) != t->l3 || type != type_of(t))
		return 0;
	return t->l3 - at;
}

/* Of VXLAN or Geneve. */
static uint16_t outer_udp(const struct nfvd_layout *t, const uint8_t *h)
{
	unsigned int at = t->outer_l4 + sizeof(struct udphdr) + TUNNEL_LEN, l2 = inner_ethernet(t, h, at);
	const uint8_t *geneve = h + t->outer_l4 + sizeof(struct udphdr);

	if (!l2 && at <= t->l3 && geneve[2] == ETH_P_TEB >> 8 && geneve[3] == (ETH_P_TEB & 0xff))
		l2 = inner_ethernet(t, h, at + (geneve[0] & 0x3f) * 4);
	return l2 ? NFVD_OUTER_UDP | NFVD_OUTER_L2(l2) : 0;
}

static uint16_t outer_gre(const struct nfvd_layout *t, const uint8_t *h)
{
	const uint8_t *gre = h + t->outer_l4;
	unsigned int end = t->outer_l4 + 4, l2;
	uint16_t type;

	if (end > t->l3 || gre[0] & GRE_UNKNOWN || gre[1])
		return 0;
	end += (gre[0] & GRE_HAS_CSUM ? 4 : 0) + (gre[0] & GRE_HAS_KEY ? 4 : 0);
	memcpy(&type, gre + 2, sizeof(type));
	if (type == type_of(t))
		return end == t->l3 ? NFVD_OUTER_GRE : 0;
	l2 = type == htons(ETH_P_TEB) ? inner_ethernet(t, h, end) : 0;
	return l2 ? NFVD_OUTER_GRE | NFVD_OUTER_L2(l2) : 0;
}

uint16_t nfvd_layout_outer(const struct nfvd_layout *t, const uint8_t *h)
{
	unsigned int len = t->l3 - ETH_HLEN, ip = t->outer_l3 + (t->outer_v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));
	bool options = t->outer_l4 != ip, v6 = t->outer_v6;
	uint16_t how = 0;

	if (!t->tunnel || t->udp || t->outer_l3 != ETH_HLEN || len > NFVD_OUTER_LEN)
		return 0;
	/* IPv4: options, or a fragment. */
	if (!v6 && (options || h[t->outer_l3 + 6] & 0x3f || h[t->outer_l3 + 7]))
		return 0;
	switch (t->outer_protocol) {
	case IPPROTO_UDP:
		how = options ? 0 : outer_udp(t, h);
		break;
	case IPPROTO_GRE:
		how = outer_gre(t, h);
		break;
	default:
		/* No more than a length says that it is IP. */
		return t->outer_l4 == t->l3 ? len | (v6 ? NFVD_OUTER_V6 : 0) : 0;
	}
	return how ? how | len | (v6 ? NFVD_OUTER_V6 : 0) : 0;
}

unsigned int nfvd_layout_outer_sum(const struct nfvd_layout *t, const uint8_t *h)
{
	const uint8_t *l4 = h + t->outer_l4;

	if (t->outer_protocol == IPPROTO_UDP && (l4[UDP_CSUM] || l4[UDP_CSUM + 1]))
		return t->outer_l4 + UDP_CSUM;
	return t->outer_protocol == IPPROTO_GRE && l4[0] & GRE_HAS_CSUM ? t->outer_l4 + GRE_CSUM : 0;
}
