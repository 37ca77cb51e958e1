/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a frame of one port reaches another, or not: the decision of switch/switch.c step by step, without a frame.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <urcu-qsbr.h>
#include "control/policy_words.h"
#include "policy/address.h"
#include "policy/storm.h"
#include "port/fdb.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/shortcut.h"
#include "switch/switch.h"

/* What is asked, and the response as it grows. */
struct walk {
	struct nfvd_port *src, *dst;
	struct nfvd_frame f;
	uint16_t vlan;			/* that the frame belongs to */
	json_t *stages;
	enum nfvd_drop why;		/* it ends here */
	bool flooded;
	const struct nfvd_port *elsewhere;	/* it goes there, and not to dst */
};

/* ---- stages ---- */

static void stage(struct walk *w, const char *name, const char *verdict, const char *command, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* command may be empty. */
static void stage(struct walk *w, const char *name, const char *verdict, const char *command, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(w->stages, json_pack("{s:s, s:s, s:s, s:s*}", "stage", name, "verdict", verdict, "rule", text, "command",
						   command[0] ? command : NULL));
}

/*
 * Record a stage. If why is NFVD_PASS the frame goes on, and `passes` says why; otherwise it ends here. Return
 * whether it goes on.
 */
static bool judge(struct walk *w, const char *name, enum nfvd_drop why, const char *passes, const char *command_fmt, const char *port)
{
	char command[96];

	if (why == NFVD_PASS) {
		stage(w, name, "pass", "", "%s", passes);
		return true;
	}
	snprintf(command, sizeof(command), command_fmt, port);
	stage(w, name, "drop", command, "%s: %s", nfvd_reasons[why].name, nfvd_reasons[why].help);
	w->why = why;
	return false;
}

static const char *word_of(const struct nfvd_port *port, const char *word)
{
	return json_string_value(json_object_get(port->words, word));
}

static bool check_state(struct walk *w, const char *name, const struct nfvd_port *port, bool source)
{
	enum nfvd_state state = atomic_load(&port->state);
	char command[96];

	if (atomic_load(&port->held)) {
		snprintf(command, sizeof(command), "nfvctl show %s", port->name);
		stage(w, name, "drop", command, "%s is fenced for a while, for it had held a worker", port->name);
		w->why = NFVD_DROP_DST_HELD;
		return false;
	}
	if (state == NFVD_STATE_UP) {
		stage(w, name, "pass", "", "%s is up", port->name);
		return true;
	}
	snprintf(command, sizeof(command), "nfvctl show %s", port->name);
	stage(w, name, "drop", command, "%s is %s: %s", port->name, nfvd_state_name(state),
	      source ? "nothing is taken from it" : nfvd_reasons[NFVD_DROP_DST_DOWN].help);
	w->why = NFVD_DROP_DST_DOWN;
	return false;
}

static bool check_quarantine(struct walk *w, const struct nfvd_port *port)
{
	bool quarantined = port->policy && port->policy->quarantined;

	return judge(w, "quarantine", quarantined ? NFVD_DROP_QUARANTINED : NFVD_PASS, "no quarantine", "nfvctl release %s", port->name);
}

static void note_limit(struct walk *w, const struct nfvd_port *port, const char *way)
{
	const char *limit = word_of(port, way);
	char command[96];

	snprintf(command, sizeof(command), "nfvctl limit %s %s none", port->name, way);
	if (limit && strcmp(limit, "none"))
		stage(w, "limit", "note", command, "%s %s: what is faster %s", way, limit,
		      !strcmp(way, "from") && port->ops->pausable ? "waits at the endpoint" : "is dropped");
	else
		stage(w, "limit", "pass", "", "no limit %s %s", way, port->name);
}

static bool check_protocol(struct walk *w)
{
	bool is_local = nfvd_link_local(w->f.hdr);

	return judge(w, "link-local", is_local && nfvd_stays_on_link(w->f.hdr) ? NFVD_DROP_CTRL_PROTO : NFVD_PASS,
		     is_local ? "link-local protocols pass" : "no link-local protocol", "nfvctl link-local forward", "");
}

static bool check_source(struct walk *w)
{
	const struct nfvd_policy *p = w->src->policy;
	struct nfvd_address_state state = { .own = atomic_load(nfvd_pinned(&w->src->address)) };
	enum nfvd_drop why = nfvd_policy_classify(p, &w->f, &w->vlan);
	char text[96];

	snprintf(text, sizeof(text), "%s: VLAN %u, as %s's 'vlan %s' allows", w->vlan ? "tagged or native" : "untagged", w->vlan, w->src->name,
		 word_of(w->src, "vlan") ? word_of(w->src, "vlan") : "trunk all");
	if (!judge(w, "vlan", why, text, "nfvctl set %s vlan trunk all", w->src->name))
		return false;
	why = p && nfvd_policy_has_addresses(p) ? nfvd_address_check(&state, p, &w->f) : NFVD_PASS;
	/* This one has no options. */
	if (why == NFVD_ADDRESS_BEHIND)
		why = NFVD_PASS;
	if (!judge(w, "address", why, p && nfvd_policy_has_addresses(p) ? "the addresses are the port's" : "any address may send",
		   why == NFVD_DROP_GUARD ? "nfvctl set %s guard none" : "nfvctl set %s address any", w->src->name))
		return false;
	return judge(w, "source", nfvd_bad_source(w->f.hdr + 6) ? NFVD_DROP_BAD_SRC_MAC : NFVD_PASS, "the source is one station", "", "");
}

/* Has the source taught all the addresses that it may, and are frames from others dropped? */
static bool check_macs(struct walk *w)
{
	const struct nfvd_port *src = w->src;
	struct nfvd_fdb_entry *e;
	char text[64];
	bool over;

	if (!src->macs_drop)
		return true;
	rcu_thread_online();
	e = nfvd_fdb_lookup(nfvd_policy_zone(src->policy), nfvd_fdb_key(w->f.hdr + 6, w->vlan));
	over = !(e && nfvd_fdb_at(e) == src->id) && atomic_load(&src->macs) >= src->macs_max;
	rcu_thread_offline();
	snprintf(text, sizeof(text), "one of the %u addresses that %.*s may have", src->macs_max, 16, src->name);
	return judge(w, "macs", over ? NFVD_DROP_MACS : NFVD_PASS, text, "nfvctl fdb %s", src->name);
}

/* Where the address is, or that it is flooded. */
static bool look_up(struct walk *w)
{
	uint16_t zone = nfvd_policy_zone(w->src->policy);
	const struct nfvd_port *at = NULL;
	struct nfvd_fdb_entry *e;
	const uint8_t *m = w->f.hdr;
	char command[96];

	if (!(m[0] & 1)) {
		rcu_thread_online();
		e = nfvd_fdb_lookup(zone, nfvd_fdb_key(m, w->vlan));
		at = e && nfvd_fdb_at(e) < NFVD_PORTS_MAX ? nfvd_ports[nfvd_fdb_at(e)] : NULL;
		rcu_thread_offline();
	}
	if (at && atomic_load(&at->state) != NFVD_STATE_UP)
		at = NULL;
	if (!at) {
		w->flooded = true;
		snprintf(command, sizeof(command), "nfvctl storm %s unknown none", w->src->name);
		stage(w, "lookup", "note", command, "%02x:%02x:%02x:%02x:%02x:%02x in VLAN %u of zone %s is %s: flooded, as fast as 'storm' allows", m[0],
		      m[1], m[2], m[3], m[4], m[5], w->vlan, nfvd_zone_name(zone), m[0] & 1 ? "a group" : "not learnt");
		return true;
	}
	if (at == w->src)
		return judge(w, "lookup", NFVD_DROP_SAME_PORT, "", "nfvctl fdb %s", at->name);
	if (at != w->dst) {
		snprintf(command, sizeof(command), "nfvctl fdb %s", at->name);
		stage(w, "lookup", "elsewhere", command, "the destination was learnt at %s: it goes there", at->name);
		w->elsewhere = at;
		return false;
	}
	stage(w, "lookup", "pass", "", "the destination was learnt at %s", at->name);
	return true;
}

static bool check_between(struct walk *w)
{
	const struct nfvd_policy *src = w->src->policy, *dst = w->dst->policy;
	uint16_t zone = nfvd_policy_zone(src);
	enum nfvd_drop why = nfvd_policy_between(src, dst, w->vlan);
	char command[96];

	if (zone != nfvd_policy_zone(dst)) {
		snprintf(command, sizeof(command), "nfvctl set %s zone %s", w->dst->name, nfvd_zone_name(zone));
		stage(w, "zone", "drop", command, "%s is in zone %s, %s in zone %s", w->src->name, nfvd_zone_name(zone), w->dst->name,
		      nfvd_zone_name(nfvd_policy_zone(dst)));
		w->why = NFVD_DROP_VLAN;
		return false;
	}
	stage(w, "zone", "pass", "", "both are in zone %s", nfvd_zone_name(zone));
	if (!judge(w, "to vlan", why == NFVD_DROP_VLAN ? why : NFVD_PASS, "the receiver has this VLAN", "nfvctl set %s vlan trunk all", w->dst->name))
		return false;
	return judge(w, "isolated", why, "not both are isolated", "nfvctl set %s isolated off", w->dst->name);
}

static bool check_delivery(struct walk *w)
{
	static const char *const tags[] = {
		[NFVD_RETAG_NOT] = "it stays as it is", [NFVD_RETAG_POP] = "its tag is taken off", [NFVD_RETAG_PUSH] = "it gets a tag",
		[NFVD_RETAG_SET] = "its tag is set", [NFVD_RETAG_DOUBLE] = "",
	};
	enum nfvd_retag how = nfvd_policy_retag(w->dst->policy, &w->f, w->vlan);
	uint32_t mtu = atomic_load(&w->dst->mtu);
	char text[64], command[96];

	if (!judge(w, "tag", how == NFVD_RETAG_DOUBLE ? NFVD_DROP_VLAN : NFVD_PASS, tags[how], "nfvctl set %s vlan trunk all", w->dst->name))
		return false;
	note_limit(w, w->dst, "to");
	snprintf(text, sizeof(text), mtu ? "no longer than its MTU, %u" : "it takes any length", mtu);
	snprintf(command, sizeof(command), "ip link set mtu %u dev ... (that of %%s)", w->f.len - NFVD_FRAME_MIN);
	return judge(w, "length", nfvd_offload_fit(&w->f, ~0u, mtu) == NFVD_FIT_NOT ? NFVD_DROP_MTU : NFVD_PASS, text, command, w->dst->name);
}

static void note_carrier(struct walk *w)
{
	bool skips = !w->flooded && nfvd_shortcut_enabled(w->src) && nfvd_shortcut_enabled(w->dst) && !nfvd_port_inspects(w->src) &&
		     !nfvd_port_inspects(w->dst) && nfvd_policy_same_segment(w->src->policy, w->dst->policy) &&
		     !atomic_load(&w->src->captured) && !atomic_load(&w->dst->captured);

	stage(w, "carrier", "note", "", "%s", skips ? "the shortcut: it does not pass nfvd" : "nfvd");
}

static void walk(struct walk *w)
{
	if (!check_state(w, "from", w->src, true) || !check_quarantine(w, w->src))
		return;
	note_limit(w, w->src, "from");
	if (!check_protocol(w) || !check_source(w) || !check_macs(w) || !look_up(w))
		return;
	if (!check_state(w, "to", w->dst, false) || !check_between(w) || !check_quarantine(w, w->dst) || !check_delivery(w))
		return;
	note_carrier(w);
}

/* ---- the frame ---- */

static int parse_mac(json_t *params, const char *key, uint8_t *mac, struct nfvd_err *err)
{
	json_t *text = json_object_get(params, key);
	char rest;

	if (text && (!json_is_string(text) || sscanf(json_string_value(text), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
						     &mac[3], &mac[4], &mac[5], &rest) != 6))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be an Ethernet address, such as 02:00:00:00:00:01", key);
	return 0;
}

static int parse_number(json_t *params, const char *key, unsigned int min, unsigned int max, unsigned int *n, struct nfvd_err *err)
{
	json_t *value = json_object_get(params, key);

	if (value && (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a number from %u to %u", key, min, max);
	*n = value ? json_integer_value(value) : *n;
	return 0;
}

/* Set mac to an address of the port: one that it may have, or one that was learnt; otherwise leave it. */
static void own_mac(struct nfvd_port *port, uint8_t *mac)
{
	const struct nfvd_policy *p = port->policy;
	uint64_t pin = p && p->pin ? atomic_load(nfvd_pinned(&port->address)) : 0;
	uint64_t key = pin || (p && p->n_macs) ? 0 : nfvd_fdb_one_of(port);

	if (pin)
		memcpy(mac, &pin, 6);
	else if (p && p->n_macs)
		memcpy(mac, p->macs[0], 6);
	else if (key)
		memcpy(mac, &key, 6);
}

static void put_ip4(uint8_t *ip, struct in_addr from, bool dhcp)
{
	static const uint8_t fixed[12] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, IPPROTO_UDP };
	const uint8_t ports[8] = { 0, dhcp ? 67 : 9, 0, dhcp ? 68 : 9, 0, 8 };

	memcpy(ip, fixed, sizeof(fixed));
	memcpy(ip + 12, &from, 4);
	memcpy(ip + 20, ports, sizeof(ports));
}

static void put_ip6(uint8_t *ip, const struct in6_addr *from, bool ra)
{
	const uint8_t fixed[8] = { 0x60, 0, 0, 0, 0, 8, ra ? IPPROTO_ICMPV6 : IPPROTO_UDP, 255 };

	memcpy(ip, fixed, sizeof(fixed));
	memcpy(ip + 8, from, 16);
	memset(ip + 24, 0, 24);
	ip[24] = 0xff;		/* ff02::1 */
	ip[25] = 2;
	ip[39] = 1;
	if (ra)
		ip[40] = 134;
	else
		ip[41] = ip[43] = 9;
}

static void put_arp(uint8_t *arp, const uint8_t *mac, struct in_addr from)
{
	static const uint8_t fixed[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memcpy(arp, fixed, sizeof(fixed));
	memcpy(arp + 8, mac, 6);
	memcpy(arp + 14, &from, 4);
	memset(arp + 18, 0, 10);
}

/* Fill in what is behind the addresses, and its end as f.len. */
static int put_payload(struct walk *w, unsigned int tag, const char *kind, const char *ip, struct nfvd_err *err)
{
	uint8_t *type = w->f.hdr + 12;
	struct in6_addr from6 = IN6ADDR_ANY_INIT;
	struct in_addr from4 = { 0 };
	const struct nfvd_policy *p = w->src->policy;
	bool ra = !strcmp(kind, "ra"), only6 = p && p->n_ip6 && !p->n_ip4;
	bool v6 = ra || (!strcmp(kind, "ip") && (ip ? !!strchr(ip, ':') : only6));

	if (strcmp(kind, "ip") && strcmp(kind, "arp") && strcmp(kind, "dhcp") && !ra)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'kind' must be ip, arp, dhcp (from a server) or ra, not '%.16s'", kind);
	if (ip && inet_pton(v6 ? AF_INET6 : AF_INET, ip, v6 ? (void *)&from6 : (void *)&from4) != 1)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'ip' must be an address that this kind of frame can have");
	/* If no address was given, use one that the port may have, if its policy lists any. */
	if (!ip && p && p->n_ip4)
		memcpy(&from4, p->ip4[0].address, 4);
	if (!ip && p && p->n_ip6)
		memcpy(&from6, p->ip6[0].address, 16);
	if (tag) {
		type[0] = 0x81;
		type[2] = tag >> 8;
		type[3] = tag;
		type += 4;
	}
	type[0] = v6 ? 0x86 : 0x08;
	type[1] = v6 ? 0xdd : strcmp(kind, "arp") ? 0 : 6;
	if (v6)
		put_ip6(type + 2, &from6, ra);
	else if (!strcmp(kind, "arp"))
		put_arp(type + 2, w->f.hdr + 6, from4);
	else
		put_ip4(type + 2, from4, !strcmp(kind, "dhcp"));
	w->f.len = type + 2 - w->f.hdr + (v6 ? 48 : 28);
	return 0;
}

static int make_frame(struct walk *w, json_t *params, struct nfvd_err *err)
{
	static const uint8_t nobody[12] = { 0x02, 0, 0, 0, 0, 0xfe, 0x02, 0, 0, 0, 0, 0xff };
	const char *kind = json_string_value(json_object_get(params, "kind")), *ip = json_string_value(json_object_get(params, "ip"));
	unsigned int tag = 0, len = 64;

	memcpy(w->f.hdr, nobody, sizeof(nobody));
	own_mac(w->dst, w->f.hdr);
	own_mac(w->src, w->f.hdr + 6);
	if (parse_mac(params, "src", w->f.hdr + 6, err) || parse_mac(params, "dst", w->f.hdr, err) ||
	    parse_number(params, "vlan", 1, 4094, &tag, err) || parse_number(params, "length", 60, NFVD_FRAME_MAX, &len, err) ||
	    put_payload(w, tag, kind ? kind : "ip", ip, err))
		return -1;
	if (w->f.len < len)
		w->f.len = len;
	w->f.hdr_len = w->f.len < NFVD_HDR_MAX ? w->f.len : NFVD_HDR_MAX;
	return 0;
}

/* ---- the method ---- */

static json_t *mac_json(const uint8_t *m)
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static json_t *response(const struct walk *w)
{
	const char *verdict = w->elsewhere ? "elsewhere" : w->why != NFVD_PASS ? "dropped" : w->flooded ? "flooded" : "delivered";

	return json_pack("{s:s, s:s, s:o, s:o, s:i, s:s, s:s*, s:s*, s:O}", "from", w->src->name, "to", w->dst->name, "src", mac_json(w->f.hdr + 6),
			 "dst", mac_json(w->f.hdr), "vlan", w->vlan, "verdict", verdict, "reason",
			 w->why == NFVD_PASS ? NULL : nfvd_reasons[w->why].name, "at", w->elsewhere ? w->elsewhere->name : NULL, "stages", w->stages);
}

json_t *nfvd_rpc_why_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "from", "to", "src", "dst", "vlan", "ip", "kind", "length", NULL };
	struct walk w = { .why = NFVD_PASS };
	json_t *result;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "from", &w.src, err) || nfvd_rpc_port(params, "to", &w.dst, err))
		return NULL;
	if (!w.src || !w.dst) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs two names of ports, 'from' and 'to'");
		return NULL;
	}
	if (w.src == w.dst) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'from' and 'to' are one port: no frame comes back to its sender");
		return NULL;
	}
	if (make_frame(&w, params, err))
		return NULL;
	w.stages = json_array();
	walk(&w);
	result = response(&w);
	json_decref(w.stages);
	return result;
}
