/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our programs on a device's tc hooks, beside those of others.
 *
 * A frame passes, at ingress as at egress:
 *
 *	XDP -> packet sockets -> tcx programs -> clsact filters -> nf_tables -> rx_handler, stack
 *
 * Where the kernel has tcx (6.6), ours are links at the head of it: they go when nfvd
 * does. To make one the kernel waits for an RCU grace period, so they begin as filters of clsact
 * and become links in a later tick; in clsact one that does nothing is left. Elsewhere they stay filters, also when nfvd is killed. So the
 * programs themselves do nothing without a living nfvd (bpf/shortcut.bpf.c), and the next
 * one removes them.
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

/* Put programs (by their descriptors) on a device, soon. 0, or -errno with nothing attached. */
int nfvd_tc_attach(struct nfvd_tc *tc, int ifindex, int ingress, int egress, int mark);
/* Make links of filters; takes 10 ms and more. mark is a program that does nothing. 0, or -errno with the filters left. */
int nfvd_tc_settle(struct nfvd_tc *tc, int ingress, int egress, int mark);
/* Are they links? */
static inline bool nfvd_tc_settled(const struct nfvd_tc *tc)
{
	return tc->link[NFVD_TC_INGRESS] >= 0;
}
/* Take ours away, and the qdisc where we made it and nobody else uses it. */
void nfvd_tc_detach(struct nfvd_tc *tc);
/* The same when the device has gone: its index may be another's. */
void nfvd_tc_forget(struct nfvd_tc *tc);

/* Is a program or filter of others there? Then say in what which; mine may be NULL. */
bool nfvd_tc_other(int ifindex, enum nfvd_tc_side side, const struct nfvd_tc *mine, char *what, size_t size);

/* Devices with filters of an nfvd, dead or alive: at most max, returns how many. */
unsigned int nfvd_tc_leftovers(int *ifindexes, unsigned int max);
/* Remove such filters. */
void nfvd_tc_clean(int ifindex);

#endif
