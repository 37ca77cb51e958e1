/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about the policies of ports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include "control/mirrors.h"
#include "control/policy_words.h"
#include "control/saved.h"
#include "log.h"
#include "policy/pins.h"
#include "port/port_state.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/shortcut.h"
#include "switch/worker.h"

/*
 * Put policy in the place of the port's. When it returns, no frame is on its way by the old one, which is freed. What
 * was learnt of the port by another zone, other VLANs or other addresses is forgotten.
 */
static void use(struct nfvd_port *port, struct nfvd_policy *policy)
{
	struct nfvd_policy *old = port->policy;
	bool moves = !nfvd_policy_same_segment(old, policy) || (policy && nfvd_policy_has_addresses(policy));

	if (policy && policy->pin)
		nfvd_pins_use(&port->address, port->name);
	rcu_assign_pointer(port->policy, policy);
	nfvd_quiesce();
	atomic_fetch_add(&port->epoch, 1);
	/* What was pinned stays so while it is to be. */
	if (!old || !old->pin || !policy || !policy->pin)
		atomic_store(nfvd_pinned(&port->address), 0);
	if (moves)
		nfvd_port_forget(port);
	nfvd_shortcut_policy_changed(port);
	free(old);
}

/* Change the policy by words, which it takes, and keep it. 0 or -1 with *err. */
static int change(struct nfvd_port *port, json_t *words, struct nfvd_err *err)
{
	json_t *merged = nfvd_words_merge(port->words, words), *before = port->words;
	struct nfvd_policy *policy, *back;
	struct nfvd_err ignored;

	json_decref(words);
	if (nfvd_words_parse(merged, &policy, err)) {
		json_decref(merged);
		return -1;
	}
	use(port, policy);
	port->words = merged;
	if (!nfvd_saved_words(port, err)) {
		json_decref(before);
		return 0;
	}
	port->words = before;
	json_decref(merged);
	if (!nfvd_words_parse(before, &back, &ignored))
		use(port, back);
	return -1;
}

/* The port that params name, and must name. */
static struct nfvd_port *port_of(json_t *params, struct nfvd_err *err)
{
	struct nfvd_port *port;

	if (nfvd_rpc_port(params, "port", &port, err))
		return NULL;
	if (!port)
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a string 'port'");
	return port;
}

static json_t *shown(const struct nfvd_port *port)
{
	return json_pack("{s:s, s:o}", "name", port->name, "policy", nfvd_words_shown(port->words));
}

json_t *nfvd_rpc_policy_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", NULL };
	struct nfvd_port *port = port_of(params, err);
	json_t *words;
	char *text;

	if (!port)
		return NULL;
	words = nfvd_words_take(params);
	if (nfvd_rpc_only(params, names, err)) {
		json_decref(words);
		return NULL;
	}
	if (json_object_get(words, "quarantine")) {
		json_decref(words);
		nfvd_err(err, NFV_RPC_E_PARAMS, "'quarantine' has a command of its own");
		nfvd_hint(err, "nfvctl quarantine %s, or nfvctl release %s", port->name, port->name);
		return NULL;
	}
	text = json_dumps(words, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (change(port, words, err)) {
		free(text);
		return NULL;
	}
	nfvd_event_of(NFVD_EVENT_POLICY, port->name, "policy: %.200s", text);
	free(text);
	return shown(port);
}

json_t *nfvd_rpc_quarantine_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "on", "mirror", NULL };
	json_t *on = json_object_get(params, "on"), *mirror = json_object_get(params, "mirror");
	char how[sizeof("mirror ") + NFV_NAME_MAX];
	struct nfvd_port *port;

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	port = port_of(params, err);
	if (!port)
		return NULL;
	if (!json_is_boolean(on)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a boolean 'on'");
		return NULL;
	}
	if (mirror && (!json_is_true(on) || !json_is_string(mirror) || !strcmp(json_string_value(mirror), port->name))) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'mirror' is the name of another port, for a quarantine that begins");
		return NULL;
	}
	if (mirror && !nfvd_port_find(json_string_value(mirror))) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no port '%.*s'", NFV_NAME_MAX, json_string_value(mirror));
		nfvd_hint(err, "nfvctl show");
		return NULL;
	}
	snprintf(how, sizeof(how), "mirror %s", mirror ? json_string_value(mirror) : "");
	if (change(port, json_pack("{s:s}", "quarantine", mirror ? how : json_is_true(on) ? "on" : "off"), err))
		return NULL;
	nfvd_mirrors_apply();
	nfvd_event_of(NFVD_EVENT_QUARANTINE, port->name, json_is_true(on) ? "quarantined" : "released from quarantine");
	return shown(port);
}
