/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "netlink.h"

/*
 * Handle and priority identify nfvd's filters. The last bit of the handle says whether the qdisc was made for them.
 */
#define TC_HANDLE	0x6e667664	/* "nfvd" */
#define TC_MADE_QDISC	1u
#define TC_PRIORITY	0x6e66

#define TC_PARENT(side)	TC_H_MAKE(TC_H_CLSACT, (side) == NFVD_TC_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS)

/* ---- tcx: newer than the libbpf and the headers of Debian 12 ---- */

#define TCX_INGRESS	46
#define TCX_EGRESS	47
#define TCX_FIRST	(1u << 3)	/* BPF_F_BEFORE, and before nothing in particular */

struct tcx_create {
	uint32_t prog_fd, target_ifindex, attach_type, flags;
	uint32_t relative_fd, pad;
	uint64_t expected_revision;
};

#define LINK_TYPE_TCX	11

struct tcx_link_info {
	uint32_t type, id, prog_id, pad;
	uint32_t ifindex, attach_type;
};

struct tcx_query {
	uint32_t target_ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t count, pad;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};

static int tcx_type(enum nfvd_tc_side side)
{
	return side == NFVD_TC_INGRESS ? TCX_INGRESS : TCX_EGRESS;
}

static uint32_t id_of(int prog)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog, &info, &len) ? 0 : info.id;
}

/* The link, or -errno. */
static int tcx_attach(int ifindex, enum nfvd_tc_side side, int prog)
{
	struct tcx_create attr = {
		.prog_fd = prog, .target_ifindex = ifindex, .attach_type = tcx_type(side), .flags = TCX_FIRST,
	};
	int link = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return link < 0 ? -errno : link;
}

bool nfvd_tc_is_bpf(int fd, const char *kind)
{
	char path[40], text[40] = "", want[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(want, sizeof(want), "anon_inode:%s", kind);
	return readlink(path, text, sizeof(text) - 1) > 0 && !strcmp(text, want);
}

/* Does a program of this id have a name of ours? */
static bool is_ours(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool yes = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "shortcut_", 9);

	if (fd >= 0)
		close(fd);
	return yes;
}

uint32_t nfvd_tc_is_link(int link, int ifindex, enum nfvd_tc_side side)
{
	struct tcx_link_info info = { 0 };
	uint32_t len = sizeof(info);

	/* The kernel clears ifindex when the device goes. */
	if (!nfvd_tc_is_bpf(link, "bpf_link") || bpf_obj_get_info_by_fd(link, &info, &len) || info.type != LINK_TYPE_TCX ||
	    (int)info.ifindex != ifindex || (int)info.attach_type != tcx_type(side) || !is_ours(info.prog_id))
		return 0;
	return info.prog_id;
}

static void name_of(uint32_t id, char *what, size_t size)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(what, size, "tcx program '%s'", info.name);
	else
		snprintf(what, size, "tcx program %u", id);
	if (fd >= 0)
		close(fd);
}

#define TCX_PROGRAMS	64

/* Set ids to the programs there, in the order in which they run. Return their number. */
static unsigned int tcx_programs(int ifindex, enum nfvd_tc_side side, uint32_t ids[TCX_PROGRAMS])
{
	struct tcx_query attr = {
		.target_ifindex = ifindex, .attach_type = tcx_type(side), .prog_ids = (uintptr_t)ids, .count = TCX_PROGRAMS,
	};

	memset(ids, 0, TCX_PROGRAMS * sizeof(ids[0]));
	if (syscall(__NR_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)))
		return 0;
	return attr.count < TCX_PROGRAMS ? attr.count : TCX_PROGRAMS;
}

static bool tcx_other(int ifindex, enum nfvd_tc_side side, uint32_t mine, char *what, size_t size)
{
	uint32_t ids[TCX_PROGRAMS];
	unsigned int n = tcx_programs(ifindex, side, ids);

	for (unsigned int i = 0; i < n; i++)
		if (ids[i] != mine) {
			name_of(ids[i], what, size);
			return true;
		}
	return false;
}

/* ---- clsact ---- */

struct filters {
	uint32_t ours;			/* handle; 0: none */
	bool other;
	char kind[16];			/* of the first that is not ours */
	uint32_t pref;
};

