// SPDX-License-Identifier: BSD-3-Clause
/*
 * Replace the loaded nfv.ko by another one. The ports that the module carries are detached, and attached again with
 * their earlier requests. Meanwhile xen-netback carries a Xen guest, if it is loaded. All detached ports are attached
 * again, whatever else fails.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"
#include "run.h"

#define LOADED		"/sys/module/nfv"
#define PARAMETERS	LOADED "/parameters"
#define PARAMETERS_MAX	16
#define UNLOAD_S	10	/* it waits for a grace period of RCU, and for frames that are held */
#define LOAD_S		60

/* Set text to the first line of a file; "" if it cannot be read. */
static void first_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");

	text[0] = '\0';
	if (f && fgets(text, (int)size, f))
		text[strcspn(text, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* Is it carried by the module, or would it be if that could be used? */
static bool wants_module(const json_t *request)
{
	const char *type = json_string_value(json_object_get(request, "type")), *mode = json_string_value(json_object_get(request, "mode"));

	return !strcmp(type, "xen") || (!strcmp(type, "veth") && !(mode && !strcmp(mode, "packet")));
}

/* Return the requests, as in the configuration, of such ports that are attached; *n: the module has so many. NULL with *err. */
static json_t *carried(size_t *n, struct ctl_err *err)
{
	json_t *now = rpc_call("config.get", NULL, err), *list = now ? rpc_list("port.list", "ports", NULL, err) : NULL;
	json_t *requests = json_object_get(json_object_get(now, "config"), "ports"), *found = list ? json_array() : NULL, *port;
	size_t i;

	*n = 0;
	json_array_foreach(json_object_get(list, "ports"), i, port) {
		json_t *request = find_named(requests, json_string_value(json_object_get(port, "name")));
		const char *via = json_string_value(json_object_get(port, "via"));

		if (!via || !request || !wants_module(request))
			continue;
		json_array_append(found, request);
		*n += !strcmp(via, "module");
	}
	json_decref(now);
	json_decref(list);
	return found;
}

/* Set args[] to "name=value" of each parameter of the module that is loaded; each is to be freed. Return their number. */
static unsigned int parameters(char *args[PARAMETERS_MAX])
{
	DIR *dir = opendir(PARAMETERS);
	char path[sizeof(PARAMETERS) + 256], value[64];
	const struct dirent *e;
	unsigned int n = 0;

	while (dir && n < PARAMETERS_MAX && (e = readdir(dir))) {
		snprintf(path, sizeof(path), PARAMETERS "/%s", e->d_name);
		first_line(path, value, sizeof(value));
		if (e->d_name[0] != '.' && value[0] && asprintf(&args[n], "%s=%s", e->d_name, value) > 0)
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Unload the module, and load the one of a file, or modprobe's (NULL), with the same parameters. */
static int exchange(const char *file, struct ctl_err *err)
{
	const char *argv[3 + PARAMETERS_MAX + 1] = { file ? "insmod" : "modprobe", file ? file : "nfv" };
	char *args[PARAMETERS_MAX];
	unsigned int n = parameters(args);
	int rc = run_command(NULL, -1, UNLOAD_S, ARGV("rmmod", "nfv"), err);

	for (unsigned int i = 0; i < n; i++)
		argv[2 + i] = args[i];
	if (!rc)
		rc = run_command(NULL, -1, LOAD_S, argv, err);
	for (unsigned int i = 0; i < n; i++)
		free(args[i]);
	return rc;
}

/* Attach again what was detached at gone_s[]. Set *outage_s to the longest time without. CTL_OK, or CTL_FAILED with *err. */
static int attach_again(const json_t *ports, const double *gone_s, double *outage_s, struct ctl_err *err)
{
	int rc = CTL_OK;
	json_t *port;
	size_t i;

	*outage_s = 0;
	json_array_foreach(ports, i, port) {
		struct ctl_err why = { 0 };

		if (config_attach(port, true, &why)) {
			rc = CTL_FAILED;
			*err = why;
			snprintf(err->object, sizeof(err->object), "%s", json_string_value(json_object_get(port, "name")));
		}
		if (now_s() - gone_s[i] > *outage_s)
			*outage_s = now_s() - gone_s[i];
	}
	return rc;
}

/* Detach all of them, exchange the module, and attach them again. */
static int replace(const json_t *ports, const char *file, double *outage_s, struct ctl_err *err)
{
	double *gone_s = calloc(json_array_size(ports) + 1, sizeof(*gone_s));
	json_t *detached = json_array(), *port;
	struct ctl_err why = { 0 };
	int rc = CTL_OK;
	size_t i;

	json_array_foreach(ports, i, port) {
		gone_s[i] = now_s();
		rc = config_detach(json_string_value(json_object_get(port, "name")), err);
		if (rc)
			break;
		json_array_append(detached, port);
	}
	if (!rc)
		rc = exchange(file, err);
	if (attach_again(detached, gone_s, outage_s, &why) && !rc) {
		rc = CTL_FAILED;
		*err = why;
	}
	json_decref(detached);
	free(gone_s);
	return rc;
}

/*
 * Check that the module carries all ports again; it may be of another version. Return CTL_OK, or CTL_FAILED with
 * *err.
 */
static int check_carried(size_t wanted, struct ctl_err *err)
{
	size_t n = 0;
	json_t *ports = carried(&n, err);

	json_decref(ports);
	if (!ports)
		return CTL_FAILED;
	if (n == wanted)
		return CTL_OK;
	ctl_fail(err, NFV_RPC_E_FAILED, "nfv.ko was replaced, but carries only %zu of %zu port(s): the others work without it", n, wanted);
	ctl_hint(err, "nfvctl doctor; nfvctl module upgrade FILE, with the previous one");
	return CTL_FAILED;
}

int cmd_module_upgrade(int argc, char **argv, struct ctl_err *err)
{
	const char *file = argc ? argv[0] : NULL;
	char before[64], after[64];
	json_t *ports, *result;
	double outage_s = 0;
	size_t n;
	int rc;

	if (argc > 1)
		return ctl_usage(err, "takes the file of a module, or nothing for modprobe's");
	if (access(LOADED, F_OK)) {
		ctl_fail(err, NFV_RPC_E_FAILED, "nfv.ko is not loaded: there is nothing to replace");
		ctl_hint(err, "insmod kmod/nfv.ko");
		return CTL_FAILED;
	}
	if (file && access(file, R_OK))
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s: %m", file);
	first_line(LOADED "/srcversion", before, sizeof(before));
	ports = carried(&n, err);
	if (!ports)
		return CTL_FAILED;
	/* A terminal that goes away does not leave guests without a network. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	rc = replace(ports, file, &outage_s, err);
	first_line(LOADED "/srcversion", after, sizeof(after));
	if (!rc)
		rc = check_carried(json_array_size(ports), err);
	if (!rc) {
		result = json_pack("{sI sf ss ss}", "ports", (json_int_t)json_array_size(ports), "outage_ms", outage_s * 1000, "before",
				   before, "after", after);
		out_text(result, "nfv.ko %s replaced by %s: %zu port(s) were without it for at most %.0f ms", before, after,
			 json_array_size(ports), outage_s * 1000);
		json_decref(result);
	} else if (!err->hint[0]) {
		ctl_hint(err, "nfvctl show; what was detached is attached again as far as it can be");
	}
	json_decref(ports);
	return rc;
}
