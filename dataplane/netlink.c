/* SPDX-License-Identifier: BSD-3-Clause */
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "log.h"

static struct mnl_socket *monitor;
static sd_event_source *source;

static int info_kind(const struct nlattr *attr, void *arg)
{
	struct nfvd_link *link = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int link_attr(const struct nlattr *attr, void *arg)
{
	struct nfvd_link *link = arg;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK:
		link->peer = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK_NETNSID:
		link->peer_elsewhere = true;
		break;
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_CARRIER:
		link->carrier = mnl_attr_get_u8(attr);
		break;
	case IFLA_LINKINFO:
		mnl_attr_parse_nested(attr, info_kind, link);
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct nfvd_link *link = arg;

	memset(link, 0, sizeof(*link));
	link->ifindex = ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	link->carrier = true;
	mnl_attr_parse(nlh, sizeof(*ifi), link_attr, link);
	return MNL_CB_OK;
}

/* A request and its answer, on a socket of the given namespace. 0 or -errno. */
static int talk(int netns, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	char buf[32768];
	struct mnl_socket *nl;
	int home = -1, err = 0;
	ssize_t n;

	/* A socket belongs to the namespace it was made in: go there, make it, come back. */
	if (netns >= 0) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0 || setns(netns, CLONE_NEWNET)) {
			err = -errno;
			if (home >= 0)
				close(home);
			return err;
		}
	}
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		err = -errno;
	if (home >= 0) {
		if (setns(home, CLONE_NEWNET)) {
			nfvd_log(LOG_CRIT, "cannot return to own network namespace: %m");
			_exit(1);
		}
		close(home);
	}
	if (!nl)
		return err;
	nlh->nlmsg_seq = time(NULL);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
		err = -errno;
	} else {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 || mnl_cb_run(buf, n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), cb, arg) < 0)
			err = -errno;
	}
	mnl_socket_close(nl);
	return err;
}

int nfvd_link_get(int netns, const char *name, int ifindex, struct nfvd_link *link)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	if (name && strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = name ? 0 : ifindex;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return talk(netns, nlh, parse_link, link);
}

/* A request to change a device, in buf. */
static struct nlmsghdr *change(char *buf, int ifindex, unsigned int mask, unsigned int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	ifi->ifi_change = mask;
	ifi->ifi_flags = flags;
	return nlh;
}

int nfvd_link_set_up(int ifindex, bool up)
{
	char buf[256];

	return talk(-1, change(buf, ifindex, IFF_UP, up ? IFF_UP : 0), NULL, NULL);
}

int nfvd_link_set_master(int ifindex, int master)
{
	char buf[256];
	struct nlmsghdr *nlh = change(buf, ifindex, 0, 0);

	mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	return talk(-1, nlh, NULL, NULL);
}

int nfvd_netns_open(const char *name, int pid)
{
	char path[4096];
	int fd;

	if (!name)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	else
		snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : "/run/netns/", name);
	/* Should a container have put a pipe there, control does not wait for its other end. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int heard(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		nfvd_netdev_link_changed(ifi->ifi_index);
	return MNL_CB_OK;
}

static int on_readable(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	char buf[32768];
	ssize_t n = mnl_socket_recvfrom(monitor, buf, sizeof(buf));

	/* An overrun (ENOBUFS) loses news; ports notice by themselves that their device is gone. */
	if (n > 0)
		mnl_cb_run(buf, n, 0, 0, heard, NULL);
	return 0;
}

int nfvd_netlink_start(sd_event *event)
{
	int err;

	monitor = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor || mnl_socket_bind(monitor, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	err = sd_event_add_io(event, &source, mnl_socket_get_fd(monitor), EPOLLIN, on_readable, NULL);
	return err < 0 ? err : 0;
}

void nfvd_netlink_stop(void)
{
	sd_event_source_unref(source);
	if (monitor)
		mnl_socket_close(monitor);
}
