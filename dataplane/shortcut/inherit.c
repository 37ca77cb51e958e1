/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/inherit.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fdstore.h"
#include "log.h"

#define MAPS_ANY	"@shortcut"	/* of any layout */
#define MAPS		MAPS_ANY SHORTCUT_LAYOUT

_Static_assert(SHORTCUT_NAME == NFV_NAME_MAX + 1 && SHORTCUT_PORTS == NFVD_PORTS_MAX, "the program's numbers are nfvd's");

static struct nfvd_inherited inherited[NFVD_PORTS_MAX];	/* by id */
static const char *const sides[NFVD_TC_SIDES] = { "ingress", "egress" };

/* ---- maps ---- */

/* Return whether a stored descriptor is the map that is wanted; if not, say in why what it is. */
static bool fits(const struct bpf_map *map, int fd, char *why, size_t size)
{
	struct bpf_map_info is = { 0 };
	uint32_t len = sizeof(is);

	if (!nfvd_tc_is_bpf(fd, "bpf-map") || bpf_obj_get_info_by_fd(fd, &is, &len)) {
		snprintf(why, size, "what was kept as its map '%s' is none", bpf_map__name(map));
		return false;
	}
	if (is.key_size != bpf_map__key_size(map) || is.value_size != bpf_map__value_size(map) ||
	    is.max_entries != bpf_map__max_entries(map)) {
		snprintf(why, size, "its map '%s' was kept with keys of %u, values of %u bytes, for %u entries, and this nfvd's has %u, %u, %u",
			 bpf_map__name(map), is.key_size, is.value_size, is.max_entries, bpf_map__key_size(map),
			 bpf_map__value_size(map), bpf_map__max_entries(map));
		return false;
	}
	if (is.type == bpf_map__type(map) && is.map_flags == bpf_map__map_flags(map) &&
	    !strncmp(is.name, bpf_map__name(map), sizeof(is.name) - 1))
		return true;
	snprintf(why, size, "what was kept as its map '%s' is another map", bpf_map__name(map));
	return false;
}

void nfvd_inherit_nothing(const char *why)
{
	nfvd_event_of(NFVD_EVENT_SHORTCUT, NULL, "shortcut: loaded anew; its counters start at zero, and each container is attached anew: %s", why);
}

/* Write an event if there are maps of another layout. There are none of this one. */
static void say_layout(void)
{
	const char *name = nfvd_fdstore_find(MAPS_ANY), *layout = name ? name + strlen(MAPS_ANY) : "";
	char why[80];

	snprintf(why, sizeof(why), "it was kept in layout %.*s, and this nfvd's is " SHORTCUT_LAYOUT, (int)strspn(layout, "0123456789"),
		 layout);
	if (name)
		nfvd_inherit_nothing(why);
}

bool nfvd_inherit_maps_take(struct bpf_object *obj)
{
	struct { struct bpf_map *map; int fd; } maps[16];
	const char *missing = NULL;
	char why[200] = "";
	unsigned int n = 0;
	struct bpf_map *map;
	bool all = true;

	bpf_object__for_each_map(map, obj) {
		int fd = n < 16 ? nfvd_fdstore_take(MAPS, bpf_map__name(map)) : -1;

		if (fd < 0) {
			missing = bpf_map__name(map);
			continue;
		}
		all = all && fits(map, fd, why, sizeof(why));
		maps[n].map = map;
		maps[n++].fd = fd;
	}
	if (missing && all)
		snprintf(why, sizeof(why), "its map '%s' was not kept", missing);
	all = all && !missing;
	for (unsigned int i = 0; i < n; i++) {
		if (all && bpf_map__reuse_fd(maps[i].map, maps[i].fd)) {
			snprintf(why, sizeof(why), "its map '%s' cannot be used", bpf_map__name(maps[i].map));
			all = false;
		}
		close(maps[i].fd);
	}
	if (!n)
		say_layout();
	else if (!all)
		nfvd_inherit_nothing(why);
	return all;
}

void nfvd_inherit_maps_put(struct bpf_object *obj)
{
	struct bpf_map *map;

	if (nfvd_fdstore_ready())
		bpf_object__for_each_map(map, obj)
			nfvd_fdstore_put(MAPS, bpf_map__name(map), bpf_map__fd(map));
}

void nfvd_inherit_maps_remove(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
		nfvd_fdstore_remove(MAPS, bpf_map__name(map));
}

/* ---- ports ---- */

