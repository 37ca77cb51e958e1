/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/policy_words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nfvd.h"
#include "policy/storm.h"
#include "port/port.h"

#define WORD_MAX	2000	/* bytes of one value */
#define VLAN_MAX	4094

#define X(name, otherwise, args, help) static int parse_##name(char *text, struct nfvd_policy *p, struct nfvd_err *err);
NFV_POLICY_WORDS(X)
#undef X

static const struct word {
	const char *name, *otherwise;
	int (*parse)(char *text, struct nfvd_policy *p, struct nfvd_err *err);	/* 0, or -1 with *err */
} words[] = {
#define X(name, otherwise, args, help) { #name, otherwise, parse_##name },
	NFV_POLICY_WORDS(X)
#undef X
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

/* What a word is if nobody says it. */
static const char *default_of(const struct word *w)
{
	return nfvd_config.tenant && !strcmp(w->name, "address") ? "pin" : w->otherwise;
}

static bool is_default(const struct word *w, const json_t *value)
{
	const char *text = json_string_value(value);

	return text && (!strcmp(text, default_of(w)) || !strcmp(text, "default"));
}

/* ---- objects of words ---- */

json_t *nfvd_words_all(void)
{
	const struct word *w = words;
	json_t *list = json_array();

#define X(name, otherwise, args, help) \
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "word", #name, "default", default_of(w++), \
					      "arguments", args, "help", help));
	NFV_POLICY_WORDS(X)
#undef X
	return list;
}

json_t *nfvd_words_take(json_t *params)
{
	json_t *taken = json_object();

	for (size_t i = 0; i < N_WORDS; i++) {
		json_t *value = json_object_get(params, words[i].name);

		if (value)
			json_object_set(taken, words[i].name, value);
	}
	nfvd_words_delete(params);
	return taken;
}

void nfvd_words_delete(json_t *obj)
{
	for (size_t i = 0; i < N_WORDS; i++)
		json_object_del(obj, words[i].name);
}

json_t *nfvd_words_merge(const json_t *base, const json_t *changes)
{
	json_t *merged = json_object();

	for (size_t i = 0; i < N_WORDS; i++) {
		json_t *value = json_object_get(changes, words[i].name);

		if (!value)
			value = json_object_get(base, words[i].name);
		if (value && !is_default(&words[i], value))
			json_object_set(merged, words[i].name, value);
	}
	return merged;
}

json_t *nfvd_words_shown(const json_t *obj)
{
	json_t *all = json_copy((json_t *)obj);

	for (size_t i = 0; i < N_WORDS; i++)
		if (!json_object_get(obj, words[i].name) && strcmp(default_of(&words[i]), words[i].otherwise))
			json_object_set_new(all, words[i].name, json_string(default_of(&words[i])));
	return all;
}

/* ---- one value: its parts ---- */

/* The next part of *text, which is separated by blanks, and by commas if asked for; NULL at its end. */
static char *part(char **text, const char *separators)
{
	char *p;

	do {
		p = strsep(text, separators);
	} while (p && !*p);
	return p;
}

static bool number(const char *text, unsigned int least, unsigned int most, unsigned int *n)
{
	char *end;
	unsigned long value;

	if (!text || !isdigit((unsigned char)text[0]))
		return false;
	value = strtoul(text, &end, 10);
	*n = value;
	return !*end && value >= least && value <= most;
}

/* ---- zones ---- */

static char zones[NFVD_ZONES_MAX][NFV_NAME_MAX + 1] = { "default" };

const char *nfvd_zone_name(unsigned int zone)
{
	return zones[zone];
}

static bool zone_used(unsigned int zone)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id] && nfvd_policy_zone(nfvd_ports[id]->policy) == zone)
			return true;
	return false;
}