static int attr_string(const struct nlattr *attr, void *arg)
{
	char *kind = arg;

	if (mnl_attr_get_type(attr) == TCA_KIND)
		snprintf(kind, 16, "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct filters *f = arg;

	/* The kernel also lists each priority by itself, with handle 0. */
	if (TC_H_MAJ(tcm->tcm_info) >> 16 == TC_PRIORITY) {
		if (tcm->tcm_handle)
			f->ours = tcm->tcm_handle;
		return MNL_CB_OK;
	}
	if (!f->other) {
		f->other = true;
		f->pref = TC_H_MAJ(tcm->tcm_info) >> 16;
		mnl_attr_parse(nlh, sizeof(*tcm), attr_string, f->kind);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *request(char *buf, int type, int ifindex, uint32_t parent)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = parent;
	return nlh;
}

static void list_filters(int ifindex, enum nfvd_tc_side side, struct filters *f)
{
	char buf[128];

	*f = (struct filters){ 0 };
	nfvd_netlink_talk(request(buf, RTM_GETTFILTER, ifindex, TC_PARENT(side)), on_filter, f);
}

struct found {
	int *ifindexes;
	unsigned int n, max;
	int clsact;			/* in: a device; out: 0 if its qdisc is clsact */
};

static int on_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct found *found = arg;
	char kind[16] = "";

	if (tcm->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*tcm), attr_string, kind);
	if (tcm->tcm_ifindex == found->clsact && !strcmp(kind, "clsact"))
		found->clsact = 0;
	if (found->n < found->max)
		found->ifindexes[found->n++] = tcm->tcm_ifindex;
	return MNL_CB_OK;
}

static void list_qdiscs(struct found *found)
{
	char buf[128];

	nfvd_netlink_talk(request(buf, RTM_GETQDISC, 0, 0), on_qdisc, found);
}

/*
 * Clear all bytes: libbpf refuses fields that it does not know, and takes padding for such a field. An assignment
 * would leave the padding as it was.
 */
static void hook_of(int ifindex, int point, struct bpf_tc_hook *hook)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = point;
}

static int filter_attach(int ifindex, enum nfvd_tc_side side, int prog, bool made_qdisc)
{
	struct bpf_tc_hook hook;
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE | (made_qdisc ? TC_MADE_QDISC : 0), .priority = TC_PRIORITY,
		    .prog_fd = prog, .flags = BPF_TC_F_REPLACE);

	hook_of(ifindex, side == NFVD_TC_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS, &hook);
	return bpf_tc_attach(&hook, &opts);
}

static int filters_attach(int ifindex, const int *prog)
{
	struct found found = { .clsact = ifindex };
	struct bpf_tc_hook hook;
	bool made;
	int err;

	hook_of(ifindex, BPF_TC_INGRESS, &hook);
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	made = !err;
	err = filter_attach(ifindex, NFVD_TC_INGRESS, prog[NFVD_TC_INGRESS], made);
	/* A qdisc "ingress" in place of clsact has no egress: a filter for egress would be installed at ingress. */
	list_qdiscs(&found);
	if (!err && !found.clsact)
		err = filter_attach(ifindex, NFVD_TC_EGRESS, prog[NFVD_TC_EGRESS], made);
	if (err)
		nfvd_tc_clean(ifindex);
	return err;
}

void nfvd_tc_clean(int ifindex)
{
	struct filters f[NFVD_TC_SIDES];
	struct bpf_tc_hook hook;
	bool made = false;

	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TC_PRIORITY);

		list_filters(ifindex, side, &f[side]);
		if ((f[side].ours | TC_MADE_QDISC) != (TC_HANDLE | TC_MADE_QDISC))
			continue;
		opts.handle = f[side].ours;
		made |= f[side].ours & TC_MADE_QDISC;
		hook_of(ifindex, side == NFVD_TC_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS, &hook);
		bpf_tc_detach(&hook, &opts);
	}
	if (!made || f[NFVD_TC_INGRESS].other || f[NFVD_TC_EGRESS].other)
		return;
	hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS, &hook);
	bpf_tc_hook_destroy(&hook);
}

unsigned int nfvd_tc_leftovers(int *ifindexes, unsigned int max)
{
	struct found found = { .ifindexes = ifindexes, .max = max };
	unsigned int n = 0;

	list_qdiscs(&found);
	for (unsigned int i = 0; i < found.n; i++) {
		struct filters f;

		list_filters(ifindexes[i], NFVD_TC_INGRESS, &f);
		if ((f.ours | TC_MADE_QDISC) == (TC_HANDLE | TC_MADE_QDISC))
			ifindexes[n++] = ifindexes[i];
	}
	return n;
}

/* ---- both ---- */