bool nfvd_inherit_stored(const struct nfvd_port *port)
{
	char begin[SHORTCUT_NAME + 1];

	snprintf(begin, sizeof(begin), "%s/", port->name);
	return nfvd_fdstore_find(begin);
}

/*
 * Return whether sock is the recorded socket, and is still at the device. Nobody else can have made a socket with its
 * cookie.
 */
static bool same_socket(int sock, int ifindex, const struct shortcut_port *as)
{
	struct sockaddr_ll bound = { 0 };
	uint64_t cookie, netns, here;
	socklen_t len = sizeof(cookie), bound_len = sizeof(bound);
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool yes;

	yes = other >= 0 && !getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &len) && cookie == as->cookie &&
	      !getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len) &&
	      !getsockopt(other, SOL_SOCKET, SO_NETNS_COOKIE, &here, &len) && netns == here &&
	      !getsockname(sock, (struct sockaddr *)&bound, &bound_len) && bound.sll_family == AF_PACKET &&
	      bound.sll_protocol == htons(ETH_P_ALL) && bound.sll_ifindex == ifindex;
	if (other >= 0)
		close(other);
	return yes;
}

bool nfvd_inherit_take(const struct nfvd_port *port, int ifindex, int sock)
{
	struct nfvd_inherited *k = &inherited[port->id];
	bool good = !strcmp(k->as.name, port->name) && k->ifindex == ifindex && same_socket(sock, ifindex, &k->as);

	k->tc = (struct nfvd_tc){ .ifindex = ifindex };
	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++) {
		k->tc.link[side] = nfvd_fdstore_take(port->name, sides[side]);
		k->tc.id[side] = k->tc.link[side] < 0 ? 0 : nfvd_tc_is_link(k->tc.link[side], ifindex, side);
		good = good && k->tc.id[side];
	}
	k->taken = good;
	if (good)
		return true;
	nfvd_tc_end_links(&k->tc);
	nfvd_tc_forget(&k->tc);
	return false;
}

int nfvd_inherit_put(const struct nfvd_port *port, const struct nfvd_tc *tc, int sock)
{
	int err = 0;

	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES && !err; side++)
		err = nfvd_fdstore_put(port->name, sides[side], tc->link[side]);
	return err ? err : nfvd_fdstore_put(port->name, "packet", sock);
}

void nfvd_inherit_remove(const struct nfvd_port *port)
{
	nfvd_fdstore_remove(port->name, "packet");
	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++)
		nfvd_fdstore_remove(port->name, sides[side]);
}

/* ---- the record ---- */

uint32_t nfvd_inherit_read(int ports)
{
	uint32_t group = 0;
	struct shortcut_port as;
	uint32_t key, *prev = NULL;

	while (!bpf_map_get_next_key(ports, prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(ports, &key, &as) || as.port >= NFVD_PORTS_MAX ||
		    strnlen(as.name, sizeof(as.name)) == sizeof(as.name) || !nfvd_name_ok(as.name))
			continue;
		inherited[as.port] = (struct nfvd_inherited){ .ifindex = (int)key, .as = as };
		/* UINT32_MAX: none. */
		if (as.group + 1 > group + 1)
			group = as.group;
	}
	return group;
}

unsigned int nfvd_inherit_id(const char *name)
{
	unsigned int id = 0;

	while (id < NFVD_PORTS_MAX && strcmp(inherited[id].as.name, name))
		id++;
	return id;
}

struct nfvd_inherited *nfvd_inherit_of(unsigned int id)
{
	return inherited[id].ifindex ? &inherited[id] : NULL;
}

void nfvd_inherit_forget(unsigned int id)
{
	if (inherited[id].taken) {
		nfvd_tc_end_links(&inherited[id].tc);
		nfvd_tc_forget(&inherited[id].tc);
	}
	inherited[id] = (struct nfvd_inherited){ 0 };
}

/* ---- anew ---- */

static struct {
	unsigned int ports;
	uint64_t us;		/* the longest */
} anew;

void nfvd_inherit_anew(uint64_t us)
{
	anew.ports++;
	anew.us = us > anew.us ? us : anew.us;
}

void nfvd_inherit_say_anew(void)
{
	if (anew.ports)
		nfvd_event_of(NFVD_EVENT_SHORTCUT, NULL,
			      "shortcut: %u container(s) attached anew: frames that waited at their sockets are lost, and those sent within at most %.1f ms",
			      anew.ports, anew.us / 1000.0);
}
