/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "control/mirrors.h"
#include "control/params.h"
#include "control/policy_words.h"
#include "log.h"
#include "netdev/port_module.h"
#include "netdev/port_packet.h"
#include "nfvd.h"
#include "policy/pins.h"
#include "port/fdb.h"
#include "port/port_state.h"
#include "shortcut/inherit.h"
#include "vhost/port.h"
#include "worker/worker.h"
#include "xen/port.h"

#define SPELL_US	100000	/* of detaching what has gone, until control does other work */

static unsigned int n_ports;		/* attached */
static sd_event_source *detaching;	/* NULL: nothing is gone */

static const struct nfvd_port_ops *const types[] = {
	&nfvd_port_vhost, &nfvd_port_veth_module, &nfvd_port_veth, &nfvd_port_netdev, &nfvd_port_xen,
};

/* mode: NULL if none was asked for. */
static const struct nfvd_port_ops *find_type(const char *type, const char *mode)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i]->type, type))
			continue;
		if (types[i]->mode && mode ? !strcmp(types[i]->mode, mode) : !types[i]->available || types[i]->available())
			return types[i];
	}
	return NULL;
}

/* 0, or -1 with *err. */
static int take_words(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	json_t *words = nfvd_words_take(params);
	int ret;

	port->words = nfvd_words_merge(NULL, words);
	json_decref(words);
	ret = nfvd_words_parse(port->words, &port->policy, err);
	if (ret)
		json_decref(port->words);
	return ret;
}

static void free_port(struct nfvd_port *port)
{
	json_decref(port->attach_steps);
	json_decref(port->words);
	free(port->policy);
	free(port);
}

/* What every type has. Errors that no change of the host can mend come first. */
static struct nfvd_port *parse(json_t *params, struct nfvd_err *err)
{
	const char *name = json_string_value(json_object_get(params, "name")), *macs;
	struct nfvd_port *port;

	if (nfvd_params_check(params, err))
		return NULL;
	if (!nfvd_name_ok(name)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "bad name: letters, digits, '_', '.', '-', at most %d; and no word of nfvctl's, as 'all'",
			 NFV_NAME_MAX);
		return NULL;
	}
	if (nfvd_port_find(name)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "there is a port '%s' already", name);
		nfvd_hint(err, "nfvctl detach %s", name);
		return NULL;
	}
	port = calloc(1, sizeof(*port));
	if (!port) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	if (take_words(port, params, err)) {
		free(port);
		return NULL;
	}
	port->ops = find_type(json_string_value(json_object_get(params, "type")), json_string_value(json_object_get(params, "mode")));
	if (!port->ops) {
		nfvd_err(err, NFV_RPC_E_FAILED, "nfvd has no code for ports of this type, or this mode of it");
		free_port(port);
		return NULL;
	}
	nfvd_meter_start(&port->from, nfvd_now_ns() * NFVD_METER_NS);
	nfvd_meter_start(&port->to, nfvd_now_ns() * NFVD_METER_NS);
	snprintf(port->name, sizeof(port->name), "%s", name);
	macs = json_string_value(json_object_get(params, "macs"));
	port->macs_max = macs ? strtoul(macs, NULL, 10) : (unsigned long)json_integer_value(json_object_get(params, "macs"));
	port->macs_drop = macs && strstr(macs, " drop");
	return port;
}

static void init_queues(struct nfvd_port *port)
{
	for (unsigned int i = 0; i < NFVD_RXQS_MAX; i++) {
		port->rxq[i].port = port;
		port->rxq[i].index = i;
		port->rxq[i].fd = -1;
		port->rxq[i].node = -1;
	}
}

/* Return the id that an earlier nfvd gave to the port of this name, or else an id that no kept port waits for. */
static unsigned int choose_id(const char *name)
{
	unsigned int id = nfvd_inherit_id(name);

	if (id < NFVD_PORTS_MAX && !nfvd_ports[id])
		return id;
	for (id = 0; id < NFVD_PORTS_MAX && (nfvd_ports[id] || nfvd_inherit_of(id));)
		id++;
	return id;
}

