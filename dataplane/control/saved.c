/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/saved.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "clock.h"
#include "control/document.h"
#include "control/mirrors.h"
#include "control/policy_words.h"
#include "control/ports.h"
#include "control/store.h"
#include "log.h"
#include "netlink.h"
#include "shortcut/shortcut.h"
#include "switch/switch.h"
#include "switch/tap.h"

#define RETRY_MIN_US	100000
#define RETRY_MAX_US	1600000
#define SPELL_US	100000		/* of attaching again, until control does other work */

/* Of a kept port that is not attached, by name. */
static json_t *why_not;		/* {name: text} */
static uint64_t next_try_us, retry_us = RETRY_MIN_US;
static size_t tried;			/* of the ports, in this round of trying */
static bool left;			/* one of these cannot be attached now */

/* ---- attached again ---- */

static void apply_port_settings(const json_t *kept, struct nfvd_port *port)
{
	if (json_is_false(json_object_get(kept, "shortcut")))
		nfvd_shortcut_set(port, false);
}

/* Return the parameters of port.attach in a kept port: all but its setting of the shortcut. */
static json_t *request_of(const json_t *kept)
{
	json_t *request = json_deep_copy(kept);

	json_object_del(request, "shortcut");
	return request;
}

enum kept { ATTACHED, WAITS, GONE };	/* GONE: its guest will never be back */

/* Note the reason why a kept port is not attached. */
static void note_gone(const char *name)
{
	json_object_set_new(why_not, name, json_string("its guest is gone; its quarantine is kept for the next port of this name"));
}

static void note_waiting(const char *name, const char *why)
{
	const char *before = json_string_value(json_object_get(why_not, name));

	if (before && !strcmp(before, why))
		return;
	json_object_set_new(why_not, name, json_string(why));
	nfvd_event_of(NFVD_EVENT_CONFIG, name, "cannot be attached now; nfvd keeps trying: %s", why);
}

static enum kept attach_kept(const json_t *kept)
{
	const char *name = nfvd_document_name(kept);
	struct nfvd_err err = { 0 };
	struct nfvd_port *port;
	json_t *request;

	if (json_object_get(kept, "gone")) {
		note_gone(name);
		return WAITS;
	}
	request = request_of(kept);
	port = nfvd_port_attach(request, &err);
	json_decref(request);
	if (port) {
		apply_port_settings(kept, port);
		json_object_del(why_not, name);
		return ATTACHED;
	}
	if (err.code == NFV_RPC_E_GONE) {
		nfvd_event_of(NFVD_EVENT_CONFIG, name, "is not kept any longer: %s", err.text);
		return GONE;
	}
	note_waiting(name, err.text);
	return WAITS;
}

/* Keep the port at this place no longer; spare: except its quarantine. Return 0, or -1 with *err. */
static int remove_kept(size_t at, bool spare, struct nfvd_err *err)
{
	json_t *before = json_deep_copy(nfvd_document), *port = json_incref(json_array_get(nfvd_document_ports(), at));
	bool stays = spare && nfvd_document_keep_quarantine(port);
	int ret;

	if (!stays)
		json_array_remove(nfvd_document_ports(), at);
	ret = nfvd_document_commit(before, err);
	if (!ret && stays)
		note_gone(nfvd_document_name(port));
	else if (!ret)
		json_object_del(why_not, nfvd_document_name(port));
	json_decref(port);
	return ret;
}

/* Attach kept ports until the round is over, or until_us has passed. Return whether the round is over. */
static bool attach_missing(uint64_t until_us)
{
	struct nfvd_err ignored = { 0 };
	const json_t *kept;
	enum kept now;

	while ((kept = json_array_get(nfvd_document_ports(), tried))) {
		tried++;
		now = nfvd_port_find(nfvd_document_name(kept)) ? ATTACHED : attach_kept(kept);
		if (now == GONE && !remove_kept(tried - 1, true, &ignored))
			tried--;	/* another one is there, or it again, gone */
		else
			left |= now != ATTACHED;
		if (nfvd_now_us() >= until_us)
			return false;
	}
	return true;
}

/* Some devices may have come together, and each may take as long as the kernel waits for all its processors. */
static void try_missing(uint64_t until_us)
{
	if (!attach_missing(until_us))
		return;
	retry_us = left && retry_us < RETRY_MAX_US ? 2 * retry_us : RETRY_MIN_US;
	next_try_us = nfvd_now_us() + retry_us;
	tried = 0;
	left = false;
}

