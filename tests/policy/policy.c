/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy CTL CASES ENDPOINT ENDPOINT ENDPOINT [twice] [TEXT]	TEXT: only rows with it
 *
 * Run the table of cases (its head explains the rows) between the ports a, b and c of nfvd, and print a result line for
 * each row. An ENDPOINT acts as the port's guest, see policy.h.
 *
 * A guest's frames have their tags in their bytes. From a container's frames the kernel removes the outer tag, and
 * keeps it in skb->vlan_tci. twice: a row's frame to one port is sent again when the kernel could have taken over.
 */
#include <linux/if_ether.h>
#include <nfv/params.h>
#include <nfv/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy.h"

#define ARRIVES_MS	2000	/* time for expected frames to arrive; after them, no other may */
#define SETTLES_MS	250	/* until the kernel's tables follow what nfvd has learnt */

static bool twice;
static uint32_t marker;			/* the last 4 bytes of the current frame */

/* Return how many frames were dropped at the port, by reason: {"vlan": 3}. */
static json_t *drops_of(const char *port)
{
	char why[256];
	json_t *all = ask("drops.get", json_pack("{s:s, s:b}", "port", port, "all", 1), why, sizeof(why)), *d, *counts = json_object();
	size_t i;

	json_array_foreach(json_object_get(all, "drops"), i, d)
		if (json_is_true(json_object_get(d, "frames")))
			json_object_set(counts, json_string_value(json_object_get(d, "reason")), json_object_get(d, "count"));
	json_decref(all);
	return counts;
}

/* The current frame, as an endpoint received it; n 0: not yet. */
struct arrival {
	size_t n;
	unsigned int times;
	uint8_t frame[FRAME_MAX + 4];
};

static void note(void *arg, const uint8_t *frame, size_t n)
{
	struct arrival *to = arg;

	if (n > FRAME_MAX || n < 18 || memcmp(frame + n - 4, &marker, 4))
		return;
	memcpy(to->frame, frame, n);
	to->n = n;
	to->times++;
}

/* ---- rows ---- */

struct row {
	char *name, *policy[PORTS], *frame, *result;
};

/* Set the port's policy to "vlan 10, isolated on", and all other words to their defaults. */
static bool set_policy(unsigned int port, char *text, char *why, size_t size)
{
	static bool quarantined[PORTS];
	json_t *params = json_pack("{s:s}", "port", ends[port].name), *result;
	char *item;

#define X(word, otherwise, args, help) if (strcmp(#word, "quarantine")) json_object_set_new(params, #word, json_string(otherwise));
	NFV_POLICY_WORDS(X)
#undef X
	if (quarantined[port] != (strstr(text, "quarantine") != NULL)) {
		quarantined[port] = !quarantined[port];
		json_decref(ask("quarantine.set", json_pack("{s:s, s:b}", "port", ends[port].name, "on", quarantined[port]), why, size));
	}
	while ((item = strsep(&text, ";"))) {
		char *value;

		item += strspn(item, " ");
		value = strchr(item, ' ');
		if (!strncmp(item, "quarantine", 10) || !value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "\n")] = '\0';
		for (size_t n = strlen(value); n && value[n - 1] == ' '; n--)
			value[n - 1] = '\0';
		json_object_set_new(params, item, json_string(value));
	}
	result = ask("policy.set", params, why, size);
	json_decref(result);
	return result;
}

/* Let nfvd learn b's and c's addresses in each VLAN of the rows, and wait for that. */
static void teach(void)
{
	static const char *const tags[] = { "", "tag 10 ", "tag 20 ", "tag 30 ", "tag 4094 " };
	uint64_t end = now_ms() + ARRIVES_MS;

	for (unsigned int i = 1; i < PORTS; i++) {
		json_int_t before = taken_from(ends[i].name);

		for (size_t t = 0; t < sizeof(tags) / sizeof(tags[0]); t++) {
			struct build b;
			char text[64];

			snprintf(text, sizeof(text), "from %s to mc %stest", ends[i].name, tags[t]);
			build(&b, text);
			endpoint_send(&ends[i], b.f, b.n);
		}
		while (taken_from(ends[i].name) < before + (json_int_t)(sizeof(tags) / sizeof(tags[0])) && now_ms() < end)
			pause_ms(1);
	}
}

