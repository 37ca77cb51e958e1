/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/addresses.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include "shortcut/programs.h"

static struct nfvd_address *held;	/* what the map holds, but for seen_ns; sorted by key */
static size_t n_held;

static int compare(const void *a, const void *b)
{
	return memcmp(&((const struct nfvd_address *)a)->key, &((const struct nfvd_address *)b)->key, sizeof(struct shortcut_address));
}

static void put(const struct nfvd_address *s)
{
	bpf_map__update_elem(nfvd_programs->maps.addresses, &s->key, sizeof(s->key), &s->where, sizeof(s->where), BPF_ANY);
}

static void drop(const struct nfvd_address *s)
{
	bpf_map__delete_elem(nfvd_programs->maps.addresses, &s->key, sizeof(s->key), 0);
}

/* Set when want takes effect: a little later if the address could not be redirected to before. */
static void set_from(struct nfvd_address *want, const struct nfvd_address *was)
{
	if (was && was->where.ifindex == want->where.ifindex)
		want->where.from_ns = was->where.from_ns;
	else if (want->where.ifindex)
		want->where.from_ns = nfvd_programs_now_ns() + NFVD_SETTLE_NS;
}

/* Both lists are walked once. */
void nfvd_addresses_set(struct nfvd_address *want, size_t n)
{
	size_t old = 0, fresh = 0;

	qsort(want, n, sizeof(*want), compare);
	while (old < n_held || fresh < n) {
		int c = old == n_held ? 1 : fresh == n ? -1 : compare(&held[old], &want[fresh]);

		if (c < 0) {
			drop(&held[old++]);
		} else if (c > 0) {
			set_from(&want[fresh], NULL);
			put(&want[fresh++]);
		} else {
			set_from(&want[fresh], &held[old]);
			if (memcmp(&held[old].where, &want[fresh].where, sizeof(want[fresh].where)))
				put(&want[fresh]);
			old++;
			fresh++;
		}
	}
	free(held);
	held = want;
	n_held = n;
}

void nfvd_addresses_adopt(void)
{
	struct shortcut_address key, *prev = NULL;
	struct nfvd_address *s;

	while (n_held < SHORTCUT_ADDRESSES && !bpf_map__get_next_key(nfvd_programs->maps.addresses, prev, &key, sizeof(key))) {
		prev = &key;
		if (!(n_held & (n_held - 1))) {
			s = realloc(held, (n_held ? 2 * n_held : 1) * sizeof(*s));
			if (!s)
				break;
			held = s;
		}
		s = &held[n_held];
		s->key = key;
		if (!bpf_map__lookup_elem(nfvd_programs->maps.addresses, &key, sizeof(key), &s->where, sizeof(s->where), 0))
			n_held++;
	}
	qsort(held, n_held, sizeof(*held), compare);
}

const struct nfvd_address *nfvd_addresses(size_t *n)
{
	*n = n_held;
	return held;
}

uint64_t nfvd_addresses_seen_ns(const struct shortcut_address *key, unsigned int port)
{
	struct nfvd_address probe = { .key = *key };
	struct shortcut_where where;

	if (!n_held || !bsearch(&probe, held, n_held, sizeof(*held), compare) ||
	    bpf_map__lookup_elem(nfvd_programs->maps.addresses, key, sizeof(*key), &where, sizeof(where), 0) || where.port != port)
		return 0;
	return where.seen_ns;
}

void nfvd_addresses_free(void)
{
	free(held);
	held = NULL;
	n_held = 0;
}