/* How many kept ports there are, without those of which only the quarantine is left. */
static size_t attachable(void)
{
	const json_t *kept;
	size_t i, n = 0;

	json_array_foreach(nfvd_document_ports(), i, kept)
		n += !json_object_get(kept, "gone");
	return n;
}

void nfvd_saved_tick(void)
{
	uint64_t now = nfvd_now_us();

	/* Each attached port is kept, too. */
	if (!nfvd_document_is_kept() || attachable() == nfvd_ports_attached())
		return;
	if (tried || now >= next_try_us)
		try_missing(now + SPELL_US);
}

void nfvd_saved_device_changed(void)
{
	next_try_us = 0;
	retry_us = RETRY_MIN_US;
}

/* ---- start and end ---- */

/* Which boot of this machine it is; "" if that cannot be read. */
static json_t *this_boot(void)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[40] = "";

	if (f && !fgets(id, sizeof(id), f))
		id[0] = '\0';
	if (f)
		fclose(f);
	id[strcspn(id, "\n")] = '\0';
	return json_string(id);
}

/* The number of a process or of a guest means another one in another boot. */
static bool by_number(const json_t *port)
{
	return json_object_get(port, "pid") || json_object_get(port, "domid");
}

/* Remove temporary ports of an earlier boot. */
static void drop_temporary(void)
{
	json_t *boot = this_boot(), *port;

	for (size_t i = json_array_size(nfvd_document_ports()); i && !json_equal(boot, json_object_get(nfvd_document, "boot")); i--) {
		port = json_array_get(nfvd_document_ports(), i - 1);
		if ((json_object_get(port, "temporary") || by_number(port)) && !nfvd_document_keep_quarantine(port))
			json_array_remove(nfvd_document_ports(), i - 1);
	}
	json_object_set_new(nfvd_document, "boot", boot);
}

int nfvd_saved_start(const char *dir)
{
	int err = nfvd_document_open(dir);

	if (err)
		return err;
	why_not = json_object();
	if (!nfvd_document_is_kept())
		return 0;
	drop_temporary();
	if (json_is_true(json_object_get(nfvd_document, "link_local")))
		atomic_store(&nfvd_link_local_forward, true);
	if (json_is_false(json_object_get(nfvd_document, "shortcut")))
		nfvd_shortcut_set(NULL, false);
	nfvd_mirrors_use(nfvd_saved_mirrors());
	try_missing(UINT64_MAX);
	atomic_store(&nfvd_tap_generation, nfvd_store_generation());
	nfvd_event_of(NFVD_EVENT_CONFIG, NULL, "configuration of '%s': generation %u, %zu port(s), of which %zu wait", dir, nfvd_store_generation(),
		   json_array_size(nfvd_document_ports()), json_object_size(why_not));
	return 0;
}

void nfvd_saved_stop(void)
{
	json_decref(why_not);
	why_not = NULL;
	nfvd_document_close();
}

/* ---- asked for ---- */

/* Keep what was asked in the place of what is kept by this name. 0 or -1 with *err. */
static int keep(json_t *asked, struct nfvd_err *err)
{
	json_t *before = json_deep_copy(nfvd_document);
	int at = nfvd_document_find(nfvd_document_name(asked));

	if (at >= 0)
		json_array_remove(nfvd_document_ports(), at);
	json_array_append(nfvd_document_ports(), asked);
	return nfvd_document_commit(before, err);
}

/* A request by a number is for this boot, and for the process that has the number now. */
static void bind_number(json_t *params)
{
	json_t *pid = json_object_get(params, "pid");
	uint64_t started = json_is_integer(pid) ? nfvd_process_started(json_integer_value(pid)) : 0;

	if (started && !json_object_get(params, "started"))
		json_object_set_new(params, "started", json_integer((json_int_t)started));
	if (by_number(params))
		json_object_set_new(params, "temporary", json_string("yes"));
}

/*
 * A port of this name that is kept, and away, is not replaced by one of another type. Its quarantine stays until 'release'
 * or 'detach', or a request that says 'quarantine off'. Return 0, or -1 with *err.
 */