/* Return whether the received frame has the row's tags: "same", "none", or "tag 10". */
static bool as_wanted(const struct build *sent, const struct arrival *got, const char *want)
{
	const uint8_t *g = got->frame;
	unsigned int vlan;

	if (!strcmp(want, "same"))
		return got->n == sent->n && !memcmp(g, sent->f, sent->n);
	if (!strcmp(want, "untagged"))
		return got->n == sent->n - 4 && !memcmp(g, sent->f, 12) && !memcmp(g + 12, sent->f + 16, sent->n - 16);
	if (sscanf(want, "tagged%u", &vlan) == 1)
		return got->n == sent->n + 4 && be16(g + 12) == ETH_P_8021Q && (be16(g + 14) & 0xfff) == vlan && !memcmp(g, sent->f, 12) &&
		       !memcmp(g + 16, sent->f + 12, sent->n - 12);
	if (sscanf(want, "set%u", &vlan) == 1)
		return got->n == sent->n && (be16(g + 14) & 0xfff) == vlan && !memcmp(g, sent->f, 14) && !memcmp(g + 16, sent->f + 16, sent->n - 16);
	fprintf(stderr, "policy: no result '%s'\n", want);
	exit(2);
}

/* Return what the row expects at a port: the word after "b:"; NULL: nothing. */
static const char *wanted_at(const char *result, const char *port, char *word, size_t size)
{
	for (const char *p = result; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
		if (p[0] == port[0] && p[1] == ':') {
			snprintf(word, size, "%.*s", (int)strcspn(p + 2, " "), p + 2);
			return word;
		}
	return NULL;
}

static bool is_arrival(const char *word)
{
	return word && (!strcmp(word, "same") || !strcmp(word, "untagged") || !strncmp(word, "tagged", 6) || !strncmp(word, "set", 3));
}

static json_int_t count(const json_t *drops, const char *reason)
{
	return json_integer_value(json_object_get(drops, reason));
}

/* Send the row's frame once. Write deviations from the row to why; empty: none. */
static void once(const struct row *r, struct build *b, char *why, size_t size)
{
	struct arrival got[PORTS] = { 0 };
	json_t *before[PORTS], *after;
	uint64_t end;
	char word[64];

	for (unsigned int i = 0; i < PORTS; i++)
		before[i] = drops_of(ends[i].name);
	marker++;
	memcpy(b->f + b->n - 4, &marker, 4);
	endpoint_send(&ends[0], b->f, b->n);
	end = now_ms() + ARRIVES_MS;
	for (bool done = false; !done && now_ms() < end;) {
		done = true;
		pause_ms(1);
		for (unsigned int i = 0; i < PORTS; i++) {
			const char *want = wanted_at(r->result, ends[i].name, word, sizeof(word));

			endpoint_receive(&ends[i], note, &got[i]);
			if (is_arrival(want)) {
				done &= got[i].n != 0;
			} else if (want) {
				after = drops_of(ends[i].name);
				done &= count(after, want) > count(before[i], want);
				json_decref(after);
			}
		}
	}
	/* A frame that should not arrive would have arrived by now. */
	pause_ms(5);
	for (unsigned int i = 0; i < PORTS; i++) {
		const char *want = wanted_at(r->result, ends[i].name, word, sizeof(word)), *reason;
		json_t *n;

		endpoint_receive(&ends[i], note, &got[i]);
		if (is_arrival(want) && !got[i].n)
			snprintf(why, size, "%.1s got nothing", ends[i].name);
		else if (is_arrival(want) && !as_wanted(b, &got[i], want))
			snprintf(why, size, "%.1s got another frame: %zu bytes, type %04x %04x", ends[i].name, got[i].n, be16(got[i].frame + 12),
				 be16(got[i].frame + 14));
		else if (!is_arrival(want) && got[i].n)
			snprintf(why, size, "%.1s got it, %u times", ends[i].name, got[i].times);
		else if (is_arrival(want) && got[i].times != 1)
			snprintf(why, size, "%.1s got it %u times", ends[i].name, got[i].times);
		after = drops_of(ends[i].name);
		json_object_foreach(after, reason, n) {
			json_int_t more = json_integer_value(n) - count(before[i], reason);

			if (more != (want && !strcmp(want, reason)))
				snprintf(why, size, "%.1s counts %lld as %s", ends[i].name, (long long)more, reason);
		}
		if (want && !is_arrival(want) && !json_object_get(after, want))
			snprintf(why, size, "no reason '%s'", want);
		json_decref(after);
		json_decref(before[i]);
	}
}

/* Return whether the destination is b's or c's address. Only such frames may be carried by the kernel. */
static bool to_one_port(const struct build *b)
{
	return !memcmp(b->f, ends[1].mac, 6) || !memcmp(b->f, ends[2].mac, 6);
}

static void run(struct row *r)
{
	static unsigned int number;
	static char last[PORTS][512];
	char why[256] = "", name[256];
	struct build b;

	number++;
	snprintf(name, sizeof(name), "%u %s", number, r->name);
	for (unsigned int i = 0; i < PORTS; i++) {
		char copy[512];

		if (number > 1 && !strcmp(last[i], r->policy[i]))
			continue;
		snprintf(last[i], sizeof(last[i]), "%s", r->policy[i]);
		snprintf(copy, sizeof(copy), "%s", r->policy[i]);
		if (!set_policy(i, copy, why, sizeof(why))) {
			printf("not ok - %s\n  policy of %s refused: %s\n", name, ends[i].name, why);
			return;
		}
	}
	build(&b, r->frame);
	teach();
	once(r, &b, why, sizeof(why));
	if (!why[0] && twice && to_one_port(&b)) {
		pause_ms(SETTLES_MS);
		once(r, &b, why, sizeof(why));
		if (why[0])
			strncat(why, ", the second time", sizeof(why) - strlen(why) - 1);
	}
	if (why[0])
		printf("not ok - %s\n  %s | %s | %s | %s -> %s\n  %s\n", name, r->policy[0], r->policy[1], r->policy[2], r->frame, r->result, why);
	else
		printf("ok - %s\n", name);
	fflush(stdout);
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	for (n = strlen(s); n && strchr(" \t\n", s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

static bool parse(char *line, struct row *r)
{
	char *field[6];
	unsigned int n = 0;

	while (n < 6 && (field[n] = strsep(&line, "|")))
		field[n] = trim(field[n]), n++;
	if (n != 6 || line)
		return false;
	*r = (struct row){ field[0], { field[1], field[2], field[3] }, field[4], field[5] };
	return true;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	char line[1024];
	struct row r;
	FILE *cases;

	for (int i = 6; i < argc; i++) {
		if (!strcmp(argv[i], "twice"))
			twice = true;
		else
			only = argv[i];
	}
	if (argc < 6) {
		fputs("usage: policy CTL CASES ENDPOINT ENDPOINT ENDPOINT [twice] [TEXT]\n", stderr);
		return 2;
	}
	ctl_open(argv[1]);
	for (unsigned int i = 0; i < PORTS; i++)
		endpoint_open(&ends[i], argv[3 + i]);
	cases = fopen(argv[2], "re");
	if (!cases)
		die(argv[2]);
	while (fgets(line, sizeof(line), cases)) {
		if (line[0] == '#' || !trim(line)[0] || (only && !strstr(line, only)))
			continue;
		if (!parse(line, &r)) {
			fprintf(stderr, "policy: %s: a row has six columns: %s\n", argv[2], line);
			return 2;
		}
		run(&r);
	}
	fclose(cases);
	return 0;
}
