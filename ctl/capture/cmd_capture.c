// SPDX-License-Identifier: BSD-3-Clause
/*
 * capture: frames as they pass, as lines or as pcapng.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "capture/pcapng.h"
#include "capture/source.h"
#include "ctl.h"

#define GSO_UDP_L4	5	/* VIRTIO_NET_HDR_GSO_UDP_L4, which Debian 12's headers do not have */

struct wishes {
	json_t *params;		/* of capture.start */
	char *filter;		/* to be freed */
	const char *file;	/* NULL: lines */
	long count;		/* 0: no end */
};

/* ---- arguments ---- */

static bool is_port(const char *word)
{
	struct ctl_err ignored = { 0 };
	json_t *port = port_get(word, &ignored);

	json_decref(port);
	return port;
}

static int number(const char *option, const char *value, long min, long max, long *n, struct ctl_err *err)
{
	char *end;

	errno = 0;
	*n = value ? strtol(value, &end, 10) : 0;
	if (!value || errno || end == value || *end || *n < min || *n > max)
		return ctl_usage(err, "'%s' needs a number from %ld to %ld", option, min, max);
	return CTL_OK;
}

/* A port, or a part of the filter. */
static int word(const char *text, struct wishes *w, struct ctl_err *err)
{
	char *filter;

	if (!w->filter && is_port(text)) {
		json_array_append_new(json_object_get(w->params, "ports"), json_string(text));
		return CTL_OK;
	}
	if (asprintf(&filter, "%s%s%s", w->filter ? w->filter : "", w->filter ? " " : "", text) < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "out of memory");
	free(w->filter);
	w->filter = filter;
	return CTL_OK;
}

static int parse_one(char **argv, int *i, struct wishes *w, struct ctl_err *err)
{
	const char *option = argv[*i], *value = argv[*i + 1];
	long n;

	if (!strcmp(option, "--dropped")) {
		json_object_set_new(w->params, "dropped", json_true());
		return CTL_OK;
	}
	if (!strcmp(option, "--from") || !strcmp(option, "--to")) {
		json_object_set_new(w->params, strcmp(option, "--to") ? "out" : "in", json_false());
		return CTL_OK;
	}
	if (option[0] != '-' || !option[1])
		return word(option, w, err);
	++*i;
	if (!strcmp(option, "--reason")) {
		json_object_set_new(w->params, "reason", json_string(value ? value : ""));
	} else if (!strcmp(option, "-s")) {
		if (number(option, value, 14, NFV_CAPTURE_BYTES, &n, err))
			return CTL_USAGE;
		json_object_set_new(w->params, "bytes", json_integer(n));
	} else if (!strcmp(option, "-c")) {
		return number(option, value, 1, LONG_MAX, &w->count, err);
	} else if (!strcmp(option, "-w") && value) {
		w->file = value;
	} else {
		return ctl_usage(err, strcmp(option, "-w") ? "unknown option '%s'" : "'%s' needs a file, or -", option);
	}
	return CTL_OK;
}

/* ---- a record, for people ---- */

static const char *direction(const struct nfv_capture_record *r)
{
	return r->kind == NFV_CAPTURE_DROP ? "drop" : r->at == r->from ? "in" : "out";
}

/* Write to text what a reader should know about the frame besides its bytes; empty: nothing. */
static void comment_of(struct source *s, const struct nfv_capture_record *r, uint64_t missed, char *text, size_t size)
{
	static const char *const kinds[] = { [VIRTIO_NET_HDR_GSO_TCPV4] = "TCP over IPv4", [VIRTIO_NET_HDR_GSO_UDP] = "fragments",
					     [VIRTIO_NET_HDR_GSO_TCPV6] = "TCP over IPv6", [GSO_UDP_L4] = "UDP" };
	unsigned int gso = r->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	size_t n = 0;

	text[0] = '\0';
	if (r->kind == NFV_CAPTURE_DROP)
		n += (size_t)snprintf(text, size, "dropped: %s, from %s%s%s, generation %u", source_reason(s, r), source_port(s, r->from),
				      r->to ? " to " : "", r->to ? source_port(s, r->to) : "", r->generation);
	if (r->len == 0)
		n += (size_t)snprintf(text + n, size - n, "%stoo malformed to have bytes", n ? "; " : "");
	if (gso)
		n += (size_t)snprintf(text + n, size - n, "%ssuper-frame: %s, segments of %u bytes", n ? "; " : "",
				      gso < sizeof(kinds) / sizeof(kinds[0]) && kinds[gso] ? kinds[gso] : "?", r->gso_size);
	if (missed)
		snprintf(text + n, size - n, "%s%" PRIu64 " before it were not captured", n ? "; " : "", missed);
}