static int take_place(json_t *params, struct nfvd_err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	int at = name && !nfvd_port_find(name) ? nfvd_document_find(name) : -1;
	const json_t *kept = json_array_get(nfvd_document_ports(), at);

	/* Those that are away have ids no longer, and count, too. */
	if (!kept && name && !nfvd_port_find(name) && nfvd_document_is_kept() && json_array_size(nfvd_document_ports()) >= NFVD_PORTS_MAX) {
		nfvd_err(err, NFV_RPC_E_LIMIT, "nfvd keeps at most %d ports", NFVD_PORTS_MAX);
		nfvd_hint(err, "nfvctl show; nfvctl detach what is not wanted any more");
		return -1;
	}
	if (!kept)
		return 0;
	if (nfvd_document_is_kept() && !json_object_get(kept, "gone") &&
	    !json_equal(json_object_get(kept, "type"), json_object_get(params, "type"))) {
		nfvd_err(err, NFV_RPC_E_EXIST, "there is a port '%s' already: a %s port that is kept, and away", name,
			 json_string_value(json_object_get(kept, "type")));
		nfvd_hint(err, "nfvctl detach %s", name);
		return -1;
	}
	if (nfvd_document_quarantined(kept) && !json_object_get(params, "quarantine"))
		json_object_set(params, "quarantine", json_object_get(kept, "quarantine"));
	return 0;
}

/* Whether another time, or another state of the host, can change this answer to a request. */
static bool may_come_true(const struct nfvd_err *err)
{
	return err->code == NFV_RPC_E_NOENT || err->code == NFV_RPC_E_FAILED || err->code == NFV_RPC_E_LIMIT;
}

int nfvd_saved_attach(json_t *params, struct nfvd_port **port, struct nfvd_err *err)
{
	json_t *asked;
	bool waits;
	int ret;

	if (take_place(params, err))
		return -1;
	bind_number(params);
	asked = json_deep_copy(params);
	*port = nfvd_port_attach(params, err);
	waits = !*port && nfvd_document_is_kept() && may_come_true(err) && !strcmp(json_string_value(json_object_get(params, "wait")), "yes");
	if (!*port && !waits) {
		json_decref(asked);
		return -1;
	}
	if (!strcmp(json_string_value(json_object_get(params, "temporary")), "no"))
		json_object_del(asked, "temporary");
	json_object_del(asked, "wait");
	if (waits)
		note_waiting(nfvd_document_name(asked), err->text);
	else
		json_object_del(why_not, (*port)->name);
	ret = keep(asked, err);
	if (ret && waits)
		json_object_del(why_not, nfvd_document_name(asked));
	else if (ret)
		nfvd_port_detach((*port)->name, &(struct nfvd_err){ 0 });
	json_decref(asked);
	return ret;
}

int nfvd_saved_detach(const char *name, struct nfvd_err *err)
{
	int at = nfvd_document_find(name);

	if (at >= 0) {
		bool waits = nfvd_saved_waits(name, NULL);

		if (remove_kept(at, false, err))
			return -1;
		if (waits) {
			nfvd_event_of(NFVD_EVENT_CONFIG, name, "it was not attached, and is not kept any longer");
			return 0;
		}
	}
	return nfvd_port_detach(name, err);
}

int nfvd_saved_set(const char *name, const char *key, bool value, struct nfvd_err *err)
{
	int at = name ? nfvd_document_find(name) : -1;
	json_t *before;

	if (name && at < 0)
		return 0;
	before = json_deep_copy(nfvd_document);
	/* A port that says nothing has the shortcut, as when it is attached. */
	if (name && value)
		json_object_del(json_array_get(nfvd_document_ports(), at), key);
	else
		json_object_set_new(name ? json_array_get(nfvd_document_ports(), at) : nfvd_document, key, json_boolean(value));
	return nfvd_document_commit(before, err);
}

int nfvd_saved_words(const char *name, json_t *words, struct nfvd_err *err)
{
	int at = nfvd_document_find(name);
	json_t *before;

	if (at < 0)
		return 0;
	before = json_deep_copy(nfvd_document);
	nfvd_words_delete(json_array_get(nfvd_document_ports(), at));
	json_object_update(json_array_get(nfvd_document_ports(), at), words);
	if (json_object_get(json_array_get(nfvd_document_ports(), at), "gone") && !json_object_get(words, "quarantine")) {
		json_object_del(why_not, name);
		json_array_remove(nfvd_document_ports(), at);
	}
	return nfvd_document_commit(before, err);
}

