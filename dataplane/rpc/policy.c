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
#include "worker/worker.h"

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

/* A port, or one that is kept and not attached now: port is NULL then. */
struct subject {
	const char *name;
	struct nfvd_port *port;
	json_t *words;			/* a reference of its own */
};

/* Change the policy by words, which it takes, and keep it. 0 or -1 with *err. */
static int change(struct subject *s, json_t *words, struct nfvd_err *err)
{
	json_t *merged = nfvd_words_merge(s->words, words);
	struct nfvd_policy *policy, *back;
	struct nfvd_err ignored;

	json_decref(words);
	if (nfvd_words_parse(merged, &policy, err)) {
		json_decref(merged);
		return -1;
	}
	if (s->port)
		use(s->port, policy);
	else
		free(policy);
	if (nfvd_saved_words(s->name, merged, err)) {
		if (s->port && !nfvd_words_parse(s->words, &back, &ignored))
			use(s->port, back);
		json_decref(merged);
		return -1;
	}
	if (s->port) {
		json_decref(s->port->words);
		s->port->words = json_incref(merged);
	}
	json_decref(s->words);
	s->words = merged;
	return 0;
}

/* The port that params name, and must name. 0 or -1 with *err. */
static int find_subject(json_t *params, struct subject *s, struct nfvd_err *err)
{
	*s = (struct subject){ .name = json_string_value(json_object_get(params, "port")) };
	if (s->name)
		s->port = nfvd_port_find(s->name);
	if (s->name)
		s->words = s->port ? json_incref(s->port->words) : nfvd_saved_waiting(s->name);
	if (s->words)
		return 0;
	if (!nfvd_rpc_port(params, "port", &s->port, err))
		nfvd_err(err, NFV_RPC_E_PARAMS, "needs a string 'port'");
	return -1;
}

/* It takes the subject's reference. */
static json_t *shown(const struct subject *s)
{
	json_t *result = json_pack("{s:s, s:o}", "name", s->name, "policy", nfvd_words_shown(s->words));

	json_decref(s->words);
	return result;
}

/* 0 or -1 with *err. Takes words. */
static int set_words(struct subject *s, json_t *words, struct nfvd_err *err)
{
	char *text;

	if (json_object_get(words, "quarantine")) {
		json_decref(words);
		nfvd_err(err, NFV_RPC_E_PARAMS, "'quarantine' cannot be set here");
		nfvd_hint(err, "nfvctl quarantine %s, or nfvctl release %s", s->name, s->name);
		return -1;
	}
	text = json_dumps(words, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (change(s, words, err)) {
		free(text);
		return -1;
	}
	nfvd_event_of(NFVD_EVENT_POLICY, s->name, "policy: %.200s", text);
	free(text);
	return 0;
}

json_t *nfvd_rpc_policy_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", NULL };
	struct subject s;
	json_t *words;
	int ret;

	if (find_subject(params, &s, err))
		return NULL;
	words = nfvd_words_take(params);
	ret = nfvd_rpc_only(params, names, err);
	if (ret)
		json_decref(words);
	else
		ret = set_words(&s, words, err);
	if (!ret)
		return shown(&s);
	json_decref(s.words);
	return NULL;
}

/* 0 or -1 with *err. */
static int set_quarantine(struct subject *s, const json_t *on, const json_t *mirror, struct nfvd_err *err)
{
	char how[sizeof("mirror ") + NFV_NAME_MAX];

	if (!json_is_boolean(on))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "needs a boolean 'on'");
	if (mirror && (!json_is_true(on) || !json_is_string(mirror) || !strcmp(json_string_value(mirror), s->name)))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'mirror' must be the name of another port, and needs 'on': true");
	if (mirror && !nfvd_saved_knows(json_string_value(mirror))) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no port '%.*s'", NFV_NAME_MAX, json_string_value(mirror));
		nfvd_hint(err, "nfvctl show");
		return -1;
	}
	snprintf(how, sizeof(how), "mirror %s", mirror ? json_string_value(mirror) : "");
	if (change(s, json_pack("{s:s}", "quarantine", mirror ? how : json_is_true(on) ? "on" : "off"), err))
		return -1;
	nfvd_mirrors_apply();
	nfvd_event_of(NFVD_EVENT_QUARANTINE, s->name, json_is_true(on) ? "quarantined" : "released from quarantine");
	return 0;
}

json_t *nfvd_rpc_quarantine_set(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "on", "mirror", NULL };
	struct subject s;

	if (nfvd_rpc_only(params, names, err) || find_subject(params, &s, err))
		return NULL;
	if (!set_quarantine(&s, json_object_get(params, "on"), json_object_get(params, "mirror"), err))
		return shown(&s);
	json_decref(s.words);
	return NULL;
}
