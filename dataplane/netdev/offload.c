/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/offload.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "frame/offload.h"
#include "log.h"

#define GSO_64K		65536	/* bytes: what Linux calls the legacy maximum */
#define STRINGS_MAX	256	/* features that a kernel may have */

/* Younger than Debian 12's headers. */
#define GSO_IPV4_MAX_SIZE 63
#define GRO_IPV4_MAX_SIZE 64

static const unsigned short size_attr[NFVD_SIZES] = {
	IFLA_GSO_MAX_SIZE, GSO_IPV4_MAX_SIZE, IFLA_GRO_MAX_SIZE, GRO_IPV4_MAX_SIZE,
};

/* ---- segmentation of UDP: does the kernel know the word? ---- */

static const uint8_t probe[10 + 42 + 200] = {
	VIRTIO_NET_HDR_F_NEEDS_CSUM, NFVD_GSO_UDP_L4, 42, 0, 100, 0, 34, 0, 6, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0,
	0x45, 0, 0, 228, 0, 0, 0, 0, 64, 17, 0x7c, 0x07, 127, 0, 0, 1, 127, 0, 0, 1,
	0, 9, 0, 9, 0, 208,
};

/* Send it in a network namespace that nobody else is in. */
static void *ask_for_uso(void *arg)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	const int on = 1;
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_ifindex = 1 };
	bool *known = arg;
	int sock = unshare(CLONE_NEWNET) ? -1 : socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	*known = sock >= 0 && !setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) &&
		 !ioctl(sock, SIOCSIFFLAGS, &ifr) &&
		 sendto(sock, probe, sizeof(probe), 0, (struct sockaddr *)&addr, sizeof(addr)) == sizeof(probe);
	if (sock >= 0)
		close(sock);
	return NULL;
}

static bool knows_uso;

static void find_uso(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, ask_for_uso, &knows_uso))
		pthread_join(thread, NULL);
}

bool nfvd_packet_knows_uso(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_uso);
	return knows_uso;
}

/* ---- features, by ioctl ---- */

/* The kernel writes strings behind each header, which need room. */
union strings {
	struct ethtool_gstrings head;
	uint8_t room[sizeof(struct ethtool_gstrings) + STRINGS_MAX * ETH_GSTRING_LEN];
};

union features {
	struct ethtool_gfeatures get;
	struct ethtool_sfeatures set;
	uint8_t room[sizeof(struct ethtool_gfeatures) + STRINGS_MAX / 32 * sizeof(struct ethtool_get_features_block)];
};

