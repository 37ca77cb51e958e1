/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <nfv/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_port_has(const char *text, const char *what, struct nfvd_err *err)
{
	return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': %.64s is %s: no port can have it", text, what);
}

static int no_room(struct nfvd_err *err)
{
	nfvd_err(err, NFV_RPC_E_LIMIT, "'address': at most %d addresses of one kind", NFVD_POLICY_ADDRESSES);
	nfvd_hint(err, "a network stands for many: address 10.0.0.0/24");
	return -1;
}

static int overlaps(const char *text, struct nfvd_err *err)
{
	return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': %.64s overlaps another of the list", text);
}

/* ---- Ethernet ---- */

static bool mac_of(const char *text, uint8_t *mac)
{
	int n = 0;

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &n) == 6 &&
	       n == 17 && !text[n];
}

static int add_mac(struct nfvd_policy *p, const uint8_t *mac, const char *text, struct nfvd_err *err)
{
	static const uint8_t none[6];

	if (mac[0] & 1)
		return no_port_has(text, "a multicast address", err);
	if (!memcmp(mac, none, 6))
		return no_port_has(text, "the null address", err);
	for (unsigned int i = 0; i < p->n_macs; i++)
		if (!memcmp(p->macs[i], mac, 6))
			return overlaps(text, err);
	if (p->n_macs == NFVD_POLICY_ADDRESSES)
		return no_room(err);
	memcpy(p->macs[p->n_macs++], mac, 6);
	return 0;
}

/* ---- IP ---- */

/* Return why a port cannot have this single address; NULL: it can. */
static const char *not_ones_own(const uint8_t *a, int family)
{
	static const uint8_t zero[16], ones[4] = { 255, 255, 255, 255 };

	if (!memcmp(a, zero, family == AF_INET ? 4 : 16))
		return "the unspecified address";
	if (family == AF_INET && !memcmp(a, ones, 4))
		return "the broadcast address";
	return (family == AF_INET ? (a[0] & 0xf0) == 0xe0 : a[0] == 0xff) ? "a multicast address" : NULL;
}

static bool overlap(const struct nfvd_prefix *a, const struct nfvd_prefix *b, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		if ((a->address[i] ^ b->address[i]) & a->mask[i] & b->mask[i])
			return false;
	return true;
}

/* The text's address and, behind a slash, length; false: it is none of that family. */
static bool prefix_of(const char *text, int family, struct nfvd_prefix *to, unsigned int *bits)
{
	unsigned int bytes = family == AF_INET ? 4 : 16;
	const char *slash = strchr(text, '/');
	char copy[INET6_ADDRSTRLEN], *end;

	*bits = 8 * bytes;
	if (slash) {
		unsigned long value = isdigit((unsigned char)slash[1]) ? strtoul(slash + 1, &end, 10) : ULONG_MAX;

		if (value > *bits || *end)
			return false;
		*bits = value;
	}
	if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int left = *bits > 8 * i ? *bits - 8 * i : 0;

		to->mask[i] = left >= 8 ? 0xff : 0xff00 >> left;
	}
	return inet_pton(family, copy, to->address) == 1;
}

/* "10.0.0.5/24": the host, or its network? */
static int ambiguous(const struct nfvd_prefix *n, int family, const char *text, unsigned int bits, struct nfvd_err *err)
{
	char host[INET6_ADDRSTRLEN], network[INET6_ADDRSTRLEN];
	uint8_t masked[16];

	for (unsigned int i = 0; i < sizeof(masked); i++)
		masked[i] = n->address[i] & n->mask[i];
	inet_ntop(family, n->address, host, sizeof(host));
	inet_ntop(family, masked, network, sizeof(network));
	nfvd_err(err, NFV_RPC_E_PARAMS, "'address': %.64s has bits set after its prefix: give the address alone, or the network", text);
	nfvd_hint(err, "address %s, or address %s/%u", host, network, bits);
	return -1;
}

static int add_prefix(struct nfvd_policy *p, const struct nfvd_prefix *new, int family, unsigned int bits, const char *text,
		      struct nfvd_err *err)
{
	struct nfvd_prefix *list = family == AF_INET ? p->ip4 : p->ip6;
	uint8_t *n = family == AF_INET ? &p->n_ip4 : &p->n_ip6;
	unsigned int bytes = family == AF_INET ? 4 : 16;
	const char *why = bits == 8 * bytes ? not_ones_own(new->address, family) : NULL;

	if (why)
		return no_port_has(text, why, err);
	for (unsigned int i = 0; i < bytes; i++)
		if (new->address[i] & ~new->mask[i])
			return ambiguous(new, family, text, bits, err);
	for (unsigned int i = 0; i < *n; i++)
		if (overlap(&list[i], new, bytes))
			return overlaps(text, err);
	if (*n == NFVD_POLICY_ADDRESSES)
		return no_room(err);
	list[(*n)++] = *new;
	return 0;
}

int nfvd_policy_address_add(struct nfvd_policy *p, const char *text, struct nfvd_err *err)
{
	struct nfvd_prefix prefix = { 0 };
	unsigned int bits;
	uint8_t mac[6];

	if (mac_of(text, mac))
		return add_mac(p, mac, text, err);
	if (prefix_of(text, AF_INET, &prefix, &bits))
		return add_prefix(p, &prefix, AF_INET, bits, text, err);
	prefix = (struct nfvd_prefix){ 0 };
	if (prefix_of(text, AF_INET6, &prefix, &bits))
		return add_prefix(p, &prefix, AF_INET6, bits, text, err);
	nfvd_err(err, NFV_RPC_E_PARAMS, "'address': '%.64s' is not an Ethernet or IP address", text);
	nfvd_hint(err, "address 52:54:00:aa:bb:01 10.0.0.5 fd00::5 | address pin | address any; and VRRP");
	return -1;
}
