// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network namespaces: making some, and finding a container's from the host end of its veth.
 *
 * The kernel identifies the container's namespace by a number that is valid in nfvd's namespace (IFLA_LINK_NETNSID).
 * A namespace is entered only if its own number there is the same. The name or pid that nfvd was told at attach only
 * says where to look first: the name may have been given to another namespace since, and /proc/PID/ns/net may be that
 * of another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include "bench/bench.h"

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
	/* The process was in it before, so this fails only if its privileges were taken away meanwhile. */
	if (setns(previous, CLONE_NEWNET)) {
		out_note("cannot return to the previous network namespace: %s", strerror(errno));
		exit(CTL_FAILED);
	}
	close(previous);
}

static int netns_path(const char *name, char path[64])
{
	return snprintf(path, 64, NETNS_DIR "/%s", name) < 64 && !strchr(name, '/') ? 0 : -1;
}

int netns_make(const char *name)
{
	char path[64];
	int previous, fd, error;

	errno = ENAMETOOLONG;
	if (netns_path(name, path))
		return -1;
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	close(fd);
	previous = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fd = -1;
	if (previous >= 0 && !unshare(CLONE_NEWNET)) {
		fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL)) {
			error = errno;
			close(fd);
			fd = -1;
			errno = error;
		}
	}
	error = errno;
	if (previous >= 0)
		netns_leave(previous);
	if (fd < 0)
		unlink(path);
	errno = error;
	return fd;
}

void netns_del(const char *name)
{
	char path[64];

	if (netns_path(name, path))
		return;
	umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	unlink(path);
}

static int nsid_attr(const struct nlattr *attr, void *data)
{
	const uint16_t *wanted = ((void **)data)[0];
	int *nsid = ((void **)data)[1];

	if (mnl_attr_get_type(attr) == *wanted)
		*nsid = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* Send nlh and take attribute `wanted` from the response, which lies behind a header of hdr_len bytes. */
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

/* A descriptor of the namespace at path, if that has this number. */
static int open_if(struct mnl_socket *nl, const char *path, int wanted)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && nsid_of_fd(nl, fd) != wanted) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int search(struct mnl_socket *nl, int ifindex, const char *first)
{
	int wanted = nsid_of_peer(nl, ifindex), found = -1;
	glob_t g;

	if (wanted < 0)
		return -1;
	if (first)
		found = open_if(nl, first, wanted);
	if (found >= 0)
		return found;
	if (glob("/run/netns/*", 0, NULL, &g) && glob("/dev/null", 0, NULL, &g))
		return -1;
	if (glob("/proc/[0-9]*/ns/net", GLOB_APPEND, NULL, &g) == GLOB_NOSPACE)
		return -1;
	for (size_t i = 0; i < g.gl_pathc && found < 0; i++)
		found = open_if(nl, g.gl_pathv[i], wanted);
	globfree(&g);
	return found;
}

/* Search from nfvd's own namespace: that is where the numbers and ifindex are valid. */
static int search_from_nfvd(int ifindex, const char *first)
{
	struct mnl_socket *nl;
	int home, previous, found = -1;
	char path[64];

	/* nfvd has replied on this connection, so the pid is not that of another process. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", rpc_pid());
	home = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -1;
	previous = netns_enter(home);
	close(home);
	if (previous < 0)
		return -1;
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		found = search(nl, ifindex, first);
	if (nl)
		mnl_socket_close(nl);
	netns_leave(previous);
	return found;
}

int netns_of_port(json_t *port, char dev[IF_NAMESIZE], struct ctl_err *err)
{
	const char *path = json_string_value(json_object_get(port, "container_netns"));
	const char *name = json_string_value(json_object_get(port, "container_dev"));
	const char *port_name = json_string_value(json_object_get(port, "name"));
	int peer = (int)json_integer_value(json_object_get(port, "peer_ifindex"));
	int netns = search_from_nfvd((int)json_integer_value(json_object_get(port, "ifindex")), path), previous;

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
