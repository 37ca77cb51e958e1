// SPDX-License-Identifier: GPL-2.0
/* A port's counters, one set per CPU, because softirq and the daemon's calls count at the same time. */
#include "nfvk.h"
#include "trace.h"

static_assert(NFV_N_MISSES <= ARRAY_SIZE(((struct nfv_stats *)0)->missed));

/* Return this CPU's counters. Until end() no other context changes them, because bottom halves are off. */
static struct nfvk_counters *begin(struct nfvk_port *port)
{
	struct nfvk_counters *c;

	local_bh_disable();
	c = this_cpu_ptr(port->counters);
	u64_stats_update_begin(&c->syncp);
	return c;
}

static void end(struct nfvk_counters *c)
{
	u64_stats_update_end(&c->syncp);
	local_bh_enable();
}

void nfvk_count_rx(struct nfvk_port *port, u32 bytes)
{
	struct nfvk_counters *c = begin(port);

	u64_stats_inc(&c->rx_frames);
	u64_stats_add(&c->rx_bytes, bytes);
	end(c);
}

void nfvk_count_tx(struct nfvk_port *port, u32 frames, u32 bytes)
{
	struct nfvk_counters *c = begin(port);

	u64_stats_add(&c->tx_frames, frames);
	u64_stats_add(&c->tx_bytes, bytes);
	end(c);
}

void nfvk_count_copy(struct nfvk_port *port, u32 bytes)
{
	struct nfvk_counters *c = begin(port);

	u64_stats_inc(&c->copies);
	u64_stats_add(&c->copied_bytes, bytes);
	end(c);
}

void nfvk_miss(struct nfvk_port *port, enum nfv_miss why)
{
	struct nfvk_counters *c = begin(port);

	u64_stats_inc(&c->missed[why]);
	end(c);
	trace_drop(port->id, why);
}

void nfvk_counters_sum(const struct nfvk_port *port, struct nfv_stats *stats)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct nfvk_counters *c = per_cpu_ptr(port->counters, cpu);
		struct nfvk_counters now;
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&c->syncp);
			now = *c;
		} while (u64_stats_fetch_retry(&c->syncp, start));
		stats->rx_frames += u64_stats_read(&now.rx_frames);
		stats->rx_bytes += u64_stats_read(&now.rx_bytes);
		stats->tx_frames += u64_stats_read(&now.tx_frames);
		stats->tx_bytes += u64_stats_read(&now.tx_bytes);
		stats->copies += u64_stats_read(&now.copies);
		stats->copied_bytes += u64_stats_read(&now.copied_bytes);
		for (unsigned int i = 0; i < NFV_N_MISSES; i++)
			stats->missed[i] += u64_stats_read(&now.missed[i]);
	}
}
