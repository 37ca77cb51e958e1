/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/pressure.h"

#include "clock.h"

#define SECOND_NS	1000000000ull
#define IDLE_FRAMES	100
#define FULL		0.5	/* of the turns left frames waiting: a queue that never gets empty */
#define SHORT		0.1	/* of the bursts found too few buffers */
#define PAUSED		0.1	/* of the time its limit let nothing be taken */
#define BUSY		0.5

struct sample {
	uint64_t serial;
	struct nfvd_pressure p;
	uint64_t frames;
};

static struct sample samples[NFVD_PORTS_MAX];
static struct nfvd_second seconds[NFVD_PORTS_MAX];
static uint64_t busy_before_ns[NFVD_WORKERS_MAX], last_ns;
static double busy[NFVD_WORKERS_MAX];

static struct sample sample_of(const struct nfvd_port *port)
{
	struct sample s = { .serial = port->serial };

	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		const struct nfvd_counters *c = &nfvd_workers[i]->port[port->id];

		nfvd_pressure_add(&s.p, &c->pressure);
		s.frames += c->balance.rx_frames + c->tx_frames;
	}
	return s;
}

/* Context of the fields that a worker writes: they only grow, and a value of a moment ago is as good. */
static double busiest(const struct nfvd_port *port)
{
	double most = 0;

	for (unsigned int i = 0; i < port->nr_rxq; i++) {
		const struct nfvd_worker *w = port->rxq[i].worker;

		if (w && busy[w->index] > most)
			most = busy[w->index];
	}
	return most;
}

static void compare(const struct nfvd_port *port)
{
	struct sample now = sample_of(port), *was = &samples[port->id];
	struct nfvd_second *s = &seconds[port->id];

	*s = (struct nfvd_second){ .busy = busiest(port) };
	if (was->serial == now.serial) {
		s->frames = now.frames - was->frames;
		s->p.taken = now.p.taken - was->p.taken;
		s->p.taken_full = now.p.taken_full - was->p.taken_full;
		s->p.sent = now.p.sent - was->p.sent;
		s->p.sent_full = now.p.sent_full - was->p.sent_full;
		s->p.given = now.p.given - was->p.given;
		s->p.given_full = now.p.given_full - was->p.given_full;
		s->p.paused_ns = now.p.paused_ns - was->p.paused_ns;
	}
	*was = now;
}

void nfvd_pressure_tick(void)
{
	uint64_t now_ns = nfvd_now_ns(), passed_ns = now_ns - last_ns;

	if (passed_ns < SECOND_NS)
		return;
	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		uint64_t busy_ns = nfvd_workers[i]->busy_ns;

		busy[i] = (double)(busy_ns - busy_before_ns[i]) / passed_ns;
		busy[i] = busy[i] > 1 ? 1 : busy[i];
		busy_before_ns[i] = busy_ns;
	}
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id])
			compare(nfvd_ports[id]);
	last_ns = now_ns;
}

static double share(uint64_t part, uint64_t all)
{
	return all ? (double)part / all : 0;
}

enum nfvd_bound nfvd_pressure_judge(const struct nfvd_second *s)
{
	if (s->frames < IDLE_FRAMES)
		return NFVD_BOUND_IDLE;
	if (share(s->p.given_full, s->p.given) >= SHORT)
		return NFVD_BOUND_GUEST;
	if (share(s->p.sent_full, s->p.sent) >= SHORT)
		return NFVD_BOUND_PEER;
	if (share(s->p.paused_ns, SECOND_NS) >= PAUSED || (share(s->p.taken_full, s->p.taken) >= FULL && s->busy >= BUSY))
		return NFVD_BOUND_SWITCH;
	return NFVD_BOUND_GUEST;
}

void nfvd_pressure_show(const struct nfvd_port *port, json_t *obj)
{
	static const struct { const char *name, *help; } bounds[] = {
#define X(e, name, help) { name, help },
		NFVD_BOUNDS(X)
#undef X
	};
	const struct nfvd_second *s = &seconds[port->id];
	enum nfvd_bound bound = samples[port->id].serial == port->serial ? nfvd_pressure_judge(s) : NFVD_BOUND_IDLE;

	json_object_set_new(obj, "bound", json_string(bounds[bound].name));
	json_object_set_new(obj, "bound_why", json_string(bounds[bound].help));
	json_object_set_new(obj, "pressure", json_pack("{s:f, s:f}", "from", share(s->p.taken_full, s->p.taken), "to",
						       share(s->p.given_full, s->p.given)));
}

static json_t *rounds(const struct nfvd_worker *w)
{
	json_t *list = json_array();

	for (unsigned int bin = 0; bin < NFVD_ROUND_BINS; bin++)
		json_array_append_new(list, json_integer((json_int_t)w->rounds[bin]));
	return list;
}

json_t *nfvd_pressure_workers(void)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		const struct nfvd_worker *w = nfvd_workers[i];

		json_array_append_new(list, json_pack("{s:i, s:i, s:f, s:f, s:f, s:I, s:o}", "index", (int)i, "cpu", w->cpu, "busy_s", (double)w->busy_ns / 1e9,
			"sleep_s", (double)w->asleep_ns / 1e9, "busy", busy[i], "sleeps", (json_int_t)w->sleeps,
			"rounds", rounds(w)));
	}
	return list;
}
