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
 * Find out whether link, which the store has handed out, is one of ours at a device. Return the id of its program, or 0.
 * nfvd_tc_adopt() goes on with such links, of both sides, which it owns then: with other programs. Return 0 or -errno.
 */
uint32_t nfvd_tc_is_link(int link, int ifindex, enum nfvd_tc_side side);
int nfvd_tc_adopt(struct nfvd_tc *tc, int ifindex, const int *link, int ingress, int egress);
/* Return whether fd is of that kind of eBPF's: "bpf-map", "bpf_link". */
bool nfvd_tc_is_bpf(int fd, const char *kind);
/* Return whether the programs are links. */
static inline bool nfvd_tc_settled(const struct nfvd_tc *tc)
{
	return tc->link[NFVD_TC_INGRESS] >= 0;
}
/* Take the programs of the links whose id is known off the device, whoever else holds these: closing them would not do. */
void nfvd_tc_end_links(const struct nfvd_tc *tc);
/* Remove our programs, and the qdisc if we made it and nobody else uses it. */
void nfvd_tc_detach(struct nfvd_tc *tc);
/* Forget the programs of a device that has gone: its index may be another's. */
void nfvd_tc_forget(struct nfvd_tc *tc);

/* Return whether a program or filter of others is there, and write to what which. mine may be NULL. */
bool nfvd_tc_other(int ifindex, enum nfvd_tc_side side, const struct nfvd_tc *mine, char *what, size_t size);

/* Return whether our program is there, and sees each frame before any program or filter of others. */
bool nfvd_tc_first(const struct nfvd_tc *tc, enum nfvd_tc_side side);

/* Find devices with filters of any nfvd, dead or alive: at most max. Return how many. */
unsigned int nfvd_tc_leftovers(int *ifindexes, unsigned int max);
/* Remove such filters. */
void nfvd_tc_clean(int ifindex);

#endif