static int parse_zone(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	unsigned int spare = 0;

	if (!nfvd_name_ok(text))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'zone' is a name as a port's: letters, digits, '_', '.', '-', at most %d",
				NFV_NAME_MAX);
	for (unsigned int i = 0; i < NFVD_ZONES_MAX; i++) {
		if (!strcmp(zones[i], text)) {
			p->zone = i;
			return 0;
		}
		if (i && !spare && !zone_used(i))
			spare = i;
	}
	/* No more zones than ports; and one that nobody is in may be called otherwise. */
	if (!spare)
		return nfvd_err(err, NFV_RPC_E_LIMIT, "no room for more than %d zones", NFVD_ZONES_MAX);
	snprintf(zones[spare], sizeof(zones[spare]), "%s", text);
	p->zone = spare;
	return 0;
}

/* ---- VLANs ---- */

static void carry(struct nfvd_policy *p, unsigned int vlan)
{
	p->vlans[vlan / 64] |= 1ull << vlan % 64;
}

static int bad_vlans(struct nfvd_err *err, const char *what)
{
	nfvd_err(err, NFV_RPC_E_PARAMS, "'vlan': %.80s", what);
	nfvd_hint(err, "vlan 10 | vlan trunk 10,20,100-199 | vlan trunk 10,20 native 10 [tagged] | vlan trunk all");
	return -1;
}

static int parse_list(char *list, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *range, what[96];

	while ((range = part(&list, ","))) {
		char *second = strchr(range, '-');
		unsigned int from, to;

		snprintf(what, sizeof(what), "'%.32s' is no VLAN from 1 to %d, and no range of them", range, VLAN_MAX);
		if (second)
			*second++ = '\0';
		if (!number(range, 1, VLAN_MAX, &from) || !number(second ? second : range, from, VLAN_MAX, &to))
			return bad_vlans(err, what);
		for (; from <= to; from++) {
			snprintf(what, sizeof(what), "%u is there twice", from);
			if (nfvd_policy_carries(p, from))
				return bad_vlans(err, what);
			carry(p, from);
		}
	}
	return 0;
}

static int parse_trunk(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *list = part(&text, " "), *native, *tagged;
	unsigned int vlan = 0;

	if (!list)
		return bad_vlans(err, "a trunk needs a list of VLANs, or 'all'");
	if (!strcmp(list, "all"))
		memset(p->vlans, 0xff, sizeof(p->vlans));
	else if (parse_list(list, p, err))
		return -1;
	native = part(&text, " ");
	if (!native)
		return 0;
	if (strcmp(native, "native") || !number(part(&text, " "), 1, VLAN_MAX, &vlan))
		return bad_vlans(err, "behind a trunk's list only 'native N' may stand");
	p->native = vlan;
	carry(p, vlan);
	tagged = part(&text, " ");
	p->native_tagged = tagged;
	return (tagged && strcmp(tagged, "tagged")) || part(&text, " ") ? bad_vlans(err, "behind 'native N' only 'tagged' may stand") : 0;
}

static int parse_vlan(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *first = part(&text, " ");
	unsigned int vlan;

	memset(p->vlans, 0, sizeof(p->vlans));
	if (first && !strcmp(first, "trunk"))
		return parse_trunk(text, p, err);
	if (!number(first, 1, VLAN_MAX, &vlan) || part(&text, " "))
		return bad_vlans(err, "it is the number of one VLAN, or a trunk");
	p->access = true;
	p->native = vlan;
	carry(p, vlan);
	return 0;
}

/* ---- addresses ---- */

static bool parse_mac(const char *text, uint8_t *mac)
{
	int n = 0;

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &n) == 6 &&
	       n == 17 && !text[n];
}

static bool parse_prefix(char *text, int family, struct nfvd_prefix *to)
{
	unsigned int bytes = family == AF_INET ? 4 : 16, bits = 8 * bytes;
	char *slash = strchr(text, '/'), copy[INET6_ADDRSTRLEN];

	if (slash && !number(slash + 1, 0, 8 * bytes, &bits))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
	if (inet_pton(family, copy, to->address) != 1)
		return false;
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int left = bits > 8 * i ? bits - 8 * i : 0;

		to->mask[i] = left >= 8 ? 0xff : 0xff00 >> left;
		to->address[i] &= to->mask[i];
	}
	return true;
}

