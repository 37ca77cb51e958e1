/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deciding: each frame's private header says where it goes.
 *
 * A learning Ethernet switch per IEEE 802.1Q, with the VLAN identifier as part
 * of the address; tags pass unchanged. Frames of one burst are collected by
 * destination, then each destination gets its own in one call, in order.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "fdb.h"
#include "move.h"
#include "offload.h"
#include "worker.h"

/* The last look-ups of a burst: neighbouring frames tend to belong together. */
struct memo {
	uint64_t src_key, dst_key;
	bool src_valid, dst_valid;
	uint32_t dst;		/* port id; FLOOD */
};

#define FLOOD NFVD_PORTS_MAX

static inline uint16_t vlan_of(const struct nfvd_frame *f)
{
	uint16_t type, tci;

	memcpy(&type, f->hdr + 12, 2);
	if (likely(type != htons(ETH_P_8021Q) && type != htons(ETH_P_8021AD)))
		return 0;
	if (f->hdr_len < 18)
		return 0;
	memcpy(&tci, f->hdr + 14, 2);
	return ntohs(tci) & 0xfff;
}

/* IEEE 802.1Q table 8-1: 01-80-C2-00-00-00 to -0F stay on their link. */
static inline bool link_local(const uint8_t *mac)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac, prefix, sizeof(prefix)) && mac[5] < 0x10;
}

static inline bool bad_source(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return mac[0] & 1 || !memcmp(mac, zero, sizeof(zero));
}

static inline enum nfvd_drop learn(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_frame *f,
				   uint16_t vlan, struct memo *memo)
{
	uint64_t key = nfvd_fdb_key(f->hdr + 6, vlan);
	enum nfvd_drop why;

	if (memo->src_valid && memo->src_key == key)
		return NFVD_N_REASONS;
	if (unlikely(bad_source(f->hdr + 6)))
		return NFVD_DROP_BAD_SRC_MAC;
	why = nfvd_fdb_learn(src, key, w->now_ms);
	memo->src_key = key;
	memo->src_valid = why == NFVD_N_REASONS;
	return why;
}

static inline uint32_t lookup(const struct nfvd_frame *f, uint16_t vlan, struct memo *memo)
{
	uint64_t key = nfvd_fdb_key(f->hdr, vlan);
	struct nfvd_fdb_entry *e;

	if (f->hdr[0] & 1)
		return FLOOD;
	if (memo->dst_valid && memo->dst_key == key)
		return memo->dst;
	e = nfvd_fdb_lookup(key);
	memo->dst_key = key;
	memo->dst_valid = true;
	memo->dst = e ? atomic_load_explicit(&e->port, memory_order_relaxed) : FLOOD;
	return memo->dst;
}

static inline void append(struct nfvd_worker *w, unsigned int id, struct nfvd_frame *f)
{
	struct nfvd_out *out = &w->out[id];

	if (!out->n)
		w->touched[w->n_touched++] = id;
	out->f[out->n++] = f;
}

static enum nfvd_drop flood(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_frame *f)
{
	unsigned int n = 0;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = rcu_dereference(nfvd_ports[id]);

		if (!port || port == src || atomic_load_explicit(&port->state, memory_order_relaxed) != NFVD_STATE_UP)
			continue;
		append(w, id, f);
		n++;
	}
	if (!n)
		return NFVD_DROP_NO_DST;
	f->flooded = n > 1;
	w->port[src->id].replicated += n - 1;
	return NFVD_N_REASONS;
}

static inline enum nfvd_drop decide(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_frame *f,
				    struct memo *memo)
{
	enum nfvd_drop why = nfvd_offload_check(f);
	uint16_t vlan;
	uint32_t dst;

	if (unlikely(why != NFVD_N_REASONS))
		return why;
	if (unlikely(link_local(f->hdr)))
		return NFVD_DROP_CTRL_PROTO;
	vlan = vlan_of(f);
	why = learn(w, src, f, vlan, memo);
	if (unlikely(why != NFVD_N_REASONS))
		return why;
	dst = lookup(f, vlan, memo);
	if (unlikely(dst == FLOOD))
		return flood(w, src, f);
	if (unlikely(dst == src->id))
		return NFVD_DROP_SAME_PORT;
	append(w, dst, f);
	return NFVD_N_REASONS;
}

