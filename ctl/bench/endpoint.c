// SPDX-License-Identifier: BSD-3-Clause
/*
 * Where the endpoints of a measurement are, and what their addresses are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/bench.h"

#define AGENT_SECONDS	10	/* for a command that responds at once */

static bool usable(struct in_addr a)
{
	uint32_t ip = ntohl(a.s_addr);

	return ip >> 24 != 127 && ip >> 16 != 0xa9fe;	/* neither loopback nor link-local */
}

/* The first IPv4 address of ep->dev, in its namespace. */
static int netns_address(struct endpoint *ep, struct ctl_err *err)
{
	struct ifaddrs *list = NULL;
	int previous = netns_enter(ep->netns);

	if (previous < 0 || getifaddrs(&list)) {
		int error = errno;

		if (previous >= 0)
			netns_leave(previous);
		return ctl_fail(err, NFV_RPC_E_FAILED, "cannot read the addresses of %s: %s", ep->name,
				strerror(error));
	}
	netns_leave(previous);
	for (struct ifaddrs *i = list; i && !ep->addr[0]; i = i->ifa_next) {
		struct sockaddr_in *sin = (struct sockaddr_in *)i->ifa_addr;

		if (sin && sin->sin_family == AF_INET && !strcmp(i->ifa_name, ep->dev) && usable(sin->sin_addr))
			inet_ntop(AF_INET, &sin->sin_addr, ep->addr, sizeof(ep->addr));
	}
	freeifaddrs(list);
	if (ep->addr[0])
		return 0;
	ctl_fail(err, NFV_RPC_E_NOENT, "%s has no IPv4 address on its device '%s'", ep->name, ep->dev);
	/* The container chooses the name of its device. That name must not get into a command that root may copy. */
	ctl_hint(err, "ip -n NETNS addr add ADDRESS/LEN dev DEVICE");
	return CTL_FAILED;
}

/* From "2: eth0    inet 10.0.0.2/24 brd ..." */
static int agent_address(struct endpoint *ep, struct ctl_err *err)
{
	char *output = NULL, *inet;
	struct in_addr addr;
	int status = agent_run(ep->agent, "ip -4 -o addr show dev eth0", AGENT_SECONDS, &output, err);

	if (status < 0)
		return CTL_FAILED;
	inet = status ? NULL : strstr(output, "inet ");
	if (inet)
		snprintf(ep->addr, sizeof(ep->addr), "%.*s", (int)strcspn(inet + 5, "/ \n"), inet + 5);
	free(output);
	if (inet && inet_pton(AF_INET, ep->addr, &addr) == 1)
		return 0;
	return ctl_fail(err, NFV_RPC_E_NOENT, "%s has no IPv4 address on eth0", ep->name);
}

static void agent_path(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s.agent", ctl_state_dir, name);
}

const char *endpoint_mute(json_t *port)
{
	const char *type = json_string_value(json_object_get(port, "type"));
	char agent[PATH_MAX];

	agent_path(json_string_value(json_object_get(port, "name")), agent);
	if (!type || !strcmp(type, "veth") || !access(agent, F_OK))
		return NULL;
	return !strcmp(type, "netdev") ? "a network device" : "a guest that was not started by tools/guests";
}

static int find_place(struct endpoint *ep, json_t *port, bool addressed, struct ctl_err *err)
{
	const char *type = json_string_value(json_object_get(port, "type")), *mute = endpoint_mute(port);

	if (type && !strcmp(type, "veth")) {
		ep->netns = netns_of_port(port, ep->dev, err);
		ep->kind = EP_NETNS;
		return ep->netns < 0 ? CTL_FAILED : 0;
	}
	agent_path(ep->name, ep->agent);
	ep->kind = mute ? EP_ADDRESS : EP_AGENT;
	if (!mute || addressed)
		return 0;
	return ctl_fail(err, NFV_RPC_E_FAILED, "%s is %s: an address is needed", ep->name, mute);
}

int endpoint_open(struct endpoint *ep, const char *name, const char *addr, struct ctl_err *err)
{
	json_t *port;
	struct in_addr in;
	int rc;

	*ep = (struct endpoint){ .name = name, .netns = -1 };
	if (addr && inet_pton(AF_INET, addr, &in) != 1)
		return ctl_fail(err, NFV_RPC_E_PARAMS, "'%s' is not an IPv4 address", addr);
	port = port_get(name, err);
	if (!port)
		return CTL_FAILED;
	rc = find_place(ep, port, addr, err);
	json_decref(port);
	if (rc)
		return rc;
	if (addr) {
		snprintf(ep->addr, sizeof(ep->addr), "%s", addr);
		return 0;
	}
	return ep->kind == EP_NETNS ? netns_address(ep, err) : agent_address(ep, err);
}

void endpoint_close(struct endpoint *ep)
{
	if (ep->netns >= 0)
		close(ep->netns);
	ep->netns = -1;
}

int endpoint_open_pair(struct endpoint *a, struct endpoint *b, const char *what, char **names, const char *addr,
		       struct ctl_err *err)
{
	int rc;

	b->netns = -1;
	if (!strcmp(names[0], names[1])) {
		a->netns = -1;
		return ctl_fail(err, NFV_RPC_E_PARAMS, "A and B are the same port");
	}
	rc = endpoint_open(a, names[0], NULL, err);
	if (rc && a->kind == EP_ADDRESS)
		ctl_hint(err, "nfvctl bench %s %s %s addr ADDRESS", what, names[1], names[0]);
	if (rc)
		return rc;
	rc = endpoint_open(b, names[1], addr, err);
	if (rc && b->kind == EP_ADDRESS && !addr)
		ctl_hint(err, "nfvctl bench %s %s %s addr ADDRESS", what, names[0], names[1]);
	return rc;
}
