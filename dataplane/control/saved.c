/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/saved.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "clock.h"
#include "control/mirrors.h"
#include "control/policy_words.h"
#include "control/ports.h"
#include "control/role.h"
#include "control/store.h"
#include "log.h"
#include "netlink.h"
#include "shortcut/shortcut.h"
#include "switch/switch.h"
#include "switch/tap.h"

#define VERSION		1
#define RETRY_MIN_US	100000
#define RETRY_MAX_US	1600000
#define SPELL_US	100000		/* of attaching again, until control does other work */

static json_t *config;
static bool keeping;		/* config is on disk, too */
static json_t *broken;		/* files that were not sound: ["NAME: reason"] */

/* Of a kept port that is not attached, by name. */
static json_t *why_not;		/* {name: text} */
static uint64_t next_try_us, retry_us = RETRY_MIN_US;
static size_t tried;			/* of the ports, in this round of trying */
static bool left;			/* one of these cannot be attached now */

/* ---- the document: {version, boot, by, link_local, shortcut, mirrors, ports: [{type, name, ..., shortcut, temporary}]} ---- */

static json_t *ports(void)
{
	return json_object_get(config, "ports");
}

static const char *name_of(const json_t *port)
{
	return json_string_value(json_object_get(port, "name"));
}

/* -1: it is not kept. */
static int index_of(const char *name)
{
	json_t *port;
	size_t i;

	json_array_foreach(ports(), i, port)
		if (!strcmp(name_of(port), name))
			return i;
	return -1;
}

static bool sound(const json_t *doc, char *reason, size_t size)
{
	json_int_t version = json_integer_value(json_object_get(doc, "version"));
	const json_t *list = json_object_get(doc, "ports"), *port;
	size_t i;

	if (version > VERSION) {
		snprintf(reason, size, "a newer nfvd wrote it: version %lld, this one reads %d", (long long)version, VERSION);
		return false;
	}
	if (version < 1 || !json_is_array(list)) {
		snprintf(reason, size, "it is no configuration of nfvd's");
		return false;
	}
	json_array_foreach(list, i, port)
		if (!name_of(port) || !nfvd_name_ok(name_of(port)) || !json_is_string(json_object_get(port, "type"))) {
			snprintf(reason, size, "port %zu has no name and type", i);
			return false;
		}
	if (!nfvd_mirrors_sound(json_object_get(doc, "mirrors"))) {
		snprintf(reason, size, "its mirrors are malformed");
		return false;
	}
	return true;
}

static void note_broken(const char *file, const char *reason)
{
	json_array_append_new(broken, json_sprintf("%s: %s", file, reason));
	nfvd_event_of(NFVD_EVENT_CONFIG, NULL, "configuration %s is not used: %s", file, reason);
}

/* Who makes this generation. */
static void set_by(void)
{
	const struct nfvd_caller *who = nfvd_caller;

	if (who)
		json_object_set_new(config, "by", json_pack("{s:I, s:i, s:s, s:s}", "uid", (json_int_t)who->uid, "pid", who->pid,
							    "comm", who->comm, "method", who->method));
	else
		json_object_del(config, "by");
}

/* A copy of the document without what a boot ends, and without who made it. */
static json_t *lasting(const json_t *doc)
{
	json_t *copy = json_copy((json_t *)doc), *list = json_array(), *port;
	size_t i;

	json_array_foreach(json_object_get(doc, "ports"), i, port)
		if (!json_object_get(port, "temporary"))
			json_array_append(list, port);
	json_object_set_new(copy, "ports", list);
	json_object_del(copy, "by");
	return copy;
}

/* Return whether a and b differ in nothing that stays: toolstacks change temporary ports all day. */
static bool same_in_the_end(const json_t *a, const json_t *b)
{
	json_t *x = lasting(a), *y = lasting(b);
	bool same = json_equal(x, y);

	json_decref(x);
	json_decref(y);
	return same;
}

static int write_document(const json_t *before)
{
	bool passing = same_in_the_end(before, config);
	struct nfvd_caller *who = passing ? NULL : nfvd_caller;
	int err;

	if (passing && nfvd_store_generation())
		return nfvd_store_write(config, true);
	set_by();
	err = nfvd_store_write(config, who && who->groups && who->generation == nfvd_store_generation());
	if (!err && who)
		who->generation = nfvd_store_generation();
	return err;
}

/* Write the document. If that fails, restore before, the previous document. Return 0, or -1 with *err. */
static int commit(json_t *before, struct nfvd_err *err)
{
	int ret = 0;

	if (json_equal(before, config)) {
		json_decref(before);
		return 0;
	}
	if (keeping)
		ret = write_document(before);
	if (!ret) {
		atomic_store(&nfvd_tap_generation, keeping ? nfvd_store_generation() : nfvd_tap_generation + 1);
		json_decref(before);
		return 0;
	}
	json_decref(config);
	config = before;
	nfvd_err(err, NFV_RPC_E_FAILED, "not done, because it cannot be kept: %s", strerror(-ret));
	nfvd_hint(err, "make room in the configuration directory: nfvctl doctor");
	return -1;
}

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

