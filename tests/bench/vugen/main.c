/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vugen - load generator between two vhost-user ports of a switch.
 *
 * Two frontends, one busy-polling thread. The generator must not be the bottleneck: "idle" in its output, one JSON
 * object, is the share of time in which it had no work.
 *
 * Hot: frames are written once, and returned buffers are posted again unchanged; no payload is accessed, and only
 * every CHECK_EVERYth header. Everything stays in the caches.
 * Cold (--cold MIB): as with applications, each frame is in another buffer than the last one. It is written before it
 * is sent, and read when it arrives, a word of each cache line. A buffer is used again after so many MiB.
 * Numbered (--numbered): each frame has its own number, in a word of each cache line, and all of them are read when it
 * arrives. "bad" counts frames that are not whole, "twice" those that have arrived before.
 * Frames are of an experimental protocol; with --ip4 ADDRESS they are UDP from that address. With --macs N each side
 * sends from N addresses in turn, to as many: there must be as many buffers, see --cold.
 */
#include "vugen.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>

#define FRAME_MAX	9018u

static int usage(void)
{
	fputs("usage: vugen --a SOCK --b SOCK [--listen] [--size BYTES] [--seconds S] [--warmup S]\n"
	      "             [--cpu N] [--oneway] [--ring N] [--rxbuf BYTES] [--cold MIB] [--rate PPS] [--numbered] [--ip4 ADDRESS] [--macs N] [--json]\n"
	      "Frames per second that a switch carries between two vhost-user ports, both ways at once\n"
	      "unless --oneway (a to b). Sizes are of Ethernet frames without FCS. One JSON object, always.\n",
	      stderr);
	return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "a", 1, NULL, 'a' }, { "b", 1, NULL, 'b' }, { "listen", 0, NULL, 'l' }, { "size", 1, NULL, 's' },
		{ "seconds", 1, NULL, 't' }, { "warmup", 1, NULL, 'w' }, { "cpu", 1, NULL, 'c' },
		{ "oneway", 0, NULL, 'o' }, { "ring", 1, NULL, 'r' }, { "rxbuf", 1, NULL, 'x' },
		{ "cold", 1, NULL, 'C' }, { "rate", 1, NULL, 'R' }, { "numbered", 0, NULL, 'n' }, { "ip4", 1, NULL, '4' },
		{ "macs", 1, NULL, 'm' }, { "json", 0, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'a': o->path[0] = optarg; break;
		case 'b': o->path[1] = optarg; break;
		case 'l': o->listen = true; break;
		case 's': o->size = strtoul(optarg, NULL, 10); break;
		case 't': o->seconds = strtod(optarg, NULL); break;
		case 'w': o->warmup = strtod(optarg, NULL); break;
		case 'c': o->cpu = strtol(optarg, NULL, 10); break;
		case 'o': o->oneway = true; break;
		case 'r': o->ring = strtoul(optarg, NULL, 10); break;
		case 'x': o->rxbuf = strtoul(optarg, NULL, 10); break;
		case 'C': o->cold_mib = strtoul(optarg, NULL, 10); break;
		case 'n': o->numbered = true; break;
		case 'R': o->rate = strtod(optarg, NULL); break;
		case '4': o->ip4 = optarg; break;
		case 'm': o->macs = strtoul(optarg, NULL, 10); break;
		case 'j': break;
		default: return false;
		}
	}
	return optind == argc && o->path[0] && o->path[1] && o->size >= 60 && o->size <= FRAME_MAX &&
	       o->ring >= 8 && o->ring <= 32768 && !(o->ring & (o->ring - 1)) && o->rxbuf >= 256 &&
	       o->macs >= 1 && o->macs <= MACS_MAX && o->rxbuf <= 65536 && (!o->numbered || o->size + HDR_BYTES <= o->rxbuf) && o->cold_mib <= 4096 && o->seconds > 0 && o->warmup >= 0 && o->rate >= 0;
}

int main(int argc, char **argv)
{
	struct options o = { .size = 64, .ring = 256, .rxbuf = 2048, .seconds = 2, .warmup = 0.5, .cpu = -1, .macs = 1 };
	static struct side sides[2];

	if (!parse(argc, argv, &o))
		return usage();
	if (o.cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(o.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			die("--cpu", -errno);
	}
	connect_sides(sides, &o);
	greet(sides);
	measure(sides, &o);
	for (unsigned int i = 0; i < 2; i++) {
		int err = vuf_stop(&sides[i].f);

		if (err)
			die("stopping", err);
		free(sides[i].rx_pool.at);
		free(sides[i].tx_pool.at);
		free(sides[i].seen);
		vuf_fini(&sides[i].f);
	}
	return 0;
}