static int ethtool(int sock, const char *name, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(sock, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* The kernel's names of features; 0 or -errno. */
static int read_names(int sock, const char *dev, union strings *s)
{
	union {
		struct ethtool_sset_info head;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	int err = ethtool(sock, dev, &info);

	if (err)
		return err;
	if (!info.head.sset_mask || info.head.data[0] > STRINGS_MAX)
		return -EOPNOTSUPP;
	s->head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = info.head.data[0] };
	return ethtool(sock, dev, s);
}

static int find_name(const union strings *s, const char *name)
{
	for (unsigned int i = 0; i < s->head.len; i++)
		if (!strncmp((const char *)s->head.data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN))
			return i;
	return -1;
}

/*
 * Switch off and record those features of names that are on; or switch the recorded ones on again. Return 0 or
 * -errno.
 */
static int switch_features(int sock, const char *dev, const char *const *names, bool on, struct nfvd_restricted *r)
{
	static union strings s;
	union features now = { .get = { .cmd = ETHTOOL_GFEATURES } }, to = { .set = { .cmd = ETHTOOL_SFEATURES } };
	unsigned int n = 0;
	int err = read_names(sock, dev, &s);

	if (err)
		return err;
	now.get.size = to.set.size = (s.head.len + 31) / 32;
	err = ethtool(sock, dev, &now);
	for (; !err && *names; names++) {
		int bit = find_name(&s, *names);
		const struct ethtool_get_features_block *have = &now.get.features[bit < 0 ? 0 : bit / 32];
		uint32_t mask = bit < 0 ? 0 : 1u << bit % 32;

		if (!(have->available & mask) || have->never_changed & mask || !(have->requested & mask) == !on)
			continue;
		to.set.features[bit / 32].valid |= mask;
		to.set.features[bit / 32].requested |= on ? mask : 0;
		r->off[n++] = *names;
	}
	return err || !n ? err : ethtool(sock, dev, &to);
}

/* ---- sizes, by netlink ---- */

static int size_of(const struct nlattr *attr, void *arg)
{
	uint32_t *size = arg;

	for (unsigned int i = 0; i < NFVD_SIZES; i++)
		if (mnl_attr_get_type(attr) == size_attr[i] && mnl_attr_get_payload_len(attr) == sizeof(*size))
			size[i] = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int read_sizes(const struct nlmsghdr *nlh, void *arg)
{
	mnl_attr_parse(nlh, sizeof(struct ifinfomsg), size_of, arg);
	return MNL_CB_OK;
}

static struct nlmsghdr *about(char *buf, uint16_t type, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | (type == RTM_NEWLINK ? NLM_F_ACK : 0);
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	return nlh;
}

static int write_sizes(struct mnl_socket *nl, int ifindex, const uint32_t *size)
{
	char buf[256];
	struct nlmsghdr *nlh = about(buf, RTM_NEWLINK, ifindex);
	unsigned int n = 0;

	for (unsigned int i = 0; i < NFVD_SIZES; i++)
		if (size[i]) {
			mnl_attr_put_u32(nlh, size_attr[i], size[i]);
			n++;
		}
	return n ? nfvd_netlink_talk_on(nl, nlh, NULL, NULL) : 0;
}

/*
 * The kernel also sets the newer size for IPv4 when the older one is set. So each size that was larger is recorded
 * and put back.
 */
static int limit_sizes(struct mnl_socket *nl, int ifindex, struct nfvd_restricted *r)
{
	uint32_t now[NFVD_SIZES] = { 0 }, to[NFVD_SIZES] = { 0 };
	char buf[256];
	int err = nfvd_netlink_talk_on(nl, about(buf, RTM_GETLINK, ifindex), read_sizes, now);

	for (unsigned int i = 0; !err && i < NFVD_SIZES; i++)
		if (now[i] > GSO_64K) {
			r->size[i] = now[i];
			to[i] = GSO_64K;
		}
	return err ? err : write_sizes(nl, ifindex, to);
}

/* ---- the namespace that the sending end is in ---- */

static int open_if(const char *path, int id, ino_t *foreign)
{
	int fd = nfvd_netns_open(path, 0);
	struct stat st;

	if (fd < 0)
		return -1;
	/* Processes of one namespace follow each other. */
	if (!fstat(fd, &st) && st.st_ino != *foreign) {
		if (nfvd_netns_id(fd) == id)
			return fd;
		*foreign = st.st_ino;
	}
	close(fd);
	return -1;
}

/* Look in a folder of namespaces, or of processes. */
static int open_among(const char *folder, const char *file, int id)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	char path[512];
	ino_t foreign = 0;
	int fd = -1;

	while (dir && fd < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || (file[0] && !isdigit((unsigned char)e->d_name[0])))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", folder, e->d_name, file);
		fd = open_if(path, id, &foreign);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* The namespace that nfvd's calls id; -1 if it is nowhere to be found. */
static int find_netns(int id, const char *path)
{
	ino_t none = 0;
	int fd = path[0] ? open_if(path, id, &none) : -1;

	if (fd < 0)
		fd = open_among("/run/netns", "", id);
	return fd < 0 ? open_among("/proc", "/ns/net", id) : fd;
}

/* A socket in that namespace, for ioctls; -1: none. */
static struct mnl_socket *socket_in(int id, const char *path)
{
	struct mnl_socket *nl;
	int fd;

	fd = id == NFVD_NETNS_HERE ? nfvd_netns_open("/proc/thread-self/ns/net", 0) : find_netns(id, path);
	if (fd < 0)
		return NULL;
	nl = nfvd_netlink_open_in(fd);
	close(fd);
	return nl;
}

/* ---- both ends ---- */

static int restrict_one(struct nfvd_restricted *r, int netns, const char *path, const struct nfvd_link *link,
			const char *const *features)
{
	struct mnl_socket *nl = socket_in(netns, path);
	int err;

	if (!nl)
		return -ENOENT;
	err = switch_features(mnl_socket_get_fd(nl), link->name, features, false, r);
	if (err)
		r->off[0] = NULL;
	if (limit_sizes(nl, link->ifindex, r)) {
		nfvd_log(LOG_WARNING, "cannot limit the super-frames of '%s' to 64 KiB", link->name);
		memset(r->size, 0, sizeof(r->size));
	}
	mnl_socket_close(nl);
	/* A device without such features has none to switch off. */
	return err == -EOPNOTSUPP ? 0 : err;
}

static void restore_one(const struct nfvd_restricted *r, int netns, const char *path, const struct nfvd_link *link)
{
	struct nfvd_restricted on = { 0 };
	struct mnl_socket *nl;

	if (!r->off[0] && !memcmp(r->size, on.size, sizeof(r->size)))
		return;
	nl = socket_in(netns, path);
	if (!nl || switch_features(mnl_socket_get_fd(nl), link->name, r->off, true, &on) ||
	    write_sizes(nl, link->ifindex, r->size))
		nfvd_log(LOG_WARNING, "cannot put back all offloads of '%s'", link->name);
	if (nl)
		mnl_socket_close(nl);
}

static const char *const sends[] = { "tx-sctp-segmentation", "tx-gso-list", "tx-udp-segmentation", NULL };
static const char *const receives[] = { "rx-lro", "rx-gro-list", "rx-udp-gro-forwarding", NULL };

void nfvd_offloads_restrict(struct nfvd_offloads *o, const struct nfvd_port *port, const struct nfvd_link *link,
			    const char *netns_path)
{
	unsigned int n = nfvd_packet_knows_uso() ? 2 : 3;	/* the last is of UDP */
	const char *const cut[] = { sends[0], sends[1], n > 2 ? sends[2] : NULL, NULL };
	const char *const merge[] = { receives[0], receives[1], n > 2 ? receives[2] : NULL, NULL };
	struct nfvd_link peer;
	int err;

	restrict_one(&o->own, NFVD_NETNS_HERE, "", link, merge);
	if (strcmp(link->kind, "veth"))
		return;
	err = nfvd_link_get_peer(link, &peer);
	if (!err)
		err = restrict_one(&o->peer, link->peer_netns, netns_path, &peer, cut);
	o->open = err;
	if (err)
		nfvd_event(port->name, "cannot tell the other end of %s to cut what a packet socket cannot say (SCTP): %s", link->name,
			   err == -ENOENT ? "its namespace has neither name nor process" : strerror(-err));
}

void nfvd_offloads_restore(struct nfvd_offloads *o, int ifindex, const char *netns_path)
{
	struct nfvd_link link, peer;

	if (ifindex && !nfvd_link_get(NFVD_NETNS_HERE, NULL, ifindex, &link)) {
		restore_one(&o->own, NFVD_NETNS_HERE, "", &link);
		if (!strcmp(link.kind, "veth") && !nfvd_link_get_peer(&link, &peer))
			restore_one(&o->peer, link.peer_netns, netns_path, &peer);
	}
	*o = (struct nfvd_offloads){ 0 };
}

/* ---- left by an earlier nfvd ---- */

static json_t *changed_json(const struct nfvd_restricted *r)
{
	json_t *off = json_array(), *size = json_array();

	for (unsigned int i = 0; i < NFVD_OFF_MAX && r->off[i]; i++)
		json_array_append_new(off, json_string(r->off[i]));
	for (unsigned int i = 0; i < NFVD_SIZES; i++)
		json_array_append_new(size, json_integer(r->size[i]));
	return json_pack("{s:o, s:o}", "off", off, "size", size);
}

static bool is_changed(const struct nfvd_restricted *r)
{
	static const uint32_t none[NFVD_SIZES];

	return r->off[0] || memcmp(r->size, none, sizeof(none));
}

json_t *nfvd_offloads_json(const struct nfvd_offloads *o)
{
	json_t *obj = json_object();

	if (is_changed(&o->own))
		json_object_set_new(obj, "own", changed_json(&o->own));
	if (is_changed(&o->peer))
		json_object_set_new(obj, "peer", changed_json(&o->peer));
	return obj;
}

static void add_one(struct nfvd_restricted *r, const json_t *before, const char *const *names)
{
	const json_t *off = json_object_get(before, "off"), *size = json_object_get(before, "size"), *name;
	size_t i;

	json_array_foreach(off, i, name)
		for (unsigned int k = 0; names[k]; k++) {
			unsigned int n = 0;

			if (!json_is_string(name) || strcmp(json_string_value(name), names[k]))
				continue;
			while (n < NFVD_OFF_MAX - 1 && r->off[n] && r->off[n] != names[k])
				n++;
			r->off[n] = names[k];
		}
	for (i = 0; i < NFVD_SIZES; i++) {
		json_int_t was = json_integer_value(json_array_get(size, i));

		if (!r->size[i] && was > GSO_64K && was <= UINT32_MAX)
			r->size[i] = was;
	}
}

void nfvd_offloads_add(struct nfvd_offloads *o, const json_t *before)
{
	add_one(&o->own, json_object_get(before, "own"), receives);
	add_one(&o->peer, json_object_get(before, "peer"), sends);
}

/* ---- telling ---- */

static json_t *restricted_json(const struct nfvd_restricted *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < NFVD_OFF_MAX && r->off[i]; i++)
		json_array_append_new(list, json_string(r->off[i]));
	if (r->size[0] || r->size[1])
		json_array_append_new(list, json_string("gso_max_size"));
	if (r->size[2] || r->size[3])
		json_array_append_new(list, json_string("gro_max_size"));
	return list;
}

void nfvd_offloads_show(const struct nfvd_offloads *o, json_t *obj)
{
	json_t *own = restricted_json(&o->own), *peer = restricted_json(&o->peer);

	if (json_array_size(own))
		json_object_set(obj, "offloads_off", own);
	if (o->open || json_array_size(peer))
		json_object_set(obj, "container_offloads_off", peer);
	if (o->open)
		json_object_set_new(obj, "container_offloads_unknown", json_true());
	json_decref(own);
	json_decref(peer);
}
