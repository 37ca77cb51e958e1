/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types and functions that the parts of nfvctl share.
 *
 * A command fills in a struct ctl_err and returns nfvctl's exit code; only main.c prints errors. All output goes through
 * out.c, which prints a table or, with -j, the JSON that the table is made from. It replaces all text that could steer a
 * terminal, wherever the text is from.
 */
#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include <nfv/params.h>
#include <nfv/rpc.h>

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };	/* exit codes */

struct ctl_err {
	int code;		/* NFV_RPC_E_* */
	char object[64];	/* which port or endpoint the message is about; may be empty */
	char text[512], hint[256];
};

/*
 * Fill in *err, and return the exit code, so that a command can end in `return ctl_fail(...)`. Quoted text may come from
 * a guest: it is made safe for a terminal here.
 */
int ctl_fail(struct ctl_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int ctl_usage(struct ctl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_hint(struct ctl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct ctl_command {
	const char *name, *args, *help;
	int (*run)(int argc, char **argv, struct ctl_err *err);	/* argv[0] is the first argument */
	const struct ctl_command *sub;				/* instead of run; ends with a NULL name */
	unsigned int takes;					/* parameters of <nfv/params.h>: NFV_KVM, ..., NFV_SET */
};

extern const char *ctl_state_dir;
extern bool ctl_json, ctl_pretty;

/* ---- similar.c ---- */
/* Find the candidate that a mistyped word may have meant. Begin with { .word = word }. */
struct ctl_similar {
	const char *word, *best;	/* best: NULL, none is similar */
	unsigned int mistakes;
	char text[64];
};
void similar_to(struct ctl_similar *s, const char *candidate);	/* candidate: lives as long as s is used */
const char *similar_text(struct ctl_similar *s);	/* "; did you mean 'WORD'?", or "" */

/* ---- args.c ---- */
enum ctl_arg_type {
	ARG_STRING,
	ARG_PATH,	/* made absolute: nfvd has another working directory */
	ARG_NETNS,	/* a name, or a path as above */
	ARG_NUMBER,	/* an integer from min to max */
	ARG_SECONDS,	/* a real number from min to max */
	ARG_WORDS,	/* all words up to the next key, joined by blanks */
	ARG_CHOICE,	/* one of the words in choices, separated by '|' */
	ARG_USER,	/* a number or a name; the number is sent */
	ARG_GROUP,
};

struct ctl_arg {
	const char *key;
	enum ctl_arg_type type;
	bool required;
	long min, max;
	const char *choices;
};

/* Parse "key value ..." into obj by a table that ends with a NULL key. Return an exit code. */
int args_parse(int argc, char **argv, const struct ctl_arg *args, json_t *obj, struct ctl_err *err);
/* Parse "--key value" and "--key=value" in the same way; keys begin with "--". argv[-1] is the command's name. */
int args_options(int argc, char **argv, const struct ctl_arg *args, json_t *obj, struct ctl_err *err);
/* Fill args, of NFV_N_PARAMS elements, with the parameters of <nfv/params.h> that one of takers takes. */
void args_of_params(unsigned int takers, struct ctl_arg *args);
/* Return the absolute path as a new string, or NULL if it is not valid UTF-8. */
json_t *args_absolute(const char *path);

/* ---- save.c ---- */
/*
 * Write result to a new file and rename it, so that an interrupted run keeps the previous file. Refuse to write to a link or
 * anything else that is no file. With result NULL only check whether it is possible; do so before a long measurement.
 */
int save_json(json_t *result, const char *path, struct ctl_err *err);

/* ---- client.c ---- */
extern int rpc_timeout_ms;	/* for a reply */
/* Send a request to nfvd; takes params (NULL: none). Return a new reference to the result, or NULL with *err filled in. */
json_t *rpc_call(const char *method, json_t *params, struct ctl_err *err);
/* Call a method whose list[] comes in parts, and return all parts in one. */
json_t *rpc_list(const char *method, const char *list, json_t *params, struct ctl_err *err);
/* Return the descriptor that came with a response, now the caller's; -1: none did. */
int rpc_take_descriptor(void);
/* Return whether the connection of the last request is still there. */
bool rpc_connected(void);
/* Return the process at the other end of the connection; 0 without one, or if it is in another pid namespace. */
pid_t rpc_pid(void);
/* Return a borrowed reference to the element of list[] whose "name" is name, or NULL. */
json_t *find_named(json_t *list, const char *name);
/* Return a new reference to the port as in port.list, or NULL with *err filled in. */
json_t *port_get(const char *name, struct ctl_err *err);

/* ---- out.c ---- */
enum out_flags {
	OUT_SPARE = 1,		/* left out first, with a note, if the table is wider than the terminal */
	OUT_TIME = 2,		/* milliseconds since 1970, shown as local time */
	OUT_IF_ANY = 4,		/* left out if no row has it */
};

struct out_column {
	const char *key;	/* "a.b" is member b of a; "a|b" is a, or b where there is no a */
	const char *title;
	unsigned int flags;
};

/*
 * Print obj[list], an array of objects, as a table with these columns (ends with a NULL key), or the one line `empty`. With
 * -j, print obj instead. On a terminal wrap text to its width; otherwise leave out and cut nothing.
 */
void out_table(json_t *obj, const char *list, const struct out_column *columns, const char *empty);
void out_object(json_t *obj);	/* one "key value" line per member; nested ones as "a.b" */
void out_text(json_t *obj, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_json(json_t *obj);
void out_error(const struct ctl_err *err, const char *command);
void out_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* on standard output */
void out_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* on standard error */
int out_end(void);	/* flush at the end. 0, or -1 with a note if not all was written */
/* Print a line on standard error; rewrite it each time on a terminal, where NULL removes it. */
void out_status(const char *text);
/* Return a borrowed reference to the member of obj that a column key names, or NULL. */
json_t *out_member(json_t *obj, const char *key);

/* Begin the next picture of a live table: on a terminal in the place of the last, else below it. */
void out_picture(void);

/* ---- progress.c ---- */
double now_s(void);	/* CLOCK_MONOTONIC */
void progress_start(unsigned int steps);
void progress_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_tick(void);	/* call it about once a second while waiting */
void progress_end(void);

/* ---- doctor_kvm.c ---- */
/* Return whether a virtual machine runs here at the speed of the CPU. If not, write the reason to why. */
bool kvm_runs(char *why, size_t size);

/* ---- help.c ---- */
/* Print what a command is, and what it takes. path: its whole name. */
void help_print(const struct ctl_command *cmd, const char *path);
/* Return what stands behind the command's name. The caller frees it. */
char *help_usage(const struct ctl_command *cmd);
/* Print the manual page, for man(1). */
void help_man(const struct ctl_command *root);
/* Print the words that may stand behind these, one a line: tools/packaging/nfvctl.bash asks. */
void help_complete(const struct ctl_command *root, int argc, char **argv);

/* ---- commands ---- */
#define X(e, type, help) int cmd_attach_##type(int argc, char **argv, struct ctl_err *err);
NFV_PORT_TYPES(X)
#undef X
int cmd_detach(int argc, char **argv, struct ctl_err *err);
int cmd_show(int argc, char **argv, struct ctl_err *err);
int cmd_stats(int argc, char **argv, struct ctl_err *err);
int cmd_ledger(int argc, char **argv, struct ctl_err *err);
int cmd_drops(int argc, char **argv, struct ctl_err *err);
int cmd_fdb(int argc, char **argv, struct ctl_err *err);
int cmd_top(int argc, char **argv, struct ctl_err *err);
int cmd_events(int argc, char **argv, struct ctl_err *err);
int cmd_set(int argc, char **argv, struct ctl_err *err);
int cmd_limit(int argc, char **argv, struct ctl_err *err);
int cmd_storm(int argc, char **argv, struct ctl_err *err);
int cmd_quarantine(int argc, char **argv, struct ctl_err *err);
int cmd_release(int argc, char **argv, struct ctl_err *err);
int cmd_shortcut(int argc, char **argv, struct ctl_err *err);
/* Return a new list of the steps that make wanted of now: {op, name, old, new}, see command/cmd_config.c. */
json_t *config_difference(const json_t *now, const json_t *wanted);
/*
 * Attach a port as the configuration has it; detach it. wait: a port that cannot be attached now is kept, if nfvd keeps
 * ports; that is said. CTL_OK or CTL_FAILED with *err.
 */
int config_attach(const json_t *port, bool wait, struct ctl_err *err);
int config_detach(const char *name, struct ctl_err *err);
/* Is it what nfvctl save writes? CTL_OK or CTL_FAILED with *err. */
int config_check(const json_t *wanted, const char *path, struct ctl_err *err);

int cmd_mirror_add(int argc, char **argv, struct ctl_err *err);
int cmd_mirror_remove(int argc, char **argv, struct ctl_err *err);
int cmd_mirror_show(int argc, char **argv, struct ctl_err *err);
int cmd_module_upgrade(int argc, char **argv, struct ctl_err *err);
int cmd_link_local(int argc, char **argv, struct ctl_err *err);
int cmd_save(int argc, char **argv, struct ctl_err *err);
int cmd_diff(int argc, char **argv, struct ctl_err *err);
int cmd_apply(int argc, char **argv, struct ctl_err *err);
int cmd_history(int argc, char **argv, struct ctl_err *err);
int cmd_rollback(int argc, char **argv, struct ctl_err *err);
int cmd_capture(int argc, char **argv, struct ctl_err *err);
int cmd_why(int argc, char **argv, struct ctl_err *err);
int cmd_bench_sizing(int argc, char **argv, struct ctl_err *err);
int cmd_trace(int argc, char **argv, struct ctl_err *err);
int cmd_export(int argc, char **argv, struct ctl_err *err);
int cmd_doctor(int argc, char **argv, struct ctl_err *err);
int cmd_version(int argc, char **argv, struct ctl_err *err);
int cmd_bench_throughput(int argc, char **argv, struct ctl_err *err);
int cmd_bench_rtt(int argc, char **argv, struct ctl_err *err);
int cmd_bench_matrix(int argc, char **argv, struct ctl_err *err);
int cmd_bench_draft(int argc, char **argv, struct ctl_err *err);
int cmd_probe_rtt(int argc, char **argv, struct ctl_err *err);

#endif
