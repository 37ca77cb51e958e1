/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that nfvctl runs. There is no shell between: what a name or a path
 * contains is an argument, whatever it contains.
 */
#ifndef CTL_RUN_H
#define CTL_RUN_H

#include <limits.h>
#include <sys/types.h>
#include "ctl.h"

#define ARGV(...)	((const char *const[]){ __VA_ARGS__, NULL })

const char *run_self_dir(void);	/* where nfvctl is */

/*
 * From now on the first INT, TERM or HUP only makes run_interrupted() true: what waits here, for a guest's agent or
 * for echoes returns early, as if its time was up. The second one ends nfvctl.
 */
void run_catch_interrupts(void);
bool run_interrupted(void);

/*
 * Start argv, found by PATH, in network namespace netns (-1: that of nfvctl). Its standard input is empty,
 * its standard output *out, or log if out is NULL, its standard error log, or *out if log is -1.
 * Returns when it has been executed, or -1 with errno and *err. It gets TERM when nfvctl ends.
 */
pid_t run_start(const char *const argv[], int netns, int *out, int log, struct ctl_err *err);
/* Wait for it, KILL it at the deadline (now_s()); its wait status. */
int run_end(pid_t pid, double deadline);
void run_stop(pid_t pid);	/* TERM, and KILL when that does not help */
/* Run argv to its end, for so many seconds at most; *output, unless NULL, is to be freed. CTL_OK when its status is 0. */
int run_command(char **output, int netns, unsigned int seconds, const char *const argv[], struct ctl_err *err);

/* What fd says until it ends, or until this text unless NULL; to be freed. NULL when time is up or it is too much. */
char *run_read(int fd, const char *until, double deadline);
/* A new file for what a program says, in a folder of nfvctl's own; -1 and errno. */
int run_log(const char *path);
/* The last line in there that says something, in a static buffer; "" if none. */
const char *run_last_line(int log);

#endif
