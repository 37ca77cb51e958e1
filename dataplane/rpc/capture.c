/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "log.h"
#include "rpc/methods.h"
#include "shortcut/shortcut.h"
#include "worker/worker.h"

#define BYTES		(24u << 20)	/* of a capture's rings */
#define SLOTS_MIN	1024u

struct capture {
	struct nfvd_caller who;
	const struct nfvd_caller *owner;	/* of the connection; NULL: this one is free */
	int fd;
	bool told;				/* the owner has the descriptor */
	bool diverts;				/* its ports do not use the shortcut */
	void *map;
	size_t size;
	struct nfvd_tap tap;
};

static struct capture captures[NFVD_TAPS_MAX];

static struct capture *capture_of(const struct nfvd_caller *owner)
{
	for (unsigned int i = 0; i < NFVD_TAPS_MAX; i++)
		if (captures[i].owner == owner)
			return &captures[i];
	return NULL;
}

/* ---- rings ---- */

static uint32_t slots(void)
{
	uint32_t n = SLOTS_MIN;

	while (nfv_capture_ring_bytes(2 * n) * nfvd_n_workers <= BYTES)
		n *= 2;
	return n;
}

/* The client can then map it to read, and nothing else. */
static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) ? -errno : 0;
}

/* Return 0 or -errno; on failure free_rings() undoes what was done. */
static int make_rings(struct capture *c)
{
	uint64_t one;
	uint32_t n = slots();

	one = (nfv_capture_ring_bytes(n) + 4095) / 4096 * 4096;
	c->size = one * nfvd_n_workers;
	c->tap.mask = n - 1;
	c->fd = memfd_create("nfvd-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (c->fd < 0 || ftruncate(c->fd, c->size))
		return -errno;
	/* All pages now: no worker is to wait for one. */
	c->map = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, c->fd, 0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return -errno;
	}
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		c->tap.ring[i] = (void *)((uint8_t *)c->map + i * one);
	return seal(c->fd);
}

static void free_rings(struct capture *c)
{
	if (c->map)
		munmap(c->map, c->size);
	if (c->fd >= 0)
		close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

/* Show the captures that have an owner to the workers. When this returns, no worker uses any other. */
static void publish(void)
{
	struct nfvd_tap_set *set = NULL, *old = nfvd_taps;
	static struct nfvd_tap_set sets[2];

	for (unsigned int i = 0; i < NFVD_TAPS_MAX; i++) {
		if (!captures[i].owner)
			continue;
		if (!set) {
			set = &sets[old == &sets[0]];
			set->n = 0;
		}
		set->tap[set->n++] = &captures[i].tap;
	}
	rcu_assign_pointer(nfvd_taps, set);
	nfvd_quiesce();
}

/* Keep the captured ports off the shortcut, or let them use it again. */
static void divert(struct capture *c, bool on)
{
	if (!c->diverts)
		return;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = nfvd_ports[id];

		if (port && c->tap.serial[id] == port->serial)
			atomic_fetch_add(&port->captured, on ? 1 : -1u);
	}
	/* Set the shortcut as it is already, so that all that depends on it is computed anew. */
	nfvd_shortcut_set(NULL, nfvd_shortcut_enabled(NULL));
}

/* ---- what is asked for ---- */

static int boolean(json_t *params, const char *key, bool *value, struct nfvd_err *err)
{
	json_t *given = json_object_get(params, key);

	if (given && !json_is_boolean(given))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a boolean", key);
	*value = given ? json_is_true(given) : *value;
	return 0;
}

static int parse_ports(json_t *list, struct nfvd_tap *tap, struct nfvd_err *err)
{
	json_t *name;
	size_t i;

	if (list && !json_is_array(list))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'ports' must be a list of names");
	tap->all = !json_array_size(list);
	for (unsigned int id = 0; tap->all && id < NFVD_PORTS_MAX; id++)
		tap->serial[id] = nfvd_ports[id] ? nfvd_ports[id]->serial : 0;
	json_array_foreach(list, i, name) {
		struct nfvd_port *port = json_is_string(name) ? nfvd_port_find(json_string_value(name)) : NULL;

		if (!port) {
			nfvd_err(err, NFV_RPC_E_NOENT, "no port '%.*s'", NFV_NAME_MAX, json_is_string(name) ? json_string_value(name) : "?");
			nfvd_hint(err, "nfvctl show");
			return -1;
		}
		tap->serial[port->id] = port->serial;
	}
	return 0;
}