static int one_address(char *a, struct nfvd_policy *p, struct nfvd_err *err)
{
	uint8_t mac[6] = { 0 };

	if (!strcmp(a, "pin")) {
		p->pin = true;
		return 0;
	}
	if (!strcasecmp(a, "vrrp")) {
		p->vrrp = true;
		return 0;
	}
	if (p->n_macs == NFVD_POLICY_ADDRESSES || p->n_ip4 == NFVD_POLICY_ADDRESSES || p->n_ip6 == NFVD_POLICY_ADDRESSES)
		return nfvd_err(err, NFV_RPC_E_LIMIT, "'address': no more than %d of a kind", NFVD_POLICY_ADDRESSES - 1);
	if (parse_mac(a, mac)) {
		if (mac[0] & 1)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': %.17s is a multicast address: no port has it", a);
		memcpy(p->macs[p->n_macs++], mac, 6);
		return 0;
	}
	if (parse_prefix(a, AF_INET, &p->ip4[p->n_ip4])) {
		p->n_ip4++;
		return 0;
	}
	if (parse_prefix(a, AF_INET6, &p->ip6[p->n_ip6])) {
		p->n_ip6++;
		return 0;
	}
	nfvd_err(err, NFV_RPC_E_PARAMS, "'address': '%.64s' is no address of Ethernet or IP", a);
	nfvd_hint(err, "address 52:54:00:aa:bb:01 10.0.0.5 fd00::5 | address pin | address any; and VRRP");
	return -1;
}

static int parse_address(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *a;

	while ((a = part(&text, " ,"))) {
		if (!strcmp(a, "any"))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': 'any' stands alone");
		if (one_address(a, p, err))
			return -1;
	}
	if (p->vrrp && !p->pin && !p->n_macs)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': VRRP is in addition to the port's own address, or 'pin'");
	return 0;
}

/* ---- the rest ---- */

static int parse_guard(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *g;

	while ((g = part(&text, " ,"))) {
		if (strcmp(g, "dhcp") && strcmp(g, "ra"))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'guard' is dhcp, ra, both, or none, not '%.32s'", g);
		p->guard |= !strcmp(g, "dhcp") ? NFVD_GUARD_DHCP : NFVD_GUARD_RA;
	}
	return 0;
}

static int on_off(const char *name, const char *text, bool *on, struct nfvd_err *err)
{
	*on = !strcmp(text, "on");
	return *on || !strcmp(text, "off") ? 0 : nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' is on or off, not '%.32s'", name, text);
}

static int parse_isolated(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	return on_off("isolated", text, &p->isolated, err);
}

static int parse_quarantine(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	if (!strncmp(text, "mirror ", 7) && nfvd_name_ok(text + 7)) {
		p->quarantined = true;
		return 0;
	}
	return on_off("quarantine", text, &p->quarantined, err);
}

static const struct unit {
	const char *name;
	uint64_t scale;
	bool frames;
} units[] = {
	{ "bit", 1, false }, { "kbit", 1000, false }, { "Mbit", 1000000, false }, { "Gbit", 1000000000, false },
	{ "B", 8, false }, { "kB", 8000, false }, { "MB", 8000000, false }, { "GB", 8000000000, false },
	{ "pps", 1, true }, { "kpps", 1000, true }, { "Mpps", 1000000, true },
};

