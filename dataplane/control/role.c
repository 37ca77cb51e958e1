/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/role.h"

#include <errno.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <nfv/text.h>
#include "log.h"

#define GROUPS_MAX	16	/* that have a role */

struct member {
	enum nfvd_role role;
	const char *group;
	gid_t gid;
	bool exists;
};

static struct member members[GROUPS_MAX];
static unsigned int n_members;

struct nfvd_caller *nfvd_caller;

static const char *const names[NFVD_N_ROLES] = {
	[NFVD_ROLE_NONE] = "none",
#define X(e, name) [NFVD_ROLE_##e] = name,
	NFVD_ROLES(X)
#undef X
};

static const char *const default_groups[NFVD_N_ROLES] = {
#define X(e, name) [NFVD_ROLE_##e] = "nfv-" name,
	NFVD_ROLES(X)
#undef X
};

const char *nfvd_role_name(enum nfvd_role role)
{
	return names[role];
}

/* ---- which groups ---- */

static bool add(enum nfvd_role role, const char *group)
{
	if (n_members == GROUPS_MAX)
		return false;
	members[n_members++] = (struct member){ .role = role, .group = group };
	return true;
}

bool nfvd_role_option(const char *arg)
{
	const char *equals = strchr(arg, '=');

	for (enum nfvd_role role = NFVD_ROLE_READ; equals && equals[1] && role < NFVD_N_ROLES; role++)
		if (strlen(names[role]) == (size_t)(equals - arg) && !strncmp(names[role], arg, equals - arg))
			return add(role, equals + 1);
	return false;
}

static const struct member *first_of(enum nfvd_role role)
{
	for (unsigned int i = 0; i < n_members; i++)
		if (members[i].role == role)
			return &members[i];
	return NULL;
}

/* A number, or a name in /etc/group. */
static void look_up(struct member *m, FILE *file)
{
	const struct group *g;
	char *end;
	unsigned long n = strtoul(m->group, &end, 10);

	if (m->group[0] >= '0' && m->group[0] <= '9' && !*end && n < (gid_t)-1) {
		m->gid = n;
		m->exists = true;
		return;
	}
	rewind(file);
	while (!m->exists && (g = fgetgrent(file))) {
		m->exists = !strcmp(g->gr_name, m->group);
		m->gid = g->gr_gid;
	}
}

void nfvd_roles_start(void)
{
	FILE *file = fopen("/etc/group", "re");
	unsigned int named = n_members;

	for (enum nfvd_role role = NFVD_ROLE_READ; role < NFVD_N_ROLES; role++)
		if (!first_of(role))
			add(role, default_groups[role]);
	for (unsigned int i = 0; file && i < n_members; i++) {
		look_up(&members[i], file);
		if (!members[i].exists && i < named)
			nfvd_event(NULL, "no group '%s' in /etc/group: it gives nobody the role %s", members[i].group,
				   names[members[i].role]);
	}
	if (file)
		fclose(file);
}

/* ---- the socket ---- */

static int by_gid(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *x = a, *y = b;

	return x->e_id < y->e_id ? -1 : x->e_id > y->e_id;
}

void nfvd_roles_open_socket(const char *path)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entry[GROUPS_MAX + 4];
	} acl = {
		{ POSIX_ACL_XATTR_VERSION },
		{ { ACL_USER_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID }, { ACL_GROUP_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID } },
	};
	unsigned int n = 2;

	for (unsigned int i = 0; i < n_members; i++)
		if (members[i].exists)
			acl.entry[n++] = (struct posix_acl_xattr_entry){ ACL_GROUP, ACL_READ | ACL_WRITE, members[i].gid };
	if (n == 2)
		return;
	/* The kernel wants the entries sorted, each group once. */
	qsort(&acl.entry[2], n - 2, sizeof(acl.entry[0]), by_gid);
	for (unsigned int i = 3; i < n; i++)
		if (acl.entry[i].e_id == acl.entry[i - 1].e_id)
			memmove(&acl.entry[i - 1], &acl.entry[i], (n-- - i) * sizeof(acl.entry[0])), i--;
	acl.entry[n++] = (struct posix_acl_xattr_entry){ ACL_MASK, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID };
	acl.entry[n++] = (struct posix_acl_xattr_entry){ ACL_OTHER, 0, ACL_UNDEFINED_ID };
	if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl.header) + n * sizeof(acl.entry[0]), 0))
		nfvd_event(NULL, "only root can connect to '%s', no group: access control lists: %s", path, strerror(errno));
}

/* ---- clients ---- */

static enum nfvd_role role_of_group(gid_t gid)
{
	enum nfvd_role role = NFVD_ROLE_NONE;

	for (unsigned int i = 0; i < n_members; i++)
		if (members[i].exists && members[i].gid == gid && members[i].role > role)
			role = members[i].role;
	return role;
}

static enum nfvd_role role_of_groups(int fd)
{
	enum nfvd_role role = NFVD_ROLE_NONE;
	socklen_t len = 0;
	gid_t *gids;

	/* The first call says how much room they need. */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE)
		return role;
	gids = malloc(len);
	if (gids && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len))
		for (size_t i = 0; i < len / sizeof(*gids); i++)
			if (role_of_group(gids[i]) > role)
				role = role_of_group(gids[i]);
	free(gids);
	return role;
}

/*
 * The process may have ended, and another may have its number. So the name is for people only, and decides nothing.
 */
static void read_comm(struct nfvd_caller *who)
{
	char path[40];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", who->pid);
	f = who->pid > 0 ? fopen(path, "re") : NULL;
	if (f && !fgets(who->comm, sizeof(who->comm), f))
		who->comm[0] = '\0';
	if (f)
		fclose(f);
	who->comm[strcspn(who->comm, "\n")] = '\0';
	nfv_text_clean(who->comm);
}

int nfvd_caller_of(int fd, struct nfvd_caller *who)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*who = (struct nfvd_caller){ .uid = (uid_t)-1 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	who->uid = cred.uid;
	who->pid = cred.pid;
	if (cred.uid == 0 || cred.uid == geteuid()) {
		who->role = NFVD_ROLE_ADMIN;
	} else {
		enum nfvd_role by_groups = role_of_groups(fd);

		who->role = role_of_group(cred.gid);
		if (by_groups > who->role)
			who->role = by_groups;
	}
	if (who->role)
		read_comm(who);
	return 0;
}

int nfvd_role_refuse(const struct nfvd_caller *who, enum nfvd_role needed, const char *what, struct nfvd_err *err)
{
	const struct member *m = first_of(needed);
	const char *group = m ? m->group : default_groups[needed];

	nfvd_err(err, NFV_RPC_E_DENIED, "permission denied: %.64s needs the role %s, which group %.32s gives; yours is %s", what,
		 names[needed], group, names[who->role]);
	if (!m || m->exists)
		nfvd_hint(err, "usermod -aG %.32s $(id -un %u), and log in again", group, who->uid);
	else
		nfvd_hint(err, "groupadd -r %.32s; usermod -aG %.32s $(id -un %u); restart nfvd, and log in again", group, group,
			  who->uid);
	return -1;
}
