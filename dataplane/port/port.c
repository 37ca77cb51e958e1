/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/port.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <nfv/text.h>
#include "log.h"

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
_Atomic(unsigned int) nfvd_ports_end;
void (*nfvd_port_detach_later)(struct nfvd_port *port);

static const char *const state_names[] = {
#define X(e, name, help) [NFVD_STATE_##e] = name,
	NFV_STATES(X)
#undef X
};

const char *nfvd_state_name(enum nfvd_state state)
{
	return state_names[state];
}

bool nfvd_name_ok(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

#define X(word)	|| !strcmp(name, word)
	if (false NFV_NAME_KEYWORDS(X))
		return false;
#undef X
	return name[0] && strchr(first, name[0]) && strspn(name, rest) == strlen(name) &&
	       strlen(name) <= NFV_NAME_MAX;
}

struct nfvd_port *nfvd_port_find(const char *name)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id] && !strcmp(nfvd_ports[id]->name, name))
			return nfvd_ports[id];
	return NULL;
}

void nfvd_attach_step(struct nfvd_port *port, const char *step, uint64_t us)
{
	json_object_set_new(port->attach_steps, step, json_integer(us));
}

void nfvd_show_why(json_t *obj, const char *why, const char *hint, ...)
{
	char text[512] = "";
	va_list ap;

	va_start(ap, hint);
	if (hint)
		vsnprintf(text, sizeof(text), hint, ap);
	va_end(ap);
	nfv_text_clean(text);
	json_object_set_new(obj, "why", json_string(why));
	if (text[0])
		json_object_set_new(obj, "hint", json_string(text));
}

void nfvd_fault(struct nfvd_port *port, enum nfvd_drop what, unsigned int n)
{
	atomic_fetch_add_explicit(&port->faults[what], n, memory_order_relaxed);
}

void nfvd_port_replays(struct nfvd_port *port, unsigned int n)
{
	if (!n)
		return;
	atomic_fetch_add_explicit(&port->replayed, n, memory_order_relaxed);
	nfvd_event(port->name, "the previous nfvd may have delivered the next %u frame(s) already", n);
}
