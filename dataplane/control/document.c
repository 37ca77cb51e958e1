/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/document.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "control/mirrors.h"
#include "control/policy_words.h"
#include "control/ports.h"
#include "control/role.h"
#include "control/store.h"
#include "log.h"
#include "switch/tap.h"

#define VERSION		1

json_t *nfvd_document;
static bool keeping;		/* it is on disk, too */
static json_t *broken;		/* files that were not sound: ["NAME: reason"] */

json_t *nfvd_document_ports(void)
{
	return json_object_get(nfvd_document, "ports");
}

const char *nfvd_document_name(const json_t *port)
{
	return json_string_value(json_object_get(port, "name"));
}

int nfvd_document_find(const char *name)
{
	json_t *port;
	size_t i;

	json_array_foreach(nfvd_document_ports(), i, port)
		if (!strcmp(nfvd_document_name(port), name))
			return i;
	return -1;
}

bool nfvd_document_quarantined(const json_t *kept)
{
	const char *value = json_string_value(json_object_get(kept, "quarantine"));

	return value && strcmp(value, "off") && strcmp(value, "default");
}

bool nfvd_document_keep_quarantine(json_t *kept)
{
	json_t *rest;

	if (!nfvd_document_quarantined(kept))
		return false;
	rest = json_pack("{s:O, s:O, s:O, s:s, s:b}", "type", json_object_get(kept, "type"), "name", json_object_get(kept, "name"),
			 "quarantine", json_object_get(kept, "quarantine"), "temporary", "yes", "gone", true);
	json_object_clear(kept);
	json_object_update(kept, rest);
	json_decref(rest);
	return true;
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
		if (!nfvd_document_name(port) || !nfvd_name_ok(nfvd_document_name(port)) || !json_is_string(json_object_get(port, "type"))) {
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
		json_object_set_new(nfvd_document, "by", json_pack("{s:I, s:i, s:s, s:s}", "uid", (json_int_t)who->uid, "pid", who->pid,
							    "comm", who->comm, "method", who->method));
	else
		json_object_del(nfvd_document, "by");
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
	bool passing = same_in_the_end(before, nfvd_document);
	struct nfvd_caller *who = passing ? NULL : nfvd_caller;
	int err;

	if (passing && nfvd_store_generation())
		return nfvd_store_write(nfvd_document, true);
	set_by();
	err = nfvd_store_write(nfvd_document, who && who->groups && who->generation == nfvd_store_generation());
	if (!err && who)
		who->generation = nfvd_store_generation();
	return err;
}

int nfvd_document_commit(json_t *before, struct nfvd_err *err)
{
	int ret = 0;

	if (json_equal(before, nfvd_document)) {
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
	json_decref(nfvd_document);
	nfvd_document = before;
	nfvd_err(err, NFV_RPC_E_FAILED, "not done, because it cannot be kept: %s", strerror(-ret));
	nfvd_hint(err, ret == -EFBIG ? "a configuration has at most 4 MiB" : "make room in the configuration directory: nfvctl doctor");
	return -1;
}

int nfvd_document_open(const char *dir)
{
	int err = dir ? nfvd_store_open(dir) : 0;

	if (err)
		return err;
	broken = json_array();
	keeping = dir;
	err = keeping ? nfvd_store_load(&nfvd_document, sound, note_broken) : 0;
	if (err) {
		nfvd_log(LOG_ERR, "cannot read the configuration directory '%s': %s", dir, strerror(-err));
		return err;
	}
	if (!nfvd_document)
		nfvd_document = json_pack("{s:i, s:[]}", "version", VERSION, "ports");
	return 0;
}

void nfvd_document_close(void)
{
	json_decref(nfvd_document);
	json_decref(broken);
	nfvd_document = broken = NULL;
	keeping = false;
	nfvd_store_close();
}

bool nfvd_document_is_kept(void)
{
	return keeping;
}

const json_t *nfvd_document_broken(void)
{
	return broken;
}

json_t *nfvd_document_of(unsigned int generation, struct nfvd_err *err)
{
	char reason[256] = "nothing is kept: nfvd runs without --keep";
	json_t *doc = keeping ? nfvd_store_read(generation, sound, reason, sizeof(reason)) : NULL;

	if (doc)
		return json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "config", doc);
	nfvd_err(err, NFV_RPC_E_NOENT, "there is no generation %u: %s", generation, reason);
	nfvd_hint(err, "nfvctl history");
	return NULL;
}
