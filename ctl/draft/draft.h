/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench draft: the tables of draft-natarajan-nfvrg-containers-for-nfv-03, section 4, on this host.
 *
 * One process does it, in namespaces of its own: there it has an nfvd, a Linux
 * bridge, a container beside the guest on each of them, and one guest at a time,
 * always with the same addresses. Guests come from scripts, one per technology
 * (tools/guests/draft/lib.sh says what they answer); they are started without a
 * shell between. All that is measured is in one document, saved after each sample.
 */
#ifndef CTL_BENCH_DRAFT_H
#define CTL_BENCH_DRAFT_H

#include "bench/bench.h"

#define DRAFT_GUEST_IP	"10.77.0.2"
#define DRAFT_GUEST_MAC	"52:54:00:77:00:02"
#define DRAFT_HOST_IP	"10.77.0.1"

enum draft_way {
	WAY_NFVD,	/* a port of nfvd */
	WAY_BRIDGE,	/* the stock way: a tap device, a veth or xen-netback's interface in a Linux bridge */
	WAYS
};
extern const char *const draft_way_names[WAYS];

/* A row of the tables. */
struct draft_row {
	const char *name;
	bool xen;		/* runs on a Xen host only */
	/* What the draft has published; 0 where it has nothing. */
	double instantiation_ms, tx_gbps, rx_gbps, rtt_ms, image_mb, memory_mb;
};
/* rows.c, as the next array. */
extern const struct draft_row draft_rows[];	/* ends with a NULL name */

/* In the order of the tables. */
enum draft_measure { INSTANTIATION, THROUGHPUT, RTT, IMAGE, MEMORY, MEASURES };
extern const char *const draft_measures[];	/* their names; ends with a NULL */

enum draft_kind { KIND_KVM, KIND_CONTAINER, KIND_XEN };

struct draft_guest {
	const char *script;		/* of its technology */
	const char *image;		/* a foreign one, or NULL */
	enum draft_kind kind;
	bool emulated;
	unsigned int memory_mib, iperf;	/* version of its iperf server; 0: none, or not known */
	double limit_s;			/* to boot */
	bool ahead;			/* its port is made before it is created, and has settled */
	enum draft_way way;
	const char **argv;		/* what runs it; ends with a NULL */
	char *words;			/* what argv points into */
	pid_t pid;			/* 0: not running */
	int console;			/* -1: somebody else reads it already */
	int log;			/* its standard error */
};

#define DRAFT_ROWS_MAX	16

/* What is measured of one technology that can run here. */
struct draft_subject {
	const struct draft_row *row;
	struct draft_guest guest;
	json_t *tech;		/* borrowed from the result */
	char script[PATH_MAX], image[PATH_MAX];
};

struct draft_bench {
	json_t *options, *result;
	bool rows[DRAFT_ROWS_MAX], measures[MEASURES];
	size_t runs;
	unsigned int seconds;
	struct draft_subject subjects[DRAFT_ROWS_MAX];
	size_t n;
};

/* ---- sandbox.c ---- */
/*
 * Go into new namespaces. Returns the process that does the work, 0 in that process itself, or -1 with
 * *err filled in. All that is started in there ends with it, and it ends with its parent.
 */
pid_t sandbox_enter(struct ctl_err *err);
/* Wait for it in the parent; remove what namespaces do not. Returns an exit code. */
int sandbox_wait(pid_t worker, struct ctl_err *err);
const char *sandbox_dir(void);	/* for files of guests; gone with the sandbox */
const char *sandbox_name(void);	/* the last part of it: nfv-draft. and six letters or digits */

/* ---- net.c ---- */
/* nfvd, the bridge, and a container at each; with xen also the bridge of Xen's guests. */
int net_open(bool xen, struct ctl_err *err);
int net_serve_dhcp(struct ctl_err *err);	/* in each container */
/* A descriptor of the namespace of the container that is attached as the guest is. */
int net_host(const struct draft_guest *g);
/* Make the guest's network, as part of starting it. */
int net_attach(const struct draft_guest *g, struct ctl_err *err);
void net_detach(const struct draft_guest *g);
const char *net_target(const struct draft_guest *g);	/* for its command */
const char *net_nfvd(void);	/* the program */

