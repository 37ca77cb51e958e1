/* SPDX-License-Identifier: BSD-3-Clause */
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "log.h"

static struct mnl_socket *monitor, *own;	/* own: for requests about nfvd's namespace; NULL: to be opened */
static sd_event_source *source;
static void (*on_change)(int ifindex);

static int info_kind(const struct nlattr *attr, void *arg)
{
	struct nfvd_link *link = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int xdp_attr(const struct nlattr *attr, void *arg)
{
	struct nfvd_link *link = arg;

	if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED)
		link->xdp = mnl_attr_get_u8(attr) != XDP_ATTACHED_NONE;
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
		link->peer_netns = (int)mnl_attr_get_u32(attr) < 0 ? NFVD_NETNS_NONE : (int)mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(link->address))
			memcpy(link->address, mnl_attr_get_payload(attr), sizeof(link->address));
		break;
	case IFLA_QDISC:
		snprintf(link->qdisc, sizeof(link->qdisc), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_XDP:
		mnl_attr_parse_nested(attr, xdp_attr, link);
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

void nfvd_link_parse(const struct nlmsghdr *nlh, struct nfvd_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	memset(link, 0, sizeof(*link));
	link->ifindex = ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	link->carrier = true;
	link->peer_netns = NFVD_NETNS_HERE;
	mnl_attr_parse(nlh, sizeof(*ifi), link_attr, link);
}

static int parse_link(const struct nlmsghdr *nlh, void *arg)
{
	nfvd_link_parse(nlh, arg);
	return MNL_CB_OK;
}

/* A socket belongs to the namespace it was made in: go there, make it, come back. */
struct mnl_socket *nfvd_netlink_open_in(int netns)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), err;
	struct mnl_socket *nl = NULL;

	if (home < 0)
		return NULL;
	if (!setns(netns, CLONE_NEWNET)) {
		nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
		err = errno;
		if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
			err = errno;
			mnl_socket_close(nl);
			nl = NULL;
		}
		if (setns(home, CLONE_NEWNET)) {
			nfvd_log(LOG_CRIT, "cannot return to own network namespace: %m");
			_exit(1);
		}
	} else {
		err = errno;
	}
	close(home);
	errno = err;
	return nl;
}

