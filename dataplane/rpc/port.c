/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about the daemon and its ports. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "control/mirrors.h"
#include "control/policy_words.h"
#include "control/ports.h"
#include "control/saved.h"
#include "log.h"
#include "module/kmod.h"
#include "netdev/netdev.h"
#include "nfvd.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/shortcut.h"
#include "switch/context.h"
#include "switch/switch.h"
#include "worker/watch.h"

#define PORTS_PAGE	128	/* ports of one reply */

static const char *const none[] = { NULL };

static json_t *accepts(uint32_t bits)
{
	static const char *const names[] = { "csum", "tso4", "tso6", "ecn", "uso" };
	json_t *list = json_array();

	for (unsigned int i = 0; i < 5; i++)
		if (bits >> i & 1)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* Show how many frames had a source that was not simply learnt. None of them was dropped for that. */
static void show_learning(const struct nfvd_port *port, json_t *obj)
{
	static const char *const names[NFVD_N_LEARNT] = {
		[NFVD_LEARNT_MOVE] = "mac_moves", [NFVD_LEARNT_CONTESTED] = "mac_contested", [NFVD_LEARNT_LIMIT] = "mac_limit",
	};

	for (unsigned int i = NFVD_LEARNT + 1; i < NFVD_N_LEARNT; i++) {
		uint64_t n = 0;

		for (unsigned int w = 0; w < nfvd_n_workers; w++)
			n += nfvd_workers[w]->port[port->id].learnt[i];
		json_object_set_new(obj, names[i], json_integer((json_int_t)n));
	}
}

static void show_policy(struct nfvd_port *port, json_t *obj)
{
	uint64_t pinned = port->policy && port->policy->pin ? atomic_load(nfvd_pinned(&port->address)) : 0;
	json_t *words = nfvd_words_shown(port->words);
	uint8_t m[6];

	memcpy(m, &pinned, 6);
	if (pinned)
		json_object_set_new(obj, "pinned", json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]));
	if (json_object_size(words))
		json_object_set(obj, "policy", words);
	json_decref(words);
}

static void show_held(const struct nfvd_port *port, json_t *obj)
{
	char why[128];

	snprintf(why, sizeof(why), "a worker was blocked by this port; it is released in %u s", nfvd_watch_release_s(port));
	json_object_set_new(obj, "state", json_string(nfvd_state_name(NFVD_STATE_FENCED)));
	json_object_set_new(obj, "reason", json_string(nfvd_reasons[NFVD_DROP_WORKER_HELD].name));
	nfvd_show_why(obj, why, "nfvctl events; to release it now, nfvctl detach and attach it");
}

static json_t *show(struct nfvd_port *port)
{
	json_t *obj = json_pack("{s:s, s:i, s:I, s:s, s:s, s:o, s:i, s:i, s:i, s:I, s:O}", "name", port->name,
		"id", port->id, "serial", (json_int_t)port->serial, "type", port->ops->type, "state", nfvd_state_name(atomic_load(&port->state)),
		"accepts", accepts(atomic_load(&port->accepts)), "queues", port->nr_rxq,
		"macs", (int)atomic_load(&port->macs), "macs_max", (int)port->macs_max,
		"attach_us", (json_int_t)port->attach_us, "attach_steps", port->attach_steps);

	/* What carries its frames: a kvm port has one way only. */
	if (obj) {
		show_learning(port, obj);
		if (port->macs_drop)
			json_object_set_new(obj, "macs_over", json_string("drop"));
		json_object_set_new(obj, "via", json_string(port->ops->mode ? port->ops->mode : "vhost-user"));
	}
	if (obj)
		show_policy(port, obj);
	if (obj && port->ops->show)
		port->ops->show(port, obj);
	if (obj && port->policy && port->policy->quarantined)
		nfvd_show_why(obj, "it is in quarantine: nothing passes, from or to it", "nfvctl release %s", port->name);
	if (obj && atomic_load(&port->held))
		show_held(port, obj);
	return obj;
}

static void find(json_t *list, const char *level, const char *port, const char *text, const char *hint)
{
	json_array_append_new(list, json_pack("{s:s, s:s*, s:s, s:s}", "level", level, "port", port, "text", text, "hint", hint));
}

static void find_port(json_t *list, const struct nfvd_port *port)
{
	if (atomic_load(&port->macs_full))
		find(list, "warn", port->name, "it has taught its share of addresses: frames to further ones are flooded",
		     "nfvctl detach it, then nfvctl attach it with a larger 'macs N'");
	if (atomic_load(&port->held))
		find(list, "bad", port->name, "a worker stood still at this port, which is fenced for a minute, or after three times for an hour",
		     "nfvctl events; to release it now, nfvctl detach and attach it");
	if (port->ops->findings)
		port->ops->findings(port, list);
}

/* Return the findings for doctor that only the daemon can know. */
json_t *nfvd_rpc_findings_get(json_t *params, struct nfvd_err *err)
{
	json_t *list;

	if (nfvd_rpc_only(params, none, err))
		return NULL;
	list = json_array();
	if (!nfvd_shortcut_available())
		find(list, "warn", NULL, "the container shortcut could not be loaded: containers reach each other through user space",
		     "nfvd runs as root on a kernel with BTF: ls /sys/kernel/btf/vmlinux");
	if (nfvd_kmod_refusal())
		find(list, "warn", NULL, nfvd_kmod_refusal(), "rmmod nfv && insmod kmod/nfv.ko");
	nfvd_saved_findings(list);
	nfvd_mirrors_findings(list);
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id])
			find_port(list, nfvd_ports[id]);
	nfvd_netdev_findings(list);
	return json_pack("{s:o}", "findings", list);
}