/* *gone: its guest will never be back. */
static bool attach_kept(const json_t *kept, bool *gone)
{
	const char *name = name_of(kept), *before = json_string_value(json_object_get(why_not, name));
	struct nfvd_err err = { 0 };
	json_t *request = request_of(kept);
	struct nfvd_port *port = nfvd_port_attach(request, &err);

	json_decref(request);
	*gone = !port && err.code == NFV_RPC_E_GONE;
	if (port) {
		apply_port_settings(kept, port);
		json_object_del(why_not, name);
		return true;
	}
	if (!before || strcmp(before, err.text)) {
		json_object_set_new(why_not, name, json_string(err.text));
		nfvd_event_of(NFVD_EVENT_CONFIG, name, "cannot be attached now; nfvd keeps trying: %s", err.text);
	}
	return false;
}

/* Remove the kept port at this place. Return false if that cannot be written. */
static bool remove_kept(size_t at)
{
	json_t *before = json_deep_copy(config), *port = json_incref(json_array_get(ports(), at));
	struct nfvd_err ignored = { 0 };
	bool done;

	json_array_remove(ports(), at);
	done = !commit(before, &ignored);
	if (done) {
		json_object_del(why_not, name_of(port));
		nfvd_event_of(NFVD_EVENT_CONFIG, name_of(port), "its guest has gone: it is not kept any longer");
	}
	json_decref(port);
	return done;
}

