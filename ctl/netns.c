// SPDX-License-Identifier: BSD-3-Clause
/*
 * Finding the network namespace of a container from the host end of its veth.
 *
 * nfvd says where it is when it was told at attach. Otherwise the kernel knows
 * it by a number that is valid in nfvd's namespace (IFLA_LINK_NETNSID), and
 * every namespace that somebody holds is asked for its number there.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include "bench.h"

int netns_enter(int netns)
{
	int previous = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (previous < 0)
		return -1;
	if (setns(netns, CLONE_NEWNET)) {
		int error = errno;

		close(previous);
		errno = error;
		return -1;
	}
	return previous;
}

void netns_leave(int previous)
{
	/* We were in it a moment ago: this only fails if somebody took our privileges meanwhile. */
	if (setns(previous, CLONE_NEWNET))
		perror("nfvctl: setns");
	close(previous);
}

static int nsid_attr(const struct nlattr *attr, void *data)
{
	const uint16_t *wanted = ((void **)data)[0];
	int *nsid = ((void **)data)[1];

	if (mnl_attr_get_type(attr) == *wanted)
		*nsid = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* Send nlh and take attribute `wanted` from the answer, which lies behind a header of hdr_len bytes. */
static int query_nsid(struct mnl_socket *nl, struct nlmsghdr *nlh, size_t hdr_len, uint16_t wanted)
{
	char buf[16384];
	int nsid = -1;
	void *data[] = { &wanted, &nsid };
	struct nlmsghdr *reply = (struct nlmsghdr *)buf;
	ssize_t n;

	nlh->nlmsg_flags = NLM_F_REQUEST;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n <= 0 || !mnl_nlmsg_ok(reply, (int)n) || reply->nlmsg_type == NLMSG_ERROR)
		return -1;
	mnl_attr_parse(reply, (unsigned int)hdr_len, nsid_attr, data);
	return nsid;
}

/* The number of the namespace at the other end of device ifindex. */
static int nsid_of_peer(struct mnl_socket *nl, int ifindex)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_GETLINK;
	ifi->ifi_index = ifindex;
	return query_nsid(nl, nlh, sizeof(*ifi), IFLA_LINK_NETNSID);
}

/* The number of the namespace that fd refers to. */
static int nsid_of_fd(struct mnl_socket *nl, int fd)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));

	nlh->nlmsg_type = RTM_GETNSID;
	gen->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)fd);
	return query_nsid(nl, nlh, NLMSG_ALIGN(sizeof(*gen)), NETNSA_NSID);
}

static int search(struct mnl_socket *nl, int ifindex)
{
	int wanted = nsid_of_peer(nl, ifindex), found = -1;
	glob_t g;

	if (wanted < 0)
		return -1;
	if (glob("/run/netns/*", 0, NULL, &g) && glob("/dev/null", 0, NULL, &g))
		return -1;
	if (glob("/proc/[0-9]*/ns/net", GLOB_APPEND, NULL, &g) == GLOB_NOSPACE)
		return -1;
	for (size_t i = 0; i < g.gl_pathc && found < 0; i++) {
		int fd = open(g.gl_pathv[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && nsid_of_fd(nl, fd) == wanted)
			found = fd;
		else if (fd >= 0)
			close(fd);
	}
	globfree(&g);
	return found;
}

/* Search from nfvd's own namespace: that is where the numbers and ifindex are valid. */
static int search_from_nfvd(int ifindex)
{
	struct ctl_err none = { 0 };
	json_t *info = rpc_call("daemon.info", NULL, &none);
	struct mnl_socket *nl;
	int home, previous = -1, found = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" JSON_INTEGER_FORMAT "/ns/net",
		 json_integer_value(json_object_get(info, "pid")));
	json_decref(info);
	home = open(path, O_RDONLY | O_CLOEXEC);
	if (home >= 0) {
		previous = netns_enter(home);
		close(home);
	}
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		found = search(nl, ifindex);
	if (nl)
		mnl_socket_close(nl);
	if (previous >= 0)
		netns_leave(previous);
	return found;
}

int netns_of_port(json_t *port, char dev[IF_NAMESIZE], struct ctl_err *err)
{
	const char *path = json_string_value(json_object_get(port, "container_netns"));
	const char *name = json_string_value(json_object_get(port, "container_dev"));
	const char *port_name = json_string_value(json_object_get(port, "name"));
	int peer = (int)json_integer_value(json_object_get(port, "peer_ifindex"));
	int netns = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, previous;

	if (netns < 0)
		netns = search_from_nfvd((int)json_integer_value(json_object_get(port, "ifindex")));
	if (netns < 0) {
		ctl_fail(err, NFV_RPC_E_NOENT, "cannot find the network namespace at the other end of %s", port_name);
		if (geteuid())
			ctl_hint(err, "sudo nfvctl bench ...");
		return -1;
	}
	previous = netns_enter(netns);
	if (previous < 0) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot enter the network namespace of %s: %s", port_name,
			 strerror(errno));
		if (errno == EPERM)
			ctl_hint(err, "sudo nfvctl bench ...");
		close(netns);
		return -1;
	}
	/* Its index outlives a rename. */
	if (!peer || !if_indextoname((unsigned int)peer, dev))
		snprintf(dev, IF_NAMESIZE, "%s", name ? name : "");
	netns_leave(previous);
	return netns;
}