bool nfvd_saved_knows(const char *name)
{
	return nfvd_port_find(name) || nfvd_saved_waits(name, NULL);
}

bool nfvd_saved_waits(const char *name, const char *type)
{
	int at = nfvd_port_find(name) ? -1 : nfvd_document_find(name);
	const json_t *kept = json_array_get(nfvd_document_ports(), at);

	if (!kept || (!nfvd_document_is_kept() && !nfvd_document_quarantined(kept)))
		return false;
	return !type || !strcmp(json_string_value(json_object_get(kept, "type")), type);
}

json_t *nfvd_saved_waiting(const char *name)
{
	if (!nfvd_saved_waits(name, NULL))
		return NULL;
	return nfvd_words_merge(json_array_get(nfvd_document_ports(), nfvd_document_find(name)), NULL);
}

json_t *nfvd_saved_mirrors(void)
{
	static json_t *none;

	if (!none)
		none = json_array();
	return json_object_get(nfvd_document, "mirrors") ?: none;
}

int nfvd_saved_set_mirrors(json_t *mirrors, struct nfvd_err *err)
{
	json_t *before = json_deep_copy(nfvd_document);

	if (json_array_size(mirrors))
		json_object_set(nfvd_document, "mirrors", mirrors);
	else
		json_object_del(nfvd_document, "mirrors");
	json_decref(mirrors);
	if (nfvd_document_commit(before, err))
		return -1;
	nfvd_mirrors_use(nfvd_saved_mirrors());
	return 0;
}

/* ---- shown ---- */

/* Forget the requests of ports whose devices have gone. Without --keep they are not tried again. */
static void drop_gone(void)
{
	json_t *there = json_object();

	/* To find each by its name among all takes 70 ms for 4096. */
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id])
			json_object_set_new(there, nfvd_ports[id]->name, json_true());
	for (size_t i = json_array_size(nfvd_document_ports()); i; i--)
		if (!json_object_get(there, nfvd_document_name(json_array_get(nfvd_document_ports(), i - 1))) &&
		    !nfvd_document_quarantined(json_array_get(nfvd_document_ports(), i - 1)))
			json_array_remove(nfvd_document_ports(), i - 1);
	json_decref(there);
}

json_t *nfvd_saved_generation(void)
{
	return nfvd_document_is_kept() ? json_integer(nfvd_store_generation()) : json_null();
}

json_t *nfvd_saved_show(unsigned int generation, struct nfvd_err *err)
{
	if (generation)
		return nfvd_document_of(generation, err);
	if (!nfvd_document_is_kept())
		drop_gone();
	return json_pack("{s:o, s:O, s:o}", "generation", nfvd_saved_generation(),
			 "config", nfvd_document, "history", nfvd_document_is_kept() ? nfvd_store_history() : json_array());
}

void nfvd_saved_missing(json_t *list, const char *name)
{
	json_t *kept, *why, *words;
	size_t i;

	/* All of the document once: to look each up by its name takes seconds for 4096. */
	json_array_foreach(nfvd_document_ports(), i, kept) {
		why = json_object_get(why_not, nfvd_document_name(kept));
		if (!why || (name && strcmp(name, nfvd_document_name(kept))))
			continue;
		words = nfvd_words_merge(kept, NULL);
		json_array_append_new(list, json_pack("{s:O, s:O, s:s, s:O, s:s, s:o}", "name", json_object_get(kept, "name"),
			"type", json_object_get(kept, "type"), "state", nfvd_state_name(NFVD_STATE_GONE), "why", why, "hint",
			json_object_get(kept, "gone") ? "nfvctl release or detach it, if no port of this name is to be in quarantine" :
			"it is attached as soon as it can be", "policy", nfvd_words_shown(words)));
		json_decref(words);
	}
}

void nfvd_saved_findings(json_t *list)
{
	const char *name;
	json_t *why;
	size_t i;

	json_array_foreach(nfvd_document_broken(), i, why)
		json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "level", "bad", "text",
			json_sprintf("a configuration is not used, an older one is: %s", json_string_value(why)), "hint",
			"nfvctl show; attach what is missing, and remove that file"));
	json_object_foreach(why_not, name, why)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "level", "warn", "port", name, "text",
			json_sprintf("kept, and not attached: %s", json_string_value(why)), "hint",
			json_sprintf("nfvctl detach %s, if it is not wanted any more", name)));
}
