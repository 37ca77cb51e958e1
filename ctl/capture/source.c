// SPDX-License-Identifier: BSD-3-Clause
#include "capture/source.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "library.h"

#define PAUSE_NS	2000000

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	ended = sig;
}

/* ---- the filter ---- */

#define FUNCTIONS(X) \
	X(pcap_open_dead) X(pcap_compile) X(pcap_geterr) X(pcap_close) X(pcap_freecode) X(pcap_offline_filter)

static struct { FUNCTIONS(LIBRARY_POINTER) } lib;
static const struct library_function functions[] = {
	FUNCTIONS(LIBRARY_FUNCTION)
	{ NULL, NULL }
};

static int compile(const char *text, struct bpf_program *program, struct ctl_err *err)
{
	int rc = library_open("libpcap.so.0.8", functions, err);
	pcap_t *pcap;

	if (rc)
		return rc;
	pcap = lib.pcap_open_dead(DLT_EN10MB, NFV_CAPTURE_BYTES);
	if (!pcap || lib.pcap_compile(pcap, program, text, 1, PCAP_NETMASK_UNKNOWN)) {
		rc = ctl_usage(err, "'%s' is neither a port nor a filter: %s", text, pcap ? lib.pcap_geterr(pcap) : "out of memory");
		ctl_hint(err, "man pcap-filter; nfvctl show");
	}
	if (pcap)
		lib.pcap_close(pcap);
	return rc;
}

int source_check(const char *filter, struct ctl_err *err)
{
	struct bpf_program program;
	int rc = filter ? compile(filter, &program, err) : CTL_OK;

	if (filter && !rc)
		lib.pcap_freecode(&program);
	return rc;
}

/* A filter would find nothing in what has no bytes. */
static bool passes(const struct source *s, const struct nfv_capture_record *r)
{
	const struct pcap_pkthdr header = { .caplen = r->bytes, .len = r->len };

	return !s->filters || lib.pcap_offline_filter(&s->filter, &header, r->data);
}

/* ---- rings ---- */

static struct nfv_capture_ring *ring(const struct source *s, unsigned int worker)
{
	return (void *)((uint8_t *)s->map + s->size / s->workers * worker);
}

/* Copy record n of a worker's ring. Return false if another is in its place. */
static bool copy(const struct source *s, struct nfv_capture_ring *from, uint64_t n, struct nfv_capture_record *r)
{
	struct nfv_capture_slot *slot = &from->slot[n & (s->slots - 1)];

	if (atomic_load_explicit(&slot->seq, memory_order_acquire) != 2 * n + 2)
		return false;
	memcpy(r, &slot->r, sizeof(*r));
	/* Pairs with the release fence of the writer. */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->seq, memory_order_relaxed) == 2 * n + 2;
}

/* The number of records that are to be read from this ring. */
static uint64_t head_of(const struct source *s, unsigned int worker)
{
	return s->ends ? s->last[worker] : atomic_load_explicit(&ring(s, worker)->head, memory_order_acquire);
}

/* Read what is there now, and nothing that comes later: it may come faster than it can be read. */
static void close_rings(struct source *s)
{
	for (unsigned int i = 0; i < s->workers; i++)
		s->last[i] = head_of(s, i);
	s->ends = true;
}

/* The next record of one worker's ring. What was overwritten is counted. */
static bool next_of(struct source *s, unsigned int worker, struct nfv_capture_record *r)
{
	struct nfv_capture_ring *from = ring(s, worker);
	uint64_t head = head_of(s, worker), *next = &s->next[worker];

	while (*next < head) {
		uint64_t skip = head - *next > s->slots ? head - s->slots + s->slots / 4 - *next : 0;

		s->missed += skip;
		*next += skip;
		if (copy(s, from, (*next)++, r))
			return true;
		s->missed++;
		head = head_of(s, worker);
	}
	return false;
}

bool source_next(struct source *s, struct nfv_capture_record *r)
{
	if (ended && !s->ends)
		close_rings(s);
	for (unsigned int empty = 0; empty < s->workers; empty++) {
		while (next_of(s, s->at, r))
			if (r->bytes <= sizeof(r->data) && passes(s, r))
				return true;
		s->at = (s->at + 1) % s->workers;
	}
	return false;
}

bool source_wait(bool *gone)
{
	struct timespec pause = { 0, PAUSE_NS };

	*gone = !rpc_connected();
	if (!*gone && !ended)
		nanosleep(&pause, NULL);
	return !*gone && !ended;
}

/* ---- names ---- */

static void learn_names(struct source *s)
{
	struct ctl_err ignored = { 0 };
	json_t *all = rpc_list("port.list", "ports", NULL, &ignored), *port;
	char key[24];
	size_t i;

	json_array_foreach(json_object_get(all, "ports"), i, port) {
		snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(port, "serial")));
		if (!json_object_get(s->names, key))
			json_object_set(s->names, key, json_object_get(port, "name"));
	}
	json_decref(all);
}

const char *source_port(struct source *s, uint64_t serial)
{
	char key[24];
	json_t *name;

	snprintf(key, sizeof(key), "%" PRIu64, serial);
	name = json_object_get(s->names, key);
	if (!name) {
		learn_names(s);
		name = json_object_get(s->names, key);
	}
	if (!name) {
		json_object_set_new(s->names, key, json_string("?"));
		name = json_object_get(s->names, key);
	}
	return json_string_value(name);
}

const char *source_reason(const struct source *s, const struct nfv_capture_record *r)
{
	const char *name = json_string_value(json_array_get(s->reasons, r->reason));

	return name ? name : "?";
}

/* ---- from begin to end ---- */

static int map_rings(struct source *s, int fd, struct ctl_err *err)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return ctl_fail(err, NFV_RPC_E_FAILED, "nfvd sent no descriptor");
	s->size = (size_t)st.st_size;
	if (!s->workers || s->workers > SOURCE_WORKERS || !s->slots || s->slots & (s->slots - 1) ||
	    s->size / s->workers < nfv_capture_ring_bytes(s->slots))
		return ctl_fail(err, NFV_RPC_E_FAILED, "nfvd's rings do not have the announced size");
	s->map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fd, 0);
	if (s->map != MAP_FAILED)
		return CTL_OK;
	s->map = NULL;
	return ctl_fail(err, NFV_RPC_E_FAILED, "cannot map nfvd's capture rings: %s", strerror(errno));
}

int source_open(struct source *s, json_t *params, const char *filter, struct ctl_err *err)
{
	struct sigaction action = { .sa_handler = on_signal };
	json_t *info;
	int rc, fd;

	*s = (struct source){ .names = json_object() };
	rc = filter ? compile(filter, &s->filter, err) : CTL_OK;
	if (rc) {
		json_decref(params);
		return rc;
	}
	s->filters = filter;
	info = rpc_call("capture.start", params, err);
	if (!info)
		return CTL_FAILED;
	s->reasons = json_incref(json_object_get(info, "reasons"));
	s->workers = (unsigned int)json_integer_value(json_object_get(info, "workers"));
	s->slots = (uint32_t)json_integer_value(json_object_get(info, "slots"));
	json_decref(info);
	fd = rpc_take_descriptor();
	rc = map_rings(s, fd, err);
	if (fd >= 0)
		close(fd);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return rc;
}

void source_close(struct source *s)
{
	if (s->map)
		munmap(s->map, s->size);
	if (s->filters)
		lib.pcap_freecode(&s->filter);
	json_decref(s->reasons);
	json_decref(s->names);
}