json_t *nfvd_rpc_daemon_info(json_t *params, struct nfvd_err *err)
{
	if (nfvd_rpc_only(params, none, err))
		return NULL;
	return json_pack("{s:s, s:i, s:s, s:i, s:I, s:b, s:s, s:o, s:o, s:{s:I, s:s, s:o}}", "version", NFV_VERSION, "pid", (int)getpid(),
		"state_dir", nfvd_config.state_dir, "workers", nfvd_config.workers,
		"uptime_s", (json_int_t)((nfvd_now_us() - nfvd_started_us) / 1000000),
		"shortcut", nfvd_shortcut_available() && nfvd_shortcut_enabled(NULL),
		"link_local", atomic_load(&nfvd_link_local_forward) ? "forward" : "drop",
		"generation", nfvd_saved_generation(), "policy_words", nfvd_words_all(),
		"caller", "uid", (json_int_t)nfvd_caller->uid, "role", nfvd_role_name(nfvd_caller->role),
		"denied", nfvd_rpc_denied(nfvd_caller));
}

json_t *nfvd_rpc_port_attach(json_t *params, struct nfvd_err *err)
{
	struct nfvd_port *port;
	json_t *list, *waiting;

	if (nfvd_saved_attach(params, &port, err))
		return NULL;
	if (port)
		return show(port);
	list = json_array();
	nfvd_saved_missing(list, json_string_value(json_object_get(params, "name")));
	waiting = json_incref(json_array_get(list, 0));
	json_decref(list);
	return waiting;
}

json_t *nfvd_rpc_port_detach(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "name", NULL };
	json_t *name = json_object_get(params, "name");

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (!json_is_string(name)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a string 'name'");
		return NULL;
	}
	if (nfvd_saved_detach(json_string_value(name), err))
		return NULL;
	return json_pack("{s:O}", "name", name);
}

/* The ports from id *from on, up to a page; *from: where the next one begins, or NFVD_PORTS_MAX. */
static void list_ports(json_t *list, const struct nfvd_port *only, uint64_t *from)
{
	size_t end = json_array_size(list) + PORTS_PAGE;

	for (; *from < NFVD_PORTS_MAX && json_array_size(list) < end; ++*from)
		if (nfvd_ports[*from] && (!only || only == nfvd_ports[*from]))
			json_array_append_new(list, show(nfvd_ports[*from]));
}

json_t *nfvd_rpc_port_list(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "name", "from", NULL };
	struct nfvd_port *only;
	uint64_t from;
	json_t *list;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_from(params, &from, err))
		return NULL;
	list = json_array();
	if (!from)
		nfvd_saved_missing(list, json_string_value(json_object_get(params, "name")));
	if (json_object_get(params, "name") && json_array_size(list))
		return json_pack("{s:o}", "ports", list);
	if (nfvd_rpc_port(params, "name", &only, err)) {
		json_decref(list);
		return NULL;
	}
	list_ports(list, only, &from);
	return nfvd_rpc_part("ports", list, from < NFVD_PORTS_MAX, from);
}

json_t *nfvd_rpc_shortcut_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "on", "port", NULL };
	json_t *on = json_object_get(params, "on");
	const char *name = json_string_value(json_object_get(params, "port"));
	bool before, waits = name && nfvd_saved_waits(name, "veth");
	struct nfvd_port *port = NULL;

	if (nfvd_rpc_only(params, names, err) || (!waits && nfvd_rpc_port(params, "port", &port, err)))
		return NULL;
	if (!json_is_boolean(on)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a boolean 'on', and takes a string 'port'");
		return NULL;
	}
	before = nfvd_shortcut_enabled(port);
	if (!waits && nfvd_shortcut_set(port, json_is_true(on))) {
		nfvd_err(err, NFV_RPC_E_FAILED, "%s", port ? "this port has no shortcut" : "the shortcut is not available");
		nfvd_hint(err, "nfvctl doctor");
		return NULL;
	}
	if (nfvd_saved_set(name, "shortcut", json_is_true(on), err)) {
		if (!waits)
			nfvd_shortcut_set(port, before);
		return NULL;
	}
	nfvd_event_of(NFVD_EVENT_SETTING, name, "shortcut %s", json_is_true(on) ? "on" : "off");
	return json_incref(params);
}

json_t *nfvd_rpc_link_local_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "forward", NULL };
	json_t *forward = json_object_get(params, "forward");

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (!json_is_boolean(forward)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a boolean 'forward'");
		return NULL;
	}
	if (nfvd_saved_set(NULL, "link_local", json_is_true(forward), err))
		return NULL;
	atomic_store(&nfvd_link_local_forward, json_is_true(forward));
	nfvd_event_of(NFVD_EVENT_SETTING, NULL, "link-local protocols: %s", json_is_true(forward) ? "forward" : "drop");
	return json_incref(params);
}

json_t *nfvd_rpc_config_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "generation", NULL };
	json_t *generation = json_object_get(params, "generation");

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (generation && (!json_is_integer(generation) || json_integer_value(generation) < 1 ||
			   json_integer_value(generation) > UINT32_MAX)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'generation' must be a number from config.get's history");
		return NULL;
	}
	return nfvd_saved_show(generation ? json_integer_value(generation) : 0, err);
}

json_t *nfvd_rpc_config_group(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { NULL };

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	nfvd_caller->groups = true;
	nfvd_caller->generation = 0;
	return json_object();
}

json_t *nfvd_rpc_events_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "since", NULL };
	json_t *since = json_object_get(params, "since");

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (since && (!json_is_integer(since) || json_integer_value(since) < 0)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'since' must be the 'next' of an earlier response");
		return NULL;
	}
	return nfvd_events(since ? json_integer_value(since) : 0);
}
