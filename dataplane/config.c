/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <nfv/rpc.h>
#include "control/role.h"
#include "log.h"
#include "nfvd.h"
#include "switch/context.h"

#define SPIN_US_DEFAULT 50

struct nfvd_config nfvd_config = {
	.state_dir = NFV_STATE_DIR,
	.workers = 1,
	.spin_us = SPIN_US_DEFAULT,
};

/* A kvm port of 8 queue pairs takes some 60: kick, call, memory regions, the connection. */
#define DESCRIPTORS(ports)	((ports) * 64 + 1024)
#define PORTS_USUAL		256

static const char usage[] =
	"usage: nfvd [options]\n"
	"  --state-dir DIR   lock, control socket and vhost-user sockets (" NFV_STATE_DIR ")\n"
	"  --keep            keep what is attached and set over restarts, in " NFV_CONFIG_DIR "\n"
	"  --config-dir DIR  keep it there\n"
	"  --workers N       threads that switch, 1 to 16 (1)\n"
	"  --cpus A,B,...    pin worker 0 to CPU A, worker 1 to B, ..., and keep nfvd's other threads off these (not pinned)\n"
	"  --spin-us N       how long an idle worker polls before it sleeps, up to 1000000 (50)\n"
	"  --role R=GROUP    who is in it may read, operate or admin; repeatable (nfv-read, nfv-operate, nfv-admin)\n"
	"  --profile tenant  by default a port keeps to its first address: 'address pin'\n"
	"  --version, --help\n";

static long number(const char *option, const char *text, long min, long max)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (!*text || *end || v < min || v > max) {
		fprintf(stderr, "nfvd: --%s must be a number from %ld to %ld, not '%s'\n", option, min, max, text);
		exit(2);
	}
	return v;
}

/* Is there such a CPU, and may we run on it? By trying. */
static void check_cpu(int cpu)
{
	cpu_set_t before, one;
	int err;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_getaffinity(0, sizeof(before), &before))
		return;
	err = sched_setaffinity(0, sizeof(one), &one) ? errno : 0;
	sched_setaffinity(0, sizeof(before), &before);
	if (!err)
		return;
	fprintf(stderr, "nfvd: --cpus: cannot run on CPU %d: %s\n  try: cat /sys/devices/system/cpu/online\n", cpu,
		err == EINVAL ? "this host has none of that number, or keeps it from us" : strerror(err));
	exit(2);
}

static void parse_cpus(char *list)
{
	char *part;
	unsigned int n = 0;

	while ((part = strsep(&list, ","))) {
		long cpu = number("cpus", part, 0, CPU_SETSIZE - 1);

		if (n == NFVD_WORKERS_MAX) {
			fprintf(stderr, "nfvd: --cpus names more than %d\n", NFVD_WORKERS_MAX);
			exit(2);
		}
		check_cpu((int)cpu);
		nfvd_config.cpus[n++] = (int)cpu;
	}
}

void nfvd_config_cpus(void)
{
	cpu_set_t rest;

	if (sched_getaffinity(0, sizeof(rest), &rest))
		return;
	for (unsigned int i = 0; i < NFVD_WORKERS_MAX; i++)
		if (nfvd_config.cpus[i] >= 0)
			CPU_CLR(nfvd_config.cpus[i], &rest);
	if (CPU_COUNT(&rest))
		sched_setaffinity(0, sizeof(rest), &rest);
}

/* The soft limit is for programs that use select(); root may go beyond the hard one. */
void nfvd_config_descriptors(void)
{
	const rlim_t all = DESCRIPTORS(NFVD_PORTS_MAX);
	struct rlimit lim, want;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= all)
		return;
	want = (struct rlimit){ all, lim.rlim_max > all ? lim.rlim_max : all };
	if (!setrlimit(RLIMIT_NOFILE, &want))
		return;
	want = (struct rlimit){ lim.rlim_max, lim.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &want))
		want.rlim_cur = lim.rlim_cur;
	if (want.rlim_cur < DESCRIPTORS(PORTS_USUAL))
		nfvd_event(NULL, "%llu descriptors are allowed, %d ports may need %d: " NFVD_NOFILE_HINT,
			   (unsigned long long)want.rlim_cur, PORTS_USUAL, DESCRIPTORS(PORTS_USUAL));
}

int nfvd_config_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keep", no_argument, NULL, 'k' },	       { "config-dir", required_argument, NULL, 'C' },
		{ "state-dir", required_argument, NULL, 'd' }, { "workers", required_argument, NULL, 'w' },
		{ "cpus", required_argument, NULL, 'c' },      { "spin-us", required_argument, NULL, 's' },
		{ "role", required_argument, NULL, 'r' },      { "profile", required_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	for (unsigned int i = 0; i < NFVD_WORKERS_MAX; i++)
		nfvd_config.cpus[i] = -1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			nfvd_config.state_dir = optarg;
			break;
		case 'k':
			if (!nfvd_config.config_dir)
				nfvd_config.config_dir = NFV_CONFIG_DIR;
			break;
		case 'C':
			nfvd_config.config_dir = optarg;
			break;
		case 'w':
			nfvd_config.workers = number("workers", optarg, 1, NFVD_WORKERS_MAX);
			break;
		case 'c':
			parse_cpus(optarg);
			break;
		case 's':
			nfvd_config.spin_us = number("spin-us", optarg, 0, 1000000);
			break;
		case 'r':
			if (nfvd_role_option(optarg))
				break;
			fprintf(stderr, "nfvd: --role is read=GROUP, operate=GROUP or admin=GROUP, at most 13 times, not '%s'\n", optarg);
			return 2;
		case 'p':
			nfvd_config.tenant = !strcmp(optarg, "tenant");
			if (nfvd_config.tenant)
				break;
			fprintf(stderr, "nfvd: --profile is tenant, not '%s'\n", optarg);
			return 2;
		case 'V':
			puts("nfvd " NFV_VERSION);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "nfvd: takes no arguments, but options: what is '%s'?\n%s", argv[optind], usage);
		return 2;
	}
	if (nfvd_config.state_dir[0] != '/') {
		fprintf(stderr, "nfvd: --state-dir is an absolute path, not '%s'\n", nfvd_config.state_dir);
		return 2;
	}
	if (nfvd_config.config_dir && nfvd_config.config_dir[0] != '/') {
		fprintf(stderr, "nfvd: --config-dir is an absolute path, not '%s'\n", nfvd_config.config_dir);
		return 2;
	}
	if (nfvd_config.workers < NFVD_WORKERS_MAX && nfvd_config.cpus[nfvd_config.workers] >= 0) {
		fprintf(stderr, "nfvd: --cpus names more than the %u worker(s) there will be\n  try: --workers N\n",
			nfvd_config.workers);
		return 2;
	}
	return 0;
}
