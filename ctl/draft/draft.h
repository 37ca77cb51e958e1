/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench draft: the tables of draft-natarajan-nfvrg-containers-for-nfv-03, section 4, on this host.
 *
 * One process does it, in namespaces of its own. It has an nfvd, a Linux bridge, a container at each of them, and one
 * guest at a time, always with the same addresses. Each technology has a script for its guest (tools/guests/draft/lib.sh
 * defines what a script prints); nfvctl runs the guest's command without a shell. All samples are in one document, which
 * is saved after each sample.
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
	/* Values that the draft has published; 0 for none. */
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
	const char **argv;		/* its command; ends with a NULL */
	char *words;			/* the text that argv points into */
	pid_t pid;			/* 0: not running */
	int console;			/* -1: read elsewhere already */
	int log;			/* its standard error */
};

#define DRAFT_ROWS_MAX	16

/* A technology that can run here. */
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
 * Enter new namespaces. Return the process that does the work, 0 in that process itself, or -1 with *err filled in. All
 * programs started in there end with it, and it ends with its parent.
 */
pid_t sandbox_enter(struct ctl_err *err);
/* Wait for the worker, and remove what outlives the namespaces. Return an exit code. Called by the parent. */
int sandbox_wait(pid_t worker, struct ctl_err *err);
const char *sandbox_dir(void);	/* for files of guests; gone with the sandbox */
const char *sandbox_name(void);	/* the last part of it: nfv-draft. and six letters or digits */

/* ---- net.c ---- */
/* Start nfvd, the bridge, and a container at each; with xen also the bridge of Xen guests. */
int net_open(bool xen, struct ctl_err *err);
int net_serve_dhcp(struct ctl_err *err);	/* in each container */
/* Return a descriptor of the namespace of the container at the guest's switch. */
int net_host(const struct draft_guest *g);
/* Make the guest's network, as part of starting it. */
int net_attach(const struct draft_guest *g, struct ctl_err *err);
void net_detach(const struct draft_guest *g);
const char *net_target(const struct draft_guest *g);	/* for its command */
const char *net_nfvd(void);	/* the program */

/* ---- xen.c ---- */
const char *xen_missing(void);	/* why Xen guests cannot run here, or NULL */
void xen_set_home(int netns, const char *name);	/* set where nfvctl was started, and the run's name; before sandbox_enter() */
int xen_enter(struct ctl_err *err);	/* enter that namespace; leave it with netns_leave() */
int xen_net_open(struct ctl_err *err);	/* in there */
const char *xen_bridge(void);
const char *xen_host_link(void);	/* the device that connects the container in the bridge */
pid_t xen_start(const char *const argv[], int *out, int log, struct ctl_err *err);	/* run_start() in there */
void xen_stop(void);		/* destroy the guest */
/* Remove what the run of this name has left on the host. */
void xen_clean(const char *name);

/* ---- guest.c ---- */
/* Run the script's image command, and fill in tech and *g from its output. */
int guest_describe(struct draft_guest *g, json_t *tech, struct ctl_err *err);
/* Make the guest's command for this way and memory, and keep it in tech. With send_s the guest sends for so long. */
int guest_prepare(struct draft_guest *g, json_t *tech, enum draft_way way, unsigned int memory_mib,
		  unsigned int send_s, struct ctl_err *err);
/*
 * Create the guest and wait until it responds. Add {way, attach_ms, create_ms, boot_ms, network_ms, total_ms} to sample,
 * unless that is NULL. Stop the guest again on failure.
 */
int guest_start(struct draft_guest *g, json_t *sample, struct ctl_err *err);
void guest_stop(struct draft_guest *g);
void guest_free(struct draft_guest *g);

/* ---- syn.c ---- */
/*
 * Send SYNs to a closed port, one each millisecond, until an RST has come and, if console_too, console has printed
 * something. Set the times of both (now_s(); 0: nothing printed). Fail after limit_s, or if the guest ends.
 */
int syn_until_reset(int netns, int console, bool console_too, double limit_s, double *console_at, double *reset_at,
		    struct ctl_err *err);

/* ---- measure.c ---- */
/* Measure once, and append the sample to samples, or fail. The guest runs, except for the last two functions. */
int measure_throughput(struct draft_guest *g, json_t *tech, unsigned int seconds, json_t *samples, struct ctl_err *err);
int measure_rtt(const struct draft_guest *g, json_t *samples, struct ctl_err *err);
int measure_memory(const struct draft_guest *g, json_t *samples, struct ctl_err *err);
/* How: a way, and the same with the port made ahead of the clock. */
enum draft_how { HOW_NFVD, HOW_BRIDGE, HOW_NFVD_AHEAD, HOW_BRIDGE_AHEAD, HOWS };
extern const char *const draft_how_names[HOWS];
int measure_instantiation(struct draft_guest *g, json_t *tech, enum draft_how how, json_t *samples, struct ctl_err *err);
/* Find the least memory that the guest boots with, by bisection; two failures with a size count as one. */
int measure_need(struct draft_guest *g, json_t *tech, json_t *samples, struct ctl_err *err);

/* ---- rounds.c ---- */
/* Measure all missing samples. Failures are noted in the result; fail only if the result cannot be saved. */
int rounds_run(struct draft_bench *b, struct ctl_err *err);

/* ---- result.c ---- */
#define DRAFT_RESULT	"result.json"	/* in the working directory */
/*
 * Return the document for these options: that of an interrupted run if it was on this host with these programs, else a new
 * one. A finished document is kept under another name.
 */
json_t *result_open(json_t *options, struct ctl_err *err);
/* Return the existing document, with technologies of another one; they replace its own of the same names. */
json_t *result_add(const char *path, struct ctl_err *err);
int result_save(json_t *result, struct ctl_err *err);
/* Return a borrowed reference to the technology's part, or to the samples of a measure; made if missing. */
json_t *result_tech(json_t *result, const char *name);
json_t *result_samples(json_t *tech, const char *measure);

/* ---- tables.c ---- */
void tables_make(json_t *result);	/* make "tables" from the samples */
void tables_print(json_t *result, const bool *shown);	/* by measure, in the order of the tables */

#endif
