/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/policy_words.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <nfv/params.h>
#include "nfvd.h"
#include "policy/policy_address.h"
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

/* Does it have no part at all? */
static bool is_empty(const char *text)
{
	return !text[strspn(text, " ,")];
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
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'zone' must be a name like a port's: letters, digits, '_', '.', '-', at most %d characters",
				NFV_NAME_MAX);
	for (unsigned int i = 0; i < NFVD_ZONES_MAX; i++) {
		if (!strcmp(zones[i], text)) {
			p->zone = i;
			return 0;
		}
		if (i && !spare && !zone_used(i))
			spare = i;
	}
	/* There are no more zones than ports. A zone that no port is in gives up its name for another one. */
	if (!spare)
		return nfvd_err(err, NFV_RPC_E_LIMIT, "there are at most %d zones", NFVD_ZONES_MAX);
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
	else if (is_empty(list))
		return bad_vlans(err, "a trunk needs a list of VLANs, or 'all'");
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

static int one_address(const char *a, struct nfvd_policy *p, struct nfvd_err *err)
{
	if (!strcmp(a, "pin")) {
		p->pin = true;
		return 0;
	}
	if (!strcasecmp(a, "vrrp")) {
		p->vrrp = true;
		return 0;
	}
	return nfvd_policy_address_add(p, a, err);
}

static int parse_address(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *a;

	while ((a = part(&text, " ,"))) {
		if (!strcmp(a, "any"))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': 'any' cannot be combined with other words");
		if (one_address(a, p, err))
			return -1;
	}
	if (p->vrrp && !p->pin && !p->n_macs)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'address': VRRP also needs the port's own address, or 'pin'");
	return 0;
}

/* ---- the rest ---- */

static int parse_guard(char *text, struct nfvd_policy *p, struct nfvd_err *err)
{
	char *g;

	while ((g = part(&text, " ,"))) {
		if (strcmp(g, "dhcp") && strcmp(g, "ra"))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'guard' must be dhcp, ra, both, or none, not '%.32s'", g);
		p->guard |= !strcmp(g, "dhcp") ? NFVD_GUARD_DHCP : NFVD_GUARD_RA;
	}
	return 0;
}

static int on_off(const char *name, const char *text, bool *on, struct nfvd_err *err)
{
	*on = !strcmp(text, "on");
	return *on || !strcmp(text, "off") ? 0 : nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be on or off, not '%.32s'", name, text);
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

/* One rate, of any size. *frames: in frames a second, else bits. A number without a unit: -1 with *err, but no hint. */
static int parse_rate(const char *name, const char *text, uint64_t *rate, bool *frames, struct nfvd_err *err)
{
	const char *unit = text + strspn(text, "0123456789.");
	char *end;
	double n = strtod(text, &end);
	bool a_number = unit != text && end == unit;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && a_number; i++) {
		double value = n * (double)units[i].scale;

		if (strcmp(units[i].name, unit))
			continue;
		*frames = units[i].frames;
		*rate = value < 1e18 ? (uint64_t)value : (uint64_t)1e18;
		return 0;
	}
	if (a_number && !*unit)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': '%.32s' has no unit: bits or frames a second?", name, text);
	nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': '%.32s' is not a rate", name, text);
	nfvd_hint(err, "units: bit kbit Mbit Gbit, B kB MB GB, pps kpps Mpps; all a second");
	return -1;
}

static int parse_limit(const char *name, char *text, struct nfvd_rate *r, struct nfvd_err *err)
{
	char *t;

	while ((t = part(&text, " ,"))) {
		uint64_t rate;
		bool frames;

		if (parse_rate(name, t, &rate, &frames, err)) {
			if (!err->hint[0])
				nfvd_hint(err, "%s %.20sMbit, or %s %.20spps", name, t, name, t);
			return -1;
		}
		if (frames ? r->pps : r->bps)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s': two rates of %s", name, frames ? "frames" : "bits");
		if (!frames && (rate < NFVD_METER_MIN_BPS || rate > NFVD_METER_MAX_BPS))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be from 1kbit to 1000Gbit, not '%.32s'", name, t);
		if (frames && (!rate || rate > NFVD_METER_MAX_PPS))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be from 1pps to 1000Mpps, not '%.32s'", name, t);
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
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'weight' must be a number from 1 to %d, not '%.32s'", NFVD_WEIGHT_MAX, text);
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
	if (parse_rate(name, text, to, &frames, err)) {
		if (!err->hint[0])
			nfvd_hint(err, "%s %.20spps", name, text);
		return -1;
	}
	return frames && *to && *to <= 1000000 ?
		0 : nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be from 1pps to 1Mpps, none or default, not '%.32s'", name, text);
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

		if (value && !json_is_string(value))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a text, as after 'nfvctl set NAME %s'", words[i].name, words[i].name);
		if (value && json_string_length(value) >= sizeof(text))
			return nfvd_err(err, NFV_RPC_E_LIMIT, "'%s' has %zu bytes; at most %zu are allowed", words[i].name,
					json_string_length(value), sizeof(text) - 1);
		if (value && is_empty(json_string_value(value))) {
			nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' has no value", words[i].name);
			nfvd_hint(err, "nfvctl set NAME %s default", words[i].name);
			return -1;
		}
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