/* The response is one message, or many where a dump was asked for. */
int nfvd_netlink_talk_on(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	static unsigned int seq;
	bool dump = (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	char buf[32768];
	int ret;

	nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		ret = n < 0 ? -1 : mnl_cb_run(buf, n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), cb, arg);
	} while (dump && ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

/* 0 or -errno; own is NULL if there is none to be had. */
static int open_own(void)
{
	int on = 1;

	own = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!own)
		return -errno;
	/*
	 * With this option the kernel refuses requests that it would otherwise ignore, and dumps only what was asked
	 * for.
	 */
	mnl_socket_setsockopt(own, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return mnl_socket_bind(own, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

int nfvd_netlink_talk(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	int err = own ? 0 : open_own();

	if (!err)
		err = nfvd_netlink_talk_on(own, nlh, cb, arg);
	/* The unread part of a response must not be taken for the next response. */
	if (err && own) {
		mnl_socket_close(own);
		open_own();
	}
	return err;
}

static int talk_in(int netns, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	struct mnl_socket *nl;
	int err;

	if (netns < 0)
		return nfvd_netlink_talk(nlh, cb, arg);
	nl = nfvd_netlink_open_in(netns);
	if (!nl)
		return -errno;
	err = nfvd_netlink_talk_on(nl, nlh, cb, arg);
	mnl_socket_close(nl);
	return err;
}

/* A request for a device, in buf. */
static struct nlmsghdr *get(char *buf, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	return nlh;
}

int nfvd_link_get(int netns, const char *name, int ifindex, struct nfvd_link *link)
{
	char buf[256];
	struct nlmsghdr *nlh = get(buf, name ? 0 : ifindex);

	if (name && strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return talk_in(netns, nlh, parse_link, link);
}

int nfvd_link_get_peer(const struct nfvd_link *link, struct nfvd_link *peer)
{
	char buf[256];
	struct nlmsghdr *nlh = get(buf, link->peer);

	if (!link->peer || link->peer_netns == NFVD_NETNS_NONE)
		return -ENODEV;
	if (link->peer_netns != NFVD_NETNS_HERE)
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, link->peer_netns);
	return nfvd_netlink_talk(nlh, parse_link, peer);
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

	return nfvd_netlink_talk(change(buf, ifindex, IFF_UP, up ? IFF_UP : 0), NULL, NULL);
}

int nfvd_link_set_master(int ifindex, int master)
{
	char buf[256];
	struct nlmsghdr *nlh = change(buf, ifindex, 0, 0);

	mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	return nfvd_netlink_talk(nlh, NULL, NULL);
}

/* Is it a network namespace that fd has open? */
static bool is_netns(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == NSFS_MAGIC && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

int nfvd_netns_open(const char *name, int pid)
{
	char path[4096];
	int fd;

	if (!name)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	else
		snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : "/run/netns/", name);
	/* If a container has put a pipe there, open() must not wait for its other end. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (is_netns(fd))
		return fd;
	close(fd);
	return -EBADF;
}

uint64_t nfvd_process_started(int pid)
{
	unsigned long long ticks = 0;
	char path[32], line[1024];
	const char *at = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* The name, in parentheses, may contain anything. */
	if (fgets(line, sizeof(line), f))
		at = strrchr(line, ')');
	if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1)
		ticks = 0;
	fclose(f);
	return ticks;
}

static int nsid_attr(const struct nlattr *attr, void *arg)
{
	int *id = arg;

	if (mnl_attr_get_type(attr) == NETNSA_NSID && (int)mnl_attr_get_u32(attr) >= 0)
		*id = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int parse_nsid(const struct nlmsghdr *nlh, void *arg)
{
	mnl_attr_parse(nlh, sizeof(struct rtgenmsg), nsid_attr, arg);
	return MNL_CB_OK;
}

int nfvd_netns_id(int fd)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen;
	struct stat here, there;
	int id = NFVD_NETNS_NONE;

	/*
	 * The kernel may have an id for a namespace in itself, too. A device with both ends in this namespace has
	 * none.
	 */
	if (!stat("/proc/thread-self/ns/net", &here) && !fstat(fd, &there) && here.st_dev == there.st_dev &&
	    here.st_ino == there.st_ino)
		return NFVD_NETNS_HERE;
	nlh->nlmsg_type = RTM_GETNSID;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(nlh, NETNSA_FD, fd);
	return nfvd_netlink_talk(nlh, parse_nsid, &id) ? NFVD_NETNS_NONE : id;
}

static int heard(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		on_change(ifi->ifi_index);
	else
		on_change(tcm->tcm_ifindex);
	return MNL_CB_OK;
}

static int on_readable(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	char buf[32768];
	ssize_t n = mnl_socket_recvfrom(monitor, buf, sizeof(buf));

	if (n > 0)
		mnl_cb_run(buf, n, 0, 0, heard, NULL);
	else if (n < 0 && errno == ENOBUFS)
		on_change(0);
	return 0;
}

int nfvd_netlink_start(sd_event *event, void (*changed)(int ifindex))
{
	int err;

	on_change = changed;
	monitor = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor || mnl_socket_bind(monitor, RTMGRP_LINK | RTMGRP_TC, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	err = open_own();
	if (err)
		return err;
	err = sd_event_add_io(event, &source, mnl_socket_get_fd(monitor), EPOLLIN, on_readable, NULL);
	return err < 0 ? err : 0;
}

void nfvd_netlink_stop(void)
{
	sd_event_source_unref(source);
	if (monitor)
		mnl_socket_close(monitor);
	if (own)
		mnl_socket_close(own);
}
