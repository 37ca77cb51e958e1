/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame send DEV DST SRC TAGS SIZE COUNT	TAGS: 0 none, 5, 7.5 or 100s.5 (s: 802.1ad), the outermost first
 * frame recv DEV COUNT MILLISECONDS
 *
 * Numbered test frames of the local experimental ethertype (IEEE 802, 88-b5),
 * SIZE bytes from the Ethernet header on, tags not counted. recv prints "ready", then one line
 * per frame, "TAGS SIZE NUMBER ok|damaged", and ends after COUNT frames or MILLISECONDS without
 * a frame (ten times that for the first one). It does not need the kernel's VLAN devices.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETH_P_TEST	0x88b5
#define SIZE_MAX_	65536

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_dev(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promisc = { .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	addr.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !addr.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(name);
	return fd;
}

static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6) {
		fprintf(stderr, "'%s' is no MAC address\n", text);
		exit(2);
	}
}

static uint8_t *put16(uint8_t *p, unsigned int value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

/* Write the tags of text, returning their end. */
static uint8_t *put_tags(uint8_t *p, const char *text)
{
	for (char *end; strcmp(text, "0"); text = end + 1) {
		unsigned long vlan = strtoul(text, &end, 10);
		int service = *end == 's';

		p = put16(put16(p, service ? ETH_P_8021AD : ETH_P_8021Q), (unsigned int)vlan);
		end += service;
		if (!*end)
			break;
	}
	return p;
}

static void send_frames(char **argv)
{
	static uint8_t frame[SIZE_MAX_ + 8];
	unsigned int size = (unsigned int)atoi(argv[4]), count = (unsigned int)atoi(argv[5]);
	int fd = open_dev(argv[0]);
	uint8_t *p;

	parse_mac(argv[1], frame);
	parse_mac(argv[2], frame + 6);
	p = put_tags(frame + 12, argv[3]);
	p = put16(p, ETH_P_TEST);
	if (size < 18 || size > SIZE_MAX_)
		die("size");
	for (unsigned int n = 0; n < count; n++) {
		uint32_t number = htonl(n);
		size_t header = (size_t)(p - frame), rest = size - 18;

		memcpy(p, &number, 4);
		for (size_t i = 0; i < rest; i++)
			p[4 + i] = (uint8_t)(i * 7 + n);
		if (send(fd, frame, header + 4 + rest, 0) < 0)
			die("send");
	}
}

static size_t print_tag(char *to, size_t size, int first, unsigned int type, unsigned int tci)
{
	return (size_t)snprintf(to, size, "%s%u%s", first ? "" : ".", tci & 0xfff, type == ETH_P_8021AD ? "s" : "");
}

/* One frame of len bytes at f, less the tag that the kernel took off; false if it is not one of ours. */
static int print_frame(const uint8_t *f, size_t len, const struct tpacket_auxdata *aux)
{
	char tags[32] = "0";
	size_t at = 12, n = 0;
	uint32_t number;
	int damaged = 0;

	if (aux && aux->tp_status & TP_STATUS_VLAN_VALID)
		n += print_tag(tags, sizeof(tags), 1, aux->tp_vlan_tpid, aux->tp_vlan_tci);
	for (; at + 4 < len && n < sizeof(tags) - 8; at += 4) {
		unsigned int type = (unsigned int)(f[at] << 8 | f[at + 1]);

		if (type != ETH_P_8021Q && type != ETH_P_8021AD)
			break;
		n += print_tag(tags + n, sizeof(tags) - n, !n, type, (unsigned int)(f[at + 2] << 8 | f[at + 3]));
	}
	if (at + 6 > len || (f[at] << 8 | f[at + 1]) != ETH_P_TEST)
		return 0;
	at += 2;
	memcpy(&number, f + at, 4);
	number = ntohl(number);
	for (size_t i = 0; at + 4 + i < len; i++)
		damaged |= f[at + 4 + i] != (uint8_t)(i * 7 + number);
	printf("%s %zu %u %s\n", tags, 14 + len - at, number, damaged ? "damaged" : "ok");
	return 1;
}

static void recv_frames(char **argv)
{
	static uint8_t frame[SIZE_MAX_ + 8];
	char control[256];
	struct pollfd p = { open_dev(argv[0]), POLLIN, 0 };
	int left = atoi(argv[1]), ms = atoi(argv[2]), seen = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (left && poll(&p, 1, seen ? ms : 10 * ms) > 0) {
		int ours;

		struct iovec iov = { frame, sizeof(frame) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };
		const struct tpacket_auxdata *aux = NULL;
		ssize_t len = recvmsg(p.fd, &m, 0);

		if (len < 0)
			die("recvmsg");
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
				aux = (const struct tpacket_auxdata *)CMSG_DATA(c);
		ours = print_frame(frame, (size_t)len, aux);
		seen |= ours;
		left -= ours;
	}
}

int main(int argc, char **argv)
{
	if (argc == 8 && !strcmp(argv[1], "send"))
		send_frames(argv + 2);
	else if (argc == 5 && !strcmp(argv[1], "recv"))
		recv_frames(argv + 2);
	else
		return 2;
	return 0;
}