struct nfvd_port *nfvd_port_attach(json_t *params, struct nfvd_err *err)
{
	uint64_t start = nfvd_now_us();
	struct nfvd_port *port = parse(params, err);
	static uint64_t serial;
	unsigned int id;

	if (!port)
		return NULL;
	id = choose_id(port->name);
	if (id == NFVD_PORTS_MAX || nfvd_counters_reset(id)) {
		nfvd_err(err, NFV_RPC_E_LIMIT, "there are at most %d ports", NFVD_PORTS_MAX);
		free_port(port);
		return NULL;
	}
	port->id = id;
	port->serial = ++serial;
	port->attach_steps = json_object();
	init_queues(port);
	if (port->policy && port->policy->pin)
		nfvd_pins_use(&port->address, port->name);
	if (port->ops->attach(port, params, err)) {
		if (!err->hint[0] && strstr(err->text, strerror(EMFILE)))
			nfvd_hint(err, "%s", NFVD_NOFILE_HINT);
		/* A part of it may have been polled already. */
		if (atomic_load(&port->learnt))
			nfvd_fdb_flush(port);
		nfvd_pins_forget(port->name);
		free_port(port);
		return NULL;
	}
	if (id >= atomic_load(&nfvd_ports_end))
		atomic_store(&nfvd_ports_end, id + 1);
	rcu_assign_pointer(nfvd_ports[id], port);
	n_ports++;
	nfvd_mirrors_apply();
	port->attach_us = nfvd_now_us() - start;
	nfvd_event_of(NFVD_EVENT_ATTACHED, port->name, "attached (%s) in %.1f ms", port->ops->type, port->attach_us / 1000.0);
	return port;
}

static void detach(struct nfvd_port *port)
{
	rcu_assign_pointer(nfvd_ports[port->id], NULL);
	n_ports--;
	nfvd_mirrors_apply();
	if (port->ops->leave)
		port->ops->leave(port);
	for (unsigned int i = 0; i < port->nr_rxq; i++)
		nfvd_worker_del(&port->rxq[i]);
	nfvd_quiesce();
	nfvd_port_forget(port);
	nfvd_stats_retire(port->id);
	port->ops->detach(port);
	nfvd_pins_forget(port->name);
	nfvd_event_of(NFVD_EVENT_DETACHED, port->name, "detached");
	free_port(port);
}

int nfvd_port_detach(const char *name, struct nfvd_err *err)
{
	struct nfvd_port *port = nfvd_port_find(name);

	if (!port) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no port '%.*s'", NFV_NAME_MAX, name);
		nfvd_hint(err, "nfvctl show");
		return -1;
	}
	detach(port);
	return 0;
}

unsigned int nfvd_ports_attached(void)
{
	return n_ports;
}

void nfvd_port_detach_all(void)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id])
			detach(nfvd_ports[id]);
}

/* Detach some of the ports that have gone. There may be many, so control does other work in between. */
static int detach_deferred(sd_event_source *s, void *arg)
{
	uint64_t until_us = nfvd_now_us() + SPELL_US;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		if (!nfvd_ports[id] || atomic_load(&nfvd_ports[id]->state) != NFVD_STATE_GONE)
			continue;
		if (nfvd_now_us() >= until_us)
			return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
		detach(nfvd_ports[id]);
	}
	detaching = sd_event_source_disable_unref(s);
	return 0;
}

static void detach_later(struct nfvd_port *port)
{
	if (detaching)
		return;
	/* If this fails the port stays "gone" until somebody detaches it. An event says so. */
	if (sd_event_add_defer(nfvd_event_loop, &detaching, detach_deferred, NULL) < 0)
		nfvd_log(LOG_ERR, "%s: cannot schedule its detach", port->name);
}

void nfvd_ports_init(void)
{
	nfvd_port_detach_later = detach_later;
}
