// SPDX-License-Identifier: BSD-3-Clause
/*
 * nfvctl: the command table, and the way from a command line into it.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

static const struct ctl_command attach_commands[] = {
#define X(e, type, help) { #type, "NAME", help, cmd_attach_##type, NULL, NFV_##e },
	NFV_PORT_TYPES(X)
#undef X
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command bench_commands[] = {
	{ "throughput", "A B [time S] [addr ADDRESS-OF-B] [save FILE]",
	  "TCP between two endpoints, both ways (iperf3)", cmd_bench_throughput, NULL },
	{ "rtt", "A B [count N] [time S] [addr ADDRESS-OF-B]",
	  "round-trip times between two endpoints (ICMP echo)", cmd_bench_rtt, NULL },
	{ "sizing", "A B [time S] [addr ADDRESS-OF-B]", "the traffic of a pair that one worker carries, and the bottleneck", cmd_bench_sizing, NULL },
	{ "matrix", "[time S] [save FILE]",
	  "TCP, round-trip times and copies, of all pairs of ports that are up", cmd_bench_matrix, NULL },
	{ "draft", "[--only NAME,...] [--measure NAME,...] [--runs N] [--time S] [--image NAME=PATH,...] [--out DIR]",
	  "tables of draft-natarajan-nfvrg-containers-for-nfv-03 (no nfvd)", cmd_bench_draft, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command probe_commands[] = {
	{ "rtt", "ADDRESS [count N] [time S]", "round-trip times from here (needs no nfvd)", cmd_probe_rtt, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command mirror_commands[] = {
	{ "add", "NAME from PORT[,PORT]... [both|sent|received] to PORT [snap N]",
	  "a port gets copies of frames that others send and receive", cmd_mirror_add, NULL },
	{ "remove", "NAME", "end a mirror", cmd_mirror_remove, NULL },
	{ "show", "", "all mirrors", cmd_mirror_show, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command module_commands[] = {
	{ "upgrade", "[FILE]", "replace nfv.ko by a file, or by modprobe's; attached ports stay", cmd_module_upgrade, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command commands[] = {
#define X(e, type, help) "|" #type
	{ "attach", &(NFV_PORT_TYPES(X) " NAME ...")[1], "make an endpoint a port of the switch", NULL, attach_commands, NFV_ANY },
#undef X
	{ "detach", "NAME", "take a port off the switch", cmd_detach, NULL },
	{ "show", "[NAME] [time S]", "ports; with 'time', their rates over S seconds", cmd_show, NULL },
	{ "stats", "[NAME]", "counters of each port", cmd_stats, NULL },
	{ "ledger", "[NAME [NAME]]", "cost of forwarding, by source and destination", cmd_ledger, NULL },
	{ "drops", "[NAME] [all]", "frames and messages refused, by port and reason", cmd_drops, NULL },
	{ "fdb", "[NAME]", "learnt addresses", cmd_fdb, NULL },
	{ "events", "[since N] [--follow]", "what happened to the ports", cmd_events, NULL },
	{ "top", "[time S] [count N]", "ports by rate, with losses and pressure, updated each second", cmd_top, NULL },
	{ "set", "NAME [WORD VALUE]...", "a port's policy; 'attach' takes the same words", cmd_set, NULL, NFV_SET },
	{ "limit", "NAME [from RATE [PPS]|none] [to RATE [PPS]|none]", "how fast a port may send and receive: from 1Gbit 200kpps to 2Gbit",
	  cmd_limit, NULL },
	{ "storm", "NAME [broadcast PPS|none|default] [unknown PPS|...] [multicast PPS|...]", "how many frames of a port may be flooded: broadcast 1kpps",
	  cmd_storm, NULL },
	{ "quarantine", "NAME [mirror PORT]", "let no frame pass from or to a port", cmd_quarantine, NULL },
	{ "release", "NAME", "end a port's quarantine", cmd_release, NULL },
	{ "mirror", "add|remove|show ...", "copy the frames that ports send and receive to a probe port", NULL, mirror_commands },
	{ "shortcut", "on|off [NAME]", "whether frames between containers stay in the kernel", cmd_shortcut, NULL },
	{ "link-local", "[forward|drop]", "whether STP, LACP, LLDP pass the switch", cmd_link_local, NULL },
	{ "save", "FILE", "write the configuration to a file", cmd_save, NULL },
	{ "diff", "FILE", "show what applying the file would change", cmd_diff, NULL },
	{ "apply", "FILE [dry-run | confirm S]", "make the configuration as in the file: completely, or not at all", cmd_apply, NULL },
	{ "history", "", "the last ten configurations, who made each, and what changed", cmd_history, NULL },
	{ "rollback", "[GENERATION]", "restore a generation; the default is the previous one", cmd_rollback, NULL },
	{ "module", "upgrade [FILE]", "replace the kernel module", NULL, module_commands },
	{ "bench", "throughput|rtt|sizing|matrix|draft ...", "measure endpoints", NULL, bench_commands },
	{ "probe", "rtt ADDRESS", "measure from this host or guest", NULL, probe_commands },
	{ "capture", "[PORT...] [--dropped] [--reason R] [--from|--to] [-s N] [-c N] [-w FILE|-] ['PCAP-FILTER']",
	  "show frames, and why they are dropped; -w writes pcapng", cmd_capture, NULL },
	{ "why", "A B [src MAC] [dst MAC] [vlan N] [ip ADDRESS] [kind ip|arp|dhcp|ra] [length N]",
	  "what would happen to a frame from A to B, and which rule decides", cmd_why, NULL },
	{ "trace", "PORT [time S] [count N] ['PCAP-FILTER']", "where a port's frames go, and where and why they stop", cmd_trace, NULL },
	{ "export", "[--listen ADDRESS:PORT|unix:PATH]", "metrics for Prometheus, by HTTP (127.0.0.1:9477)", cmd_export, NULL },
	{ "doctor", "", "check the host and nfvd, and name commands that repair", cmd_doctor, NULL },
	{ "version", "", "versions of nfvctl and nfvd", cmd_version, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct ctl_command root = {
	"", "[-j|-jp] [--state-dir DIR] COMMAND ...", "", cmd_show, commands
};

static void unknown(const struct ctl_command *table, const char *word, struct ctl_err *err)
{
	struct ctl_similar s = { .word = word };

	for (; table->name; table++)
		similar_to(&s, table->name);
	ctl_usage(err, "unknown command '%s'%s", word, similar_text(&s));
}

/* The command that word names or begins, or NULL with *err filled in. */
static const struct ctl_command *match(const struct ctl_command *table, const char *word, struct ctl_err *err)
{
	const struct ctl_command *found = NULL;
	size_t len = strlen(word), n;
	char names[128] = "";

	for (const struct ctl_command *c = table; len && c->name; c++) {
		if (strncmp(c->name, word, len))
			continue;
		if (!c->name[len])
			return c;
		n = strlen(names);
		snprintf(names + n, sizeof(names) - n, "%s%s", found ? ", " : "", c->name);
		found = found ? &root : c;
	}
	if (found == &root)
		ctl_usage(err, "'%s' is ambiguous: %s", word, names);
	else if (!found)
		unknown(table, word, err);
	return found == &root ? NULL : found;
}

