/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "netdev/others.h"
#include "nfvd.h"
#include "port/port.h"

#define SUFFIX		".device"
#define BYTES_MAX	8192

static void path_of(const char *name, const char *suffix, char *path, size_t size)
{
	snprintf(path, size, "%.3000s/%.64s" SUFFIX "%s", nfvd_config.state_dir, name, suffix);
}

static json_t *device_json(const struct nfvd_link *link)
{
	uint64_t netns = 0;
	socklen_t len = sizeof(netns);
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char mac[18];

	if (sock >= 0) {
		getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len);
		close(sock);
	}
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", link->address[0], link->address[1], link->address[2],
		 link->address[3], link->address[4], link->address[5]);
	return json_pack("{s:i, s:s, s:I}", "ifindex", link->ifindex, "address", mac, "netns", (json_int_t)netns);
}

/* The trace of a port, or NULL. */
static json_t *read_trace(const char *name)
{
	char path[4096], text[BYTES_MAX];
	struct stat st;
	json_t *trace = NULL;
	ssize_t n;
	int fd;

	path_of(name, "", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022)) {
		n = read(fd, text, sizeof(text));
		trace = n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
	}
	close(fd);
	return trace;
}

/* Write a new file and rename it, so that an interrupted run leaves the old file or the complete new one. */
static void write_trace(const char *name, json_t *trace)
{
	char path[4096], fresh[4096];

	path_of(name, "", path, sizeof(path));
	path_of(name, ".new", fresh, sizeof(fresh));
	if (json_dump_file(trace, fresh, JSON_COMPACT) || rename(fresh, path))
		nfvd_log(LOG_WARNING, "%s: if nfvd is killed, the device's settings will not be restored: cannot write '%s'", name, path);
}

void nfvd_trace_put_down(int ifindex)
{
	static const char keep_name[] = "/proc/sys/net/ipv6/conf/%s/keep_addr_on_down";
	char path[sizeof(keep_name) + IFNAMSIZ], was = 0;
	struct nfvd_link now;
	int fd;

	if (nfvd_link_get(-1, NULL, ifindex, &now))
		return;
	snprintf(path, sizeof(path), keep_name, now.name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* Without IPv6 there are no addresses to be lost. */
	if (fd < 0 && errno != ENOENT)
		nfvd_log(LOG_WARNING, "%s loses its static IPv6 addresses: cannot open '%s': %m", now.name, path);
	if (fd >= 0 && (pread(fd, &was, 1, 0) != 1 || pwrite(fd, "1", 1, 0) != 1))
		was = 0;
	nfvd_link_set_up(ifindex, false);
	if (fd < 0)
		return;
	if (was && pwrite(fd, &was, 1, 0) != 1)
		nfvd_log(LOG_WARNING, "cannot write '%s': %m", path);
	close(fd);
}

/* Fill in *link with the device of then. False: it is not there. */
static bool find_device(const json_t *trace, struct nfvd_link *link)
{
	json_t *was = json_object_get(trace, "device"), *is;
	int ifindex = json_integer_value(json_object_get(was, "ifindex"));
	bool same;

	if (ifindex <= 0 || nfvd_link_get(-1, NULL, ifindex, link))
		return false;
	is = device_json(link);
	same = json_equal(was, is);
	json_decref(is);
	return same;
}

void nfvd_trace_take(struct nfvd_trace *t, const char *name, const struct nfvd_link *link, const char *netns_path)
{
	json_t *before = read_trace(name), *device = device_json(link), *changed, *trace;

	if (json_equal(json_object_get(before, "device"), device)) {
		t->was_up = t->was_up && !json_is_true(json_object_get(before, "set_up"));
		nfvd_offloads_add(&t->offloads, json_object_get(before, "offloads"));
	}
	json_decref(before);
	t->written = true;
	changed = nfvd_offloads_json(&t->offloads);
	trace = json_pack("{s:o, s:b, s:s, s:o}", "device", device, "set_up", !t->was_up, "netns", netns_path, "offloads", changed);
	write_trace(name, trace);
	json_decref(trace);
}

void nfvd_trace_remove(struct nfvd_trace *t, const char *name)
{
	char path[4096];

	path_of(name, "", path, sizeof(path));
	if (t->written)
		unlink(path);
	t->written = false;
}

static void undo(struct nfvd_trace *t, const json_t *trace, const char *name)
{
	const char *netns = json_string_value(json_object_get(trace, "netns"));
	struct nfvd_link link;
	int claim;

	if (!find_device(trace, &link))
		return;
	claim = nfvd_netdev_claim(link.ifindex);
	if (claim < 0)
		return;		/* it is another nfvd's now */
	nfvd_offloads_add(&t->offloads, json_object_get(trace, "offloads"));
	nfvd_offloads_restore(&t->offloads, link.ifindex, netns ? netns : "");
	if (json_is_true(json_object_get(trace, "set_up")))
		nfvd_trace_put_down(link.ifindex);
	nfvd_event(NULL, "%s: restored the settings from before an nfvd attached it as '%s'", link.name, name);
	close(claim);
}

void nfvd_trace_undo_rest(void)
{
	DIR *dir = opendir(nfvd_config.state_dir);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name), end = strlen(SUFFIX);
		char name[NFV_NAME_MAX + 1] = "";

		if (len <= end || len - end > NFV_NAME_MAX || strcmp(e->d_name + len - end, SUFFIX))
			continue;
		memcpy(name, e->d_name, len - end);
		if (nfvd_name_ok(name) && !nfvd_port_find(name)) {
			struct nfvd_trace t = { .written = true };
			json_t *trace = read_trace(name);

			undo(&t, trace, name);
			json_decref(trace);
			nfvd_trace_remove(&t, name);
		}
	}
	if (dir)
		closedir(dir);
}
