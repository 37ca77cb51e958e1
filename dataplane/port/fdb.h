/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding database: (zone, VLAN, MAC address) -> port.
 *
 * An RCU hash table. Workers look up and learn under QSBR. Control and the ports' threads flush; control ages. The
 * place of an address, with its last moves, is one word that changes by compare-and-swap. A refresh only writes
 * the time of last use.
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
#include "port/port.h"

#define NFVD_FDB_WINDOW_MS	1000
#define NFVD_FDB_CALM_MS	5000
#define NFVD_FDB_AGEING_S	300

/* nfvd_fdb_where.at: the id of a port. With NFVD_FDB_FLOODED frames are flooded; it only counts at that port. */
#define NFVD_FDB_FLOODED	NFVD_PORTS_MAX
#define NFVD_FDB_GONE		(2 * NFVD_PORTS_MAX)	/* deleted; seen by who found the entry before */

#define NFVD_FDB_CONTESTED	3	/* nfvd_fdb_where.moves */

struct nfvd_fdb_where {
	uint64_t at : 14;
	uint64_t home : 12;		/* port that had the address before the moves */
	uint64_t moves : 2;		/* of late: 0 none, the rest means nothing; 1; 2 or more; contested */
	uint64_t gap_4ms : 8;		/* moves 2: between the last two, less than the window, in units of 4 ms */
	uint64_t moved_ms : 28;		/* last move; contested: last claim of another port. Ageing forgets it in time */
};

struct nfvd_fdb_entry {
	struct cds_lfht_node node;
	uint64_t key;			/* nfvd_fdb_key() */
	uint16_t zone;
	_Atomic(struct nfvd_fdb_where) where;
	_Atomic(uint32_t) seen_ms;	/* wraps; on the clock of nfvd_now_ms() */
	_Atomic(uint32_t) rival;	/* id + 1 of a port that contests it, to be reported; 0: nothing to report */
	struct rcu_head rcu;
};

/* The result of learning. All but the first are counted at the port that the frame came from. */
enum nfvd_learnt {
	NFVD_LEARNT,		/* it is there, or there is nothing to say about it */
	NFVD_LEARNT_MOVE,	/* it was at another port */
	NFVD_LEARNT_CONTESTED,	/* not learnt: it stays at another port */
	NFVD_LEARNT_LIMIT,	/* not learnt: the port has its share of addresses */
	NFVD_N_LEARNT
};

/* Return the key of an address. mac has 6 bytes; vlan is 0 for untagged frames, else 1..4095. */
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

/* Return the entry of key in a zone, or NULL. It is valid until the next quiescent state. Context: worker. */
struct nfvd_fdb_entry *nfvd_fdb_lookup(uint16_t zone, uint64_t key);

/* Return the id of the port that e is at; NFVD_PORTS_MAX or more if its frames are to be flooded. */
static inline uint32_t nfvd_fdb_at(struct nfvd_fdb_entry *e)
{
	struct nfvd_fdb_where w = atomic_load_explicit(&e->where, memory_order_relaxed);

	return w.at;
}

/* Learn that src, in zone, sends with the source address key. now_ms is the time of this iteration. Context: worker. */
enum nfvd_learnt nfvd_fdb_learn(struct nfvd_port *src, uint16_t zone, uint64_t key, uint32_t now_ms);

/*
 * Forget the addresses at port (NULL: at all ports).
 * Context: a thread that is registered with RCU and offline; no worker.
 */
void nfvd_fdb_flush(const struct nfvd_port *port);
/*
 * Return the key of an address at port: the last learnt one, or if that has gone one of the first part (nfvd_fdb_part()).
 * 0: none. Context: control.
 */
uint64_t nfvd_fdb_one_of(const struct nfvd_port *port);

/* Call f for each entry. Context: as for nfvd_fdb_flush(). */
void nfvd_fdb_each(void (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg);

/*
 * Call f for entries from a place in the table on, until it returns false or was called some NFVD_FDB_PART times: then
 * for those that share the last one's place, too. Return the place where the next part begins, or NFVD_FDB_END. The first
 * part begins at 0; a part costs what it visits. An address never changes its place: one that is there all the time is in
 * exactly one part, and none is in two. Context: as for nfvd_fdb_flush().
 */
#define NFVD_FDB_PART	16384
#define NFVD_FDB_END	131072
uint32_t nfvd_fdb_part(uint32_t from, bool (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg);

/*
 * Give the table twice as many buckets if it has many entries: a look-up then visits few of them. A table never shrinks.
 * Context: as for nfvd_fdb_flush().
 */
void nfvd_fdb_grow(void);

/*
 * Remove entries of one part, as above, that were silent for too long. seen (called RCU online) returns when an address
 * was last a source, including frames that do not pass through nfvd. Lower *next_ms to the time until the next entry of
 * the part may expire if no address moves. Context: control.
 */
uint32_t nfvd_fdb_age(uint32_t from, uint32_t now_ms, uint32_t (*seen)(struct nfvd_fdb_entry *e), uint32_t *next_ms);

/* Return true once after the set of (key, port) changed. */
bool nfvd_fdb_changed(void);
/* Return true once after an entry got a rival. */
bool nfvd_fdb_disputed(void);

/* Return an eventfd that is readable once an address moved, until nfvd_fdb_changed() is called. */
int nfvd_fdb_moved_fd(void);

#endif
