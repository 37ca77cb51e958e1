/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding database: (MAC address, VLAN) -> port.
 *
 * An RCU hash table. Workers look up and learn under QSBR; control ages and
 * flushes. An entry's port and time of last use are atomic fields of their own,
 * so that a refresh writes one word.
 *
 * Who may move an address: nobody, while it is in use where it is. An entry
 * follows its address to another port only after NFVD_FDB_HOLD_MS of silence at
 * the old one (a detached port's entries go at once). That makes a loop outside
 * harmless, and another guest's address not worth stealing.
 */
#ifndef NFVD_FDB_H
#define NFVD_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>
#include "port.h"

#define NFVD_FDB_GONE		NFVD_PORTS_MAX	/* port of an entry that was deleted */
#define NFVD_FDB_HOLD_MS	1000
#define NFVD_FDB_AGEING_S	300
#define NFVD_MACS_DEFAULT	1024	/* addresses that one port may teach */
#define NFVD_MACS_LIMIT		16384

struct nfvd_fdb_entry {
	struct cds_lfht_node node;
	uint64_t key;			/* nfvd_fdb_key() */
	_Atomic(uint32_t) port;		/* id; NFVD_FDB_GONE, to those who found the entry just before */
	_Atomic(uint32_t) seen_ms;	/* wraps; on the clock of nfvd_now_ms() */
	struct rcu_head rcu;
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

/* Worker. src was seen, at now_ms of its own iteration, with this source address. NFVD_N_REASONS, or why its frame must not pass. */
enum nfvd_drop nfvd_fdb_learn(struct nfvd_port *src, uint64_t key, uint32_t now_ms);

/* Control: forget what is at port (NULL: all); drop what was silent too long. */
void nfvd_fdb_flush(struct nfvd_port *port);
void nfvd_fdb_age(uint32_t now_ms);

/* Control: call f for each entry. */
void nfvd_fdb_each(void (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg);

/* True once after the set of (key, port) changed. */
bool nfvd_fdb_changed(void);

#endif
