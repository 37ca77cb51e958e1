/* SPDX-License-Identifier: BSD-3-Clause */
/* Build and check frames as the words of a row say. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy.h"

unsigned int be16(const uint8_t *p)
{
	return (unsigned int)(p[0] << 8 | p[1]);
}

static void put(struct build *b, const void *p, size_t n)
{
	memcpy(b->f + b->n, p, n);
	b->n += n;
}

static void put8(struct build *b, unsigned int v)
{
	b->f[b->n++] = (uint8_t)v;
}

static void put16(struct build *b, unsigned int v)
{
	put8(b, v >> 8);
	put8(b, v);
}

/* An address by word: a port's name; b (broadcast as "all"), mc, none (unknown), vrrp, vrrp6, or xx:xx:.. */
static void put_mac(struct build *b, const char *w)
{
	static const struct {
		const char *word;
		uint8_t mac[6];
	} words[] = {
		{ "all", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } }, { "mc", { 1, 0, 0x5e, 0, 0, 9 } }, { "none", { 2, 0, 0, 0, 0, 0x77 } },
		{ "vrrp", { 0, 0, 0x5e, 0, 1, 9 } }, { "vrrp6", { 0, 0, 0x5e, 0, 2, 9 } }, { "other", { 2, 0, 0, 0, 0, 0x66 } },
		{ "mc6", { 0x33, 0x33, 0, 0, 0, 1 } }, { "zero", { 0 } },
	};
	unsigned int m[6];

	for (size_t i = 0; i < PORTS; i++)
		if (!strcmp(w, ends[i].name)) {
			put(b, ends[i].mac, 6);
			return;
		}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(w, words[i].word)) {
			put(b, words[i].mac, 6);
			return;
		}
	if (sscanf(w, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) {
		fprintf(stderr, "policy: no address '%s'\n", w);
		exit(2);
	}
	for (unsigned int i = 0; i < 6; i++)
		put8(b, m[i]);
}

static void put_ip(struct build *b, int family, const char *w)
{
	uint8_t ip[16];

	if (inet_pton(family, w, ip) != 1) {
		fprintf(stderr, "policy: no IP address '%s'\n", w);
		exit(2);
	}
	put(b, ip, family == AF_INET ? 4 : 16);
}

static void put_ip4(struct build *b, const char *src, const char *dst, unsigned int protocol, size_t payload, unsigned int fragment)
{
	put16(b, ETH_P_IP);
	put16(b, 0x4500);
	put16(b, (unsigned int)(20 + payload));
	put16(b, 1);
	put16(b, fragment);
	put8(b, 64);
	put8(b, protocol);
	put16(b, 0);
	put_ip(b, AF_INET, src);
	put_ip(b, AF_INET, dst);
}

static void put_udp(struct build *b, unsigned int from, unsigned int to, size_t payload)
{
	put16(b, from);
	put16(b, to);
	put16(b, (unsigned int)(8 + payload));
	put16(b, 0);
}

static void put_ip6(struct build *b, const char *src, const char *dst, unsigned int next, size_t payload)
{
	put16(b, ETH_P_IPV6);
	put16(b, 0x6000);
	put16(b, 0);
	put16(b, (unsigned int)payload);
	put8(b, next);
	put8(b, 255);
	put_ip(b, AF_INET6, src);
	put_ip(b, AF_INET6, dst);
}

#define REST	20	/* bytes behind the headers; the marker is the last of them */