/* ---- xen.c ---- */
const char *xen_missing(void);	/* why Xen guests cannot run here, or NULL */
void xen_set_home(int netns, const char *name);	/* where nfvctl was started, and the run's name; before the sandbox is entered */
int xen_enter(struct ctl_err *err);	/* it; to be left with netns_leave() */
int xen_net_open(struct ctl_err *err);	/* in there */
const char *xen_bridge(void);
const char *xen_host_link(void);	/* what a container in the bridge is to be connected by */
pid_t xen_start(const char *const argv[], int *out, int log, struct ctl_err *err);	/* run_start() in there */
void xen_stop(void);		/* destroy the guest */
/* Remove what the run of that name has left on the host. */
void xen_clean(const char *name);

/* ---- guest.c ---- */
/* Ask the script what the image is; fills in tech, and *g from it. */
int guest_describe(struct draft_guest *g, json_t *tech, struct ctl_err *err);
/* Its command, for this way and memory; also kept in tech. With send_s the guest sends for so long when it runs. */
int guest_prepare(struct draft_guest *g, json_t *tech, enum draft_way way, unsigned int memory_mib,
		  unsigned int send_s, struct ctl_err *err);
/*
 * Create it and wait until it answers. *sample, unless NULL, gets {way, attach_ms, create_ms, boot_ms,
 * network_ms, total_ms}. It is stopped again when that fails.
 */
int guest_start(struct draft_guest *g, json_t *sample, struct ctl_err *err);
void guest_stop(struct draft_guest *g);
void guest_free(struct draft_guest *g);

/* ---- syn.c ---- */
/*
 * SYNs to a closed port, one each millisecond, until an RST has answered and, if console_too, console has
 * said something. Sets the times of both (now_s(); 0: it said nothing). Fails when that is not so within
 * limit_s, or the guest ends.
 */
int syn_until_reset(int netns, int console, bool console_too, double limit_s, double *console_at, double *reset_at,
		    struct ctl_err *err);

/* ---- measure.c ---- */
/* Each appends one sample to the array, or fails. The guest runs, but for the last two. */
int measure_throughput(struct draft_guest *g, json_t *tech, unsigned int seconds, json_t *samples, struct ctl_err *err);
int measure_rtt(const struct draft_guest *g, json_t *samples, struct ctl_err *err);
int measure_memory(const struct draft_guest *g, json_t *samples, struct ctl_err *err);
/* How: a way, and the same with the port made ahead of the clock. */
enum draft_how { HOW_NFVD, HOW_BRIDGE, HOW_NFVD_AHEAD, HOW_BRIDGE_AHEAD, HOWS };
extern const char *const draft_how_names[HOWS];
int measure_instantiation(struct draft_guest *g, json_t *tech, enum draft_how how, json_t *samples, struct ctl_err *err);
/* The least memory that it boots with, by bisection; it does not boot with what it has failed with twice. */
int measure_need(struct draft_guest *g, json_t *tech, json_t *samples, struct ctl_err *err);

/* ---- rounds.c ---- */
/* All samples that are missing. What fails is noted in the result; this only fails when that cannot be saved. */
int rounds_run(struct draft_bench *b, struct ctl_err *err);

/* ---- result.c ---- */
#define DRAFT_RESULT	"result.json"	/* in the working directory */
/*
 * The document for these options: that of an interrupted run, if it was of this host and of these programs, else a new
 * one. A finished one is kept, under another name.
 */
json_t *result_open(json_t *options, struct ctl_err *err);
/* The document that is there, with the technologies of another one, in place of its own of these names. */
json_t *result_add(const char *path, struct ctl_err *err);
int result_save(json_t *result, struct ctl_err *err);
/* The technology's part of it, and the samples of a measure there; borrowed, made when missing. */
json_t *result_tech(json_t *result, const char *name);
json_t *result_samples(json_t *tech, const char *measure);

/* ---- tables.c ---- */
void tables_make(json_t *result);	/* its "tables", from its samples */
void tables_print(json_t *result, const bool *shown);	/* by measure, in the order of the tables */

#endif
