/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration and the functions that the parts of the control thread share. */
#ifndef NFVD_CONTROL_H
#define NFVD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct nfvd_config {
	const char *state_dir;		/* absolute; holds the lock, the control socket, default vhost sockets */
	bool tenant;			/* --profile tenant: ports keep to their first address, unless they say otherwise */
	const char *config_dir;		/* absolute; keeps the requests of operators. NULL: they are not kept */
	unsigned int workers, spin_us;
	int cpus[16];			/* by worker; -1: not pinned */
};

extern struct nfvd_config nfvd_config;

/*
 * loop.c: the control thread's event loop, which ends on SIGTERM and SIGINT. nfvd_loop_init() returns 0 or -errno, and
 * sets nfvd_started_us.
 */
extern sd_event *nfvd_event_loop;
extern uint64_t nfvd_started_us;
int nfvd_loop_init(void);

/* config.c: parse the command line. Return 0, or an exit status plus 1 with a message on stderr. */
int nfvd_config_parse(int argc, char **argv);

/* config.c: raise the limit of descriptors so that every port can be in use. Write an event if that fails. */
void nfvd_config_descriptors(void);
/* Leave the CPUs that workers are pinned to, if there are others. What starts from now on, but for workers, does the same. */
void nfvd_config_cpus(void);
#define NFVD_NOFILE_HINT "run nfvd with a higher limit: LimitNOFILE=65536 in its unit, or ulimit -n 65536"

/*
 * state.c: open a folder of nfvd that strangers cannot change; make it if it does not exist. what names it in the log.
 * Return a descriptor, or -errno with a line in the log.
 */
int nfvd_state_folder(const char *what, const char *dir, mode_t mode);

/* state.c: lock the state directory, or log who has locked it. Return 0 or -errno. */
int nfvd_state_lock(void);
void nfvd_state_unlock(void);

/*
 * rpc/stats.c: keep in the counts of the other ports what they exchanged with port id. Call it before the port goes.
 */
void nfvd_stats_retire(unsigned int id);

/* Start the timer that runs every 100 ms: port ticks, ageing, shortcut. */
int nfvd_ticks_start(void);

#endif