/*
 * Walk down the table. path collects the full names of the commands on the way. 'help' may stand at any place. Behind
 * a whole command it has to be the only argument, because it may be the name of a port.
 */
static int dispatch(const struct ctl_command *cmd, int argc, char **argv, char *path, size_t size,
		    struct ctl_err *err)
{
	bool asked = false;

	for (; argc && (cmd->sub || argc == 1); argc--, argv++) {
		const struct ctl_command *sub;
		size_t n = strlen(path);

		if (!strcmp(argv[0], "help")) {
			asked = true;
			continue;
		}
		sub = cmd->sub ? match(cmd->sub, argv[0], err) : NULL;
		if (!sub)
			break;
		cmd = sub;
		snprintf(path + n, size - n, "%s%s", n ? " " : "", cmd->name);
	}
	if (err->text[0]) {
		ctl_hint(err, "nfvctl %s%shelp", path, path[0] ? " " : "");
		return CTL_USAGE;
	}
	if (asked && !argc) {
		help_print(cmd, path);
		return CTL_OK;
	}
	if (asked || !cmd->run) {
		ctl_hint(err, "nfvctl %s help", path);
		return asked ? ctl_usage(err, "'help' takes no further arguments") : ctl_usage(err, "needs a subcommand: %s", cmd->args);
	}
	int rc = cmd->run(argc, argv, err);

