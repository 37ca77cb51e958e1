/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "frame/nfv_batch.h"
#include "log.h"

/* The table as it was set last; shown[i] is what entries[i] stands for. */
static struct nfv_fdb_entry *table;
static struct nfvd_shortcut_entry *shown;
static size_t n_table;

static void forget(void)
{
	free(table);
	free(shown);
	table = NULL;
	shown = NULL;
	n_table = 0;
}

static bool stale;		/* the module has another table than it should */

static void set(void)
{
	struct nfv_fdb fdb = { .entries = (uintptr_t)table, .n = n_table }, none = { 0 };
	static bool said;
	bool was_stale = stale;

	stale = false;
	if (!ioctl(nfvd_kernel_fd, NFV_IOC_FDB, &fdb)) {
		said = false;
		return;
	}
	if (!said)
		nfvd_log(LOG_WARNING, "nfv.ko refuses the forwarding table, and does without: %m");
	said = true;
	forget();
	/* The one that it has may allow what a policy forbids by now. It takes no memory to have none. */
	stale = ioctl(nfvd_kernel_fd, NFV_IOC_FDB, &none);
	if (stale && !was_stale)
		nfvd_log(LOG_ERR, "nfv.ko keeps a forwarding table that may be older than a policy: %m");
}

void nfvd_kmod_table_sync(const struct nfvd_shortcut_entry *entries, size_t n, bool (*on)(unsigned int port))
{
	size_t before = n_table;

	forget();
	table = calloc(n ? n : 1, sizeof(*table));
	shown = calloc(n ? n : 1, sizeof(*shown));
	for (size_t i = 0; table && shown && i < n && n_table < NFV_FDB_MAX; i++) {
		const struct nfvd_kmod *k = nfvd_kmod_of(entries[i].port);
		struct nfv_fdb_entry *e = &table[n_table];

		if (!k || !on(entries[i].port))
			continue;
		*e = (struct nfv_fdb_entry){ .vlan = entries[i].vlan, .port = k->id, .flags = NFV_FDB_FROM | NFV_FDB_TO };
		memcpy(e->mac, entries[i].mac, sizeof(e->mac));
		shown[n_table++] = entries[i];
	}
	if (nfvd_kernel_fd >= 0 && (n_table || before || stale))
		set();
}

void nfvd_kmod_table_read(void)
{
	if (n_table)
		set();
}

void nfvd_kmod_table_seen(void (*cb)(const struct nfvd_shortcut_entry *e, uint32_t idle_ms))
{
	for (size_t i = 0; i < n_table; i++)
		if (table[i].idle_ms != NFV_FDB_NEVER)
			cb(&shown[i], table[i].idle_ms);
}

static void counters_of(unsigned int src, const unsigned int *id_of,
			void (*cb)(unsigned int src, unsigned int dst, const struct nfv_pair *p, bool copied, void *), void *arg)
{
	static struct nfv_pair to[NFV_PORTS_MAX + 1];
	const struct nfvd_kmod *k = nfvd_kmod_of(src);
	struct nfv_forwarded f = { .port = k->id, .to = (uintptr_t)to };

	if (ioctl(nfvd_kernel_fd, NFV_IOC_FORWARDED, &f))
		return;
	for (unsigned int i = 0; i <= NFV_PORTS_MAX; i++) {
		const struct nfvd_kmod *dst = i < NFV_PORTS_MAX ? nfvd_kmod_of(id_of[i]) : NULL;

		cb(src, dst ? id_of[i] : NFVD_PORTS_MAX, &to[i], k->copies || (dst && dst->copies), arg);
	}
}

void nfvd_kmod_table_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfv_pair *p, bool copied, void *),
			      void *arg)
{
	unsigned int id_of[NFV_PORTS_MAX];

	for (unsigned int i = 0; i < NFV_PORTS_MAX; i++)
		id_of[i] = NFVD_PORTS_MAX;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_kmod_of(id))
			id_of[nfvd_kmod_of(id)->id] = id;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_kmod_of(id))
			counters_of(id, id_of, cb, arg);
}
