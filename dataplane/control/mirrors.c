/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/mirrors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include "log.h"
#include "shortcut/shortcut.h"
#include "switch/mirror.h"
#include "worker/worker.h"

static json_t *mirrors;

static bool sound(const json_t *m)
{
	const json_t *from = json_object_get(m, "from"), *name;
	size_t i;

	json_array_foreach(from, i, name)
		if (!json_is_string(name))
			return false;
	return json_is_array(from) && json_is_string(json_object_get(m, "name")) && json_is_string(json_object_get(m, "to")) &&
	       json_is_string(json_object_get(m, "direction"));
}

bool nfvd_mirrors_sound(const json_t *list)
{
	const json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
		if (!sound(m))
			return false;
	return !list || (json_is_array(list) && json_array_size(list) <= NFVD_MIRRORS_MAX);
}

/*
 * A mirror keeps its place as long as there is one: at no time a port's bit means another mirror's probe. A place is free
 * again once no worker can see the bit of before; there is one change at a time.
 */
static struct place {
	char name[NFV_NAME_MAX + 1];	/* of the mirror; empty: none */
	const json_t *mirror;
	json_t *from;			/* {port: true} */
} places[NFVD_MIRRORS_MAX];

static void free_places(void)
{
	for (unsigned int i = 0; i < NFVD_MIRRORS_MAX; i++) {
		json_decref(places[i].from);
		places[i].from = NULL;
		places[i].mirror = NULL;
	}
}

static struct place *place_of(const char *name)
{
	for (unsigned int i = 0; i < NFVD_MIRRORS_MAX; i++)
		if (!strcmp(places[i].name, name))
			return &places[i];
	return NULL;
}

static void take_places(void)
{
	json_t *m, *from;
	size_t i, k;

	json_array_foreach(mirrors, i, m) {
		const char *name = json_string_value(json_object_get(m, "name"));
		struct place *p = place_of(name) ?: place_of("");

		if (!p)
			return;
		snprintf(p->name, sizeof(p->name), "%s", name);
		p->mirror = m;
		p->from = json_object();
		json_array_foreach(json_object_get(m, "from"), k, from)
			json_object_set_new(p->from, json_string_value(from), json_true());
	}
	for (i = 0; i < NFVD_MIRRORS_MAX; i++)
		if (!places[i].mirror)
			places[i].name[0] = '\0';
}

/* Of the mirrors that port is in: as the sender, or the receiver. */
static uint8_t bits(const struct nfvd_port *port, const char *not_if)
{
	uint8_t set = 0;

	for (unsigned int i = 0; i < NFVD_MIRRORS_MAX; i++)
		if (places[i].mirror && json_object_get(places[i].from, port->name) &&
		    strcmp(json_string_value(json_object_get(places[i].mirror, "direction")), not_if))
			set |= 1u << i;
	return set;
}

static uint16_t id_of(const char *name)
{
	const struct nfvd_port *port = nfvd_port_find(name);

	return port ? port->id : NFVD_NOWHERE;
}

/* The probe of a port in quarantine, plus one; 0: none. */
static uint32_t quarantine_probe(const struct nfvd_port *port)
{
	const char *how = json_string_value(json_object_get(port->words, "quarantine"));
	uint16_t id = how && !strncmp(how, "mirror ", 7) ? id_of(how + 7) : NFVD_NOWHERE;

	return id == NFVD_NOWHERE ? 0 : id + 1u;
}

static struct nfvd_mirrors *make(void)
{
	struct nfvd_mirrors *new = json_array_size(mirrors) ? calloc(1, sizeof(*new)) : NULL;

	if (!new)
		return NULL;
	for (unsigned int i = 0; i < NFVD_MIRRORS_MAX; i++) {
		const json_t *m = places[i].mirror;

		new->m[i].probe = m ? id_of(json_string_value(json_object_get(m, "to"))) : NFVD_NOWHERE;
		new->m[i].snap = json_integer_value(json_object_get(m, "snap"));
	}
	return new;
}

void nfvd_mirrors_apply(void)
{
	struct nfvd_mirrors *new, *old = nfvd_mirrors;
	bool turned[NFVD_PORTS_MAX] = { false }, changed, any = false;

	take_places();
	new = make();
	changed = new || old;
	rcu_assign_pointer(nfvd_mirrors, new);
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = nfvd_ports[id];
		uint8_t from, to;
		uint32_t probe;
		bool was;

		if (!port)
			continue;
		was = port->mirror_from | port->mirror_to;
		from = new ? bits(port, "received") : 0;
		to = new ? bits(port, "sent") : 0;
		atomic_store(&port->mirror_from, from);
		atomic_store(&port->mirror_to, to);
		probe = quarantine_probe(port);
		changed |= atomic_exchange(&port->quarantine_probe, probe) != probe;
		turned[id] = was != (from || to);
		any |= turned[id];
	}
	free_places();
	if (!changed)
		return;
	nfvd_quiesce();
	free(old);
	/* What is mirrored goes through nfvd, all of it. */
	if (any)
		nfvd_shortcut_policies_changed(turned);
}

void nfvd_mirrors_use(json_t *list)
{
	json_decref(mirrors);
	mirrors = json_incref(list);
	nfvd_mirrors_apply();
}

/* Return the name of the probe in port's quarantine if there is no port of that name, else NULL. */
static const char *missing_probe(const struct nfvd_port *port)
{
	const char *how = json_string_value(json_object_get(port->words, "quarantine"));

	return how && !strncmp(how, "mirror ", 7) && !nfvd_port_find(how + 7) ? how + 7 : NULL;
}

void nfvd_mirrors_findings(json_t *list)
{
	const json_t *m;
	size_t i;

	json_array_foreach(mirrors, i, m) {
		const char *name = json_string_value(json_object_get(m, "name")), *to = json_string_value(json_object_get(m, "to"));

		if (!nfvd_port_find(to))
			json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "level", "warn",
				"text", json_sprintf("mirror '%s' copies nothing: '%s' is not attached", name, to),
				"hint", json_sprintf("nfvctl mirror remove %s, or attach %s", name, to)));
	}
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_port *port = nfvd_ports[id];
		const char *to = port ? missing_probe(port) : NULL;

		if (to)
			json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "level", "warn", "port", port->name,
				"text", json_sprintf("nobody sees what it sends in quarantine: '%s' is not attached", to),
				"hint", json_sprintf("nfvctl quarantine %s mirror PORT, or attach %s", port->name, to)));
	}
}
