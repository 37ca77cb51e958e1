/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding database: (MAC address, VLAN) -> port.
 *
 * An RCU hash table. Workers look up and learn under QSBR; control and the ports'
 * threads flush, control ages. Where an address is, and how it came there, is one
 * word that changes by compare-and-swap; a refresh writes the time of last use only.
 *
 * Who owns an address:
 *
 *	seen at another port		it moves there at once. So do all addresses whose port
 *					is not up: they are as good as forgotten
 *	moved a third time within	contested: it goes back to the port that had it before
 *	NFVD_FDB_WINDOW_MS		these moves, and stays there until no other port has
 *					claimed it for NFVD_FDB_CALM_MS. Moves that follow each
 *					other within the window are one dispute
 *	seen at a port that may learn	it is not learnt there; where another port has it, that
 *	no more (macs)			entry is flooded from then on, as it is wrong
 *	its port goes down or comes up	forgotten
 *
 * Learning never decides whether a frame passes.
 */
#ifndef NFVD_FDB_H
#define NFVD_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>
#include "switch/port.h"

#define NFVD_FDB_WINDOW_MS	1000
#define NFVD_FDB_CALM_MS	5000
#define NFVD_FDB_AGEING_S	300
#define NFVD_MACS_DEFAULT	1024	/* addresses that one port may teach */
#define NFVD_MACS_LIMIT		16384

/* nfvd_fdb_where.at: the id of a port; or that and NFVD_FDB_FLOODED, where the port is only who accounts for it. */
#define NFVD_FDB_FLOODED	NFVD_PORTS_MAX
#define NFVD_FDB_GONE		(2 * NFVD_PORTS_MAX)	/* deleted; to those who found the entry just before */

#define NFVD_FDB_CONTESTED	3	/* nfvd_fdb_where.moves */

struct nfvd_fdb_where {
	uint32_t at : 10;
	uint32_t home : 8;		/* who had it before the moves */
	uint32_t moves : 2;		/* of late: 0 none, the rest means nothing; 1; 2 or more; contested */
	uint32_t gap_ms : 10;		/* moves 2: between the last two, less than the window */
	uint32_t zero : 2;
	uint32_t moved_ms;		/* last move; contested: last claim of another port */
};

struct nfvd_fdb_entry {
	struct cds_lfht_node node;
	uint64_t key;			/* nfvd_fdb_key() */
	_Atomic(struct nfvd_fdb_where) where;
	_Atomic(uint32_t) seen_ms;	/* wraps; on the clock of nfvd_now_ms() */
	_Atomic(uint32_t) rival;	/* id + 1 of a port that it is contested with, to be told; 0: nothing to tell */
	struct rcu_head rcu;
};

/* What learning came to. All but the first are counted at the port that the frame came from. */
enum nfvd_learnt {
	NFVD_LEARNT,		/* it is there, or there is nothing to say about it */
	NFVD_LEARNT_MOVE,	/* it was at another port */
	NFVD_LEARNT_CONTESTED,	/* not learnt: it stays at another port */
	NFVD_LEARNT_LIMIT,	/* not learnt: the port has its share of addresses */
	NFVD_N_LEARNT
};

/* mac: 6 bytes; vlan: 0 for untagged, else 1..4095. */
static inline uint64_t nfvd_fdb_key(const uint8_t *mac, uint16_t vlan)
{
	uint32_t lo;
	uint16_t hi;

	memcpy(&lo, mac, 4);
	memcpy(&hi, mac + 4, 2);
	return lo | (uint64_t)hi << 32 | (uint64_t)vlan << 48;
}

int nfvd_fdb_init(void);
void nfvd_fdb_fini(void);

/* Worker. NULL: not known. Valid until the worker's next quiescent state. */
struct nfvd_fdb_entry *nfvd_fdb_lookup(uint64_t key);

/* The id of the port that e is at; NFVD_PORTS_MAX or more: at none, its frames are flooded. */
static inline uint32_t nfvd_fdb_at(struct nfvd_fdb_entry *e)
{
	struct nfvd_fdb_where w = atomic_load_explicit(&e->where, memory_order_relaxed);

	return w.at;
}

/* Worker. src was seen, at now_ms of its own iteration, with this source address. */
enum nfvd_learnt nfvd_fdb_learn(struct nfvd_port *src, uint64_t key, uint32_t now_ms);

/* A thread registered with RCU and offline, no worker: forget what is at port (NULL: all). */
void nfvd_fdb_flush(const struct nfvd_port *port);
/*
 * Control: drop what was silent too long. seen (RCU: online): when an entry that looks so was a source last, by what
 * others know. Returns in how many ms there is something to do, if no address is moved meanwhile.
 */
uint32_t nfvd_fdb_age(uint32_t now_ms, uint32_t (*seen)(struct nfvd_fdb_entry *e));

/* As nfvd_fdb_flush(): call f for each entry. */
void nfvd_fdb_each(void (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg);

/* True once after the set of (key, port) changed. */
bool nfvd_fdb_changed(void);
/* True once after some entry got a rival. */
bool nfvd_fdb_disputed(void);

/* An eventfd, readable once an address moved; nfvd_fdb_changed() makes it wait for the next. */
int nfvd_fdb_moved_fd(void);

#endif
