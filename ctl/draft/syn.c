// SPDX-License-Identifier: BSD-3-Clause
/*
 * A SYN each millisecond to a closed port of the guest, from a raw socket. That
 * needs no ARP reply first: the guest's address is a permanent entry.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "draft/draft.h"

#define INTERVAL_S	0.001
#define CLOSED_PORT	9	/* discard; nobody serves it */
#define SOURCE_PORT	40000
#define SAID_MAX	160	/* bytes of the guest's last words that are told */

struct pseudo_header {
	uint32_t saddr, daddr;
	uint8_t zero, protocol;
	uint16_t len;
	struct tcphdr tcp;
};

static struct tcphdr make_syn(uint32_t seq)
{
	struct pseudo_header p = {
		.saddr = inet_addr(DRAFT_HOST_IP), .daddr = inet_addr(DRAFT_GUEST_IP),
		.protocol = IPPROTO_TCP, .len = htons(sizeof(struct tcphdr)),
		.tcp = { .source = htons(SOURCE_PORT), .dest = htons(CLOSED_PORT), .seq = htonl(seq),
			 .doff = sizeof(struct tcphdr) / 4, .syn = 1, .window = htons(1024) },
	};
	uint16_t words[sizeof(p) / 2];
	uint32_t sum = 0;

	memcpy(words, &p, sizeof(p));
	for (size_t i = 0; i < sizeof(p) / 2; i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	p.tcp.check = (uint16_t)~(sum + (sum >> 16));
	return p.tcp;
}

static int open_socket(int netns)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { inet_addr(DRAFT_GUEST_IP) } };
	int previous = netns_enter(netns), fd;

	if (previous < 0)
		return -1;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		fd = -1;
	}
	netns_leave(previous);
	return fd;
}

static bool got_reset(int fd)
{
	struct { struct iphdr ip; uint8_t rest[256]; } packet;
	struct tcphdr tcp;
	ssize_t n;

	while ((n = recv(fd, &packet, sizeof(packet), 0)) > 0) {
		size_t skip = (size_t)packet.ip.ihl * 4;

		if (n < (ssize_t)(skip + sizeof(tcp)))
			continue;
		memcpy(&tcp, (uint8_t *)&packet + skip, sizeof(tcp));
		if (tcp.rst && tcp.source == htons(CLOSED_PORT) && tcp.dest == htons(SOURCE_PORT))
			return true;
	}
	return false;
}

/* Returns false when the console has been closed: the guest has ended. *said gets the last line that is not empty. */
static bool read_console(int console, double *at, char said[SAID_MAX])
{
	char buf[4096], *save, *line;
	ssize_t n = read(console, buf, sizeof(buf) - 1);

	if (n <= 0)
		return n < 0;
	if (!(*at > 0))
		*at = now_s();
	buf[n] = '\0';
	for (char *text = buf; (line = strtok_r(text, "\r\n", &save)); text = NULL)
		snprintf(said, SAID_MAX, "%s", line);
	return true;
}

static int too_late(double console_at, double reset_at, double limit_s, const char *said, struct ctl_err *err)
{
	if (reset_at > 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "nothing on its console within %.0f s, though its network responds", limit_s);
	if (console_at > 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "boots, but its network does not respond within %.0f s; its console: %s",
				limit_s, said);
	return ctl_fail(err, NFV_RPC_E_FAILED, "does not boot: nothing on its console and no response within %.0f s", limit_s);
}

int syn_until_reset(int netns, int console, bool console_too, double limit_s, double *console_at, double *reset_at,
		    struct ctl_err *err)
{
	struct pollfd fds[] = { { .fd = open_socket(netns), .events = POLLIN }, { .fd = console, .events = POLLIN } };
	double start = now_s(), next = start;
	char said[SAID_MAX] = "";
	uint32_t seq = 1;
	int rc = CTL_OK;

	if (fds[0].fd < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "cannot send SYNs: %s", strerror(errno));
	*console_at = *reset_at = 0;
	while (!rc && !(*reset_at > 0 && (*console_at > 0 || !console_too))) {
		double now = now_s();

		if (now - start > limit_s)
			rc = too_late(*console_at, *reset_at, limit_s, said, err);
		if (now >= next) {
			struct tcphdr syn = make_syn(seq++);

			/* It may be refused while nothing is at the other end; there will be more. */
			(void)!send(fds[0].fd, &syn, sizeof(syn), 0);
			next = now + INTERVAL_S;
			if (seq % 1000 == 0)
				progress_tick();
		}
		poll(fds, 2, 1);
		if ((fds[0].revents & POLLIN) && got_reset(fds[0].fd) && !(*reset_at > 0))
			*reset_at = now_s();
		if (fds[1].revents && !read_console(console, console_at, said))
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "ends instead of running%s%s", said[0] ? ": " : "", said);
	}
	close(fds[0].fd);
	return rc;
}