/* One rate. *frames: in frames a second, else bits. */
static int parse_rate(const char *name, const char *text, uint64_t *rate, bool *frames, struct nfvd_err *err)
{
	char *unit;
	double n = strtod(text, &unit);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && unit != text; i++) {
		double value = n * (double)units[i].scale;

		if (strcmp(units[i].name, unit))
			continue;
		*frames = units[i].frames;
		if (!(value >= 1 && value <= 1e12))
			break;
		*rate = (uint64_t)value;
		return 0;
	}
	if (unit != text && !*unit) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': '%.32s' has no unit: bits, or frames a second?", name, text);
		nfvd_hint(err, "%s %.20sMbit, or %s %.20spps", name, text, name, text);
		return -1;
	}
	nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': '%.32s' is no rate", name, text);
	nfvd_hint(err, "units: bit kbit Mbit Gbit, B kB MB GB, pps kpps Mpps; all a second");
	return -1;
}

static int parse_limit(const char *name, char *text, struct nfvd_rate *r, struct nfvd_err *err)
{
	char *t;

	while ((t = part(&text, " ,"))) {
		uint64_t rate;
		bool frames;

		if (parse_rate(name, t, &rate, &frames, err))
			return -1;
		if (frames ? r->pps : r->bps)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': two rates of %s", name, frames ? "frames" : "bits");
		if (!frames && (rate < NFVD_METER_MIN_BPS || rate > NFVD_METER_MAX_BPS))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': from 1kbit to 1000Gbit, not '%.32s'", name, t);
		if (frames && rate > NFVD_METER_MAX_PPS)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': at most 1000Mpps, not '%.32s'", name, t);
		*(frames ? &r->pps : &r->bps) = rate;
	}
	nfvd_rate_prepare(r, NFVD_METER_DROP_NS);
	return 0;
}

static int parse_from(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	if (parse_limit("from", text, &p->from_dropped, err))
		return -1;
	p->from = p->from_dropped;
	nfvd_rate_prepare(&p->from, NFVD_METER_WAIT_NS);
	return 0;
}

static int parse_to(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	return parse_limit("to", text, &p->to, err);
}

static int parse_weight(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	unsigned int weight;

	if (!number(text, 1, NFVD_WEIGHT_MAX, &weight))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'weight' is a number from 1 to %d, not '%.32s'", NFVD_WEIGHT_MAX, text);
	p->weight = weight;
	return 0;
}

static int parse_storm(const char *name, char *text, uint64_t *to, struct nfvd_err *err)
{
	bool frames;

	if (!strcmp(text, "none")) {
		*to = NFVD_STORM_NONE;
		return 0;
	}
	if (parse_rate(name, text, to, &frames, err))
		return -1;
	return frames && *to <= 1000000 ? 0 : nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' is from 1pps to 1Mpps, none or default", name);
}

static int parse_broadcast(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	return parse_storm("broadcast", text, &p->storm[NFVD_STORM_BROADCAST], err);
}

static int parse_unknown(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	return parse_storm("unknown", text, &p->storm[NFVD_STORM_UNKNOWN], err);
}

static int parse_multicast(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	return parse_storm("multicast", text, &p->storm[NFVD_STORM_MULTICAST], err);
}

static int parse(const json_t *obj, struct nfvd_policy *p, struct nfvd_err *err)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		const json_t *value = json_object_get(obj, words[i].name);
		char text[WORD_MAX];

		if (value && (!json_is_string(value) || json_string_length(value) >= sizeof(text) || !json_string_length(value)))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' is a text of at most %d bytes", words[i].name, WORD_MAX - 1);
		snprintf(text, sizeof(text), "%s", value ? json_string_value(value) : default_of(&words[i]));
		if (strcmp(text, words[i].otherwise) && words[i].parse(text, p, err))
			return -1;
	}
	return 0;
}

int nfvd_words_parse(const json_t *obj, struct nfvd_policy **policy, struct nfvd_err *err)
{
	struct nfvd_policy *p = NULL;

	*policy = NULL;
	if (!json_object_size(obj) && !nfvd_config.tenant)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	memset(p->vlans, 0xff, sizeof(p->vlans));
	if (parse(obj, p, err)) {
		free(p);
		return -1;
	}
	*policy = p;
	return 0;
}