static int parse_reason(json_t *name, struct nfvd_tap *tap, struct nfvd_err *err)
{
	if (!name)
		return 0;
	for (unsigned int i = NFVD_PASS + 1; i < NFVD_N_DROPS && json_is_string(name); i++)
		if (!strcmp(nfvd_reasons[i].name, json_string_value(name)))
			tap->reason = i;
	if (tap->reason != NFVD_PASS)
		return 0;
	nfvd_err(err, NFV_RPC_E_PARAMS, "'reason' is not a reason for which frames are dropped");
	nfvd_hint(err, "nfvctl drops all");
	return -1;
}

static int parse(json_t *params, struct capture *c, struct nfvd_err *err)
{
	static const char *const names[] = { "ports", "dropped", "reason", "in", "out", "onward", "bytes", NULL };
	json_t *bytes = json_object_get(params, "bytes");
	bool dropped = false;

	c->tap.in = c->tap.out = true;
	c->tap.bytes = NFV_CAPTURE_BYTES;
	if (nfvd_rpc_only(params, names, err) || parse_ports(json_object_get(params, "ports"), &c->tap, err) ||
	    parse_reason(json_object_get(params, "reason"), &c->tap, err) || boolean(params, "dropped", &dropped, err) ||
	    boolean(params, "in", &c->tap.in, err) || boolean(params, "out", &c->tap.out, err) || boolean(params, "onward", &c->tap.onward, err))
		return -1;
	if (bytes && (!json_is_integer(bytes) || json_integer_value(bytes) < 14 || json_integer_value(bytes) > NFV_CAPTURE_BYTES))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'bytes' must be a number from 14 to %d", NFV_CAPTURE_BYTES);
	if (bytes)
		c->tap.bytes = json_integer_value(bytes);
	c->tap.dropped_only = dropped || c->tap.reason != NFVD_PASS;
	/* nfvd drops no frame that the shortcut carries, so a capture of drops leaves the shortcut alone. */
	c->diverts = !c->tap.dropped_only;
	return 0;
}

static json_t *reasons(void)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < NFVD_N_DROPS; i++)
		json_array_append_new(list, json_string(nfvd_reasons[i].name ? nfvd_reasons[i].name : ""));
	return list;
}

json_t *nfvd_rpc_capture_start(json_t *params, struct nfvd_err *err)
{
	struct capture *c = capture_of(NULL);
	int ret;

	if (capture_of(nfvd_caller)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "this connection has a capture already");
		return NULL;
	}
	if (!c) {
		nfvd_err(err, NFV_RPC_E_LIMIT, "there are already %d captures, the first one by uid %u, pid %d (%s)", NFVD_TAPS_MAX,
			 captures[0].who.uid, captures[0].who.pid, captures[0].who.comm);
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	if (parse(params, c, err)) {
		free_rings(c);
		return NULL;
	}
	ret = make_rings(c);
	if (ret) {
		free_rings(c);
		nfvd_err(err, NFV_RPC_E_FAILED, "no memory for captured frames: %s", strerror(-ret));
		return NULL;
	}
	c->who = *nfvd_caller;
	c->owner = nfvd_caller;
	divert(c, true);
	publish();
	nfvd_event_of(NFVD_EVENT_CAPTURE, NULL, "capture started by uid %u, pid %d (%s)", c->who.uid, c->who.pid, c->who.comm);
	return json_pack("{s:i, s:i, s:i, s:o}", "workers", nfvd_n_workers, "slots", c->tap.mask + 1, "bytes", c->tap.bytes, "reasons", reasons());
}

int nfvd_capture_descriptor(const struct nfvd_caller *who)
{
	struct capture *c = capture_of(who);

	if (!c || c->told)
		return -1;
	c->told = true;
	return c->fd;
}

void nfvd_capture_end(const struct nfvd_caller *who)
{
	struct capture *c = capture_of(who);

	if (!c)
		return;
	c->owner = NULL;
	publish();
	divert(c, false);
	nfvd_event_of(NFVD_EVENT_CAPTURE, NULL, "capture of uid %u, pid %d (%s) ended", c->who.uid, c->who.pid, c->who.comm);
	free_rings(c);
}