/* Attach kept ports until the round is over, or until_us has passed. Return whether the round is over. */
static bool attach_missing(uint64_t until_us)
{
	const json_t *kept;
	bool gone, there;

	while ((kept = json_array_get(ports(), tried))) {
		tried++;
		if (nfvd_port_find(name_of(kept)))
			continue;
		there = attach_kept(kept, &gone);
		if (gone && remove_kept(tried - 1))
			tried--;
		else
			left |= !there;
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

void nfvd_saved_tick(void)
{
	uint64_t now = nfvd_now_us();

	if (keeping && (tried || now >= next_try_us))
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

	for (size_t i = json_array_size(ports()); i && !json_equal(boot, json_object_get(config, "boot")); i--) {
		port = json_array_get(ports(), i - 1);
		if (json_object_get(port, "temporary") || by_number(port))
			json_array_remove(ports(), i - 1);
	}
	json_object_set_new(config, "boot", boot);
}

int nfvd_saved_start(const char *dir)
{
	int err = dir ? nfvd_store_open(dir) : 0;

	if (err)
		return err;
	broken = json_array();
	why_not = json_object();
	keeping = dir;
	config = NULL;
	err = keeping ? nfvd_store_load(&config, sound, note_broken) : 0;
	if (err) {
		nfvd_log(LOG_ERR, "cannot read the configuration directory '%s': %s", dir, strerror(-err));
		return err;
	}
	if (!config)
		config = json_pack("{s:i, s:[]}", "version", VERSION, "ports");
	if (!keeping)
		return 0;
	drop_temporary();
	if (json_is_true(json_object_get(config, "link_local")))
		atomic_store(&nfvd_link_local_forward, true);
	if (json_is_false(json_object_get(config, "shortcut")))
		nfvd_shortcut_set(NULL, false);
	nfvd_mirrors_use(nfvd_saved_mirrors());
	try_missing(UINT64_MAX);
	atomic_store(&nfvd_tap_generation, nfvd_store_generation());
	nfvd_event_of(NFVD_EVENT_CONFIG, NULL, "configuration of '%s': generation %u, %zu port(s), of which %zu wait", dir, nfvd_store_generation(),
		   json_array_size(ports()), json_object_size(why_not));
	return 0;
}

void nfvd_saved_stop(void)
{
	json_decref(config);
	json_decref(broken);
	json_decref(why_not);
	config = broken = why_not = NULL;
	keeping = false;
	nfvd_store_close();
}

/* ---- asked for ---- */

/* Keep what was asked in the place of what is kept by this name. 0 or -1 with *err. */
static int keep(json_t *asked, struct nfvd_err *err)
{
	json_t *before = json_deep_copy(config);
	int at = index_of(name_of(asked));

	if (at >= 0)
		json_array_remove(ports(), at);
	json_array_append(ports(), asked);
	return commit(before, err);
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

struct nfvd_port *nfvd_saved_attach(json_t *params, struct nfvd_err *err)
{
	json_t *asked;
	struct nfvd_port *port;

	bind_number(params);
	asked = json_deep_copy(params);
	port = nfvd_port_attach(params, err);
	if (port) {
		struct nfvd_err ignored;

		json_object_del(why_not, port->name);
		if (!strcmp(json_string_value(json_object_get(params, "temporary")), "no"))
			json_object_del(asked, "temporary");
		if (keep(asked, err)) {
			nfvd_port_detach(port->name, &ignored);
			port = NULL;
		}
	}
	json_decref(asked);
	return port;
}

int nfvd_saved_detach(const char *name, struct nfvd_err *err)
{
	int at = index_of(name);

	if (at >= 0) {
		json_t *before = json_deep_copy(config);

		json_array_remove(ports(), at);
		if (commit(before, err))
			return -1;
		json_object_del(why_not, name);
		if (keeping && !nfvd_port_find(name)) {
			nfvd_event_of(NFVD_EVENT_CONFIG, name, "it was not attached, and is not kept any longer");
			return 0;
		}
	}
	return nfvd_port_detach(name, err);
}

int nfvd_saved_set(const struct nfvd_port *port, const char *key, bool value, struct nfvd_err *err)
{
	int at = port ? index_of(port->name) : -1;
	json_t *before;

	if (port && at < 0)
		return 0;
	before = json_deep_copy(config);
	/* A port that says nothing has the shortcut, as when it is attached. */
	if (port && value)
		json_object_del(json_array_get(ports(), at), key);
	else
		json_object_set_new(port ? json_array_get(ports(), at) : config, key, json_boolean(value));
	return commit(before, err);
}

int nfvd_saved_words(const char *name, json_t *words, struct nfvd_err *err)
{
	int at = index_of(name);
	json_t *before;

	if (at < 0)
		return 0;
	before = json_deep_copy(config);
	nfvd_words_delete(json_array_get(ports(), at));
	json_object_update(json_array_get(ports(), at), words);
	return commit(before, err);
}

json_t *nfvd_saved_waiting(const char *name)
{
	int at = keeping && !nfvd_port_find(name) ? index_of(name) : -1;

	return at < 0 ? NULL : nfvd_words_merge(json_array_get(ports(), at), NULL);
}

json_t *nfvd_saved_mirrors(void)
{
	static json_t *none;

	if (!none)
		none = json_array();
	return json_object_get(config, "mirrors") ?: none;
}

int nfvd_saved_set_mirrors(json_t *mirrors, struct nfvd_err *err)
{
	json_t *before = json_deep_copy(config);

	if (json_array_size(mirrors))
		json_object_set(config, "mirrors", mirrors);
	else
		json_object_del(config, "mirrors");
	json_decref(mirrors);
	if (commit(before, err))
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
	for (size_t i = json_array_size(ports()); i; i--)
		if (!json_object_get(there, name_of(json_array_get(ports(), i - 1))))
			json_array_remove(ports(), i - 1);
	json_decref(there);
}

static json_t *show_generation(unsigned int generation, struct nfvd_err *err)
{
	char reason[256] = "nothing is kept: nfvd runs without --keep";
	json_t *doc = keeping ? nfvd_store_read(generation, sound, reason, sizeof(reason)) : NULL;

	if (doc)
		return json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "config", doc);
	nfvd_err(err, NFV_RPC_E_NOENT, "there is no generation %u: %s", generation, reason);
	nfvd_hint(err, "nfvctl history");
	return NULL;
}

json_t *nfvd_saved_generation(void)
{
	return keeping ? json_integer(nfvd_store_generation()) : json_null();
}

json_t *nfvd_saved_show(unsigned int generation, struct nfvd_err *err)
{
	if (generation)
		return show_generation(generation, err);
	if (!keeping)
		drop_gone();
	return json_pack("{s:o, s:O, s:o}", "generation", nfvd_saved_generation(),
			 "config", config, "history", keeping ? nfvd_store_history() : json_array());
}

void nfvd_saved_missing(json_t *list, const char *name)
{
	const char *key;
	json_t *why;

	json_object_foreach(why_not, key, why) {
		const json_t *kept = json_array_get(ports(), index_of(key));

		if (!name || !strcmp(name, key))
			json_array_append_new(list, json_pack("{s:s, s:O, s:s, s:O, s:s}", "name", key, "type", json_object_get(kept, "type"),
				"state", nfvd_state_name(NFVD_STATE_GONE), "why", why, "hint", "it is attached as soon as it can be"));
	}
}

void nfvd_saved_findings(json_t *list)
{
	const char *name;
	json_t *why;
	size_t i;

	json_array_foreach(broken, i, why)
		json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "level", "bad", "text",
			json_sprintf("a configuration is not used, an older one is: %s", json_string_value(why)), "hint",
			"nfvctl show; attach what is missing, and remove that file"));
	json_object_foreach(why_not, name, why)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "level", "warn", "port", name, "text",
			json_sprintf("kept, and not attached: %s", json_string_value(why)), "hint",
			json_sprintf("nfvctl detach %s, if it is not wanted any more", name)));
}
