// SPDX-License-Identifier: BSD-3-Clause
/*
 * What nfvctl says of itself: help, the manual page and completion. All is from the table of commands and from <nfv/params.h>.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

/* ---- parameters ---- */

/* Print which types take the parameter, as "kvm, veth: ", unless all types that are shown do. */
static void print_takers(FILE *f, const struct nfv_param *p, unsigned int shown)
{
	const char *between = "";

	if (!(shown & ~p->takers))
		return;
#define X(e, type, help)					\
	if (p->takers & NFV_##e) {				\
		fprintf(f, "%s%s", between, #type);		\
		between = ", ";					\
	}
	NFV_PORT_TYPES(X)
#undef X
	fprintf(f, ": ");
}

/* "N (1 to 8)" and "kvm: queue pairs (1)". The caller frees both. */
static void describe(const struct nfv_param *p, unsigned int shown, char **values, char **text)
{
	size_t size;
	FILE *v = open_memstream(values, &size), *t = open_memstream(text, &size);

	if (!v || !t)
		abort();
	fprintf(v, "%s", p->values);
	if (p->kind == NFV_NUMBER || p->kind == NFV_LIMIT)
		fprintf(v, " (%ld to %ld)", p->least, p->most);
	print_takers(t, p, shown);
	fprintf(t, "%s (%s)", p->help, p->fallback ? p->fallback : "needed");
	fclose(v);
	fclose(t);
}

/* A policy's words are set's. */
static bool is_shown(const struct nfv_param *p, unsigned int takers)
{
	return takers == NFV_SET ? p->takers & NFV_SET : p->takers & takers && !(p->takers & NFV_SET);
}

static void print_params(unsigned int takers)
{
	out_line("%s", "");
	for (const struct nfv_param *p = nfv_params; p->key; p++) {
		char *values, *text;

		if (!is_shown(p, takers))
			continue;
		describe(p, takers, &values, &text);
		out_line("  %-11s %s", p->key, values);
		out_line("  %-11s   %s", "", text);
		free(values);
		free(text);
	}
	if (takers & NFV_ANY) {
		out_line("%s", "");
		out_line("  POLICY: the words of 'nfvctl help set'");
	}
}

/* ---- help ---- */

/* " dev IFNAME" or " [queues N]". */
static void print_usage(FILE *f, unsigned int takers, bool needed)
{
	for (const struct nfv_param *p = nfv_params; p->key; p++)
		if (is_shown(p, takers) && !p->fallback == needed)
			fprintf(f, needed ? " %s %s" : " [%s %s]", p->key, p->values);
}

char *help_usage(const struct ctl_command *cmd)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fprintf(f, "%s", cmd->args);
	if (cmd->run && cmd->takes & NFV_ANY) {
		print_usage(f, cmd->takes, true);
		print_usage(f, cmd->takes, false);
		fprintf(f, " [POLICY]");
	}
	fclose(f);
	return text;
}

void help_print(const struct ctl_command *cmd, const char *path)
{
	char *usage = help_usage(cmd);

	out_line("usage: nfvctl%s%s %s", path[0] ? " " : "", path, usage);
	free(usage);
	if (cmd->help[0]) {
		out_line("%s", "");
		out_line("  %s", cmd->help);
	}
	if (cmd->sub)
		out_line("%s", "");
	for (const struct ctl_command *c = cmd->sub; c && c->name; c++)
		out_line("  %-10s %s", c->name, c->help);
	if (cmd->takes)
		print_params(cmd->takes);
	if (!path[0]) {
		out_line("%s", "");
		out_line("  'nfvctl help COMMAND' tells more. Commands may be shortened; default: show.");
		out_line("  -j prints JSON, -jp indents it; with --state-dir DIR, or NFV_STATE_DIR in the");
		out_line("  environment, it asks another nfvd than that of %s.", NFV_STATE_DIR);
	}
}