static void mac_text(const uint8_t *m, char *text)
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void print(struct source *s, const struct nfv_capture_record *r, const char *comment)
{
	time_t seconds = (time_t)(r->time_ns / 1000000000);
	char when[16] = "", src[18] = "-", dst[18] = "-";
	unsigned int type = r->bytes >= 14 ? (unsigned int)r->data[12] << 8 | r->data[13] : 0;
	struct tm tm;
	json_t *obj;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%T", &tm);
	if (r->bytes >= 14) {
		mac_text(r->data, dst);
		mac_text(r->data + 6, src);
	}
	obj = json_pack("{sI sI ss ss ss* ss* ss ss si si ss* sI}", "time_ns", (json_int_t)r->time_ns, "id", (json_int_t)r->id, "port",
			source_port(s, r->at), "what", direction(r), "from", source_port(s, r->from), "to",
			r->to ? source_port(s, r->to) : NULL, "src", src, "dst", dst, "type", (int)type, "length", (int)r->len, "reason",
			r->kind == NFV_CAPTURE_DROP ? source_reason(s, r) : NULL, "generation", (json_int_t)r->generation);
	out_text(obj, "%s.%06u %s %s %s > %s 0x%04x %u%s%s", when, (unsigned int)(r->time_ns % 1000000000 / 1000), source_port(s, r->at),
		 direction(r), src, dst, type, r->len, comment[0] ? "  " : "", comment);
	json_decref(obj);
}

/* ---- until it ends ---- */

/* What is in the file stays until it is certain that a capture begins. */
static FILE *open_output(const char *path, struct ctl_err *err)
{
	int fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : dup(STDOUT_FILENO);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", path, strerror(errno));
	else
		setvbuf(f, NULL, _IOFBF, 1 << 20);
	return f;
}

static void put(struct source *s, struct pcapng *file, const struct nfv_capture_record *r, uint64_t missed)
{
	char comment[256];

	comment_of(s, r, missed, comment, sizeof(comment));
	if (file)
		pcapng_packet(file, source_port(s, r->at), r->at == r->from && r->kind != NFV_CAPTURE_OUT ? PCAPNG_IN : PCAPNG_OUT, r, comment, missed);
	else
		print(s, r, comment);
}

/* Capture until there are enough frames, nobody reads the output any more, a signal comes, or nfvd ends. */
static int run(struct source *s, const struct wishes *w, struct pcapng *file, struct ctl_err *err)
{
	FILE *f = file ? file->f : stdout;
	struct nfv_capture_record r;
	uint64_t missed = 0;
	bool gone = false;
	long n = 0;

	do {
		while ((!w->count || n < w->count) && !ferror(f) && source_next(s, &r)) {
			put(s, file, &r, s->missed - missed);
			missed = s->missed;
			n++;
		}
		if (fflush(f) && errno != EPIPE)
			return ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", w->file ? w->file : "the output", strerror(errno));
	} while (!ferror(f) && (!w->count || n < w->count) && source_wait(&gone));
	if (w->file || s->missed)
		out_note("%ld captured, %" PRIu64 " missed", n, s->missed);
	return gone ? ctl_fail(err, NFV_RPC_E_FAILED, "nfvd has ended") : CTL_OK;
}

static int capture(struct wishes *w, struct ctl_err *err)
{
	static struct pcapng file;
	struct source s;
	FILE *f = NULL;
	json_t *info = rpc_call("daemon.info", NULL, err);	/* else a port would be taken for a filter */
	int rc = info ? source_check(w->filter, err) : CTL_FAILED;

	json_decref(info);
	if (!rc && w->file) {
		f = open_output(w->file, err);
		rc = f ? CTL_OK : CTL_FAILED;
	}
	if (rc) {
		json_decref(w->params);
		return rc;
	}
	rc = source_open(&s, w->params, w->filter, err);
	if (!rc && f) {
		struct stat st;

		/* A pipe cannot be cut, and need not be. */
		if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode) && strcmp(w->file, "-") && ftruncate(fileno(f), 0))
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", w->file, strerror(errno));
		else
			pcapng_begin(&file, f);
	}
	if (!rc)
		rc = run(&s, w, f ? &file : NULL, err);
	source_close(&s);
	if (f && fclose(f) && !rc && errno != EPIPE)
		rc = ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", w->file, strerror(errno));
	return rc;
}

int cmd_capture(int argc, char **argv, struct ctl_err *err)
{
	struct wishes w = { .params = json_pack("{s[]}", "ports") };
	int rc = CTL_OK;

	for (int i = 0; i < argc && !rc; i++)
		rc = parse_one(argv, &i, &w, err);
	if (!rc && json_object_get(w.params, "in") && json_object_get(w.params, "out"))
		rc = ctl_usage(err, "'--from' and '--to' exclude each other; without either, capture takes both directions");
	if (rc)
		json_decref(w.params);
	else
		rc = capture(&w, err);
	free(w.filter);
	return rc;
}
