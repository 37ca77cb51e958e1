/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our programs on a device's tc hooks, beside those of others.
 *
 * A frame passes, at ingress as at egress:
 *
 *	XDP -> packet sockets -> tcx programs -> clsact filters -> nf_tables -> rx_handler, stack
 *
 * With tcx (from 6.6 on) ours are links at its head, which end with nfvd. Making a link waits for an RCU grace period. So
 * the programs begin as filters of clsact and become links in a later tick. A filter that does nothing stays in clsact.
 *
 * Links outlive nfvd in the descriptor store (inherit.h), and the next nfvd puts its own programs into them.
 *
 * Without tcx they stay filters, also when nfvd is killed. So the programs themselves do nothing without a living nfvd
 * (bpf/shortcut.bpf.c), and the next nfvd removes them.
 *
 * All functions: control thread.
 */
#ifndef NFVD_SHORTCUT_TC_H
#define NFVD_SHORTCUT_TC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nfvd_tc_side { NFVD_TC_INGRESS, NFVD_TC_EGRESS, NFVD_TC_SIDES };

struct nfvd_tc {
	int ifindex;			/* 0: nothing is attached */
	int link[NFVD_TC_SIDES];	/* tcx; -1: none */
	uint32_t id[NFVD_TC_SIDES];	/* of the programs */
	bool filters;			/* of clsact, or the one that is left there */
};

/* Put programs (by their descriptors) on a device, quickly. Return 0, or -errno with nothing attached. */
int nfvd_tc_attach(struct nfvd_tc *tc, int ifindex, int ingress, int egress, int mark);
/* Replace filters by links, which takes 10 ms or more. mark is a program that does nothing. Return 0, or -errno. */
int nfvd_tc_settle(struct nfvd_tc *tc, int ingress, int egress, int mark);
/*
 * nfvd_tc_is_link() returns the id of the program of link, which comes from the store, or 0 if link is none of nfvd's
 * links at that device and side. nfvd_tc_adopt() goes on with the links of both sides, which it then owns, and gives
 * them other programs. Return 0 or -errno.
 */
uint32_t nfvd_tc_is_link(int link, int ifindex, enum nfvd_tc_side side);
int nfvd_tc_adopt(struct nfvd_tc *tc, int ifindex, const int *link, int ingress, int egress);
/* Return whether fd is an eBPF object of that kind: "bpf-map", "bpf_link". */
bool nfvd_tc_is_bpf(int fd, const char *kind);
/* Return whether the programs are links. */
static inline bool nfvd_tc_settled(const struct nfvd_tc *tc)
{
	return tc->link[NFVD_TC_INGRESS] >= 0;
}
/*
 * Detach from their device the links whose program id is known. Closing them would not do that while somebody else
 * holds them.
 */
void nfvd_tc_end_links(const struct nfvd_tc *tc);
/* Remove our programs, and the qdisc if we made it and nobody else uses it. */
void nfvd_tc_detach(struct nfvd_tc *tc);
/* Forget the programs of a device that has gone: its index may be another's. */
void nfvd_tc_forget(struct nfvd_tc *tc);

/* Return whether a program or filter of others is there, and describe it in what. mine may be NULL. */
bool nfvd_tc_other(int ifindex, enum nfvd_tc_side side, const struct nfvd_tc *mine, char *what, size_t size);

/* Return whether our program is there, and sees each frame before any program or filter of others. */
bool nfvd_tc_first(const struct nfvd_tc *tc, enum nfvd_tc_side side);

/* Find devices with filters of any nfvd, dead or alive: at most max. Return how many. */
unsigned int nfvd_tc_leftovers(int *ifindexes, unsigned int max);
/* Remove such filters. */
void nfvd_tc_clean(int ifindex);

#endif
