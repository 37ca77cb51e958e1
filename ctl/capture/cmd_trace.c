// SPDX-License-Identifier: BSD-3-Clause
/*
 * trace: where a port's frames go. Frames that went the same way are one row.
 */
#include <stdio.h>
#include <string.h>
#include "capture/source.h"
#include "ctl.h"

#define SECONDS	3

/* A frame of the turn at hand, as far as it has been seen. */
struct seen {
	bool used;
	unsigned int to;	/* ports that it was delivered to */
	uint32_t len;
	char path[256], reason[64];
};

struct turn {
	uint64_t number;
	struct seen frame[NFV_CAPTURE_TURN];
};

static struct turn turns[SOURCE_WORKERS];

/* Count a frame whose way is known. */
static void count(json_t *paths, const char *port, struct seen *f)
{
	char key[400];
	json_t *path;

	if (!f->used)
		return;
	if (!f->path[0])
		snprintf(f->path, sizeof(f->path), "nowhere");
	if (f->to > 3)
		snprintf(f->path, sizeof(f->path), "%u ports", f->to);
	snprintf(key, sizeof(key), "%s|%s", f->path, f->reason);
	path = json_object_get(paths, key);
	if (!path) {
		path = json_pack("{ss ss ss* si si}", "from", port, "to", f->path, "reason", f->reason[0] ? f->reason : NULL, "frames", 0, "bytes", 0);
		json_object_set_new(paths, key, path);
	}
	json_object_set_new(path, "frames", json_integer(json_integer_value(json_object_get(path, "frames")) + 1));
	json_object_set_new(path, "bytes", json_integer(json_integer_value(json_object_get(path, "bytes")) + f->len));
	*f = (struct seen){ 0 };
}

static void end_turn(json_t *paths, const char *port, struct turn *t)
{
	for (unsigned int i = 0; i < NFV_CAPTURE_TURN; i++)
		count(paths, port, &t->frame[i]);
}

static void add_way(struct seen *f, const char *to)
{
	size_t n = strlen(f->path);

	snprintf(f->path + n, sizeof(f->path) - n, "%s%s", n ? ", " : "", to);
	f->to++;
}

static void see(struct source *s, json_t *paths, const char *port, const struct nfv_capture_record *r)
{
	struct turn *t = &turns[(r->id >> 56) % SOURCE_WORKERS];
	struct seen *f = &t->frame[r->id % NFV_CAPTURE_TURN], single = { 0 };

	/* What has no bytes has no number either. */
	if (!r->len)
		f = &single;
	else if (r->id / NFV_CAPTURE_TURN != t->number)
		end_turn(paths, port, t);
	if (r->len)
		t->number = r->id / NFV_CAPTURE_TURN;
	f->used = true;
	f->len = r->len;
	if (r->kind == NFV_CAPTURE_OUT)
		add_way(f, source_port(s, r->to));
	if (r->kind != NFV_CAPTURE_DROP)
		return;
	if (r->to)
		add_way(f, source_port(s, r->to));
	snprintf(f->reason, sizeof(f->reason), "%s", source_reason(s, r));
	if (!r->len)
		count(paths, port, f);
}

/* The ways, the most used first. */
static json_t *sorted(json_t *paths)
{
	json_t *list = json_array(), *path;
	const char *key;

	json_object_foreach(paths, key, path) {
		size_t i = 0;

		while (i < json_array_size(list) && json_integer_value(json_object_get(json_array_get(list, i), "frames")) >=
		       json_integer_value(json_object_get(path, "frames")))
			i++;
		json_array_insert(list, i, path);
	}
	return list;
}

/* What each reason means, and the command that helps. */
static void explain(json_t *list)
{
	struct ctl_err ignored = { 0 };
	json_t *all = rpc_list("drops.get", "drops", json_pack("{sb}", "all", true), &ignored), *path, *drop;
	size_t i, k;

	json_array_foreach(list, i, path) {
		const char *reason = json_string_value(json_object_get(path, "reason"));

		json_array_foreach(json_object_get(all, "drops"), k, drop) {
			if (reason && !strcmp(reason, json_string_value(json_object_get(drop, "reason")))) {
				json_object_set(path, "why", json_object_get(drop, "help"));
				break;
			}
		}
	}
	json_decref(all);
}

static int trace(const char *port, const char *filter, double seconds, json_int_t most, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "frames", "FRAMES" }, { "bytes", "BYTES", OUT_SPARE }, { "from", "FROM" }, { "to", "TO" }, { "reason", "DROPPED", OUT_IF_ANY },
		{ "why", "WHY", OUT_IF_ANY }, { NULL, NULL }
	};
	json_t *paths = json_object(), *all;
	struct nfv_capture_record r;
	bool gone = false;
	json_int_t n = 0;
	struct source s;
	double start = now_s();
	int rc = source_open(&s, json_pack("{s[s] sb}", "ports", port, "onward", true), filter, err);

	while (!rc) {
		/* Frames may come faster than they can be read. */
		while (now_s() - start <= seconds && (!most || n < most) && source_next(&s, &r)) {
			n += r.kind == NFV_CAPTURE_IN || (r.kind == NFV_CAPTURE_DROP && r.at == r.from);
			see(&s, paths, port, &r);
		}
		if ((most && n >= most) || now_s() - start > seconds || !source_wait(&gone))
			break;
	}
	for (unsigned int i = 0; i < SOURCE_WORKERS; i++)
		end_turn(paths, port, &turns[i]);
	if (gone)
		rc = ctl_fail(err, NFV_RPC_E_FAILED, "nfvd has ended");
	if (!rc) {
		all = json_pack("{so sI}", "paths", sorted(paths), "missed", (json_int_t)s.missed);
		explain(json_object_get(all, "paths"));
		out_table(all, "paths", columns, "no frame came from it");
		json_decref(all);
	}
	source_close(&s);
	json_decref(paths);
	return rc;
}

int cmd_trace(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = {
		{ "time", ARG_SECONDS, false, 0, 3600, NULL }, { "count", ARG_NUMBER, false, 1, INT32_MAX, NULL }, { .key = NULL }
	};
	json_t *options = json_object(), *seconds;
	const char *filter = NULL;
	int rc;

	if (!argc)
		return ctl_usage(err, "PORT is missing");
	/* The rest are pairs, and perhaps a filter. */
	if (argc % 2 == 0)
		filter = argv[argc - 1];
	rc = args_parse(argc - 1 - !!filter, argv + 1, args, options, err);
	seconds = json_object_get(options, "time");
	if (!rc)
		rc = trace(argv[0], filter, seconds ? json_real_value(seconds) : SECONDS, json_integer_value(json_object_get(options, "count")), err);
	json_decref(options);
	return rc;
}
