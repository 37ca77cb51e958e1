/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Run other programs, without a shell: a name or path is one argument, whatever it contains.
 */
#ifndef CTL_RUN_H
#define CTL_RUN_H

#include <limits.h>
#include <sys/types.h>
#include "ctl.h"

#define ARGV(...)	((const char *const[]){ __VA_ARGS__, NULL })

const char *run_self_dir(void);	/* the folder of nfvctl */

/*
 * Catch the first INT, TERM or HUP, which makes run_interrupted() true. Functions that wait for a program, a guest's agent or
 * echoes then return early, as after a timeout. The second signal ends nfvctl.
 */
void run_catch_interrupts(void);
bool run_interrupted(void);

/*
 * Start argv, found by PATH, in network namespace netns (-1: that of nfvctl). Return its pid once it has been executed, or -1
 * with errno and *err. Its standard input is empty. Its standard output is *out, or log if out is NULL; its standard
 * error is log, or *out if log is -1. It gets TERM when nfvctl ends.
 */
pid_t run_start(const char *const argv[], int netns, int *out, int log, struct ctl_err *err);
/* Wait for the program, KILL it at the deadline (now_s()), and return its wait status. */
int run_end(pid_t pid, double deadline);
void run_stop(pid_t pid);	/* send TERM, and KILL if it does not end */
/* Run argv to its end, for at most this many seconds. Return CTL_OK if its status is 0. The caller frees *output. */
int run_command(char **output, int netns, unsigned int seconds, const char *const argv[], struct ctl_err *err);

/* Read fd to its end, or up to the text until. Return a string to be freed; NULL after the deadline or if it is too long. */
char *run_read(int fd, const char *until, double deadline);
/* Make a new file for a program's output, in a folder of nfvctl. Return a descriptor, or -1 and errno. */
int run_log(const char *path);
/* Return the last line of log that is not empty, in a static buffer; "" if there is none. */
const char *run_last_line(int log);

#endif