/* Bring here what the kernel still holds of n frames. What cannot be is dropped; returns how many are left. */
static unsigned int bring(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **f, unsigned int n,
			  struct nfvd_ledger *l)
{
	unsigned int left = 0;

	nfvd_move_to_private(w, f, n, l);
	for (unsigned int i = 0; i < n; i++)
		if (likely(!nfvd_in_kernel(f[i])))
			f[left++] = f[i];
	if (left < n)
		nfvd_tx_drop(w, dst, NFVD_DROP_EXPIRED, n - left);
	return left;
}

/* Deliver one frame that asks for more than the receiver negotiated. */
static void deliver_finished(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_port *dst,
			     struct nfvd_frame *f, struct nfvd_ledger *l)
{
	static __thread struct nfvd_frame segs[NFVD_SEGS_MAX];
	static __thread struct iovec pool[NFVD_IOV_POOL];
	unsigned int n = 1;

	/* Summing and cutting read the payload. */
	if (nfvd_in_kernel(f) && !bring(w, dst, &f, 1, l))
		return;
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		segs[0] = *f;
		nfvd_offload_checksum(&segs[0]);
	} else {
		n = nfvd_offload_segment(f, segs, pool, NFVD_IOV_POOL);
		if (!n) {
			nfvd_tx_drop(w, dst, NFVD_DROP_GSO_UNSUP, 1);
			return;
		}
		w->port[src->id].replicated += n - 1;
	}
	for (unsigned int done = 0; done < n; done += NFVD_BURST) {
		unsigned int part = n - done < NFVD_BURST ? n - done : NFVD_BURST;
		struct nfvd_frame *list[NFVD_BURST];

		for (unsigned int i = 0; i < part; i++) {
			list[i] = &segs[done + i];
			list[i]->held = false;	/* not what the kernel holds any more */
		}
		dst->ops->tx(w, dst, list, part, l);
	}
}

static void deliver(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_port *dst, struct nfvd_out *out)
{
	struct nfvd_ledger *l = &w->row[src->id][dst->id];
	uint32_t accepts = atomic_load_explicit(&dst->accepts, memory_order_relaxed);
	unsigned int from = 0;

	w->pair = l;
	if (unlikely(atomic_load_explicit(&dst->state, memory_order_relaxed) != NFVD_STATE_UP)) {
		nfvd_tx_drop(w, dst, NFVD_DROP_DST_DOWN, out->n);
		return;
	}
	if (!(accepts & NFVD_ACCEPT_KERNEL))
		out->n = bring(w, dst, out->f, out->n, l);
	if (accepts != NFVD_ACCEPT_ALL)
		for (unsigned int i = 0; i < out->n; i++) {
			if (likely(!(nfvd_offload_needs(out->f[i]) & ~accepts)))
				continue;
			if (i > from)
				dst->ops->tx(w, dst, out->f + from, i - from, l);
			deliver_finished(w, src, dst, out->f[i], l);
			from = i + 1;
		}
	if (out->n > from)
		dst->ops->tx(w, dst, out->f + from, out->n - from, l);
}

void nfvd_switch(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_frame *frames, unsigned int n)
{
	struct nfvd_counters *c = &w->port[src->id];
	struct memo memo = { 0 };
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < n; i++) {
		enum nfvd_drop why;

		bytes += frames[i].len;
		why = decide(w, src, &frames[i], &memo);
		if (unlikely(why != NFVD_N_REASONS)) {
			c->rx_dropped++;
			c->drops[why]++;
		}
	}
	c->rx_bytes += bytes;
	for (unsigned int i = 0; i < w->n_touched; i++) {
		struct nfvd_out *out = &w->out[w->touched[i]];
		struct nfvd_port *dst = rcu_dereference(nfvd_ports[w->touched[i]]);

		if (likely(dst)) {
			deliver(w, src, dst, out);
		} else {
			/* Detached in this iteration. */
			c->rx_dropped += out->n;
			c->drops[NFVD_DROP_DST_DOWN] += out->n;
		}
		out->n = 0;
	}
	w->n_touched = 0;
}