/* The rest of a row's frame: one kind of payload and its words w[0..n). */
static void put_payload(struct build *b, char **w, unsigned int n)
{
	const char *kind = w[0];

#define NEEDS(args) if (n != (args) + 1) { fprintf(stderr, "policy: '%s' takes %d words\n", kind, args); exit(2); }
	if (!strcmp(kind, "test")) {
		NEEDS(0)
		put16(b, 0x88b5);
		b->n += 26;
	} else if (!strcmp(kind, "udp")) {			/* SIP DIP */
		NEEDS(2)
		put_ip4(b, w[1], w[2], IPPROTO_UDP, 8 + REST, 0);
		put_udp(b, 5000, 5001, REST);
	} else if (!strcmp(kind, "port")) {			/* SIP DIP SPORT DPORT */
		NEEDS(4)
		put_ip4(b, w[1], w[2], IPPROTO_UDP, 8 + REST, 0);
		put_udp(b, (unsigned int)atoi(w[3]), (unsigned int)atoi(w[4]), REST);
	} else if (!strcmp(kind, "frag")) {			/* SIP DIP: a later fragment, whose bytes look like a DHCP server's */
		NEEDS(2)
		put_ip4(b, w[1], w[2], IPPROTO_UDP, 8 + REST, 0x00b9);
		put_udp(b, 67, 68, REST);
	} else if (!strcmp(kind, "shortip")) {
		NEEDS(0)
		put16(b, ETH_P_IP);
		put16(b, 0x4500);
		b->n += 4;
		b->n -= REST;
	} else if (!strcmp(kind, "arp") || !strcmp(kind, "rarp")) {	/* SENDER-MAC SENDER-IP TARGET-IP */
		NEEDS(3)
		put16(b, kind[0] == 'r' ? ETH_P_RARP : ETH_P_ARP);
		put16(b, 1);
		put16(b, ETH_P_IP);
		put16(b, 0x0604);
		put16(b, kind[0] == 'r' ? 3 : 1);
		put_mac(b, w[1]);
		put_ip(b, AF_INET, w[2]);
		put_mac(b, "zero");
		put_ip(b, AF_INET, w[3]);
	} else if (!strcmp(kind, "udp6")) {			/* SIP DIP */
		NEEDS(2)
		put_ip6(b, w[1], w[2], IPPROTO_UDP, 8 + REST);
		put_udp(b, 5000, 5001, REST);
	} else if (!strcmp(kind, "port6")) {			/* SIP DIP SPORT DPORT */
		NEEDS(4)
		put_ip6(b, w[1], w[2], IPPROTO_UDP, 8 + REST);
		put_udp(b, (unsigned int)atoi(w[3]), (unsigned int)atoi(w[4]), REST);
	} else if (!strcmp(kind, "icmp6")) {			/* SIP DIP TYPE */
		NEEDS(3)
		put_ip6(b, w[1], w[2], IPPROTO_ICMPV6, 8 + REST);
		put8(b, (unsigned int)atoi(w[3]));
		b->n += 7;
	} else if (!strcmp(kind, "nd")) {			/* SIP DIP TYPE TARGET OPTION LLADDR */
		NEEDS(6)
		put_ip6(b, w[1], w[2], IPPROTO_ICMPV6, 32);
		put8(b, (unsigned int)atoi(w[3]));
		b->n += 7;
		put_ip(b, AF_INET6, w[4]);
		put8(b, (unsigned int)atoi(w[5]));
		put8(b, 1);
		put_mac(b, w[6]);
	} else if (!strcmp(kind, "rs")) {			/* SIP LLADDR */
		NEEDS(2)
		put_ip6(b, w[1], "ff02::2", IPPROTO_ICMPV6, 16);
		put8(b, 133);
		b->n += 7;
		put8(b, 1);
		put8(b, 1);
		put_mac(b, w[2]);
	} else if (!strcmp(kind, "ra")) {			/* SIP LLADDR: with MTU, a prefix, a server of names; the address comes last */
		NEEDS(2)
		put_ip6(b, w[1], "ff02::1", IPPROTO_ICMPV6, 88);
		put8(b, 134);
		b->n += 15;
		put16(b, 0x0501);
		b->n += 6;
		put16(b, 0x0304);
		b->n += 30;
		put16(b, 0x1903);
		b->n += 22;
		put16(b, 0x0101);
		put_mac(b, w[2]);
	} else if (!strcmp(kind, "ext")) {			/* SIP DIP TYPE: ICMPv6 behind hop-by-hop and destination options */
		NEEDS(3)
		put_ip6(b, w[1], w[2], IPPROTO_HOPOPTS, 16 + 8 + REST);
		put16(b, IPPROTO_DSTOPTS << 8);
		b->n += 6;
		put16(b, IPPROTO_ICMPV6 << 8);
		b->n += 6;
		put8(b, (unsigned int)atoi(w[3]));
		b->n += 7;
	} else if (!strcmp(kind, "deep")) {			/* SIP DIP: headers that go on behind what is looked at */
		NEEDS(2)
		put_ip6(b, w[1], w[2], IPPROTO_DSTOPTS, 160 + REST);
		put8(b, IPPROTO_ICMPV6);
		put8(b, 18);
		b->n += 150;
		put8(b, 134);
		b->n += 7;
	} else {
		fprintf(stderr, "policy: no frame '%s'\n", kind);
		exit(2);
	}
	b->n += REST;
#undef NEEDS
}

void build(struct build *b, const char *text)
{
	char copy[256], *save, *w[16], *word;
	const char *from = "a", *to = "b";
	unsigned int n = 0, i = 0, tags = 0, type[4], vid[4], oui = ~0u;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word && n < 16; word = strtok_r(NULL, " ", &save))
		w[n++] = word;
	for (; i + 1 < n; i += 2) {
		if (!strcmp(w[i], "from")) {
			from = w[i + 1];
		} else if (!strcmp(w[i], "to")) {
			to = w[i + 1];
		} else if (!strcmp(w[i], "tag") || !strcmp(w[i], "stag")) {
			type[tags] = w[i][0] == 's' ? ETH_P_8021AD : ETH_P_8021Q;
			vid[tags++] = (unsigned int)strtoul(w[i + 1], NULL, 0);
		} else if (!strcmp(w[i], "snap")) {		/* behind the tags: a length, and an 802.2 header of this OUI */
			oui = (unsigned int)strtoul(w[i + 1], NULL, 0);
		} else {
			break;
		}
	}
	if (i >= n) {
		fprintf(stderr, "policy: no frame in '%s'\n", text);
		exit(2);
	}
	memset(b, 0, sizeof(*b));
	put_mac(b, to);
	put_mac(b, from);
	for (unsigned int t = 0; t < tags; t++) {
		put16(b, type[t]);
		put16(b, vid[t]);
	}
	if (oui != ~0u) {
		put16(b, 80);
		put16(b, 0xaaaa);
		put16(b, 0x0300);
		put16(b, oui);
	}
	put_payload(b, w + i, n - i);
}