/* ---- the manual page ---- */

/* A line behind a macro of man(7); "" is text. */
static void roff(const char *macro, const char *text)
{
	char *line = NULL;
	size_t size;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		abort();
	/* Text that begins like a macro is none. */
	fputs(macro[0] ? macro : "\\&", f);
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			fputc('\\', f);
		fputc(*text == '\\' ? 'e' : *text, f);
	}
	fclose(f);
	out_line("%s", line);
	free(line);
}

static void man_commands(const struct ctl_command *table, const char *path)
{
	for (const struct ctl_command *c = table; c->name; c++) {
		char name[64], line[512], *usage = help_usage(c);

		snprintf(name, sizeof(name), "%s %s", path, c->name);
		snprintf(line, sizeof(line), "%s %s", name, usage);
		free(usage);
		if (c->sub) {
			man_commands(c->sub, name);
			continue;
		}
		roff(".TP", "");
		roff(".B ", line);
		roff("", c->help);
	}
}

static void man_params(unsigned int takers)
{
	for (const struct nfv_param *p = nfv_params; p->key; p++) {
		char line[128], *values, *text;

		if (!is_shown(p, takers))
			continue;
		describe(p, takers, &values, &text);
		snprintf(line, sizeof(line), "%s %s", p->key, values);
		roff(".TP", "");
		roff(".B ", line);
		roff("", text);
		free(values);
		free(text);
	}
}

void help_man(const struct ctl_command *root)
{
	roff(".TH NFVCTL 8 \"\" ", NFV_VERSION);
	roff(".SH ", "NAME");
	out_line("nfvctl \\- attach endpoints to the switch nfvd, watch and measure them");
	roff(".SH ", "SYNOPSIS");
	roff(".B ", "nfvctl");
	roff("", root->args);
	roff(".SH ", "COMMANDS");
	man_commands(root->sub, "nfvctl");
	roff(".SH ", "PARAMETERS OF ATTACH");
	roff("", "Defaults are in parentheses.");
	man_params(NFV_ANY);
	roff(".SH ", "WORDS OF A POLICY");
	roff("", "attach and set take them.");
	man_params(NFV_SET);
	roff(".SH ", "FILES");
	roff("", NFV_STATE_DIR "/" NFV_CTL_SOCKET);
}

/* ---- completion ---- */

static void complete_value(const struct nfv_param *p)
{
	for (const char *word = p->values; word && p->kind == NFV_CHOICE; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
		out_line("%.*s", (int)strcspn(word, "|"), word);
}

/* Behind words that begin with a key. */
static void complete_params(unsigned int takers, int argc, char **argv)
{
	const struct nfv_param *wants = NULL;	/* a value */
	bool given[NFV_N_PARAMS] = { false };

	for (int i = 0; i < argc; i++) {
		bool value = wants;

		wants = NULL;
		for (const struct nfv_param *p = nfv_params; p->key && !value; p++)
			if (p->takers & takers && !strcmp(p->key, argv[i])) {
				given[p - nfv_params] = true;
				wants = p;
			}
	}
	if (wants)
		complete_value(wants);
	for (const struct nfv_param *p = nfv_params; p->key && !wants; p++)
		if (p->takers & takers && !given[p - nfv_params])
			out_line("%s", p->key);
}

void help_complete(const struct ctl_command *root, int argc, char **argv)
{
	const struct ctl_command *cmd = root;

	for (; argc && cmd->sub; argc--, argv++) {
		const struct ctl_command *c = cmd->sub;

		while (c->name && strcmp(c->name, argv[0]))
			c++;
		if (!c->name)
			return;
		cmd = c;
	}
	for (const struct ctl_command *c = cmd->sub; c && c->name; c++)
		out_line("%s", c->name);
	/* First is the port's name. */
	if (cmd->run && cmd->takes && argc)
		complete_params(cmd->takes, argc - 1, argv + 1);
}
