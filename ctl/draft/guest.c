// SPDX-License-Identifier: BSD-3-Clause
/*
 * The guest of bench draft: its script is asked beforehand, then it is created,
 * against the clock, without a shell in between.
 *
 *	attach	its port is made: nfvd's, or a tap or veth in the bridge; that of a Xen guest
 *		is made by xl, in `boot`
 *	create	the program that runs it is executed
 *	boot	until the guest first writes to its console
 *	network	from there until it responds. A container's network is the host's and may do so
 *		before it runs, so it has to write, too; a guest that is quiet until it responds has 0
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "draft/draft.h"

#define ARGUMENTS_MAX	64
#define BUILD_SECONDS	7200	/* an image may be built, of many packages and emulated */
#define COMMAND_SECONDS	300
#define SETTLE_SECONDS	2	/* a new listener of nfvd may be noticed a second later only */

static const char guest_net[] = DRAFT_GUEST_IP "/24";

static void describe_line(struct draft_guest *g, json_t *image, char *line)
{
	json_int_t bytes, total = json_integer_value(json_object_get(image, "bytes"));
	char word[32], hash[80];
	int at = 0;

	if (sscanf(line, "kind %31s", word) == 1)
		g->kind = !strcmp(word, "container") ? KIND_CONTAINER : !strcmp(word, "xen") ? KIND_XEN : KIND_KVM;
	else if (sscanf(line, "emulated %31s", word) == 1)
		g->emulated = !strcmp(word, "yes");
	else if (sscanf(line, "memory %u", &g->memory_mib) == 1 || sscanf(line, "iperf %u", &g->iperf) == 1 ||
		 sscanf(line, "limit %lf", &g->limit_s) == 1)
		return;
	else if (sscanf(line, "file %" JSON_INTEGER_FORMAT " %79s %n", &bytes, hash, &at) == 2 && at) {
		json_array_append_new(json_object_get(image, "files"), json_pack("{ss sI ss}", "path", line + at,
										 "bytes", bytes, "sha256", hash));
		json_object_set_new(image, "bytes", json_integer(total + bytes));
	}
}

int guest_describe(struct draft_guest *g, json_t *tech, struct ctl_err *err)
{
	json_t *image = json_pack("{sI s[]}", "bytes", (json_int_t)0, "files");
	char *text = NULL, *save, *line;

	if (run_command(&text, -1, BUILD_SECONDS, ARGV(g->script, "image", g->image), err)) {
		json_decref(image);
		return CTL_FAILED;
	}
	for (char *at = text; (line = strtok_r(at, "\n", &save)); at = NULL)
		describe_line(g, image, line);
	free(text);
	/* An interrupted run had another one. */
	if (!json_equal(json_object_get(tech, "image"), image))
		json_object_del(tech, "samples");
	json_object_set_new(tech, "image", image);
	json_object_set_new(tech, "emulated", json_boolean(g->emulated));
	json_object_set_new(tech, "memory_mib", json_integer(g->memory_mib));
	return CTL_OK;
}

static void free_argv(struct draft_guest *g)
{
	free(g->words);
	free(g->argv);
	g->argv = NULL;
	g->words = NULL;
}

/* One argument a line; text is g's from now on. */
static int split(struct draft_guest *g, char *text)
{
	char *save, *line;
	int n = 0;

	free_argv(g);
	g->words = text;
	g->argv = calloc(ARGUMENTS_MAX + 1, sizeof(*g->argv));
	if (!g->argv)
		return -1;
	for (char *at = text; n < ARGUMENTS_MAX && (line = strtok_r(at, "\n", &save)); at = NULL)
		g->argv[n++] = line;
	return n ? 0 : -1;
}

int guest_prepare(struct draft_guest *g, json_t *tech, enum draft_way way, unsigned int memory_mib,
		  unsigned int send_s, struct ctl_err *err)
{
	json_t *commands = json_object_get(tech, "commands"), *words;
	char *text = NULL, memory[16], seconds[16];

	g->way = way;
	snprintf(memory, sizeof(memory), "%u", memory_mib);
	snprintf(seconds, sizeof(seconds), "%u", send_s);
	if (run_command(&text, -1, COMMAND_SECONDS, ARGV(g->script, send_s ? "send" : "command", sandbox_dir(),
			guest_net, DRAFT_GUEST_MAC, memory, draft_way_names[way], net_target(g),
			g->image ? g->image : "", DRAFT_HOST_IP, seconds), err))
		return CTL_FAILED;
	if (split(g, text))
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s names no command", g->script);
	words = json_array();
	for (const char **arg = g->argv; *arg; arg++)
		json_array_append_new(words, json_string(*arg));
	if (!commands) {
		commands = json_object();
		json_object_set_new(tech, "commands", commands);
	}
	json_object_set_new(commands, send_s ? "send" : draft_way_names[way], words);
	return CTL_OK;
}

static double ms(double from, double to)
{
	return to > from ? (to - from) * 1e3 : 0;
}

static void *drain(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	return NULL;
}

/* Read the console to its end. A guest that cannot write to its console stops running. */
static void drain_console(struct draft_guest *g)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, drain, (void *)(intptr_t)g->console))
		return;
	pthread_detach(thread);
	g->console = -1;
}

int guest_start(struct draft_guest *g, json_t *sample, struct ctl_err *err)
{
	const struct timespec settle = { SETTLE_SECONDS, 0 };
	double start = now_s(), attached, created, console_at, reset_at;
	char reason[sizeof(err->text)];
	char path[PATH_MAX];
	const char *said;

	snprintf(path, sizeof(path), "%s/guest.err", sandbox_dir());
	g->log = run_log(path);
	if (g->log < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", path, strerror(errno));
	if (net_attach(g, err)) {
		net_detach(g);
		close(g->log);
		return CTL_FAILED;
	}
	if (g->ahead) {
		nanosleep(&settle, NULL);
		start = now_s();
	}
	attached = now_s();
	g->pid = g->kind == KIND_XEN ? xen_start(g->argv, &g->console, g->log, err) :
				       run_start(g->argv, -1, &g->console, g->log, err);
	if (g->pid < 0) {
		g->pid = 0;
		net_detach(g);
		close(g->log);
		return CTL_FAILED;
	}
	created = now_s();
	if (syn_until_reset(net_host(g), g->console, g->kind == KIND_CONTAINER, g->limit_s, &console_at, &reset_at, err)) {
		said = run_last_line(g->log);
		guest_stop(g);
		snprintf(reason, sizeof(reason), "%s", err->text);
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s%s%s", reason, said[0] ? ": " : "", said);
	}
	drain_console(g);
	if (sample) {
		double end = reset_at > console_at ? reset_at : console_at;

		if (!(console_at > 0))
			console_at = end;
		json_object_set_new(sample, "attach_ms", json_real(ms(start, attached)));
		json_object_set_new(sample, "create_ms", json_real(ms(attached, created)));
		json_object_set_new(sample, "boot_ms", json_real(ms(created, console_at)));
		json_object_set_new(sample, "network_ms", json_real(ms(console_at, end)));
		json_object_set_new(sample, "total_ms", json_real(ms(start, end)));
	}
	return CTL_OK;
}

void guest_stop(struct draft_guest *g)
{
	if (!g->pid)
		return;
	if (g->kind == KIND_XEN)
		xen_stop();
	run_stop(g->pid);
	if (g->console >= 0)
		close(g->console);
	close(g->log);
	net_detach(g);
	g->pid = 0;
}

void guest_free(struct draft_guest *g)
{
	guest_stop(g);
	free_argv(g);
}