	if (rc == CTL_USAGE && !err->hint[0]) {
		char *usage = help_usage(cmd);

		ctl_hint(err, "nfvctl %s %s", path, usage);
		free(usage);
	}
	return rc;
}

/*
 * Take the global options out of argv, wherever they stand. Any other option is an argument of the command: `bench
 * draft` has options of its own, and nfvd judges the names of ports.
 */
static int global_options(int *argc, char **argv, struct ctl_err *err)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },    { "pretty", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },    { "version", no_argument, NULL, 'V' },
		{ "state-dir", required_argument, NULL, 's' }, { 0 },
	};
	const char *dir = getenv("NFV_STATE_DIR");
	char **words = argv, **at = argv;	/* at: getopt's argv[0], behind which it looks */
	int n = 0, left = *argc, c, i;

	if (dir && dir[0])
		ctl_state_dir = dir;
	opterr = 0;
	for (;;) {
		i = optind ? optind : 1;
		c = getopt_long(left, at, "-:jphV", options, NULL);
		if (c < 0)
			break;
		switch (c) {
		case 'j':
			ctl_json = true;
			break;
		case 'p':
			ctl_json = ctl_pretty = true;
			break;
		case 'h':
			words[n++] = "help";
			break;
		case 'V':
			words[n++] = "version";
			break;
		case 's':
			ctl_state_dir = optarg;
			break;
		case 1:
			words[n++] = optarg;
			break;
		case ':':
			return ctl_usage(err, "--state-dir needs a directory");
		default:
			if (!n)
				return ctl_usage(err, "unknown option '%s'", at[i]);
			words[n++] = at[i];
			at += i;
			left -= i;
			optind = 0;	/* begin anew behind it: no more of its letters */
		}
	}
	for (i = optind; i < left; i++)
		words[n++] = at[i];
	words[n] = NULL;
	*argc = n;
	return CTL_OK;
}

/* A text of JSON is UTF-8; a name that is none would be left out of a request. */
static int check_words(int argc, char **argv, struct ctl_err *err)
{
	for (int i = 0; i < argc; i++) {
		json_t *text = json_string(argv[i]);

		if (!text)
			return ctl_usage(err, "argument %d is not valid UTF-8", i + 1);
		json_decref(text);
	}
	return CTL_OK;
}

int main(int argc, char **argv)
{
	struct ctl_err err = { .code = NFV_RPC_E_FAILED };
	char path[64] = "";
	int rc = global_options(&argc, argv, &err);

	/*
	 * A guest that ends closes its agent's socket. nfvctl reports that as an error, and must not be killed by it.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (!rc && argc && !strcmp(argv[0], "__complete"))
		help_complete(&root, argc - 1, argv + 1);
	else if (!rc && argc && !strcmp(argv[0], "__man"))
		help_man(&root);
	else if (!rc && !(rc = check_words(argc, argv, &err)))
		rc = dispatch(&root, argc, argv, path, sizeof(path), &err);
	if (rc == CTL_USAGE && !err.hint[0])
		ctl_hint(&err, "nfvctl help");
	if (rc && err.text[0])
		out_error(&err, path);
	return out_end() ? CTL_FAILED : rc;
}