bool nfvd_tc_other(int ifindex, enum nfvd_tc_side side, const struct nfvd_tc *mine, char *what, size_t size)
{
	struct filters f;

	if (tcx_other(ifindex, side, mine ? mine->id[side] : 0, what, size))
		return true;
	list_filters(ifindex, side, &f);
	if (f.other)
		snprintf(what, size, "tc filter (%s, pref %u)", f.kind, f.pref);
	return f.other;
}

bool nfvd_tc_first(const struct nfvd_tc *tc, enum nfvd_tc_side side)
{
	uint32_t ids[TCX_PROGRAMS];
	unsigned int n = tc->ifindex ? tcx_programs(tc->ifindex, side, ids) : 0;
	struct filters f;

	if (!tc->ifindex || (n && ids[0] != tc->id[side]))
		return false;
	if (n)
		return true;
	list_filters(tc->ifindex, side, &f);
	return (f.ours | TC_MADE_QDISC) == (TC_HANDLE | TC_MADE_QDISC) && !f.other;
}

/*
 * The links do the filters' work. The qdisc stays until the port goes: removing it, the kernel takes the device's
 * queues out of use for some 10 ms, and what is sent to the container meanwhile is lost.
 */
static void leave_mark(int ifindex, int mark)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TC_PRIORITY);
	struct bpf_tc_hook hook;
	struct filters f;

	list_filters(ifindex, NFVD_TC_INGRESS, &f);
	if (f.ours)
		filter_attach(ifindex, NFVD_TC_INGRESS, mark, f.ours & TC_MADE_QDISC);
	list_filters(ifindex, NFVD_TC_EGRESS, &f);
	opts.handle = f.ours;
	hook_of(ifindex, BPF_TC_EGRESS, &hook);
	if (f.ours)
		bpf_tc_detach(&hook, &opts);
}

int nfvd_tc_settle(struct nfvd_tc *tc, int ingress, int egress, int mark)
{
	const int prog[NFVD_TC_SIDES] = { ingress, egress };
	int link[NFVD_TC_SIDES] = { -1, -1 };

	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++) {
		link[side] = tcx_attach(tc->ifindex, side, prog[side]);
		if (link[side] < 0 && side != NFVD_TC_INGRESS)
			close(link[NFVD_TC_INGRESS]);
		if (link[side] < 0)
			return link[side];
	}
	if (tc->filters)
		leave_mark(tc->ifindex, mark);
	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++) {
		tc->link[side] = link[side];
		tc->id[side] = id_of(prog[side]);
	}
	return 0;
}

int nfvd_tc_adopt(struct nfvd_tc *tc, int ifindex, const int *link, int ingress, int egress)
{
	const int prog[NFVD_TC_SIDES] = { ingress, egress };
	struct filters f;
	int err = 0;

	list_filters(ifindex, NFVD_TC_INGRESS, &f);
	*tc = (struct nfvd_tc){ .ifindex = ifindex, .filters = f.ours };
	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++) {
		tc->link[side] = link[side];
		tc->id[side] = id_of(prog[side]);
		if (!err)
			err = bpf_link_update(link[side], prog[side], NULL);
	}
	if (err)
		nfvd_tc_detach(tc);
	return err;
}

int nfvd_tc_attach(struct nfvd_tc *tc, int ifindex, int ingress, int egress, int mark)
{
	const int prog[NFVD_TC_SIDES] = { ingress, egress };
	int err;

	*tc = (struct nfvd_tc){ .ifindex = ifindex, .link = { -1, -1 } };
	nfvd_tc_clean(ifindex);
	err = filters_attach(ifindex, prog);
	tc->filters = !err;
	if (err && !nfvd_tc_settle(tc, ingress, egress, mark))
		err = 0;
	if (err)
		nfvd_tc_forget(tc);
	return err;
}

void nfvd_tc_forget(struct nfvd_tc *tc)
{
	for (enum nfvd_tc_side side = 0; tc->ifindex && side < NFVD_TC_SIDES; side++)
		if (tc->link[side] >= 0)
			close(tc->link[side]);
	*tc = (struct nfvd_tc){ .link = { -1, -1 } };
}

void nfvd_tc_end_links(const struct nfvd_tc *tc)
{
	for (enum nfvd_tc_side side = 0; side < NFVD_TC_SIDES; side++)
		if (tc->id[side])
			bpf_link_detach(tc->link[side]);
}

void nfvd_tc_detach(struct nfvd_tc *tc)
{
	if (tc->filters)
		nfvd_tc_clean(tc->ifindex);
	nfvd_tc_forget(tc);
}
